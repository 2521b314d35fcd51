"""Runs of models whose true rates are known, drawn many at a time, for the tests and `tests.bench_gates`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from evals.statistics.clustered import effective_cases
from evals.statistics.score import normal_score, score_statistic
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


def false_rates(successes: Floats, cases: NDArray[np.integer], rate: float) -> tuple[float, float]:
    """The shares of runs that decide wrongly at 95% where the threshold is the true rate: PASS, and FAIL."""
    effective = effective_cases(successes, cases.astype(np.float64), 0.95)
    seen = successes.sum(-1) / cases.sum()
    low = lower_bounds(seen * effective, effective)
    high = 1 - lower_bounds((1 - seen) * effective, effective)
    return float((low >= rate).mean()), float((high < rate).mean())


def lower_bounds(successes: Floats, n: Floats) -> Floats:
    """Clopper-Pearson's one-sided lower bounds at 95%, many at a time."""
    some = np.maximum(successes, 1e-300)
    return np.where(successes > 0, betaincinv(some, n - successes + 1, 0.05), 0.0)


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
