"""Did any theme, rating band or set get worse? Alarms over many slices of one comparison, which may overlap.

A slice is not a gate that has to turn green: few have enough positions for that. It raises an alarm where it
is shown to be worse, and otherwise says how large a drop it would have shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evals.statistics.power import power_worse, smallest_effect

Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)

FLIPS = 9_999
"""Random signs beside the ones that were seen; a p-value is known to 0.2 points near 5%."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What the comparison says about one slice."""

    positions: int
    difference: float
    """The mean of d: candidate minus baseline."""
    p: float
    """How likely such a drop would be in any of the slices, were no slice worse."""
    worse: bool
    """True where the slice is shown to be worse."""
    noticeable: float
    """The smallest drop that it would have shown in four of five runs."""


def find_worse(
    values: Sequence[float], slices: Mapping[Name, Set[int]], error: float = 0.05, seed: int = 0
) -> dict[Name, Slice]:
    """Look for slices in which the candidate is worse, with one chance of `error` for any false alarm at all.

    If the candidate is as good as the baseline, each position's d could as well have the opposite sign. So
    the signs are drawn anew, for all slices at once, and each slice's drop is held against the most unlikely
    drop of any slice: the step-down min-p procedure of Westfall and Young (Resampling-Based Multiple
    Testing, 1993, 2.6). Slices that overlap pay less for each other than they would by Holm's method, and
    slices with too few flips to show anything cost the others nothing.

    :param values: d of each position, as `Paired.values` has them.
    :param slices: the indices of each slice's positions.
    :param seed: of the signs; the same seed gives the same answer.
    """
    if not slices:
        return {}
    every = np.array(values, dtype=np.float64)
    members = np.zeros((len(slices), len(every)), dtype=bool)
    for row, indices in zip(members, slices.values(), strict=True):
        row[list(indices)] = True
    flipped = every != 0  # a sign changes nothing of the others, and they may be many thousands
    signs = random_signs(FLIPS, int(flipped.sum()), seed)
    p, level = adjusted(every[flipped], members[:, flipped], signs, error)
    discordance = float(np.abs(every).mean()) if len(every) else 0.0
    return {
        name: Slice(
            positions=int(row.sum()),
            difference=float(every[row].mean()) if row.any() else 0.0,
            p=float(each),
            worse=bool(each <= error),
            noticeable=_noticeable(int(row.sum()), discordance, level),
        )
        for name, row, each in zip(slices, members, p, strict=True)
    }


def random_signs(flips: int, positions: int, seed: int) -> NDArray[np.float32]:
    """Signs for each position, shape (flips + 1, positions); the first row is all 1: what was seen."""
    signs = np.random.default_rng(seed).integers(0, 2, (flips + 1, positions), dtype=np.int8) * 2 - 1
    signs[0] = 1
    return signs.astype(np.float32)


def adjusted(
    values: Floats, members: NDArray[np.bool_], signs: NDArray[np.float32], error: float
) -> tuple[Floats, float]:
    """The adjusted p-value of each slice, and the level that a slice alone has to reach.

    :param values: d, shape (positions,).
    :param members: shape (slices, positions), at least one slice.
    :param signs: shape (flips, positions), the first row all 1.
    :return: shape (slices,), and the level.
    """
    flips, some = len(signs), values != 0
    drops = -(signs[:, some] @ (members[:, some] * values[some]).T.astype(np.float32))
    drops = np.round(drops, 4)  # sums that are equal but for the order of adding are ties
    alone = np.empty(drops.shape)
    for column, sums in enumerate(drops.T):
        alone[:, column] = (flips - np.searchsorted(np.sort(sums), sums, side="left")) / flips
    order = np.argsort(alone[0], kind="stable")
    # From the last slice on: the most unlikely of this one and all that stand behind it.
    least = np.minimum.accumulate(alone[:, order[::-1]], axis=1)[:, ::-1]
    p = np.empty(len(order))
    p[order] = np.maximum.accumulate((least <= alone[0, order]).mean(0))
    best = np.sort(least[:, 0])
    reached = np.searchsorted(best, best, side="right") / flips <= error
    return p, float(best[reached].max(initial=0.0))


def _noticeable(positions: int, discordance: float, level: float) -> float:
    if not positions:
        return 1.0
    return smallest_effect(lambda drop: power_worse(positions, drop, max(discordance, drop), level), 1.0)
