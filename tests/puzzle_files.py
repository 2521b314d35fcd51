"""Puzzle files for the tests: puzzles by random play in every form of file that is read."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from evals.puzzles.puzzle import COLUMNS, Puzzle
from tests.positions import random_puzzle

THEMES = (("mate", "mateIn1"), ("advantage", "fork"), ("crushing",))
HEADER = ",".join(COLUMNS).encode() + b"\n"


def some_puzzles(count: int = 60, seed: int = 1) -> list[Puzzle]:
    """Puzzles `p0000`, `p0001`, ... of rising rating, with the themes in turn and no position twice."""
    rng = random.Random(seed)
    found: dict[str, Puzzle] = {}
    while len(found) < count:
        puzzle = random_puzzle(rng)
        found.setdefault(puzzle.position_key, puzzle)
    return [
        replace(puzzle, id=f"p{index:04}", rating=600 + 20 * index, themes=THEMES[index % 3])
        for index, puzzle in enumerate(found.values())
    ]


PUZZLES = some_puzzles()


def ids(puzzles: Iterable[Puzzle]) -> list[str]:
    """The ids of puzzles."""
    return [puzzle.id for puzzle in puzzles]


def row(puzzle: Puzzle, **changes: str) -> bytes:
    """The line of a puzzle in a CSV file, some cells changed."""
    return ",".join((puzzle.to_row() | changes).values()).encode() + b"\n"


def write_csv(path: Path, puzzles: Sequence[Puzzle] = PUZZLES) -> Path:
    """A Lichess CSV."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(puzzle.to_row().values() for puzzle in puzzles)
    return path


def compress(path: Path) -> Path:
    """The file as `.csv.zst`, in its place."""
    packed = path.with_suffix(".csv.zst")
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    path.unlink()
    return packed


def write_parquet(
    path: Path, puzzles: Sequence[Puzzle] = PUZZLES, *, use_dictionary: bool = True, **columns: list[Any]
) -> Path:
    """In the columns of the Lichess dataset on the Hub, numbers, lists, the game's id and no address; columns
    may be given.
    """
    pyarrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    of_lichess: dict[str, list[Any]] = {
        "PuzzleId": ids(puzzles),
        "GameId": ["abcd1234" for _ in puzzles],
        "FEN": [p.fen for p in puzzles],
        "Moves": [" ".join(p.moves) for p in puzzles],
        "Rating": [p.rating for p in puzzles],
        "Themes": [list(p.themes) for p in puzzles],
        "OpeningTags": [None for _ in puzzles],
    }
    table = pyarrow.table(of_lichess | columns)
    parquet.write_table(table, path, compression="zstd", use_dictionary=use_dictionary)
    return path
