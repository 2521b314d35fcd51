"""Which puzzles stand in the files that a model was trained on.

A training file may have millions of rows, of which few are among the puzzles that are asked. So nothing of it
is kept: each row's position is looked up as text among the placements of the asked puzzles and their mirror
images, and only one that is there is set up and compared by the rules. A million Lichess rows take 8 s; a
million with moves in SAN, which need the rules, take two minutes; neither takes memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import chess

from evals.puzzles.dialect import FIELDS, ColumnError, Dialect, items, offer_column
from evals.puzzles.draw import FEN, Row
from evals.puzzles.files import PuzzleFileError, rows
from evals.puzzles.puzzle import COLUMNS, Puzzle, quoted
from evals.puzzles.sets import HUB, PuzzleSet, find_sets
from evals.puzzles.split import canonical

MOVES = COLUMNS.index("Moves")
_BOARD = re.compile(r"[PNBRQKpnbrqk.]{8}(?:/[PNBRQKpnbrqk.]{8}){7}")
_UCI = re.compile(r"[a-h][1-8][a-h][1-8][qrbn]?")
_AT = {chess.square_name(at): 9 * (7 - at // 8) + at % 8 for at in chess.SQUARES}
"""Where a square stands in a placement that is written out, eight ranks of eight with a slash between."""
_BLANKS = tuple((str(run), "." * run) for run in range(1, 9))


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file that the model was trained on, as the command line names it."""

    source: str
    columns: tuple[tuple[str, str], ...] = ()
    """A field of `FIELDS` and the name of its column; `fen` and `moves` are read."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What was found in a training file."""

    source: str
    digest: str
    """SHA-256, as of a puzzle set."""
    rows: int
    bad: int
    """Rows passed over because they have no legal position."""
    problem: str
    """What is wrong with the first of them."""
    matched: int
    """Asked puzzles whose position is there."""


@dataclass(frozen=True, slots=True)
class _PositionColumns(Dialect):
    """Reads only positions and, where there are any, moves."""

    @property
    def own(self) -> bool:
        """False: ids and themes, which only a draw needs, are not made up."""
        return False

    def names(self, there: Sequence[str]) -> list[str | None]:
        """The columns of position and moves, and no others.

        :raises ColumnError: there is no such column of positions, or no column of moves that is named.
        """
        named = {FIELDS[field]: name for field, name in self.columns}
        wanted = {"FEN": named.get("FEN", "FEN"), "Moves": named.get("Moves", "Moves")}
        for column, name in wanted.items():
            if name not in there and (column == "FEN" or column in named):
                raise ColumnError(
                    f"no column {name!r}: --trained-on FILE:COLUMN says which one has the positions; "
                    f"{offer_column(name, there)}"
                )
        return [name if (name := wanted.get(column)) in there else None for column in COLUMNS]


class _Sought:
    """The positions of the asked puzzles, as a training file may have them.

    A FEN is taken for the solver's position and, where the row has moves, for the one before its first move.
    A FEN without moves may also be the one before the opponent's move of a puzzle that is asked.
    """

    def __init__(self, puzzles: Iterable[Puzzle]) -> None:
        self.keys: set[str] = set()
        self.before: dict[str, set[str]] = {}
        self.found: set[str] = set()
        self.images: set[str] = set()
        for puzzle in puzzles:
            self.keys.add(puzzle.position_key)
            self.images |= _images(puzzle.board())
            if puzzle.convention == "before":
                board = chess.Board(puzzle.fen)
                self.before.setdefault(canonical(board), set()).add(puzzle.position_key)
                self.images |= _images(board)

    def look(self, row: Row) -> str:
        """Look for the positions of a row. Returns what is wrong with it; nothing where it has a position."""
        fen, moves = row.cells[FEN], row.cells[MOVES]
        squares = written_out(fen.partition(" ")[0])
        if row.broken or not squares:
            return row.broken or f"no legal position: {quoted(fen)}"
        first = moves.partition(" ")[0]
        if not moves:
            after = None
        elif _UCI.fullmatch(first) is None:  # a list, or SAN: not to be followed on text
            first, after = (items(moves) or [""])[0], ""
        else:
            after = after_move(squares, first)
        if squares in self.images or after == "" or (after is not None and after in self.images):
            return self._compare(fen, first)
        return ""

    def _compare(self, fen: str, first: str) -> str:
        try:
            board = chess.Board(fen)
        except ValueError as error:
            return f"no legal position: {quoted(fen)} ({error})"
        key = canonical(board)
        self._meet(key)
        if not first:
            self.found |= self.before.get(key, set())
            return ""
        try:
            parse = board.parse_uci if _UCI.fullmatch(first) else board.parse_san
            board.push(parse(first.rstrip("!?")))
        except ValueError:
            return ""  # the position stands there, whatever the move is
        self._meet(canonical(board))
        return ""

    def _meet(self, key: str) -> None:
        if key in self.keys:
            self.found.add(key)


