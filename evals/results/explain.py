"""A mistake as a chess player reads it: the move played, the best move, the board, the link."""

from __future__ import annotations

import chess

from evals.words import Case, Verdict
from serve.printable import printable


def explain(case: Case, verdict: Verdict) -> str:
    """A case's end for a chess player: what was played and what was best, then the board from the solver's
    side, and the link.

    Several lines of text, each printable; the first says it all. Of a line, the board is the one in front of
    the move that decided (`verdict.checks["ply"]`).
    """
    puzzle = case.puzzle
    ply = verdict.checks.get("ply")
    board = puzzle.board(ply if isinstance(ply, int) and 0 <= ply < len(puzzle.solution) else 0)
    side = "White" if board.turn == chess.WHITE else "Black"
    picture = board.unicode(borders=False, empty_square="·", orientation=board.turn)
    files = "a b c d e f g h" if board.turn == chess.WHITE else "h g f e d c b a"
    ranks = range(8, 0, -1) if board.turn == chess.WHITE else range(1, 9)
    rows = [f"{rank} {row}" for rank, row in zip(ranks, picture.splitlines(), strict=True)]
    outcome = str(verdict.outcome)
    facts = [
        f"{outcome}; {side} to move: {board.fen()}",
        printable(f"rating {puzzle.rating or 'unknown'}, {' '.join(puzzle.themes) or 'no themes'}"),
    ]
    if puzzle.game_url:
        facts.append(printable(puzzle.game_url))
    return "\n".join([printable(verdict.detail) or outcome, *rows, f"  {files}", *facts])
