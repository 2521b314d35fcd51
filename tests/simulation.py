"""Runs of models whose true rates are known, drawn many at a time, for the tests and `tests.bench_gates`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from evals.statistics.clustered import effective_cases

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
