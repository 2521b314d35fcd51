"""Puzzle files of other people: which column is which, and whose position the FEN is.

Lichess's own files need nothing said. In another the columns have other names, the moves may be in SAN or
stand between commas, ids, ratings and themes may be missing, and the FEN may be the solver's already.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import chess

from evals.puzzles.puzzle import COLUMNS, Convention, Puzzle, PuzzleError, parse_row, quoted

FIELDS = {
    "id": "PuzzleId",
    "fen": "FEN",
    "moves": "Moves",
    "rating": "Rating",
    "themes": "Themes",
    "url": "GameUrl",
}
"""What a column can be named for, and the column of a Lichess file that has it."""

_UCI = re.compile(r"[a-h][1-8][a-h][1-8][qrbn]?")
_BETWEEN = re.compile(r"[\s,\[\]'\"]+")
"""What stands between the items of a list, as text or as Python writes it."""


class ColumnError(ValueError):
    """A column that is asked for is not there; names the closest one, or those that there are."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a puzzle file are read; the default is Lichess's way."""

    columns: tuple[tuple[str, str], ...] = ()
    """A field of `FIELDS` and the name that its column has in the file. Fields that are not named stand under
    Lichess's name, or are missing.
    """
    convention: Convention = "before"
    """`before`: the FEN is the position before the opponent's move, and the moves start with that move
    (Lichess). `solver`: the FEN is what the solver sees, and the moves start with the solver's.
    """

    @property
    def own(self) -> bool:
        """True where the file is not read as Lichess's: then only position and moves have to be there."""
        return bool(self.columns) or self.convention != "before"

    def names(self, there: Sequence[str]) -> list[str | None]:
        """The name in this file of each of `COLUMNS`, None where it has no such column.

        :raises ColumnError: one that is named or needed is not there.
        """
        named = {FIELDS[field]: name for field, name in self.columns}
        for name in named.values():
            if name not in there:
                raise ColumnError(f"no column {name!r}; {offer_column(name, there)}")
        needed = ("FEN", "Moves") if self.own else ("PuzzleId", "FEN", "Moves", "Rating")
        if missing := [name for name in needed if name not in named and name not in there]:
            raise ColumnError(
                f"wrong header: no {', '.join(missing)}; a puzzle file starts with {','.join(COLUMNS)!r}, or "
                f"--columns fen=NAME,moves=NAME says what is called what; {_those(there)}"
            )
        return [named.get(name, name if name in there else None) for name in COLUMNS]

    def cells(self, cells: list[str]) -> list[str]:
        """The cells of a row, in the order of `COLUMNS`, with an id and themes as the draw needs them.

        A row without an id gets a hash of its position and its line, the same in every file and session.
        """
        if not self.own:
            return cells
        found = dict(zip(COLUMNS, cells, strict=True))
        if not found["PuzzleId"]:
            line = f"{found['FEN']} {' '.join(items(found['Moves']))}"
            found["PuzzleId"] = hashlib.blake2b(line.encode(), digest_size=6).hexdigest()
        # A column of numbers with gaps becomes one of fractions on its way through pandas.
        found["Rating"] = re.sub(r"\.0+$|^(nan|none|null)$", "", found["Rating"].strip(), flags=re.IGNORECASE)
        themes = found["Themes"]
        if re.search(r"[,\[\]]", themes):  # items, each of which may have blanks in it
            words = (_BETWEEN.sub(" ", item).split() for item in themes.split(","))
            found["Themes"] = " ".join("_".join(item) for item in words if item)
        return list(found.values())

    def parse(self, row: Mapping[str, str], set_name: str) -> Puzzle:
        """The puzzle of a row with the columns of a Lichess file.

        :raises PuzzleError: as `parse_row`; or the moves are in two notations.
        """
        if not self.own:
            return parse_row(row, set_name)
        try:
            moves = " ".join(_in_uci(row["FEN"], items(row["Moves"]), self.convention))
        except PuzzleError as error:
            raise PuzzleError(f"puzzle {quoted(row['PuzzleId'])}: {error}") from error
        return parse_row({**row, "Moves": moves}, set_name, convention=self.convention, unrated=True)


LICHESS = Dialect()


def offer_column(name: str, there: Sequence[str]) -> str:
    """The closest name of a column, and those that there are."""
    close = difflib.get_close_matches(name.lower(), [each.lower() for each in there], n=1)
    match = next((each for each in there if close and each.lower() == close[0]), None)
    return (f"did you mean {match!r}? " if match else "") + _those(there)


def _those(there: Sequence[str]) -> str:
    return f"there are {', '.join(map(repr, there[:20]))}"


def items(text: str) -> list[str]:
    """The items of a list, between blanks or commas, or as Python writes a list of texts."""
    return [item for item in _BETWEEN.split(text) if item]


def _in_uci(fen: str, moves: Sequence[str], convention: Convention) -> Sequence[str]:
    """A row's moves in UCI, whichever of the two notations they are in.

    What cannot be read stays as it is where the row is in UCI, so that the check of the puzzle says what is
    wrong.

    :raises PuzzleError: a move is in SAN and another in UCI, or one in SAN is none of its position.
    """
    if len(" ".join(moves)) > 1000 or all(_UCI.fullmatch(move) for move in moves):
        return moves
    if mixed := [move for move in moves if _UCI.fullmatch(move)]:
        raise PuzzleError(
            f"{quoted(mixed[0])} is UCI, and other moves of the row are not: write all in one way"
        )
    try:
        board = chess.Board(fen)
    except ValueError:
        return moves
    found: list[str] = []
    for ply, san in enumerate(moves):
        try:
            move = board.parse_san(san.rstrip("!?"))
        except ValueError as error:
            hint = _already_played(fen, moves) if ply == 0 else ""
            if ply == 0 and convention == "solver" and not hint:
                hint = "; is its first move the opponent's? Then give --position before"
            raise PuzzleError(f"move {ply + 1} of the row, {quoted(san)}: {_why(error)}{hint}") from error
        if not move:
            raise PuzzleError(f"move {ply + 1} of the row is a null move: {quoted(san)}")
        found.append(move.uci())
        board.push(move)
    return found


def _why(error: ValueError) -> str:
    if isinstance(error, chess.AmbiguousMoveError):
        return "ambiguous SAN"
    return "illegal" if isinstance(error, chess.IllegalMoveError) else "neither UCI nor SAN"


def _already_played(fen: str, moves: Sequence[str]) -> str:
    """A hint where the second move fits the position, and so the first is played in it already."""
    try:
        chess.Board(fen).parse_san(moves[1].rstrip("!?"))
    except (ValueError, IndexError):
        return ""
    return "; the second move fits the FEN: leave out the first and give --position solver"
