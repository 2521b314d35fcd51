"""How strong a run is, as one figure: the performance rating against the ratings of its puzzles. Pure.

The figure belongs to the mix of puzzles it was measured on. Elo's curve says how fast the share of solved
puzzles falls as their ratings rise; that of real models falls 0.2 to 0.35 times as fast, so easier puzzles
give a lower figure and harder ones a higher. Two runs may be compared by it on the same puzzles only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

from evals.statistics.rates import check_confidence, lower_bound, root

SCALE = 400 / math.log(10)
"""Rating points in one unit of log odds."""

HIGHEST = 4000
"""A rating is above 0 and at most this; what is outside is no rating but a placeholder or a slip."""

Floats = NDArray[np.float64]


class Result(NamedTuple):
    """One case: the rating of its puzzle, whether it was solved, and the position it belongs to."""

    rating: float
    solved: bool
    position: Hashable


@dataclass(frozen=True, slots=True)
class Rating:
    """A performance rating and its two-sided interval, in rating points; all three are finite."""

    rating: float
    low: float
    high: float
    results: int
    positions: int
    left_out: int
    """Results whose puzzle has no usable rating."""


@dataclass(frozen=True, slots=True)
class RatingBound:
    """Everything was solved, or nothing: the rating is only known to be above, or below, this one."""

    side: Literal["above", "below"]
    rating: float
    results: int
    positions: int
    left_out: int


@dataclass(frozen=True, slots=True)
class NoRating:
    """Nothing to rate from: fewer than two positions have a usable rating."""

    positions: int
    left_out: int


Strength = Rating | RatingBound | NoRating


def performance(results: Iterable[Result], confidence: float = 0.95) -> Strength:
    """The rating that makes the results most likely by Elo's curve, whatever their order, with its interval.

    By the logistic curve of Elo (The Rating of Chessplayers, 1978), a puzzle is solved with probability
    1 / (1 + 10 ** ((puzzle - rating) / 400)). The likeliest rating is where the expected number of solved
    puzzles equals the actual one. Its standard error is the sandwich of Huber (Proc. 5th Berkeley Symp.,
    1967) and White (Econometrica 50, 1982), summed by position (Liang and Zeger, Biometrika 73, 1986),
    because the curve is not the true one: an interval that takes it for true covers 80% instead of 95% at a
    slope of 0.2. As Angrist and Pischke advise (Mostly Harmless Econometrics, 2009, 8.1), the error is never
    less than the conventional one. The quantile is Student's, for the number of positions.

    Where all, or none, was solved there is no such rating. The bound is then where a model would be expected
    to solve the exact lower bound (or upper) of the share of positions, at (1 + confidence) / 2.

    :param confidence: two-sided.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    check_confidence(confidence)
    given = list(results)
    kept = [result for result in given if 0 < result.rating <= HIGHEST]
    left_out = len(given) - len(kept)
    names = {position: index for index, position in enumerate(dict.fromkeys(r.position for r in kept))}
    if len(names) < 2:
        return NoRating(len(names), left_out)
    puzzles = np.array([result.rating for result in kept]) / SCALE
    solved = np.array([result.solved for result in kept], dtype=np.float64)
    counts = len(kept), len(names), left_out
    side = (1 + confidence) / 2
    if solved.all():
        return RatingBound(
            "above", SCALE * level_of(puzzles, lower_bound(len(names), len(names), side)), *counts
        )
    if not solved.any():
        share = 1 - lower_bound(len(names), len(names), side)
        return RatingBound("below", SCALE * level_of(puzzles, share), *counts)
    level = level_of(puzzles, float(solved.mean()))
    clusters = np.array([names[result.position] for result in kept])
    reach = SCALE * standard_error(puzzles, solved, clusters, level) * float(stdtrit(len(names) - 1, side))
    return Rating(SCALE * level, SCALE * level - reach, SCALE * level + reach, *counts)


def level_of(puzzles: Floats, share: float) -> float:
    """Where a model that follows Elo's curve would be expected to solve that share of the puzzles.

    :param puzzles: ratings, in units of log odds.
    :param share: in (0, 1).
    :return: a level, in units of log odds.
    """
    reach = abs(math.log(share / (1 - share))) + 1
    return root(
        lambda level: share - float(expit(level - puzzles).mean()),
        puzzles.min() - reach,
        puzzles.max() + reach,
    )


def standard_error(puzzles: Floats, solved: Floats, clusters: NDArray[np.int_], level: float) -> float:
    """The standard error of the likeliest level: the sandwich by cluster, or the conventional one if larger.

    :param clusters: the index of each result's position, from 0.
    :return: in units of log odds.
    """
    expected = expit(level - puzzles)
    information = float((expected * (1 - expected)).sum())
    scores = np.bincount(clusters, weights=solved - expected)
    spread = float((scores**2).sum()) * len(scores) / (len(scores) - 1)
    return max(math.sqrt(spread) / information, 1 / math.sqrt(information))
