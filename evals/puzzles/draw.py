"""Which rows of a puzzle file are asked: filters, the seeded draw, strata, and a share of what was drawn.

Pure. Works on raw cells, because a Lichess file has five million rows and parsing one costs a hundred
times more than passing it by: only rows that are drawn are parsed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evals.puzzles.puzzle import COLUMNS, Puzzle

ID, FEN, RATING, THEMES = (COLUMNS.index(name) for name in ("PuzzleId", "FEN", "Rating", "Themes"))

BAND = 200
"""Width of a rating band, in rating points."""

GOALS = (
    *("mateIn1", "mateIn2", "mateIn3", "mateIn4", "mateIn5"),
    *("mate", "crushing", "advantage", "equality"),
)
"""Themes of which a Lichess puzzle has one that says what its solution reaches, most telling first."""


class Row(NamedTuple):
    """One row of a puzzle file, not yet parsed."""

    set: str
    file: str
    line: int
    """Counted from 1, the header included."""
    cells: list[str]
    """In the order of `COLUMNS`; an empty text where the file lacks the column."""
    broken: str = ""
    """What is wrong with it, where the cells cannot even be told apart."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted: any of the themes (every row where none is named), in a rating range."""

    themes: frozenset[str] = frozenset()
    ratings: tuple[int, int] | None = None
    unrated: bool = False
    """True where a row may have no rating, and then is in no range."""

    def __call__(self, row: Row) -> bool:
        if row.broken:
            return True  # the parser says so if the row is drawn
        if self.themes and self.themes.isdisjoint(row.cells[THEMES].split()):
            return False
        if self.ratings is None:
            return True
        if self.unrated and not row.cells[RATING]:
            return False
        try:
            return self.ratings[0] <= int(row.cells[RATING]) <= self.ratings[1]
        except ValueError:
            return True  # not a number, which the parser says as well


def band(rating: int) -> str:
    """The rating band of a puzzle, readable: `1400-1599`."""
    low = rating // BAND * BAND
    return f"{low}-{low + BAND - 1}"


def goal(themes: Collection[str], preferred: Collection[str] = ()) -> str:
    """The one theme that a puzzle counts under: the first that it has of `preferred`, then of `GOALS`."""
    return next((theme for theme in (*preferred, *GOALS) if theme in themes), "")


def stratum(row: Row, preferred: Collection[str] = ()) -> str:
    """The set, rating band and goal of a row, as one key."""
    try:
        level = band(int(row.cells[RATING]))
    except ValueError:
        level = ""
    return f"{row.set} {level} {goal(row.cells[THEMES].split(), preferred)}"


def priority(puzzle_id: str, seed: int) -> int:
    """Where a puzzle stands in the draw of a seed: a keyed hash of its id, 64 bit.

    So a draw does not depend on the order of the rows, `--limit 100` is the start of `--limit 500`, and the
    same puzzles are drawn from a CSV and from a Parquet file.
    """
    digest = hashlib.blake2b(puzzle_id.encode(), digest_size=8, key=str(seed).encode())
    return int.from_bytes(digest.digest())


class Draw:
    """Draws `size` of many rows in one pass and bounded memory: the rows of smallest priority.

    With strata it takes one row of each, then a second of each, and so on, so that every stratum has the
    same share as far as its rows go. Keeping the best of the rows seen so far is enough: a row that is beaten
    by `size` others stays beaten.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._room = 2 * size + 1000
        self._kept: list[tuple[int, str, Row]] = []
        self._beaten: dict[str, int] = {}  # stratum -> the smallest priority that was dropped

    def offer(self, row: Row, stratum: str = "") -> None:
        """Keep the row for as long as it is among the best."""
        standing = priority(row.cells[ID], self._seed)
        beaten = self._beaten.get(stratum)
        if beaten is not None and standing >= beaten:
            return
        self._kept.append((standing, stratum, row))
        if len(self._kept) > self._room:
            self._prune()

    def rows(self) -> list[Row]:
        """The drawn rows, in the order of the draw."""
        self._prune()
        return [row for _, _, row in self._kept]

    def _prune(self) -> None:
        self._kept.sort(key=lambda entry: (entry[0], entry[2].set, entry[2].line))
        taken = Counter[str]()
        ranked: list[tuple[int, int]] = []  # (rank in its stratum, place in _kept)
        for place, (_, stratum, _) in enumerate(self._kept):
            ranked.append((taken[stratum], place))
            taken[stratum] += 1
        ranked.sort()
        for _, place in ranked[self._size :]:
            standing, stratum, _ = self._kept[place]
            self._beaten[stratum] = min(standing, self._beaten.get(stratum, standing))
        self._kept = [self._kept[place] for _, place in ranked[: self._size]]


def spread(puzzles: Sequence[Puzzle], n: int) -> tuple[Puzzle, ...]:
    """`n` of the puzzles at even distances, so that each set keeps its share."""
    if n >= len(puzzles):
        return tuple(puzzles)
    return tuple(puzzles[index * len(puzzles) // n] for index in range(n))
