"""The exact distribution of the score statistic over every table that n pairs can give.

A difference leaves open how many pairs differ at all. The exact unconditional test takes the discordance
that is worst for it: Suissa and Shuster (Biometrics 47, 1991), for a stated difference Sidik (Stat. Med. 22,
2003). So the promised error rate holds whatever the discordance is, where the normal quantile errs in up to
7.1% on 30 pairs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, gammaln, ndtr, ndtri, xlogy

from evals.statistics.rates import check_confidence
from evals.statistics.score import tango

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_UP_TO = 2000
"""With more pairs the normal distribution is used: where 5% is promised it errs in at most 5.04% for a PASS,
and in at most 5.6% for a FAIL, where nearly every flip is a loss."""

MOST = 0.95
"""The highest discordance that is considered. Two models would have to disagree on nearly every puzzle to
come near it; there only every second difference can occur, and to allow for that would cost power."""

SAME = 1e-9
"""Statistics that differ by less are one."""

PRECISE = 1e-6
"""Critical values are known to this."""


def first_gains(n: int, difference: float, statistic: float) -> Ints:
    """For each number of losses, the fewest gains that reach the statistic; n - losses + 1 where none does.

    The statistic rises with gains and falls with losses, so these numbers describe all tables beyond it.

    :param difference: the stated difference, in (-1, 1).
    :return: shape (n + 1,).
    """
    losses = np.arange(n + 1)
    below, reached = np.full(n + 1, -1), n - losses + 1
    while np.any(reached - below > 1):
        middle = (below + reached) // 2
        beyond = tango(middle.astype(float), losses.astype(float), n, difference) >= statistic - SAME
        beyond |= middle == reached
        below, reached = np.where(beyond, below, middle), np.where(beyond, middle, reached)
    return reached


def chance(first: Ints, gained: Floats, lost: Floats) -> Floats:
    """The probability of a table with at least `first[losses]` gains, summed over all losses that can occur.

    :param first: as `first_gains` gives it, for len(first) - 1 pairs.
    :param gained: the true rates of gains, shape (k,); with `lost` at most 1.
    :param lost: the true rates of losses, shape (k,).
    :return: shape (k,).
    """
    n = len(first) - 1
    # Losses that are not within eight standard deviations, or eight, have no weight worth counting.
    spread = 8 * np.sqrt(n * lost * (1 - lost)) + 8
    start = np.maximum(0, np.floor(n * lost - spread)).astype(np.int64)
    width = min(n + 1, int(np.ceil(2 * spread.max())) + 2)
    losses = np.minimum(start, n + 1 - width)[:, None] + np.arange(width)
    rate = lost[:, None]
    weight = np.exp(
        gammaln(n + 1)
        - gammaln(losses + 1)
        - gammaln(n - losses + 1)
        + xlogy(losses, rate)
        + xlogy(n - losses, 1 - rate)
    )
    others, short = n - losses, first[losses] - 1
    share = np.clip(gained / np.maximum(1 - lost, 1e-300), 0, 1)[:, None]
    beyond = bdtrc(np.clip(short, 0, np.maximum(others, 0)), others, share)
    beyond = np.where(short < 0, 1.0, np.where(short >= others, 0.0, beyond))
    return (weight * beyond).sum(-1)


def worst_chance(n: int, difference: float, statistic: float) -> float:
    """The probability of so high a statistic at the stated difference, for the worst discordance."""
    gained, lost = _rates(n, difference)
    return float(chance(first_gains(n, difference, statistic), gained, lost).max())


def p_value(n: int, difference: float, statistic: float) -> float:
    """The p-value of "the true difference is at most the stated one", exact for up to `EXACT_UP_TO` pairs.

    :param difference: the stated difference, in (-1, 1).
    """
    if n > EXACT_UP_TO:
        return float(ndtr(-statistic))
    return min(1.0, worst_chance(n, difference, statistic))


@lru_cache(maxsize=4096)
def critical_value(n: int, difference: float, confidence: float) -> float:
    """The statistic from which on `p_value` is at most 1 - confidence.

    :raises ValueError: `confidence` is not in (0, 1).
    """
    check_confidence(confidence)
    normal, error = float(ndtri(confidence)), 1 - confidence
    if n > EXACT_UP_TO:
        return normal
    gained, lost = _rates(n, difference)

    def chances(statistic: float, chosen: NDArray[np.bool_]) -> Floats:
        return chance(first_gains(n, difference, statistic), gained[chosen], lost[chosen])

    every = np.ones(len(gained), dtype=bool)
    low = normal - 0.25
    while (found := chances(low, every)).max() <= error:
        low -= 0.5
    # Most discordances are never the worst: a few are searched, until all are asked whether they agree.
    few = found >= np.quantile(found, 0.95)
    while True:
        high = low + 0.25
        while chances(high, few).max() > error:
            low, high = high, high + 0.25
        while high - low > PRECISE:
            middle = (low + high) / 2
            low, high = (low, middle) if chances(middle, few).max() <= error else (middle, high)
        found = chances(high, every)
        if found.max() <= error:
            return high
        few |= found > error


@lru_cache(maxsize=64)
def _rates(n: int, difference: float) -> tuple[Floats, Floats]:
    """Rates of gains and of losses at the stated difference, from the least to the highest discordance.

    Steps of half a standard deviation of the discordance, and of the rarer of gains and losses near 0.
    """
    least = abs(difference)
    steps = int(np.ceil(4 * np.sqrt(n))) + 40
    even = np.sin(np.linspace(np.arcsin(np.sqrt(least)), np.arcsin(np.sqrt(max(MOST, least))), steps)) ** 2
    rare = least + (max(MOST, least) - least) * np.linspace(0, 1, steps) ** 2
    discordance = np.union1d(even, rare)
    return np.maximum(0, (discordance + difference) / 2), np.maximum(0, (discordance - difference) / 2)
