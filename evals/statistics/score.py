"""The score statistic of a difference: how many standard errors it lies away from a stated one.

The standard error is the one that would hold if the stated difference were the true one. So no difference and
no flip in 40 pairs is not infinitely far from "5 points worse": losses may exist that 40 pairs did not show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

Floats = NDArray[np.float64]

STEPS = 60
"""Halvings until the weights' parameter is known to the last bit."""


def tango(gained: Floats | float, lost: Floats | float, n: float, difference: float) -> Floats:
    """Tango's score statistic of pairs that each gained, lost, or stayed (Stat. Med. 17, 1998).

    :param gained: pairs that only the candidate solved; shapes broadcast.
    :param lost: pairs that only the baseline solved.
    :param n: all pairs.
    :param difference: the stated difference, candidate less baseline, in (-1, 1).
    :return: positive where the candidate did better than stated; 0 where no pair could tell.
    """
    # The likeliest rate of losses, given the difference, solves a quadratic (Tango's q21).
    linear = (2 * n - gained + lost) * difference - (gained + lost)
    constant = -lost * difference * (1 - difference)
    losses = (np.sqrt(np.maximum(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * losses + difference * (1 - difference))
    spread = np.sqrt(np.maximum(variance, 1e-300))
    return np.where(variance > 1e-12, (gained - lost - n * difference) / spread, 0.0)


def score_statistic(values: Floats, difference: float) -> Floats:
    """The score statistic of the mean of differences that lie anywhere in [-1, 1].

    Tango's variance is that of the likeliest distribution on {-1, 0, 1} that has the stated mean. This is
    that of the likeliest one on [-1, 1]: the empirical likelihood of Owen (Biometrika 75, 1988), which may
    also put weight on -1 or 1, where nothing was seen, as far as the mean asks for it. Where every value is
    -1, 0 or 1 the two are equal. A design effect from the spread that was seen would pass candidates that
    lose a few positions altogether and flip by chance on others: 8% where 5% is promised.

    :param values: shape (..., positions): the difference on each position.
    :param difference: the stated mean, in (-1, 1).
    :return: shape (...); positive where the mean is above the stated one.
    """
    n, away = values.shape[-1], values - difference
    # The weights are 1 / (n (1 + tilt * away)); the tilt that gives them the stated mean is found by halving.
    low = np.full(values.shape[:-1], -1 / (1 - difference))
    high = np.full(values.shape[:-1], 1 / (1 + difference))
    for _ in range(STEPS):
        tilt = (low + high) / 2
        above = (away / (1 + tilt[..., None] * away)).sum(-1) > 0
        low, high = np.where(above, tilt, low), np.where(above, high, tilt)
    weights = 1 / (n * (1 + ((low + high) / 2)[..., None] * away))
    unseen = np.maximum(0.0, 1 - weights.sum(-1))
    end = np.where(low + high > 0, -1.0, 1.0) - difference
    variance = (weights * away**2).sum(-1) + unseen * end**2
    spread = np.sqrt(np.maximum(variance, 1e-300) / n)
    return np.where(variance > 1e-12, away.mean(-1) / spread, 0.0)


def normal_score(statistic: Floats, n: int) -> Floats:
    """The normal quantile that is as extreme as a statistic of n values is by Student's distribution.

    :param n: at least 2.
    """
    tail = np.maximum(stdtr(n - 1, -np.abs(statistic)), 1e-300)
    return np.sign(statistic) * -ndtri(tail)
