"""Two models on the same positions: what each solved, the difference, and its interval.

The unit is the position up to mirroring. Its d, in [-1, 1], is the mean over its samples and mirrored copies
of candidate minus baseline; the difference of the two models is the mean of d over the positions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from evals.statistics.rates import Interval, quantile, root
from evals.statistics.score import normal_score, score_statistic, tango


@dataclass(frozen=True, slots=True)
class Paired:
    """How the same cases went for the candidate and for the baseline: counts of cases, and d by position."""

    both: int
    """Solved by both."""
    gained: int
    """Solved by the candidate only."""
    lost: int
    """Solved by the baseline only."""
    neither: int
    values: tuple[float, ...]
    """d of each position."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]], positions: Iterable[Hashable] | None = None) -> Paired:
        """Count pairs of (solved by the candidate, solved by the baseline).

        :param positions: the position of each pair; without them each pair is a position of its own.
        :raises ValueError: there are more pairs than positions, or fewer.
        """
        listed = list(pairs)
        counts = Counter(listed)
        by_position: dict[Hashable, list[int]] = {}
        names = range(len(listed)) if positions is None else positions
        for name, (candidate, baseline) in zip(names, listed, strict=True):
            by_position.setdefault(name, []).append(candidate - baseline)
        values = tuple(sum(each) / len(each) for each in by_position.values())
        return cls(counts[True, True], counts[True, False], counts[False, True], counts[False, False], values)

    @classmethod
    def table(cls, both: int, gained: int, lost: int, neither: int) -> Paired:
        """Pairs that are each a position of its own, by their counts."""
        values = (1.0,) * gained + (-1.0,) * lost + (0.0,) * (both + neither)
        return cls(both, gained, lost, neither, values)

    @property
    def n(self) -> int:
        """How many positions."""
        return len(self.values)

    @property
    def cases(self) -> int:
        """How many cases each model was asked."""
        return self.both + self.gained + self.lost + self.neither

    @property
    def single(self) -> bool:
        """True where each position has one case."""
        return self.n == self.cases

    @property
    def discordance(self) -> float:
        """The share of cases that went differently; it says nothing about which model is ahead."""
        return (self.gained + self.lost) / self.cases if self.cases else 0.0

    @property
    def difference(self) -> float:
        """The mean of d; 0 where there is no position."""
        return math.fsum(self.values) / self.n if self.n else 0.0

    @property
    def design(self) -> float:
        """The variance of d over that of as many single pairs of this discordance; at most 1.

        A design with so many samples of n positions has about the power of n / design single pairs (Kish,
        Survey Sampling, 1965). 1 where positions have one case, or nothing differs.
        """
        single = self.discordance - self.difference**2
        if self.single or single <= 0:
            return 1.0
        spread = math.fsum((value - self.difference) ** 2 for value in self.values) / self.n
        return min(1.0, max(spread / single, self.n / self.cases))

    def swapped(self) -> Paired:
        """The same with candidate and baseline in each other's place."""
        values = tuple(-value for value in self.values)
        return Paired(self.both, self.lost, self.gained, self.neither, values)


class McNemar(NamedTuple):
    """P-values against "gains and losses are equally likely"."""

    exact: float
    """Two-sided, exact."""
    mid_p: float
    """Two-sided, mid-p: less conservative; to be read beside the exact one."""
    better: float
    """One-sided, exact: small where the candidate is better."""
    worse: float
    """One-sided, exact: small where the candidate is worse."""


def mcnemar(pairs: Paired) -> McNemar:
    """McNemar's test from the discordant pairs alone, by the binomial distribution.

    McNemar, Psychometrika 12, 1947; exact and mid-p versions as in Fagerland, Lydersen and Laake, BMC Med.
    Res. Methodol. 13:91, 2013.

    :raises ValueError: positions have several cases, which this test would take for independent ones.
    """
    if not pairs.single:
        raise ValueError(f"McNemar's test needs one case for each position, got {pairs.cases} for {pairs.n}")
    n, fewer = pairs.gained + pairs.lost, min(pairs.gained, pairs.lost)
    tail = _at_most(fewer, n)
    return McNemar(
        exact=min(1.0, 2 * tail),
        mid_p=min(1.0, 2 * tail - math.comb(n, fewer) / 2**n),
        better=_at_most(pairs.lost, n),
        worse=_at_most(pairs.gained, n),
    )


def _at_most(k: int, n: int) -> float:
    """The chance of at most k heads in n tosses."""
    return float(bdtr(k, n, 0.5))


def score(pairs: Paired, difference: float) -> float:
    """How far the candidate lies above a stated difference, in standard errors: Tango's score statistic.

    Where positions have several cases it is that of d (`score_statistic`), brought from Student's
    distribution to the normal one, because the spread of d is itself estimated. 0 without a position.

    :param difference: the stated difference, in (-1, 1).
    """
    if not pairs.n:
        return 0.0
    if pairs.single:
        return float(tango(pairs.gained, pairs.lost, pairs.n, difference))
    if pairs.n == 1:
        return 0.0
    return float(normal_score(score_statistic(np.array(pairs.values), difference), pairs.n))


def difference_interval(pairs: Paired, confidence: float) -> Interval:
    """The two-sided interval of the difference, candidate less baseline: all that the score does not reject.

    Where each position has one case it is the interval of Tango (Stat. Med. 17, 1998).

    :param confidence: two-sided.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    z = quantile((1 + confidence) / 2)
    return Interval(-_upper(pairs.swapped(), z), _upper(pairs, z))


def _upper(pairs: Paired, z: float) -> float:
    """The largest difference that lies at most z standard errors above what was seen."""
    if not pairs.n or pairs.difference == 1 or (pairs.n == 1 and not pairs.single):
        return 1.0
    # Just beside the estimate: without a flip the statistic is 0/0 there.
    return root(lambda difference: score(pairs, difference) + z, pairs.difference + 1e-9, 1 - 1e-9)
