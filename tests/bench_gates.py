"""Do the gates err as rarely as they say? Every promise with what was measured: `make bench-gates`.

    python -m tests.bench_gates [--runs N]

Exact where every table can be counted, else by simulation of 20,000 runs a cell with fixed seeds; a few
minutes. Each row is the worst of its cells. The exit status is 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr
from scipy.stats import binom

from evals.statistics.clustered import p_below
from evals.statistics.multiplicity import Decided, hold_failures
from evals.statistics.paired import Paired
from evals.statistics.power import cases_needed, guess_not_worse, power_better, power_not_worse
from evals.statistics.rates import Decision, lower_bound, upper_bound
from evals.statistics.relative import stale
from evals.statistics.score import tango
from evals.statistics.sequential import plan_looks
from evals.statistics.slices import adjusted, random_signs
from evals.statistics.strength import Rating, performance
from evals.statistics.tournament import winner
from evals.statistics.unconditional import chance, critical_value, first_gains
from tests.simulation import (
    KINDS,
    all_covered,
    clustered_successes,
    discordances,
    draw_results,
    false_rates,
    lost_altogether,
    overlapping_slices,
    paired_values,
    related_runs,
    relative_errors,
    sequential,
    true_rating,
)


class Row(NamedTuple):
    """One promise: the worst that was measured has to lie between the limits."""

    claim: str
    what: str
    measured: float
    low: float
    high: float
    where: str = ""

    @property
    def holds(self) -> bool:
        return self.low <= self.measured <= self.high


class Measured(NamedTuple):
    """A figure and the cell it was measured in."""

    value: float
    cell: str


def worst(claim: str, what: str, found: Iterable[Measured], high: float) -> Row:
    """The row of the highest figure."""
    highest = max(found)
    return Row(claim, what, highest.value, 0.0, high, highest.cell)


def absolute(_runs: int) -> Iterator[Row]:
    """Rates, by enumeration of every count, at the thresholds where the chance of an error is highest."""
    passes: list[Measured] = []
    fails: list[Measured] = []
    for n in (*range(1, 101), 150, 200, 400, 750, 1000):
        counts = np.arange(n + 1)
        lows = np.array([lower_bound(k, n, 0.95) for k in range(n + 1)])
        highs = np.array([upper_bound(k, n, 0.95) for k in range(n + 1)])
        for threshold in (*lows[1 :: max(1, n // 50)], 0.5, 0.9, 0.95, 0.98):
            chances = binom.pmf(counts, n, threshold)
            passes.append(Measured(float(chances[lows >= threshold].sum()), f"n {n}, {threshold:.3f}"))
            fails.append(Measured(float(chances[highs < threshold].sum()), f"n {n}, {threshold:.3f}"))
    yield worst("absolute", "false PASS, exact", passes, 0.05 + 1e-9)
    yield worst("absolute", "false FAIL, exact", fails, 0.05 + 1e-9)


def clustered(runs: int) -> Iterator[Row]:
    """Rates of several samples of one position."""
    rng = np.random.default_rng(5)
    passes: list[Measured] = []
    fails: list[Measured] = []
    for positions, samples in ((20, 4), (50, 8), (100, 8), (200, 2)):
        for rate in (0.1, 0.5, 0.9, 0.98):
            for icc in (0.0, 0.1, 0.3, 0.6, 1.0):
                draw = clustered_successes(rng, runs, positions, samples, rate, icc)
                found = false_rates(draw, np.full(positions, samples), rate)
                cell = f"{positions} x {samples}, {rate}, ICC {icc}"
                passes.append(Measured(found[0], cell))
                fails.append(Measured(found[1], cell))
    for rate in (0.1, 0.5, 0.9, 0.98):
        for sizes in ([8] * 100, [8] * 200, [1, 8] * 50, [1, 1, 1, 20] * 50):
            cases = np.array(sizes)
            found = false_rates(lost_altogether(rng, runs, cases, rate), cases, rate)
            cell = f"{len(sizes)} x {min(sizes)} to {max(sizes)}, {rate}, some lost"
            passes.append(Measured(found[0], cell))
            fails.append(Measured(found[1], cell))
    yield worst("absolute", "false PASS, several samples", passes, 0.055)
    yield worst("absolute", "false FAIL, several samples", fails, 0.055)


def not_worse(runs: int) -> Iterator[Row]:
    """`not_worse_than`: every table at every discordance up to 0.9; several samples by simulation."""
    for sign, what in ((-1, "false PASS, exact"), (1, "false FAIL, exact")):
        found: list[Measured] = []
        for n in (30, 50, 100, 200, 350, 500, 750, 1000):
            for margin in (0.02, 0.03, 0.05, 0.1):
                first = first_gains(n, sign * margin, critical_value(n, sign * margin, 0.95))
                errors = chance(first, *discordances(sign * margin, most=0.9))
                found.append(Measured(float(errors.max()), f"n {n}, m {margin}"))
        yield worst("not_worse_than", what, found, 0.051)
    yield from samples_of_pairs("not_worse_than", 0.05, runs)


def better(runs: int) -> Iterator[Row]:
    """`better`: McNemar's size and that of the score statistic at 0."""
    sizes, (n_of_cells) = [], (30, 50, 100, 200, 350, 500, 750, 1000)
    fails: list[Measured] = []
    for n in n_of_cells:
        for discordance in np.linspace(0.01, 0.9, 90):
            sizes.append(
                Measured(power_better(n, 0.0, float(discordance), 0.95), f"n {n}, {discordance:.2f}")
            )
        errors = chance(first_gains(n, 0.0, critical_value(n, 0.0, 0.95)), *discordances(0.0, most=0.9))
        fails.append(Measured(float(errors.max()), f"n {n}"))
    yield worst("better", "false PASS, exact", sizes, 0.05 + 1e-9)
    yield worst("better", "false FAIL, exact", fails, 0.0505)
    yield from samples_of_pairs("better", 0.0, runs)


