"""The statistics behind the gates: bounds, paired comparisons, ratings, and what a run could have noticed.

Pure functions of counts; a proportion is a float in [0, 1], a confidence one in (0, 1). Each function names
the source of its formula, and the tests compare it with statsmodels, scipy, or the figures of the source.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Literal, NamedTuple

from scipy.special import betaincinv, ndtri

BoundMethod = Literal["wilson", "exact"]
DifferenceMethod = Literal["tango", "newcombe", "exact"]


class Interval(NamedTuple):
    """A confidence interval, ends included."""

    low: float
    high: float


class Decision(StrEnum):
    """What the evidence says about a claim."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def _z(confidence: float) -> float:
    """The normal quantile of a one-sided confidence."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, got {confidence!r}")
    return float(ndtri(confidence))


def _check_counts(successes: int, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, got {successes!r} of {n!r}")


# --- one proportion ---


def lower_bound(successes: int, n: int, confidence: float, method: BoundMethod = "wilson") -> float:
    """The one-sided lower confidence bound of a proportion; 0 where nothing was tried.

    `wilson` is the score bound (Wilson, J. Am. Stat. Assoc. 22, 1927): right on average. `exact` (Clopper
    and Pearson, Biometrika 26, 1934) is above the truth never more often than stated, and lower than
    `wilson`. Neither has zero width at 0% or 100%.

    :raises ValueError: `successes` is not in 0..n, or `confidence` not in (0, 1).
    """
    return 1.0 - upper_bound(n - successes, n, confidence, method)


def upper_bound(successes: int, n: int, confidence: float, method: BoundMethod = "wilson") -> float:
    """The one-sided upper confidence bound of a proportion; 1 where nothing was tried. See `lower_bound`.

    :raises ValueError: `successes` is not in 0..n, or `confidence` not in (0, 1).
    """
    _check_counts(successes, n)
    z = _z(confidence)
    if successes == n:
        return 1.0
    if method == "exact":
        return float(betaincinv(successes + 1, n - successes, confidence))
    rate = successes / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return min(1.0, max(rate, (centre + spread) / (1 + z * z / n)))


def interval(successes: int, n: int, confidence: float, method: BoundMethod = "wilson") -> Interval:
    """The two-sided interval of a proportion: both one-sided bounds, each with half of the error.

    :raises ValueError: as `lower_bound`.
    """
    side = (1 + confidence) / 2
    return Interval(lower_bound(successes, n, side, method), upper_bound(successes, n, side, method))


def decide_rate(
    successes: int, n: int, at_least: float, confidence: float, method: BoundMethod = "wilson"
) -> Decision:
    """Is the rate at least `at_least`? Yes where the lower bound reaches it, no where the upper does not.

    :raises ValueError: as `lower_bound`.
    """
    if n == 0:
        return Decision.INCONCLUSIVE
    if lower_bound(successes, n, confidence, method) >= at_least:
        return Decision.PASS
    if upper_bound(successes, n, confidence, method) < at_least:
        return Decision.FAIL
    return Decision.INCONCLUSIVE
