"""Grading: what one move, written as text, is worth in one position.

The rules are Lichess's. The solution's move solves; so does any other move that gives checkmate, because
nothing can be better. Everything else is a mistake of exactly one kind (`evals.words.Outcome`). Text is never
lower-cased: `Bxc3` and `bxc3` are different moves.
"""

from __future__ import annotations

from collections.abc import Mapping

import chess

from evals.reading.moves import name_move, read_move
from evals.reading.text import shown
from evals.words import Notation, Outcome, Verdict
from serve.printable import printable

MOVE_CHECKS: Mapping[str, type] = {
    "lenient": bool,  # the move was found in other text, where the format or `--constrain none` allows that
}
SOLUTION_CHECKS: Mapping[str, type] = {
    **MOVE_CHECKS,
    "ply": int,  # the half move of the solution that decided, from 0
    "moves_solved": int,  # the solver's moves that are right
    "moves_total": int,  # the solver's moves in the solution
    "first_move": bool,  # the first one is right
}

LONGEST_MOVE = 80
"""Characters that a verdict keeps of a text that is no legal move."""


def gives_checkmate(board: chess.Board, move: chess.Move) -> bool:
    """True where a legal `move` mates; `board` is as before afterwards."""
    if not board.gives_check(move):
        return False
    board.push(move)
    try:
        return board.is_checkmate()
    finally:
        board.pop()


def judge_move(board: chess.Board, solution: str, text: str, notation: Notation) -> Verdict:
    """Judge one move against the solution's (UCI) in the position where it was asked for."""
    played = read_move(text, board, notation)
    if played.move is None:
        assert played.outcome is not None
        why = _why(played.outcome, text, board, solution)
        return Verdict(played.outcome, printable(text.strip(), LONGEST_MOVE), solution, why)
    best = chess.Move.from_uci(solution)
    uci = played.move.uci()
    if played.move == best:
        return Verdict(Outcome.SOLVED, uci, solution)
    if gives_checkmate(board, played.move):
        return Verdict(Outcome.SOLVED, uci, solution, f"another checkmate: {name_move(board, played.move)}")
    detail = f"played {name_move(board, played.move)}, best {name_move(board, best)}"
    return Verdict(Outcome.MISSED, uci, solution, detail)


def _why(outcome: Outcome, text: str, board: chess.Board, solution: str) -> str:
    reason = {
        Outcome.ILLEGAL: "is not legal here",
        Outcome.AMBIGUOUS: "fits more than one legal move",
    }.get(outcome, "can not be read as a move")
    return f"{shown(text)} {reason}, best {name_move(board, chess.Move.from_uci(solution))}"
