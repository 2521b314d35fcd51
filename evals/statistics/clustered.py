"""A rate of cases that belong together: samples, mirrored copies, or several questions about one position.

Eight samples of one puzzle say less than one sample of eight puzzles. Everything here is told which cases
share a position, and weighs them accordingly; with one case for each position it is the plain exact bound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from evals.statistics.rates import RateBounds, check_confidence, lower_bound, upper_bound

Floats = NDArray[np.float64]

ENOUGH = 10
"""So many positions have to contain a failure, and so many a success, before their spread is believed."""


def rate_bounds(clusters: Iterable[tuple[int, int]], confidence: float) -> RateBounds:
    """One-sided exact bounds of the rate of cases that come in clusters.

    The Clopper-Pearson bounds of as many cases as the clusters are worth (`effective_cases`): Korn and
    Graubard, Survey Methodology 24, 1998. Clusters of one case give the Clopper-Pearson bounds themselves.

    :param clusters: successes and cases of each position; positions without a case are left out.
    :raises ValueError: successes are not in 0..cases, or `confidence` is not in (0, 1).
    """
    counts = np.array([cluster for cluster in clusters if cluster[1]], dtype=np.float64).reshape(-1, 2)
    successes, cases = counts[:, 0], counts[:, 1]
    if np.any(successes < 0) or np.any(successes > cases):
        raise ValueError("the successes of a cluster lie between 0 and its cases")
    check_confidence(confidence)
    if not len(counts):
        return RateBounds(0.0, 0.0, 1.0, 0.0)
    n = float(effective_cases(successes, cases, confidence))
    rate = float(successes.sum() / cases.sum())
    return RateBounds(rate, lower_bound(rate * n, n, confidence), upper_bound(rate * n, n, confidence), n)


def effective_cases(successes: Floats, cases: Floats, confidence: float) -> Floats:
    """How many independent cases the clusters are worth: not rounded, at least 1, at most all cases.

    All cases divided by the design effect (Kish, Survey Sampling, 1965): the cluster-robust variance of the
    rate over that of independent cases. It is itself uncertain, so the number is reduced by the squared ratio
    of Student's quantiles for the cases and for the clusters (Korn and Graubard, 1998). With few failures,
    or few successes, the spread between clusters cannot be estimated at all (in most samples it looks like
    none): until `ENOUGH` clusters contain a failure and as many a success, the number is at most that of
    the clusters, counted as (sum of cases)^2 / (sum of squared cases) where they differ in size (Kish).

    :param successes: shape (..., clusters): one row for each sample of clusters.
    :param cases: shape (..., clusters), at least 1 each.
    :return: shape (...).
    """
    total = cases.sum(-1)
    distinct = total**2 / (cases**2).sum(-1)
    rate = successes.sum(-1) / total
    independent = rate * (1 - rate) / np.maximum(total - 1, 1)
    variance = clustered_variance(successes, cases)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = stdtrit(total - 1, confidence) / stdtrit(np.maximum(distinct - 1, 1e-6), confidence)
        worth = np.where(variance > 0, total * independent / variance * shrink**2, total)
    thin = np.minimum((successes > 0).sum(-1), (successes < cases).sum(-1)) < ENOUGH
    worth = np.where(thin | ~np.isfinite(worth), np.minimum(np.nan_to_num(worth, nan=1.0), distinct), worth)
    return np.maximum(1.0, np.minimum(worth, total))


def clustered_variance(successes: Floats, cases: Floats) -> Floats:
    """The variance of a rate whose cases come in clusters; 0 for a single cluster, which shows no spread.

    The cluster-robust one of Liang and Zeger (Biometrika 73, 1986), as Miller recommends for evaluations
    ("Adding Error Bars to Evals", arXiv:2411.00640), with the small-sample factor C / (C - 1).

    :param successes: shape (..., clusters).
    :param cases: shape (..., clusters).
    :return: shape (...).
    """
    total, clusters = cases.sum(-1), cases.shape[-1]
    rate = successes.sum(-1) / total
    residuals = successes - rate[..., None] * cases
    return (residuals**2).sum(-1) * clusters / max(1, clusters - 1) / total**2