def mark_trained(
    puzzles: Sequence[Puzzle], files: Iterable[TrainingFile]
) -> tuple[tuple[Puzzle, ...], tuple[Trained, ...]]:
    """The puzzles, `seen` where a file has their position up to mirroring, and what the files are.

    :raises PuzzleFileError: a file is missing, cannot be read, has no column of positions, or none in it.
    """
    sought, seen = _Sought(puzzles), set[str]()
    described: list[Trained] = []
    for file in files:
        dialect = _PositionColumns(file.columns)
        for each in find_sets([file.source]):
            described.append(_search(each, dialect, sought))
            seen |= sought.found
    return tuple(replace(each, seen=each.position_key in seen) for each in puzzles), tuple(described)


def _search(file: PuzzleSet, dialect: Dialect, sought: _Sought) -> Trained:
    """Go through the rows of one file, or of one data set; leaves in `sought` what was found."""
    sought.found = set()
    count, bad, first = 0, 0, ""
    for path in file.files:
        for row in rows(path, file.name, dialect):
            count += 1
            if problem := sought.look(row):
                bad += 1
                first = first or f"{row.file}:{row.line}: {problem}"
    if bad == count:
        why = f"; the first: {first}" if first else ": there is a header, but no row"
        raise PuzzleFileError(file.source, 0, f"no row has a legal position{why}")
    return Trained(file.source, file.digest, count, bad, first, len(sought.found))


def read_training_file(text: str, columns: tuple[tuple[str, str], ...]) -> TrainingFile:
    """`FILE`, or `FILE:COLUMN` with the name of the column of positions.

    :param columns: what columns are called unless the text says so.
    """
    source, colon, column = text.rpartition(":")
    if not colon or not source or "/" in column or f"{source}://" == HUB:
        return TrainingFile(text, columns)
    others = tuple(each for each in columns if each[0] != "fen")
    return TrainingFile(source, (("fen", column), *others))


def written_out(placement: str) -> str:
    """The first field of a FEN with a dot for each empty square; empty where it is none with two kings."""
    for run, blanks in _BLANKS:
        placement = placement.replace(run, blanks)
    legal = placement.count("K") == 1 == placement.count("k") and _BOARD.fullmatch(placement)
    return placement if legal else ""


def after_move(squares: str, uci: str) -> str | None:
    """What `written_out` says once a move is played, legal or not; None where nothing stands on its square.

    Empty where a piece takes one of its own colour, as castling is written by some: the rules have to say.
    """
    start, end = _AT[uci[:2]], _AT[uci[2:4]]
    piece, taken = squares[start], squares[end]
    if piece == ".":
        return None
    if taken != "." and taken.isupper() == piece.isupper():
        return ""
    board = list(squares)
    board[start] = "."
    board[end] = piece if len(uci) == 4 else uci[4].upper() if piece == "P" else uci[4]
    if piece in "Kk" and abs(start - end) == 2:
        corner, beside = (end + 1, end - 1) if end > start else (end - 2, end + 1)
        board[corner], board[beside] = ".", squares[corner]
    elif piece in "Pp" and taken == "." and (start - end) % 9:
        board[start - start % 9 + end % 9] = "."
    return "".join(board)


def _images(board: chess.Board) -> set[str]:
    images = [board, board.mirror()]
    images += [image.transform(chess.flip_horizontal) for image in images]
    return {written_out(image.board_fen()) for image in images}
