"""Runs of models whose true rates are known, drawn many at a time, for the tests and `tests.bench_gates`."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from evals.statistics.clustered import tail
from evals.statistics.score import normal_score, score_statistic, tango
from evals.statistics.sequential import FUTILE, Look, conditional_power
from evals.statistics.strength import SCALE, Result, level_of
from evals.statistics.tournament import simultaneous_quantile
from evals.statistics.unconditional import critical_value

Floats = NDArray[np.float64]


def clustered_successes(
    rng: np.random.Generator, runs: int, positions: int, samples: int, rate: float, icc: float
) -> Floats:
    """How many samples of each position were solved, shape (runs, positions).

    Beta-binomial: two samples of one position correlate by `icc`; at 1 they always agree.
    """
    if icc == 0:
        return rng.binomial(samples, rate, (runs, positions)).astype(np.float64)
    if icc == 1:
        return samples * rng.binomial(1, rate, (runs, positions)).astype(np.float64)
    weight = 1 / icc - 1
    chances = rng.beta(rate * weight, (1 - rate) * weight, (runs, positions))
    return rng.binomial(samples, chances).astype(np.float64)


def lost_altogether(rng: np.random.Generator, runs: int, cases: NDArray[np.integer], rate: float) -> Floats:
    """Successes where some positions are never solved, and all others in 99 of 100 samples.

    In such a run ten positions with a failure are soon there, though none shows the few that matter.

    :param cases: of each position, shape (positions,).
    """
    solvable = rng.random((runs, len(cases))) < rate / 0.99
    return rng.binomial(cases, np.where(solvable, 0.99, 0.0)).astype(np.float64)


def false_rates(successes: Floats, cases: NDArray[np.integer], rate: float) -> tuple[float, float]:
    """The shares of runs that decide wrongly at 95% where the threshold is the true rate: PASS, and FAIL."""
    of = cases.astype(np.float64)
    false_pass = tail(successes, of, rate, 0.95) <= 0.05
    false_fail = tail(of - successes, of, 1 - rate, 0.95) <= 0.05
    return float(false_pass.mean()), float(false_fail.mean())


KINDS = ("independent", "easy", "alike", "lost altogether", "lost among noise", "lost among quiet")
"""How several samples of one position may go together; see `paired_values`."""


def paired_values(
    rng: np.random.Generator, kind: str, runs: int, positions: int, samples: int, worse: float
) -> Floats:
    """d of each position, shape (runs, positions), of a candidate that is truly worse by `worse`.

    `independent`: every sample is a toss of its own. `easy`: the same at 97%. `alike`: each position has a
    chance of its own. The others lose a share `worse` of the positions altogether, and gain nothing: among
    positions that never flip, that flip at random, or of which a tenth flips at random.
    """
    shape = runs, positions, 1
    if kind in ("independent", "easy", "alike"):
        rate = {"independent": 0.5, "easy": 0.97, "alike": 0.7}[kind]
        base = rng.beta(0.7, 0.3, shape) if kind == "alike" else np.full(shape, rate)
        baseline, candidate = base, base * (1 - worse / rate)
    else:
        base = {
            "lost altogether": (rng.random(shape) < 0.8).astype(float),
            "lost among noise": rng.beta(0.4, 0.2, shape),
            "lost among quiet": np.where(rng.random(shape) < 0.1, 0.5, 1.0),
        }[kind]
        lost = rng.random(shape) < worse
        baseline, candidate = np.where(lost, 1.0, base), np.where(lost, 0.0, base)
    solved = rng.binomial(samples, candidate) - rng.binomial(samples, baseline)
    return solved[..., 0] / samples


def relative_errors(values: Floats, margin: float) -> tuple[float, float]:
    """The shares of runs that decide wrongly at 95% where the candidate is worse by just the margin.

    :param values: shape (runs, positions), positions with several samples each.
    """
    n = values.shape[-1]
    statistic = normal_score(score_statistic(values, -margin), n)
    false_pass = (statistic >= critical_value(n, -margin, 0.95)).mean()
    return float(false_pass), float((-statistic >= critical_value(n, margin, 0.95)).mean())


def overlapping_slices(rng: np.random.Generator, slices: int, positions: int) -> NDArray[np.bool_]:
    """Which positions each slice has, shape (slices, positions): from a tenth of them to half, at random."""
    return rng.random((slices, positions)) < np.linspace(0.1, 0.5, slices)[:, None]


class Stopped(NamedTuple):
    """Shares of simulated runs, and of the positions that they asked before they stopped."""

    passed: float
    failed: float
    asked: float


def sequential(
    rng: np.random.Generator,
    runs: int,
    looks: tuple[Look, ...],
    margin: float,
    rates: tuple[float, float],
    power: float | None = None,
) -> Stopped:
    """Runs that are decided by Tango's score at -margin at each look, as `decide_not_worse` does.

    :param rates: of gains and of losses.
    :param power: the planned power; runs then also stop where they have become futile.
    """
    counts = np.zeros((runs, 2))
    passed, failed, live = np.zeros(runs, bool), np.zeros(runs, bool), np.ones(runs, bool)
    asked = np.full(runs, looks[-1].positions)
    before = 0
    for n, confidence in looks:
        counts += rng.multinomial(n - before, [*rates, 1 - sum(rates)], runs)[:, :2]
        before = n
        statistic = tango(counts[:, 0], counts[:, 1], n, -margin)
        better = live & (statistic >= critical_value(n, -margin, confidence))
        worse = live & (-statistic >= critical_value(n, margin, confidence))
        passed, failed = passed | better, failed | worse
        stopped = better | worse
        if power and n < looks[-1].positions:
            stopped |= live & np.array([_futile(each, n, looks, power) for each in statistic])
        asked[stopped & live] = n
        live &= ~stopped
    return Stopped(float(passed.mean()), float(failed.mean()), float(asked.mean() / looks[-1].positions))


def _futile(statistic: float, n: int, looks: tuple[Look, ...], power: float) -> bool:
    chance = conditional_power(float(ndtr(-statistic)), n / looks[-1].positions, looks[-1].confidence, power)
    return chance < FUTILE


def related_runs(
    rng: np.random.Generator, runs: int, positions: int, spread: float
) -> tuple[NDArray[np.bool_], Floats]:
    """What several runs solved, shape (positions, runs), and their true rates around 0.4, shape (runs,).

    Seven tosses of ten are common to all runs, so that they tend to solve the same positions.
    """
    truth = np.clip(0.4 + rng.normal(0, spread, runs), 0, 1)
    common = rng.random((positions, runs)) < 0.7
    toss = np.where(common, rng.random((positions, 1)), rng.random((positions, runs)))
    return toss < truth, truth


def all_covered(solved: NDArray[np.bool_], truth: Floats, seed: int, draws: int) -> bool:
    """True where the simultaneous 95% intervals of all pairs contain the true differences."""
    rates = solved.astype(np.float64)
    widest = simultaneous_quantile(rates, 0.95, seed, draws)
    for one, other in itertools.combinations(range(len(truth)), 2):
        gained = float((solved[:, one] & ~solved[:, other]).sum())
        lost = float((~solved[:, one] & solved[:, other]).sum())
        if abs(tango(gained, lost, len(solved), float(truth[one] - truth[other]))) > widest:
            return False
    return True


def discordances(difference: float, most: float = 0.95) -> tuple[Floats, Floats]:
    """Rates of gains and of losses of that difference, for 3,001 discordances from the least to `most`."""
    shares = abs(difference) + (most - abs(difference)) * np.linspace(0, 1, 3_001) ** 2
    return np.maximum(0, (shares + difference) / 2), np.maximum(0, (shares - difference) / 2)


def draw_results(
    rng: np.random.Generator, positions: int, samples: int, slope: float, level: float
) -> list[Result]:
    """One run of a model whose log odds fall `slope` times as fast with the puzzles' rating as Elo's do.

    Several samples of one position also share a chance of their own.
    """
    puzzles = np.clip(rng.normal(1500, 450, positions), 400, 3000)
    chances = expit(slope * (level - puzzles) / SCALE)
    if samples > 1:
        chances = rng.beta(chances * 1.5, (1 - chances) * 1.5)
    solved = rng.random((positions, samples)) < chances[:, None]
    return [
        Result(float(puzzle), bool(each), position)
        for position, puzzle in enumerate(puzzles)
        for each in solved[position]
    ]


def true_rating(slope: float, level: float) -> float:
    """The rating at which Elo's curve expects what such a model solves of all puzzles."""
    puzzles = np.clip(np.random.default_rng(0).normal(1500, 450, 200_000), 400, 3000) / SCALE
    share = float(expit(slope * (level / SCALE - puzzles)).mean())
    return SCALE * level_of(puzzles, share)
