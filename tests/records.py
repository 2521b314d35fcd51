"""Cases and records for tests of what reads records: gates, comparison, report."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import chess

from evals.puzzles.puzzle import Puzzle
from evals.puzzles.split import canonical
from evals.results.gates import Planned
from evals.words import Case, Outcome, Record


@cache
def puzzle_of(number: int) -> Puzzle:
    """Puzzle `number` (below 65,536) of the set `s`: pawns in the middle of the board spell the number."""
    board = chess.Board("1k6/8/8/8/8/8/8/K7 b - - 0 1")
    for bit in range(16):
        if number >> bit & 1:
            board.set_piece_at(
                chess.A4 + bit, chess.Piece(chess.PAWN, chess.WHITE if bit < 8 else chess.BLACK)
            )
    return Puzzle(str(number), board.fen(), ("b8c8", "a1b1"), 1500, set="s")


@cache
def position_of(number: int) -> str:
    """The position of puzzle `number`, which no other number has."""
    return canonical(puzzle_of(number).board())


@cache
def case_of(
    number: int, task: str = "move", variant: str = "", mirrored: bool = False, sample: int = 0
) -> Case:
    """One asking of puzzle `number`."""
    return Case(task, puzzle_of(number), variant, mirrored, sample)


def record(
    outcome: Outcome | str = Outcome.SOLVED,
    number: int = 0,
    *,
    task: str = "move",
    variant: str = "",
    mirrored: bool = False,
    sample: int = 0,
    **more: Any,
) -> Record:
    """A judged case of puzzle `number`."""
    fields: dict[str, Any] = {"set": "s", "position": position_of(number), "rating": 1500, "move": "e2e4"}
    return Record(
        case=case_of(number, task, variant, mirrored, sample).key,
        task=task,
        puzzle=str(number),
        outcome=Outcome(outcome),
        variant=variant,
        mirrored=mirrored,
        sample=sample,
        **(fields | more),
    )


def planned(records: Iterable[Record], **more: Any) -> Planned:
    """The plan of a session that asked these cases."""
    cases = [case_of(int(r.puzzle), r.task, r.variant, r.mirrored, r.sample) for r in records]
    return Planned(cases, **more)