def samples_of_pairs(claim: str, margin: float, runs: int) -> Iterator[Row]:
    """Both errors where each position has several samples, for every way in which they may go together."""
    rng = np.random.default_rng(4)
    passes: list[Measured] = []
    fails: list[Measured] = []
    for kind in KINDS:
        for positions, samples in ((50, 8), (150, 4)):
            found = np.mean(
                [
                    relative_errors(paired_values(rng, kind, runs // 4, positions, samples, margin), margin)
                    for _ in range(4)
                ],
                axis=0,
            )
            cell = f"{positions} x {samples}, {kind}"
            passes.append(Measured(float(found[0]), cell))
            fails.append(Measured(float(found[1]), cell))
    yield worst(claim, "false PASS, several samples", passes, 0.055)
    yield worst(claim, "false FAIL, several samples", fails, 0.055)


def slices(runs: int) -> Iterator[Row]:
    """Any false alarm over all slices, with the same random signs for all runs."""
    rng = np.random.default_rng(8)
    for count, flipping in ((12, 0.3), (6, 0.15)):
        members, signs = overlapping_slices(rng, count, 200), random_signs(299, 200, 1)
        draw = rng.choice([-1.0, 0.0, 1.0], (runs, 200), p=[flipping / 2, 1 - flipping, flipping / 2])
        alarms = [adjusted(values, members, signs, 0.05)[0].min() <= 0.05 for values in draw]
        yield Row("slices", "any false alarm", float(np.mean(alarms)), 0.03, 0.055, f"{count} slices of 200")


def power(runs: int) -> Iterator[Row]:
    """The number of positions is chosen for 80%, then the gate is simulated at the stated effect."""
    rng = np.random.default_rng(3)
    for margin, discordance in ((0.03, 0.3), (0.05, 0.15), (0.1, 0.25)):

        def planned(n: int, margin: float = margin, discordance: float = discordance) -> float:
            return power_not_worse(n, margin, discordance, 0.95)

        n = cases_needed(planned, guess_not_worse(margin, discordance, 0.95)) or 0
        draw = rng.multinomial(n, [discordance / 2, discordance / 2, 1 - discordance], runs)
        gained, lost = draw[:, 0].astype(float), draw[:, 1].astype(float)
        passed = tango(gained, lost, n, -margin) >= critical_value(n, -margin, 0.95)
        yield Row("power", "not worse, at 0", float(passed.mean()), 0.78, 0.82, f"m {margin}, n {n}")
    n = cases_needed(lambda n: power_better(n, 0.05, 0.2, 0.95)) or 0
    draw = rng.multinomial(n, [0.125, 0.075, 0.8], runs)
    passed = bdtr(draw[:, 1], draw[:, 0] + draw[:, 1], 0.5) <= 0.05
    yield Row("power", "better, at +5 points", float(passed.mean()), 0.78, 0.82, f"n {n}")


def several(runs: int) -> Iterator[Row]:
    """Six gates whose claims are just true: a FAIL of any of them is a false alarm."""
    draw = np.random.default_rng(6).binomial(400, 0.9, (runs, 6))
    by_count = [p_below([(1, 1)] * k + [(0, 1)] * (400 - k), 0.9, 0.95) for k in range(401)]
    p_fails = np.array(by_count)[draw]
    alone = float((p_fails.min(1) < 0.05).mean())
    kept = [
        Decision.FAIL
        in hold_failures(
            {n: Decided(Decision.FAIL if p < 0.05 else Decision.PASS, p, 0.95) for n, p in enumerate(row)}
        ).values()
        for row in p_fails
    ]
    yield Row(
        "several gates", "any false FAIL of six", float(np.mean(kept)), 0.0, 0.055, f"alone {alone:.1%}"
    )


def stopping(runs: int) -> Iterator[Row]:
    """Looks at prefixes: both errors at -m, the power at 0 against a single look, and the share asked."""
    rng = np.random.default_rng(12)
    for n, margin, flipping in ((200, 0.07, 0.15), (500, 0.05, 0.2), (2400, 0.03, 0.36)):
        looks, cell = plan_looks(n, 0.95), f"n {n}, m {margin}"
        single = power_not_worse(n, margin, flipping, 0.95)
        worse, equal, ahead, futile = (
            sequential(rng, runs, looks, margin, ((flipping + d) / 2, (flipping - d) / 2), planned)
            for d, planned in ((-margin, None), (0.0, None), (margin, None), (0.0, single))
        )
        yield Row("stopping", "false PASS", worse.passed, 0.0, 0.055, cell)
        yield Row("stopping", "false FAIL", worse.failed, 0.0, 0.055, cell)
        yield Row("stopping", "power lost", single - equal.passed, -0.01, 0.025, cell)
        yield Row("stopping", "power lost, futility too", single - futile.passed, -0.01, 0.025, cell)
        yield Row("stopping", "share asked at +m", ahead.asked, 0.0, 0.5, cell)
        yield Row("stopping", "share asked at 0", equal.asked, 0.0, 0.8, cell)
    found = sequential(rng, runs, plan_looks(400, 0.95), 0.0, (0.1, 0.1))
    yield Row("stopping", "better: either error", max(found.passed, found.failed), 0.0, 0.055, "n 400")


def staleness(_runs: int) -> Iterator[Row]:
    """A baseline that is asked again and only flips by chance, by enumeration of all flips."""
    found: list[Measured] = []
    for flips in range(0, 120):
        alarms = [stale(Paired.table(0, k, flips - k, 0)) for k in range(flips + 1)]
        chances = binom.pmf(np.arange(flips + 1), flips, 0.5)
        found.append(Measured(float(chances[alarms].sum()), f"{flips} flips"))
    yield worst("stale baseline", "false alarm, exact", found, 0.01)


def tournaments(runs: int) -> Iterator[Row]:
    """Simultaneous intervals of all pairs, and the winner's rate against what it truly is."""
    rng = np.random.default_rng(9)
    held = [all_covered(*related_runs(rng, 5, 200, 0.03), seed=n, draws=1_000) for n in range(runs)]
    yield Row("tournament", "all pairs of 5 covered", float(np.mean(held)), 0.94, 0.97)
    for spread in (0.0, 0.03):
        seen: list[float] = []
        expected: list[float] = []
        for _ in range(runs // 4):
            solved, truth = related_runs(rng, 8, 200, spread)
            best = winner({n: column.tolist() for n, column in enumerate(solved.T)}, range(200))
            seen.append(best.rate - truth[int(str(best.name))])
            expected.append(best.expected - truth[int(str(best.name))])
        where = f"spread {spread}; as seen {np.mean(seen):+.2%}"
        yield Row("tournament", "winner overrated by", float(np.mean(expected)), -0.01, 0.01, where)


def strength(runs: int) -> Iterator[Row]:
    """How often the interval of the performance rating holds the true one, at the slopes of real models."""
    rng = np.random.default_rng(6)
    for slope in (0.2, 0.35, 0.6, 1.0):
        for positions, samples in ((100, 1), (60, 4)):
            truth, held = true_rating(slope, 1300), 0
            for _ in range(runs):
                found = performance(draw_results(rng, positions, samples, slope, 1300))
                held += isinstance(found, Rating) and found.low <= truth <= found.high
            yield Row(
                "strength", "coverage", held / runs, 0.93, 0.97, f"slope {slope}, {positions} x {samples}"
            )


PARTS: tuple[Callable[[int], Iterator[Row]], ...] = (
    absolute,
    clustered,
    not_worse,
    better,
    slices,
    power,
    several,
    stopping,
    staleness,
    tournaments,
    strength,
)


def report(rows: Iterable[Row]) -> int:
    """Print each row as it comes; 1 where one does not hold, 0 where all do, 1 where there is none."""
    print(f"{'claim':<16}{'what':<30}{'measured':>9}  {'limits':<16}    worst of its cells")
    held: list[bool] = []
    for row in rows:
        limits = f"{row.low:.1%} to {row.high:.1%}"
        verdict = "ok" if row.holds else "NO"
        print(
            f"{row.claim:<16}{row.what:<30}{row.measured:>9.2%}  {limits:<16}{verdict}  {row.where}",
            flush=True,
        )
        held.append(row.holds)
    return 0 if held and all(held) else 1


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description="measure the error rates of the gates")
    parser.add_argument("--runs", type=int, default=20_000, help="simulated runs a cell (default 20,000)")
    parser.add_argument("--only", choices=[part.__name__ for part in PARTS], help="one part alone")
    options = parser.parse_args()
    started = time.process_time()
    parts = [part for part in PARTS if options.only in (None, part.__name__)]
    status = report(row for part in parts for row in part(options.runs))
    print(f"{time.process_time() - started:.0f} s of CPU")
    return status


if __name__ == "__main__":
    sys.exit(main())
