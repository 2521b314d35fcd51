"""Quoted lines: the moves that a text quotes, replayed on the board.

    1. Qxh7+ Kxh7 (1... Kf8 2. Qh8#) 2. Rh3+ {the king has no square} Kg8 $1 3. Rh8#

A quoted line is moves in a row on one row of text, with or without move numbers, variations, comments and
marks. One move alone is a line only where a move number says so: `e4` in prose is a square more often than
a move.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import chess

from evals.reading.moves import read_move

MOVE = r"(?:O-O(?:-O)?|0-0(?:-0)?|[KQRBN]?[a-h]?[1-8]?[x-]?[a-h][1-8](?:=?[QRBN])?)[+#]*[!?]*(?![\w=-])"
"""A pattern for a move in SAN, its marks included."""

_TOKEN = re.compile(
    rf"""
    (?P<comment>\{{[^}}]*\}}?) | (?P<open>\() | (?P<close>\)) | (?P<end>\n)
    | (?P<number>(?<![\w.-])[0-9]{{1,3}}\s?(?:\.\s?\.\.|\.{{1,3}}|…))
    | (?P<move>(?<![\w-]){MOVE})
    | (?P<aside>\$[0-9]+|->|→|[*_`!?+\#=±∓∞]+|[ \t]+)
    | (?P<word>[^\s(){{}}*_`]+)
    """,
    re.VERBOSE,
)

MOST_NESTED = 20
"""Variations inside of variations that are read; what is deeper is taken for prose."""
MOST_PLIES = 200
"""How far into a line another one may branch off, in half moves: for each, a position is kept in memory."""


@dataclass(slots=True)
class Row:
    """One level of a quoted line: moves as they were written, with what may replace one of them."""

    first: tuple[int, chess.Color] | None = None
    """What the move number in front of the first move claims; None without a number."""
    moves: list[str] = field(default_factory=list)
    variations: dict[int, list[Row]] = field(default_factory=dict)
    """By the index of the move that they replace."""

    @property
    def is_line(self) -> bool:
        """True where this is a quoted line and not a move or a square that prose mentions."""
        return len(self.moves) >= (2 if self.first is None else 1)


def read_rows(text: str) -> list[Row]:
    """Every quoted line of a text, in order."""
    reader = _Reader(text)
    for match in _TOKEN.finditer(text):
        reader.take(match)
    reader.finish()
    return reader.rows


class _Reader:
    """Builds rows from tokens. `stack` is the line being read and the variations that are open in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rows: list[Row] = []
        self.stack: list[Row] = [Row()]
        self.skipped = 0
        """Parentheses open inside of prose, or of a variation that went over into prose."""

    def finish(self) -> None:
        while len(self.stack) > 1:
            self._close()
        if self.stack[0].is_line:
            self.rows.append(self.stack[0])
        self.stack, self.skipped = [Row()], 0

    def _close(self) -> None:
        variation = self.stack.pop()
        row = self.stack[-1]
        row.variations.setdefault(len(row.moves) - 1, []).append(variation)

    def take(self, match: re.Match[str]) -> None:
        """Read one token."""
        kind, token = match.lastgroup, match[0]
        row = self.stack[-1]
        if kind == "end":
            self.finish()
        elif kind == "open":
            variation = not self.skipped and row.moves and len(self.stack) < MOST_NESTED
            if variation and _LINE_STARTS.match(self.text, match.end()):
                self.stack.append(Row())
            else:
                self.skipped += 1
        elif kind == "close" and self.skipped:
            self.skipped -= 1
        elif self.skipped:
            return
        elif kind == "number" and not row.moves:
            row.first = _number(token)
        elif kind == "move":
            row.moves.append(token)
        elif kind in ("word", "close"):
            if len(self.stack) == 1:
                self.finish()
            else:
                self._close()
                self.skipped += kind == "word"  # the rest of the variation is prose


_LINE_STARTS = re.compile(rf"\s*(?:[0-9]{{1,3}}\s?(?:\.|…)|{MOVE})")


def _number(token: str) -> tuple[int, chess.Color]:
    digits = re.match(r"[0-9]+", token)
    assert digits is not None
    dots = token[digits.end() :].replace(" ", "")
    return int(digits[0]), chess.BLACK if dots in ("...", "…") else chess.WHITE


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of replaying quoted lines."""

    lines: int
    """Lines quoted, each variation being one."""
    moves: int
    """Legal moves in them."""
    illegal: tuple[str, ...]
    """The move at which each line that is not legal stops."""


def replay(rows: Iterable[Row], root: chess.Board) -> Replay:
    """Replay quoted lines from the positions that they claim, each up to its first illegal move.

    A line starts in `root` or, where its move number says so, inside of the line before it (`24... Kxh7`
    under `24. Qxh7+ Kf8`). Numbers may be the game's or count from 1. Where a text can be read in both
    ways, the one in which more of it is legal counts.
    """
    lines = moves = 0
    illegal: list[str] = []
    before: list[chess.Board] = []
    for row in rows:
        claimed = _claimed_ply(row.first, root) if row.first else 0
        start = before[:claimed] if 0 < claimed <= len(before) else []
        done = _replay_row(row, root, start)
        if start and done.illegal:
            other = _replay_row(row, root, [])
            done = min(done, other, key=lambda each: (len(each.illegal), -each.legal))
        lines += done.lines
        moves += done.legal
        illegal += done.illegal
        before = done.path
    return Replay(lines, moves, tuple(illegal))


def _claimed_ply(first: tuple[int, chess.Color], root: chess.Board) -> int:
    """How many half moves after `root` a move number stands."""
    number, color = first
    base = root.fullmove_number if number >= root.fullmove_number else 1
    return 2 * (number - base) + (color == chess.BLACK) - (root.turn == chess.BLACK)


@dataclass(slots=True)
class _Done:
    lines: int
    legal: int
    illegal: list[str]
    path: list[chess.Board]
    """The position behind each half move from the root through the line's own, `MOST_PLIES` at most."""


def _replay_row(row: Row, root: chess.Board, start: Sequence[chess.Board]) -> _Done:
    """Replay a row from the last position of `start`, or from the root where that is empty."""
    board = (start[-1] if start else root).copy(stack=False)
    done = _Done(0, 0, [], list(start))
    _walk(row, board, done, done.path)
    return done


def _walk(row: Row, board: chess.Board, done: _Done, path: list[chess.Board] | None = None) -> None:
    """Play a row's moves on `board` and take them back again; `path` gets the positions between."""
    done.lines += 1
    played = 0
    for index, text in enumerate(row.moves):
        move = read_move(text, board, "san").move
        # Also before an illegal move: a variation that replaces it starts in a position that is known.
        for variation in row.variations.get(index, ()):
            _walk(variation, board, done)
        if move is None:
            done.illegal.append(text)
            break
        board.push(move)
        if path is not None and len(path) < MOST_PLIES:
            path.append(board.copy(stack=False))
        played += 1
        done.legal += 1
    for _ in range(played):
        board.pop()
