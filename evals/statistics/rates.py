"""The statistics behind the gates: bounds of a rate, and what several claims or samples add up to.

Pure functions of counts; a rate is a float in [0, 1], a confidence one in (0, 1). Each function names the
source of its formula, and the tests compare it with statsmodels, scipy, or the figures of the source. Two
runs on the same puzzles are compared in `evals.statistics.paired`; `evals.statistics.strength` rates one run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar

from scipy.optimize import brentq
from scipy.special import betaincinv, ndtri

Name = TypeVar("Name", bound=Hashable)
BoundMethod = Literal["wilson", "exact"]


class Interval(NamedTuple):
    """A confidence interval, ends included."""

    low: float
    high: float


class Decision(StrEnum):
    """What the evidence says about a claim."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def quantile(confidence: float) -> float:
    """The normal quantile of a one-sided confidence.

    :raises ValueError: it is not in (0, 1).
    """
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
    z = quantile(confidence)
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


def clustered_error(clusters: Iterable[tuple[int, int]]) -> float:
    """The standard error of a rate whose cases come in clusters: samples of one puzzle, moves of a line.

    The cluster-robust one of Liang and Zeger (Biometrika 73, 1986), as Miller recommends for evaluations
    ("Adding Error Bars to Evals", arXiv:2411.00640), with the small-sample factor C / (C - 1).

    :param clusters: successes and cases of each cluster.
    :raises ValueError: fewer than two clusters have a case.
    """
    counts = [(successes, cases) for successes, cases in clusters if cases]
    if len(counts) < 2:
        raise ValueError(f"a clustered standard error needs two clusters, got {len(counts)}")
    total = sum(cases for _, cases in counts)
    rate = sum(successes for successes, _ in counts) / total
    squares = sum((successes - rate * cases) ** 2 for successes, cases in counts)
    return math.sqrt(squares * len(counts) / (len(counts) - 1)) / total


# --- several claims ---


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Adjusted p-values of several claims made at once (Holm, Scand. J. Stat. 6, 1979), in the order given.

    Each may be compared with the error rate as if it stood alone.
    """
    adjusted: dict[Name, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


# --- several samples of one case ---


def pass_at_k(samples: int, solved: int, k: int) -> float:
    """The chance that at least one of k samples solves the case, without bias, from at least k samples.

    1 - C(samples - solved, k) / C(samples, k): Chen et al., "Evaluating Large Language Models Trained on
    Code", arXiv:2107.03374.

    :raises ValueError: `k` is not in 1..samples, or `solved` not in 0..samples.
    """
    _check_counts(solved, samples)
    if not 1 <= k <= samples:
        raise ValueError(f"k lies between 1 and the number of samples, {samples}, got {k!r}")
    return 1 - math.comb(samples - solved, k) / math.comb(samples, k)


def consistency(answers: Sequence[Hashable]) -> float:
    """The chance that two samples of one case, drawn without replacement, give the same answer; in [0, 1].

    1 minus Simpson's index of diversity (Nature 163:688, 1949), in its unbiased form.

    :raises ValueError: fewer than two answers.
    """
    n = len(answers)
    if n < 2:
        raise ValueError(f"consistency needs two answers, got {n}")
    return sum(count * (count - 1) for count in Counter(answers).values()) / (n * (n - 1))


# --- numbers ---


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the function changes sign between the ends; an end where it does not."""
    ends = function(low), function(high)
    if ends[0] * ends[1] > 0:
        return low if abs(ends[0]) < abs(ends[1]) else high
    found: Any = brentq(function, low, high, xtol=1e-12)
    return float(found)
