"""A mistake as a chess player reads it: the board, the move played, the best move, the link."""

from __future__ import annotations

import chess

from evals.words import Case, Verdict


def explain(case: Case, verdict: Verdict) -> str:
    """A case's end for a chess player: the board from the solver's side, what was played, what was best,
    the link.

    Several lines of text. Of a line, the board is the one in front of the move that decided
    (`verdict.checks["ply"]`).
    """
    puzzle = case.puzzle
    ply = verdict.checks.get("ply")
    board = puzzle.board(ply if isinstance(ply, int) and 0 <= ply < len(puzzle.solution) else 0)
    side = "White" if board.turn == chess.WHITE else "Black"
    picture = board.unicode(borders=False, empty_square="·", orientation=board.turn)
    files = "a b c d e f g h" if board.turn == chess.WHITE else "h g f e d c b a"
    ranks = range(8, 0, -1) if board.turn == chess.WHITE else range(1, 9)
    rows = [f"{rank} {row}" for rank, row in zip(ranks, picture.splitlines(), strict=True)]
    facts = [f"{verdict.outcome}: {verdict.detail}" if verdict.detail else str(verdict.outcome)]
    facts.append(f"{side} to move: {board.fen()}")
    facts.append(f"rating {puzzle.rating}, {' '.join(puzzle.themes) or 'no themes'}")
    if puzzle.game_url:
        facts.append(puzzle.game_url)
    return "\n".join([*rows, f"  {files}", *facts])
