"""Stop when decided: looks at a run that goes on, each so strict that all together err no more than one.

A look judges the first positions of the seeded order, every one of them answered. Never what happened to
arrive first: short answers do, and they are no fair sample.

Three other ways were simulated at the size of these runs and rejected: the generalised SPRT of engine testing
passed 17% of the candidates that are worse by the margin, betting e-processes had half the power, and a look
after every 25 cases without correction erred in 20 to 29%.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from evals.statistics.rates import quantile, root

Floats = NDArray[np.float64]

LOOKS = 8
"""At most so many looks: more would save next to nothing."""

APART = 20
"""At least so many positions lie between two looks: on fewer, a look costs more power than it saves cases."""

FUTILE = 0.1
"""With less chance than this to pass in the end, a run may as well stop."""

GRID = 401
"""Points at which the distribution of the statistic is kept; boundaries are right to 4 digits."""


class Look(NamedTuple):
    """After this many positions, decide at this confidence; PASS and FAIL are final, else go on."""

    positions: int
    confidence: float


def plan_looks(n: int, confidence: float, looks: int = LOOKS) -> tuple[Look, ...]:
    """At most so many looks, at equal distances, the last of them at all n positions.

    :param confidence: of the gate, one-sided; the looks together err as often as one test at this confidence.
    :raises ValueError: n or `looks` is below 1, or `confidence` is not in (0, 1).
    """
    if n < 1 or looks < 1:
        raise ValueError(f"a plan has at least one position and one look, got {n!r} and {looks!r}")
    looks = min(looks, max(1, n // APART))
    positions = [math.ceil(n * look / looks) for look in range(1, looks + 1)]
    levels = confidences(tuple(each / n for each in positions), confidence)
    return tuple(Look(*each) for each in zip(positions, levels, strict=True))


@lru_cache(maxsize=256)
def confidences(shares: tuple[float, ...], confidence: float) -> tuple[float, ...]:
    """The confidence of each look, by the spending function of Lan and DeMets (Biometrika 70, 1983).

    Until a share t of all positions an error of 2 - 2 * Phi(z / sqrt(t)) may be spent, where z leaves half
    the error of the gate above it: next to nothing early, as O'Brien and Fleming proposed (Biometrics 35,
    1979), so that the last look is hardly stricter than a single one. The boundaries follow from integrating
    the statistic's distribution from look to look (Armitage, McPherson and Rowe, J. R. Stat. Soc. A 132,
    1969).

    :param shares: rising, the last one 1.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    z = quantile((1 + confidence) / 2)
    spent, before = 0.0, 0.0
    points, weights = np.zeros(1), np.ones(1)
    found: list[float] = []
    for share in shares:
        reach, step = 9 * math.sqrt(share), math.sqrt(share - before)
        allowed = 2 * float(ndtr(-z / math.sqrt(share)))
        end = _boundary(points, weights, step, allowed - spent, reach)
        found.append(float(ndtr(end / math.sqrt(share))))
        points, weights = _move(points, weights, step, np.linspace(-reach, end, GRID))
        spent, before = allowed, share
    return tuple(found)


def _boundary(points: Floats, weights: Floats, step: float, error: float, reach: float) -> float:
    """Where the statistic, not stopped so far, ends up above with probability `error`."""
    return root(lambda end: float(weights @ ndtr((points - end) / step)) - error, -reach, reach)


def _move(points: Floats, weights: Floats, step: float, to: Floats) -> tuple[Floats, Floats]:
    """The distribution after one more step, as weights of the points `to` (Simpson's rule)."""
    density = np.exp(-(((to[:, None] - points) / step) ** 2) / 2) @ weights / (step * math.sqrt(2 * math.pi))
    simpson = np.full(len(to), 2.0)
    simpson[1::2] = 4
    simpson[[0, -1]] = 1
    return to, density * simpson * (to[1] - to[0]) / 3


def conditional_power(p_pass: float, share: float, confidence: float, power: float) -> float:
    """The chance to pass in the end, if the rest of the run goes as it was planned to.

    From the score of the evidence so far, as Brownian motion with the drift of the plan (Lan, Simon and
    Halperin, Sequential Analysis 1, 1982). A run may stop where this is below `FUTILE`: that cannot make it
    pass wrongly, and loses a point of power. With the drift seen so far in place of the planned one it would
    lose 28, because early on that is mostly chance.

    :param p_pass: of the look's judgement.
    :param share: of the positions seen so far, in (0, 1).
    :param confidence: of the last look.
    :param power: of the whole run, as it was planned, in (0, 1).
    :raises ValueError: `confidence` or `power` is not in (0, 1).
    """
    critical = quantile(confidence)
    seen = -float(ndtri(min(max(p_pass, 1e-300), 1 - 1e-16)))
    ahead = seen * math.sqrt(share) + (critical + quantile(power)) * (1 - share)
    return float(ndtr((ahead - critical) / math.sqrt(1 - share)))
