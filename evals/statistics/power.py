"""What a design can decide before a token is spent: the chance of a PASS, summed over every possible table.

Exact for cases that are a position of their own. Several samples of each position are worth something between
one case and as many: divide the positions by `Paired.design` of an earlier run to plan with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import bdtr, bdtrc, bdtrik

from evals.statistics.rates import check_confidence, quantile
from evals.statistics.unconditional import Ints, chance, critical_value, first_gains

WANTED = 0.8
"""The power that a design is planned for."""

PRECISE = 0.0005
"""Effects are known to this: a twentieth of a point."""

MANY = 1_000_000
"""No design has so many positions."""


def power_not_worse(
    n: int, margin: float, discordance: float, confidence: float, difference: float = 0.0
) -> float:
    """The chance that `decide_not_worse` passes n pairs.

    :param discordance: the share of pairs that go differently; at least |difference|.
    :param difference: the true difference; 0 for a candidate as good as the baseline.
    :raises ValueError: an argument is outside its range.
    """
    first = first_gains(n, -margin, critical_value(n, -margin, confidence))
    return _power(first, difference, discordance)


def power_better(n: int, difference: float, discordance: float, confidence: float) -> float:
    """The chance that `decide_better` passes n pairs.

    :param difference: the true difference.
    :param discordance: the share of pairs that go differently; at least |difference|.
    :raises ValueError: an argument is outside its range.
    """
    return _power(_first_gains_of_mcnemar(n, 1 - confidence), difference, discordance)


def power_at_least(n: int, rate: float, at_least: float, confidence: float) -> float:
    """The chance that n cases show a rate to be at least `at_least`, where it truly is `rate`.

    :raises ValueError: `confidence` is not in (0, 1).
    """
    check_confidence(confidence)
    if at_least <= 0:
        return 1.0
    # The fewest successes whose tail at the threshold is small enough; the inverse is good to a unit.
    fewest = max(0, math.ceil(bdtrik(confidence, n, at_least)))
    while fewest <= n and bdtrc(fewest - 1, n, at_least) > 1 - confidence:
        fewest += 1
    return float(bdtrc(fewest - 1, n, rate)) if fewest <= n else 0.0


def power_at_most(n: int, rate: float, at_most: float, confidence: float) -> float:
    """The chance that n cases show a rate to be at most `at_most`, where it truly is `rate`.

    :raises ValueError: `confidence` is not in (0, 1).
    """
    return power_at_least(n, 1 - rate, 1 - at_most, confidence)


def power_worse(n: int, drop: float, discordance: float, error: float) -> float:
    """The chance that McNemar's exact test shows a drop of that size, one-sided, at a level of `error`."""
    return _power(_first_gains_of_mcnemar(n, error), drop, discordance)


def expected_discordance(rate: float) -> float:
    """The share of pairs that two models of this rate differ on if they err independently: 2p(1 - p).

    Versions of one adapter agree more often, so the discordance of the baseline's last comparison is better.
    """
    return 2 * rate * (1 - rate)


def cases_needed(power: Callable[[int], float], guess: int = 100, wanted: float = WANTED) -> int | None:
    """About the smallest design with the wanted power: it has it, and with one case less has not.

    Exact power rises in small teeth, so a smaller design may have it by luck of rounding.

    :param power: of a number of positions.
    :param guess: where the search starts; the nearer the answer, the faster.
    :return: None where even a design of `MANY` has less.
    """
    short, enough, step = 0, min(max(1, guess), MANY), max(1, guess // 20)
    if power(enough) < wanted:
        while power(enough) < wanted:
            if enough >= MANY:
                return None
            short, enough, step = enough, min(enough + step, MANY), step * 3
    else:
        while short == 0 and enough > 1:
            below = max(1, enough - step)
            short, enough, step = (below, enough, step) if power(below) < wanted else (0, below, step * 3)
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if power(middle) >= wanted else (middle, enough)
    return enough


def guess_not_worse(margin: float, discordance: float, confidence: float, wanted: float = WANTED) -> int:
    """About how many positions `power_not_worse` wants: where `cases_needed` starts.

    The normal approximation of Liu et al. (Stat. Med. 21, 2002) at a true difference of 0.
    """
    return math.ceil(((quantile(confidence) + quantile(wanted)) / margin) ** 2 * discordance)


def smallest_effect(power: Callable[[float], float], largest: float, wanted: float = WANTED) -> float:
    """The smallest effect (a margin, a difference, a drop) that a design shows with the wanted power.

    :param power: of an effect in (0, largest]; it rises with the effect.
    :return: `largest` where even that has less power.
    """
    low, high = 0.0, largest
    if power(largest) < wanted:
        return largest
    while high - low > PRECISE:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high


def _power(first: Ints, difference: float, discordance: float) -> float:
    if not abs(difference) <= discordance <= 1:
        raise ValueError(
            f"a discordance lies between the difference, {difference!r}, and 1: got {discordance!r}"
        )
    gained, lost = (discordance + difference) / 2, (discordance - difference) / 2
    return float(chance(first, np.array([gained]), np.array([lost]))[0])


def _first_gains_of_mcnemar(n: int, error: float) -> Ints:
    """For each number of losses, the fewest gains that are better by McNemar's exact test."""
    losses = np.arange(n + 1)
    below, reached = np.full(n + 1, -1), n - losses + 1
    while np.any(reached - below > 1):
        middle = (below + reached) // 2
        shown = (bdtr(losses, losses + np.maximum(middle, 0), 0.5) <= error) | (middle == reached)
        below, reached = np.where(shown, below, middle), np.where(shown, middle, reached)
    return reached
