"""Placeholders: what a prompt can show of a position, and how the values are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import chess

from evals.formats.table import Table
from evals.reading.pieces import write_pieces

PATTERN = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)\}")
"""A placeholder in a message. Other braces are text: a message may hold JSON."""


class PlaceholderError(ValueError):
    """A placeholder for which this position has no value; says which and why."""


class MoveList(Table):
    """How `{legal_moves}` and `{legal_moves_san}` are written."""

    separator: str = ", "
    order: Literal["generated", "sorted"] = "generated"
    """In the order in which python-chess generates them, or sorted as text."""

    def write(self, moves: list[str]) -> str:
        """The moves as one text."""
        return self.separator.join(sorted(moves) if self.order == "sorted" else moves)


def _last_move(board: chess.Board) -> tuple[chess.Board, chess.Move]:
    """The position before the last move, and that move."""
    if not board.move_stack:
        raise PlaceholderError(
            "a prompt shows {last_move}, and the move before this position is not known: puzzles that are "
            "read with --position solver have none"
        )
    before = board.copy()
    return before, before.pop()


def _san_of_last(board: chess.Board) -> str:
    before, move = _last_move(board)
    return before.san(move)


OF_A_POSITION: Mapping[str, Callable[[chess.Board, MoveList], str]] = {
    "fen": lambda board, _: board.fen(),
    "board": lambda board, _: str(board),
    "side": lambda board, _: "White" if board.turn else "Black",
    "color": lambda board, _: "white" if board.turn else "black",
    "pieces": lambda board, _: write_pieces(board),
    "last_move": lambda board, _: _san_of_last(board),
    "last_move_uci": lambda board, _: _last_move(board)[1].uci(),
    "legal_moves": lambda board, how: how.write([move.uci() for move in board.legal_moves]),
    "legal_moves_san": lambda board, how: how.write([board.san(move) for move in board.legal_moves]),
}
"""The placeholders of every question, with what they stand for in a position.

`last_move` is the opponent's, in SAN; `board` eight rows of letters; `pieces` a list of all pieces by side.
"""
OF_A_QUESTION: Mapping[str, tuple[str, ...]] = {"board.moves": ("square",), "board.after": ("moves",)}
"""What one question has besides: the square of a piece, moves to be played."""
SHOW_THE_POSITION = frozenset({"fen", "board", "pieces"})
"""A user message needs one of these."""


def known_in(question: str) -> tuple[str, ...]:
    """The placeholders that a question of this name may have."""
    return (*OF_A_POSITION, *OF_A_QUESTION.get(question, ()))


def used_in(text: str) -> frozenset[str]:
    """The placeholders that a message has."""
    return frozenset(PATTERN.findall(text))


def fill(
    text: str,
    board: chess.Board,
    more: Mapping[str, str],
    moves: MoveList = MoveList(),  # noqa: B008
) -> str:
    """A message with the values of one position in it; `more` goes before what the position says.

    :raises PlaceholderError: the position has no value for a placeholder.
    """
    return PATTERN.sub(lambda m: more[m[1]] if m[1] in more else OF_A_POSITION[m[1]](board, moves), text)
