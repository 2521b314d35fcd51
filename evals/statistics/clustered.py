"""A rate of cases that belong together: samples, mirrored copies, or several questions about one position.

Eight samples of one puzzle say less than one sample of eight puzzles. Everything here is told which cases
share a position, and weighs them accordingly; with one case for each position it is the plain exact bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtrit

from evals.statistics.rates import RateBounds, check_confidence, lower_bound, root, upper_bound
from evals.statistics.score import likeliest_variance

Floats = NDArray[np.float64]

ENOUGH = 10
"""So many positions have to contain a failure, and so many a success, before their spread is believed."""


def rate_bounds(clusters: Iterable[tuple[int, int]], confidence: float) -> RateBounds:
    """One-sided bounds of the rate of cases that come in clusters, each at the confidence.

    A bound is the share at which `p_above` (or `p_below`) is 1 - confidence. Clusters of one case give the
    exact bounds of Clopper and Pearson.

    :param clusters: successes and cases of each position; positions without a case are left out.
    :raises ValueError: successes are not in 0..cases, or `confidence` is not in (0, 1).
    """
    check_confidence(confidence)
    successes, cases = _counts(clusters)
    if not len(cases):
        return RateBounds(0.0, 0.0, 1.0, 0.0)
    rate, n = float(successes.sum() / cases.sum()), float(cases.sum())
    if n == len(cases):
        low, high = lower_bound(rate * n, n, confidence), upper_bound(rate * n, n, confidence)
        return RateBounds(rate, low, high, n)
    effective = float(effective_cases(successes, cases, rate, confidence))
    low, high = _low(successes, cases, confidence), 1 - _low(cases - successes, cases, confidence)
    return RateBounds(rate, low, high, effective)


def p_above(clusters: Iterable[tuple[int, int]], share: float, confidence: float) -> float:
    """How likely so many successes are where the true rate is at most `share`.

    The exact binomial tail of as many cases as the clusters are worth at that rate (`effective_cases`).

    :param share: in (0, 1).
    :param confidence: of the gate.
    :raises ValueError: as `rate_bounds`.
    """
    check_confidence(confidence)
    successes, cases = _counts(clusters)
    return float(tail(successes, cases, share, confidence)) if len(cases) else 1.0


def p_below(clusters: Iterable[tuple[int, int]], share: float, confidence: float) -> float:
    """How likely so few successes are where the true rate is at least `share`. See `p_above`."""
    failures = [(cases - successes, cases) for successes, cases in clusters]
    return p_above(failures, 1 - share, confidence)


def tail(successes: Floats, cases: Floats, share: float, confidence: float) -> Floats:
    """`p_above` of many samples of clusters: shapes (..., clusters) and (clusters,) give shape (...)."""
    worth = effective_cases(successes, cases, share, confidence)
    seen = np.minimum(successes.sum(-1) / cases.sum(), 1) * worth
    return np.where(seen > 0, betainc(np.maximum(seen, 1e-300), worth - seen + 1, share), 1.0)


def effective_cases(successes: Floats, cases: Floats, share: float, confidence: float) -> Floats:
    """How many independent cases the clusters are worth, if the true rate is `share`; not rounded.

    The variance of independent cases at that rate over that of the clusters, as by Kish (Survey Sampling,
    1965) and, with the exact bounds, Korn and Graubard (Survey Methodology 24, 1998). The variance of the
    clusters is the one they would have if the rate were `share` (`likeliest_variance`): what was seen tells
    too little of the few positions that fail altogether. It is uncertain itself, so the number is reduced by
    the squared ratio of Student's quantiles for the cases and for the clusters; not below that of clusters.

    Until `ENOUGH` clusters contain a failure and as many a success, the number is at most that of clusters.

    :param successes: shape (..., clusters): one row for each sample of clusters.
    :param cases: shape (clusters,), at least 1 each.
    :param share: in [0, 1].
    :return: shape (...); about 1 for a single cluster, at most all cases.
    """
    total, clusters, largest = cases.sum(), float(len(cases)), cases.max()
    independent = share * (1 - share)
    if independent > 0:
        variance = likeliest_variance(successes - share * cases, -share * largest, (1 - share) * largest)
        worth = independent * cases.mean() ** 2 * clusters / np.maximum(variance, 1e-300)
    else:
        worth = np.full(successes.shape[:-1], clusters)
    if total > clusters:
        shrink = np.nan_to_num((_student(total, confidence) / _student(clusters, confidence)) ** 2)
        worth = np.maximum(worth * shrink, np.minimum(worth, clusters))
    thin = np.minimum((successes > 0).sum(-1), (successes < cases).sum(-1)) < ENOUGH
    return np.minimum(worth, np.where(thin, clusters, total))


def _student(n: float, confidence: float) -> float:
    return float(stdtrit(max(n - 1, 1e-6), confidence))


def _low(successes: Floats, cases: Floats, confidence: float) -> float:
    """The share at which so many successes are just too many."""
    rate = float(successes.sum() / cases.sum())
    if rate == 0:
        return 0.0
    return root(lambda share: float(tail(successes, cases, share, confidence)) - (1 - confidence), 1e-9, rate)


def _counts(clusters: Iterable[tuple[int, int]]) -> tuple[Floats, Floats]:
    counts = np.array([cluster for cluster in clusters if cluster[1]], dtype=np.float64).reshape(-1, 2)
    successes, cases = counts[:, 0], counts[:, 1]
    if np.any(successes < 0) or np.any(successes > cases):
        raise ValueError("the successes of a cluster lie between 0 and its cases")
    return successes, cases
