"""How strong a run is, as one figure: the performance rating against the ratings of the puzzles. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import chdtri

from evals.statistics.rates import root

SCALE = 400 / math.log(10)
"""Rating points in one unit of log odds."""


class Strength(NamedTuple):
    """A performance rating and its interval, in rating points; infinite where nothing bounds it."""

    rating: float
    low: float
    high: float


def performance(results: Sequence[tuple[int, bool]], confidence: float = 0.95) -> Strength:
    """The rating that makes the results most likely, whatever their order.

    By the logistic curve of Elo (The Rating of Chessplayers, 1978): solved with probability
    1 / (1 + 10 ** ((puzzle - rating) / 400)). The likeliest rating is where the expected number of solved
    puzzles equals the actual one. The interval is that of the likelihood ratio (Wilks, Ann. Math. Stat. 9,
    1938). Where all or none were solved the rating is infinite, and the finite end is where that has the
    probability (1 - confidence) / 2.

    :param results: each puzzle's rating, and whether it was solved.
    :raises ValueError: no results, or `confidence` is not in (0, 1).
    """
    if not results:
        raise ValueError("a performance rating needs at least one result")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, got {confidence!r}")
    solved = sum(success for _, success in results)
    scaled = [(rating / SCALE, success) for rating, success in results]
    reach = max(abs(rating) for rating, _ in scaled) + 40.0

    def surplus(level: float) -> float:
        return solved - sum(1 / (1 + math.exp(rating - level)) for rating, _ in scaled)

    def likelihood(level: float) -> float:
        gaps = (rating - level if success else level - rating for rating, success in scaled)
        return -sum(math.log1p(math.exp(gap)) for gap in gaps)

    if solved in (0, len(results)):
        unlikely = math.log((1 - confidence) / 2)
        end = root(lambda level: likelihood(level) - unlikely, -reach, reach) * SCALE
        return Strength(math.inf, end, math.inf) if solved else Strength(-math.inf, -math.inf, end)
    best = root(surplus, -reach, reach)
    lowest = likelihood(best) - float(chdtri(1, 1 - confidence)) / 2
    low = root(lambda level: likelihood(level) - lowest, best - reach, best)
    high = root(lambda level: likelihood(level) - lowest, best, best + reach)
    return Strength(best * SCALE, low * SCALE, high * SCALE)
