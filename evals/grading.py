"""Grading: what one move, written as text, is worth in one position.

The rules are Lichess's. The solution's move solves; so does any other move that gives checkmate, because
nothing can be better. Everything else is a mistake of exactly one kind (`evals.cases.Outcome`). Text is never
lower-cased: `Bxc3` and `bxc3` are different moves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import chess

from evals.answers import plain, shown
from evals.cases import Case, Notation, Outcome, Verdict

_UCI = re.compile(r"[a-h][1-8][a-h][1-8][qrbn]?", re.ASCII)
# "!?" and friends judge a move, they do not change it; "++" is an old way to write a double check.
_SAN_MARKS = re.compile(r"[+#]*[!?]*\Z")
_NULL = frozenset({"0000", "--", "Z0", "@@@@"})


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
    Null moves are written moves that are never legal.
    """
    text = text.strip()
    if text in _NULL:
        return Played(None, Outcome.ILLEGAL)
    return _read_uci(text, board) if notation == "uci" else _read_san(text, board)


def _read_uci(text: str, board: chess.Board) -> Played:
    if not _UCI.fullmatch(text):
        return Played(None, Outcome.UNPARSEABLE)
    try:
        return Played(board.parse_uci(text), None)
    except ValueError:
        # Every text of this shape is a move that was written, `e2e2` too, which python-chess calls invalid.
        return Played(None, Outcome.ILLEGAL)


def _read_san(text: str, board: chess.Board) -> Played:
    try:
        return Played(board.parse_san(_SAN_MARKS.sub("", text, count=1)), None)
    except chess.AmbiguousMoveError:
        return Played(None, Outcome.AMBIGUOUS)
    except chess.IllegalMoveError:
        return Played(None, Outcome.ILLEGAL)
    except ValueError:
        return Played(None, Outcome.UNPARSEABLE)


def gives_checkmate(board: chess.Board, move: chess.Move) -> bool:
    """True where a legal `move` mates; `board` is as before afterwards."""
    if not board.gives_check(move):
        return False
    board.push(move)
    try:
        return board.is_checkmate()
    finally:
        board.pop()


def name_move(board: chess.Board, move: chess.Move) -> str:
    """A legal move for a person to read: `Nf3 (g1f3)`."""
    return f"{board.san(move)} ({move.uci()})"


def judge_move(board: chess.Board, solution: str, text: str, notation: Notation) -> Verdict:
    """Judge one move against the solution's (UCI) in the position where it was asked for."""
    played = read_move(text, board, notation)
    if played.move is None:
        assert played.outcome is not None
        why = _why(played.outcome, text, board, solution)
        return Verdict(played.outcome, plain(text.strip()[:80]), solution, why)
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
