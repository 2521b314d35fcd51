"""One proportion: its exact bounds, and what they decide about a claim.

A rate is a float in [0, 1]; a confidence is one-sided, in (0, 1), unless a docstring says otherwise. Cases
that belong together (samples or mirrored copies of one position) are weighed in `clustered` first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, ndtri


class Interval(NamedTuple):
    """A confidence interval, ends included."""

    low: float
    high: float


class Decision(StrEnum):
    """What the evidence says about a claim."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class RateBounds:
    """A rate that was seen, and one-sided bounds of the true one, each at the same confidence."""

    rate: float
    low: float
    high: float
    effective: float
    """How many independent cases the evidence is worth; at most the number of cases."""

    def at_least(self, share: float) -> Decision:
        """Is the true rate at least `share`? Yes where `low` reaches it, no where `high` stays below it."""
        if self.low >= share and self.effective:
            return Decision.PASS
        return Decision.FAIL if self.high < share else Decision.INCONCLUSIVE

    def at_most(self, share: float) -> Decision:
        """Is the true rate at most `share`? Yes where `high` stays within it, no where `low` is above it."""
        if self.high <= share and self.effective:
            return Decision.PASS
        return Decision.FAIL if self.low > share else Decision.INCONCLUSIVE


def quantile(confidence: float) -> float:
    """The normal quantile of a one-sided confidence.

    :raises ValueError: it is not in (0, 1).
    """
    check_confidence(confidence)
    return float(ndtri(confidence))


def check_confidence(confidence: float) -> None:
    """:raises ValueError: the confidence is not in (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, got {confidence!r}")


def lower_bound(successes: float, n: float, confidence: float) -> float:
    """The exact one-sided lower confidence bound of a proportion; 0 where nothing was tried.

    Clopper and Pearson (Biometrika 26, 1934), as a quantile of the beta distribution, which also takes counts
    that are not whole (Korn and Graubard, Survey Methodology 24, 1998). However the true rate lies, at most
    a share 1 - confidence of all samples has a bound above it. Wilson's bound keeps that promise only on
    average: on 36 cases its share can be above 10% where 5% was promised. The width is never zero.

    :raises ValueError: `successes` is not in 0..n, or `confidence` not in (0, 1).
    """
    check_confidence(confidence)
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, got {successes!r} of {n!r}")
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, 1 - confidence))


def upper_bound(successes: float, n: float, confidence: float) -> float:
    """The exact one-sided upper confidence bound of a proportion; 1 where nothing was tried.

    The mirror image of `lower_bound`.

    :raises ValueError: as `lower_bound`.
    """
    return 1.0 - lower_bound(n - successes, n, confidence)


def interval(successes: float, n: float, confidence: float) -> Interval:
    """The two-sided exact (Clopper-Pearson) interval of a proportion: each end has half of the error.

    :param confidence: two-sided.
    :raises ValueError: as `lower_bound`.
    """
    side = (1 + confidence) / 2
    return Interval(lower_bound(successes, n, side), upper_bound(successes, n, side))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the function changes sign between the ends; an end where it does not."""
    ends = function(low), function(high)
    if ends[0] * ends[1] > 0:
        return low if abs(ends[0]) < abs(ends[1]) else high
    found: Any = brentq(function, low, high, xtol=1e-12)
    return float(found)


def p_at_least(seen: int, n: int, chance: float) -> float:
    """The probability of `seen` or more of `n` independent cases, each of this chance: the exact binomial
    tail. Where chances differ between cases, that at their mean is never too small for a `seen` above it by
    one or more (Hoeffding, Ann. Math. Statist. 27:713, 1956).
    """
    return 1.0 if seen <= 0 else float(betainc(seen, n - seen + 1, chance))
