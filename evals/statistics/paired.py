"""Two runs on the same puzzles: is the candidate better, worse, not worse, and what could one have noticed.

Pure. Only pairs that differ carry information about the difference, so everything here starts from `Paired`.
A difference is the candidate's rate less the baseline's, in [-1, 1].
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from scipy.special import bdtr

from evals.statistics.rates import Decision, Interval, quantile, root


@dataclass(frozen=True, slots=True)
class Paired:
    """How the same puzzles went for the candidate and for the baseline."""

    both: int
    """Solved by both."""
    gained: int
    """Solved by the candidate only."""
    lost: int
    """Solved by the baseline only."""
    neither: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> Paired:
        """Count pairs of (solved by the candidate, solved by the baseline)."""
        counts = Counter(pairs)
        return cls(counts[True, True], counts[True, False], counts[False, True], counts[False, False])

    @property
    def n(self) -> int:
        return self.both + self.gained + self.lost + self.neither

    @property
    def discordant(self) -> int:
        return self.gained + self.lost

    @property
    def difference(self) -> float:
        """The candidate's rate less the baseline's; 0 where there is no pair."""
        return (self.gained - self.lost) / self.n if self.n else 0.0


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
    """
    n, fewer = pairs.discordant, min(pairs.gained, pairs.lost)
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


def difference_interval(pairs: Paired, confidence: float) -> Interval:
    """The two-sided interval of the difference of the two rates, candidate less baseline.

    Every difference that the score test of Tango (Stat. Med. 17, 1998) does not reject.

    :param confidence: two-sided.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    side = (1 + confidence) / 2
    quantile(side)
    if pairs.n == 0:
        return Interval(-1.0, 1.0)
    swapped = Paired(pairs.both, pairs.lost, pairs.gained, pairs.neither)
    return Interval(-_tango_bound(swapped, side), _tango_bound(pairs, side))


def _tango_bound(pairs: Paired, side: float) -> float:
    """The largest difference that the score test does not reject."""
    z, n = quantile(side), pairs.n

    def excess(difference: float) -> float:
        # The maximum-likelihood rate of losses, given the difference (Tango's q21), solves a quadratic.
        linear = -pairs.discordant + (2 * n - pairs.gained + pairs.lost) * difference
        constant = -pairs.lost * difference * (1 - difference)
        losses = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
        variance = n * (2 * losses + difference * (1 - difference))
        return pairs.gained - pairs.lost - n * difference + z * math.sqrt(max(0.0, variance))

    if pairs.gained == n:
        return 1.0
    # Just beside the estimate: without discordant pairs the statistic is 0/0 there.
    return root(excess, pairs.difference + 1e-9, 1.0)


def decide_not_worse(pairs: Paired, margin: float, confidence: float) -> Decision:
    """Is the candidate not worse than the baseline by more than the margin? Non-inferiority, one-sided.

    Passes where the lower bound of the difference is above -margin; fails where its upper bound is below it.

    :raises ValueError: `confidence` is not in (0, 1).
    """
    bounds = difference_interval(pairs, 2 * confidence - 1)
    if bounds.low > -margin:
        return Decision.PASS
    return Decision.FAIL if bounds.high < -margin else Decision.INCONCLUSIVE


# --- what a run could have noticed ---


def noticeable_difference(n: int, discordant: float, confidence: float, power: float = 0.8) -> float:
    """The smallest difference of two paired rates that a one-sided test finds with the given power.

    Connor's sample-size formula (Biometrics 43, 1987) solved for the difference; for a two-sided test give
    (1 + confidence) / 2. Never less than what the paired design can show at all.

    :param n: pairs.
    :param discordant: the share of pairs that is expected to differ, in (0, 1].
    :return: the difference, in (0, 1]; `discordant` where even a difference of that size, the largest
        possible, goes unnoticed.
    :raises ValueError: an argument is outside its range.
    """
    _check_design(n, discordant, "discordant")
    z, power_z = quantile(confidence), quantile(power)

    def missing(difference: float) -> float:
        spread = math.sqrt(max(0.0, discordant - difference**2))
        return z * math.sqrt(discordant) + power_z * spread - difference * math.sqrt(n)

    return discordant if missing(discordant) > 0 else root(missing, 0.0, discordant)


def noticeable_margin(n: int, discordant: float, confidence: float, power: float = 0.8) -> float:
    """The smallest margin that a candidate just as good as the baseline passes with the given power.

    The normal approximation at a true difference of 0 (Liu et al., Stat. Med. 21, 2002): (z_confidence +
    z_power) * sqrt(discordant / n). A gate with a smaller margin is likely to be inconclusive.

    :raises ValueError: an argument is outside its range.
    """
    _check_design(n, discordant, "discordant")
    return min(1.0, (quantile(confidence) + quantile(power)) * math.sqrt(discordant / n))


def noticeable_unpaired(n: int, rate: float, confidence: float, power: float = 0.8) -> float:
    """The smallest rise above `rate` that a one-sided test of two samples of n each finds with that power.

    For runs on different puzzles. The formula without continuity correction of Fleiss, Levin and Paik
    (Statistical Methods for Rates and Proportions, 2003, chapter 4), solved for the difference; 1 - rate
    where nothing smaller is noticed.

    :raises ValueError: an argument is outside its range.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"a rate lies in [0, 1), got {rate!r}")
    _check_design(n, 1.0, "rate")
    z, power_z = quantile(confidence), quantile(power)

    def missing(difference: float) -> float:
        other = rate + difference
        mean = (rate + other) / 2
        pooled = z * math.sqrt(2 * mean * (1 - mean))
        apart = power_z * math.sqrt(rate * (1 - rate) + max(0.0, other * (1 - other)))
        return pooled + apart - difference * math.sqrt(n)

    return 1 - rate if missing(1 - rate) > 0 else root(missing, 1e-9, 1 - rate)


def _check_design(n: int, share: float, name: str) -> None:
    if n < 1:
        raise ValueError(f"a design has at least one pair, got {n!r}")
    if not 0 < share <= 1:
        raise ValueError(f"{name} lies in (0, 1], got {share!r}")
