"""Several runs on the same positions: intervals for all pairs at once, and what the winner owes to luck.

Of ten candidates that equal the baseline, one is shown to be better at 95% in 36% of the cases, and the best
of them looks better than it is. Both follow from choosing among many, and both can be allowed for.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from evals.statistics.paired import Paired, difference_interval
from evals.statistics.rates import Interval, check_confidence

Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)

DRAWS = 40_000
"""So many draws of the largest deviation; its quantile is known to 0.02."""


@dataclass(frozen=True, slots=True)
class Winner:
    """The run with the highest rate, and the rate to expect of it on new positions."""

    name: Hashable
    rate: float
    expected: float


def simultaneous_quantile(rates: Floats, confidence: float, seed: int = 0, draws: int = DRAWS) -> float:
    """How many standard errors each pair's interval needs so that all of them hold together.

    The quantile of the largest of all pairs' t statistics (max-T: Hothorn, Bretz and Westfall, Biom. J. 50,
    2008), drawn from Student's distribution with the correlations of the runs. For runs that have nothing in
    common it is Tukey's; where runs answer alike it is smaller.

    :param rates: the share of each position's cases that each run solved, shape (positions, runs); at least
        two of each.
    :param confidence: of all intervals together.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    check_confidence(confidence)
    n, runs = rates.shape
    rng = np.random.default_rng(seed)
    # Through the eigenvectors, because runs that answer alike make a covariance without a Cholesky factor.
    values, vectors = np.linalg.eigh(np.cov(rates, rowvar=False))
    means = rng.standard_normal((draws, runs)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
    means /= np.sqrt(rng.chisquare(n - 1, (draws, 1)) / (n - 1))
    largest = np.zeros(draws)
    for one, other in itertools.combinations(range(runs), 2):
        spread = (rates[:, one] - rates[:, other]).std(ddof=1)
        if spread > 0:
            np.maximum(largest, np.abs(means[:, one] - means[:, other]) / spread, out=largest)
    return float(np.quantile(largest, confidence))


def all_pairs(
    runs: Mapping[Name, Sequence[bool]],
    positions: Sequence[Hashable],
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[tuple[Name, Name], Interval]:
    """Intervals of the differences of all pairs of runs, first less second, that all hold at that confidence.

    Tango's intervals (see `difference_interval`), as wide as `simultaneous_quantile` asks for.

    :param runs: whether each case was solved, in one order for all runs.
    :param positions: the position of each case.
    :raises ValueError: runs differ in length, or `confidence` is not in (0, 1).
    """
    wide = confidence
    if len(set(positions)) > 1 and len(runs) > 1:
        wide = 2 * float(ndtr(simultaneous_quantile(position_rates(runs, positions), confidence, seed))) - 1
    return {
        (one, other): difference_interval(
            Paired.of(zip(runs[one], runs[other], strict=True), positions), max(wide, confidence)
        )
        for one, other in itertools.combinations(runs, 2)
    }


def winner(runs: Mapping[Name, Sequence[bool]], positions: Sequence[Hashable]) -> Winner:
    """The run with the highest rate, and that rate drawn towards the mean of all as far as luck explains it.

    Empirical Bayes, as by Efron and Morris (J. Am. Stat. Assoc. 70, 1975): of the spread of the runs' rates
    around their mean, the part that the positions' sampling alone would give is luck.

    :param runs: as `all_pairs`, at least one.
    """
    rates = position_rates(runs, positions)
    n, k = rates.shape
    means = rates.mean(0)
    best = int(means.argmax())
    kept = 1.0
    if k > 1 and n > 1:
        covariance = np.cov(rates, rowvar=False) / n
        luck = float(np.trace(covariance) - covariance.sum() / k)
        spread = float(((means - means.mean()) ** 2).sum())
        kept = max(0.0, 1 - luck / spread) if spread > 0 else 0.0
    expected = float(means.mean() + kept * (means[best] - means.mean()))
    return Winner(list(runs)[best], float(means[best]), expected)


def position_rates(runs: Mapping[Name, Sequence[bool]], positions: Sequence[Hashable]) -> Floats:
    """The share of each position's cases that each run solved, shape (positions, runs).

    :raises ValueError: a run has more cases than there are positions named, or fewer.
    """
    names = {position: index for index, position in enumerate(dict.fromkeys(positions))}
    index = np.array([names[position] for position in positions], dtype=np.int64)
    cases = np.bincount(index, minlength=len(names))
    for name, solved in runs.items():
        if len(solved) != len(positions):
            raise ValueError(
                f"run {name!r} has {len(solved)} cases, but {len(positions)} positions are named"
            )
    sums = [np.bincount(index, weights=np.array(solved, dtype=float)) for solved in runs.values()]
    return np.array(sums).T / cases[:, None]
