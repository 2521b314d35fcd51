"""Moves: one move read from text, in UCI or in SAN, in the position where it is to be played.

Text is never lower-cased: `Bxc3` and `bxc3` are different moves. What a move is worth is graded in
`evals.tasks.grading`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import chess

from evals.words import Notation, Outcome

_UCI = re.compile(r"[a-h][1-8][a-h][1-8][qrbn]?", re.ASCII)
_NULL = frozenset({"0000", "--", "Z0", "@@@@"})
"""How a null move ("pass") is written in UCI, in SAN and by two programs."""


@dataclass(frozen=True, slots=True)
class Played:
    """One move read from text: a legal `move`, or the outcome that stands for why there is none."""

    move: chess.Move | None
    outcome: Outcome | None
    """None where the move is legal; else `illegal`, `ambiguous` or `unparseable`."""


def read_move(text: str, board: chess.Board, notation: Notation) -> Played:
    """Read a move of the side to move. White space around it does not count; anything else does.

    UCI: castling as the king's step (`e1g1`) and as king takes rook (`e1h1`). SAN: check, mate and judgement
    marks may be there or not; `0-0` is castling; a move written in more detail than needed is accepted.
    A null move is a move that was written and is never legal, in either notation and with any marks.
    """
    text = text.strip()
    unmarked = without_marks(text)
    if unmarked in _NULL:
        return Played(None, Outcome.ILLEGAL)
    return _read_uci(text, board) if notation == "uci" else _read_san(unmarked, board)


def without_marks(text: str) -> str:
    """A move without what follows it in SAN: `+` and `#` (`++` is an old double check), then `!` and `?`.

    Not by a regular expression: one that is anchored at the end takes quadratic time on a long row of marks.
    """
    return text.rstrip("!?").rstrip("+#")


def _read_uci(text: str, board: chess.Board) -> Played:
    if not _UCI.fullmatch(text):
        return Played(None, Outcome.UNPARSEABLE)
    try:
        return Played(board.parse_uci(text), None)
    except ValueError:
        # Every text of this shape is a move that was written, `e2e2` too, which python-chess calls invalid.
        return Played(None, Outcome.ILLEGAL)


def _read_san(unmarked: str, board: chess.Board) -> Played:
    try:
        return Played(board.parse_san(unmarked), None)
    except chess.AmbiguousMoveError:
        return Played(None, Outcome.AMBIGUOUS)
    except chess.IllegalMoveError:
        return Played(None, Outcome.ILLEGAL)
    except ValueError:
        return Played(None, Outcome.UNPARSEABLE)


def name_move(board: chess.Board, move: chess.Move) -> str:
    """A legal move for a person to read: `Nf3 (g1f3)`."""
    return f"{board.san(move)} ({move.uci()})"
