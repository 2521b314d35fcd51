"""What a puzzle is, with Lichess semantics.

Source of the format: https://database.lichess.org/#puzzles. `FEN` is the position *before* the opponent's
move, `Moves[0]` is that move, and the solver answers from `Moves[1]` on. Nothing outside this module pairs
the raw FEN with a move: `Puzzle.board()` is the only way to a position.

Files of other people may have the solver's own position as FEN; then there is no opponent's move in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import chess

from evals.puzzles.split import canonical
from serve.printable import printable

COLUMNS = (
    "PuzzleId",
    "FEN",
    "Moves",
    "Rating",
    "RatingDeviation",
    "Popularity",
    "NbPlays",
    "Themes",
    "GameUrl",
    "OpeningTags",
)

LONGEST = {"PuzzleId": 64, "FEN": 100, "Moves": 1000, "Themes": 1000, "GameUrl": 200, "OpeningTags": 1000}
"""Characters that a cell may have: for a FEN all that it can need, for the rest five times of what any of
33,453 Lichess puzzles does.
"""

BOUNDS = {
    "Rating": (1, 4000),
    "RatingDeviation": (0, 4000),
    "Popularity": (-(10**9), 10**9),
    "NbPlays": (0, 10**9),
}
"""The least and the greatest number of each column. Lichess rates its puzzles from 399 to about 3300."""


Convention = Literal["before", "solver"]
"""Whose position the FEN is: the one before the opponent's move, or what the solver sees."""

UNRATED = 0
"""The rating of a puzzle whose rating is not known: below every rating, and in no band."""


class PuzzleError(ValueError):
    """A puzzle row that breaks the format or the rules of chess."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One puzzle. `moves[0]` is the opponent's, `moves[1:]` the solution line, all in UCI; where `convention`
    is `solver`, all of `moves` are the solution.
    """

    id: str
    fen: str
    moves: tuple[str, ...]
    rating: int
    """`UNRATED` where it is not known."""
    rating_deviation: int = 0
    popularity: int = 0
    plays: int = 0
    themes: tuple[str, ...] = ()
    game_url: str = ""
    opening_tags: tuple[str, ...] = ()
    set: str = field(default="", compare=False)
    """Name of the puzzle set that it came from (the file's stem)."""
    convention: Convention = "before"
    seen: bool = field(default=False, compare=False)
    """True where its position is in a file that the model was trained on."""
    _position_key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def position_key(self) -> str:
        """The position that the solver sees, up to mirroring: results of one key are not independent.

        See `evals.puzzles.split.canonical`. Worked out once, while the puzzle is checked or when it is first
        asked for, and pickled with the puzzle.
        """
        return self._position_key or _remember_key(self, self.board())

    @property
    def solution(self) -> tuple[str, ...]:
        """The line from the solver's first move on, the opponent's replies included, in UCI."""
        return self.moves[self._lead :]

    @property
    def solver_moves(self) -> tuple[str, ...]:
        """The moves that the solver has to find, in UCI."""
        return self.moves[self._lead :: 2]

    @property
    def _lead(self) -> int:
        """How many moves stand before the solver's first."""
        return 1 if self.convention == "before" else 0

    def board(self, ply: int = 0) -> chess.Board:
        """The position the solver sees after `ply` half moves of the solution (0: the puzzle's start).

        The opponent's move is already played; the board's move stack starts with it, where it is known.
        """
        board = chess.Board(self.fen)
        for uci in self.moves[: max(0, ply + self._lead)]:
            board.push_uci(uci)
        return board

    def to_row(self) -> dict[str, str]:
        """The puzzle as one Lichess CSV row; one of the other convention has no opponent's move."""
        return {
            "PuzzleId": self.id,
            "FEN": self.fen,
            "Moves": " ".join(self.moves),
            "Rating": "" if self.rating == UNRATED else str(self.rating),
            "RatingDeviation": str(self.rating_deviation),
            "Popularity": str(self.popularity),
            "NbPlays": str(self.plays),
            "Themes": " ".join(self.themes),
            "GameUrl": self.game_url,
            "OpeningTags": " ".join(self.opening_tags),
        }


def parse_row(
    row: Mapping[str, str], set_name: str = "", *, convention: Convention = "before", unrated: bool = False
) -> Puzzle:
    """Read one row of a Lichess puzzle file and check it against the rules of chess.

    What comes out can be shown anywhere: every text is short and printable, every number in its `BOUNDS`.

    :param unrated: take a row without a rating, as `UNRATED`.

    :raises PuzzleError: a field is missing, too long, not fit to be shown or not such a number, the game's
        address is not one of the web, the FEN is invalid, a move is illegal, or there is no move to find.
    """
    try:
        text = {name: _text(row, name) for name in LONGEST}
        optional = BOUNDS.keys() - (set() if unrated else {"Rating"})
        number = {name: _number(row, name, optional=name in optional) for name in BOUNDS}
        if text["GameUrl"] and not re.match(r"https?://[^/\s]", text["GameUrl"]):
            raise PuzzleError(f"'GameUrl' is {quoted(text['GameUrl'])}, which is no address of the web")
    except PuzzleError as error:
        raise PuzzleError(f"puzzle {quoted(row.get('PuzzleId') or '?')}: {error}") from error
    puzzle = Puzzle(
        id=text["PuzzleId"],
        fen=text["FEN"],
        moves=tuple(text["Moves"].split()),
        rating=number["Rating"],
        rating_deviation=number["RatingDeviation"],
        popularity=number["Popularity"],
        plays=number["NbPlays"],
        themes=tuple(text["Themes"].split()),
        game_url=text["GameUrl"],
        opening_tags=tuple(text["OpeningTags"].split()),
        set=set_name,
        convention=convention,
    )
    check(puzzle)
    return puzzle


def _text(row: Mapping[str, str], name: str) -> str:
    text = row.get(name)
    if text is None and name in ("PuzzleId", "FEN", "Moves"):
        raise PuzzleError(f"there is no {name!r}")
    text = text or ""
    if not text and name == "PuzzleId":
        raise PuzzleError(f"{name!r} is empty")
    if len(text) > (most := LONGEST[name]):
        raise PuzzleError(f"{name!r} has {len(text):,} characters, more than {most:,}: {quoted(text)}")
    # The first question is much faster, and enough for almost every row.
    plain = text.isascii() and text.isprintable() and text.lstrip()[:1] not in (":", "#")
    if not plain and printable(text, len(text)) != text:
        raise PuzzleError(f"{name!r} is not fit to be shown: {quoted(text)}")
    return text


def _number(row: Mapping[str, str], name: str, *, optional: bool) -> int:
    text = row.get(name) or ""
    if not text and optional:
        return 0
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,12}\s*", text):
        raise PuzzleError(f"{name!r} is missing or not a number: {quoted(text)}")
    least, greatest = BOUNDS[name]
    if not least <= int(text) <= greatest:
        raise PuzzleError(f"{name!r} is {int(text)}, but has to be from {least} to {greatest}")
    return int(text)


def quoted(text: str) -> str:
    """The start of a text from a file, fit to be shown."""
    return f"'{printable(text, 100)}'"


def check(puzzle: Puzzle) -> None:
    """Check the position and every move of the line.

    :raises PuzzleError: with the puzzle's id and what is wrong.
    """
    try:
        _check(puzzle)
    except PuzzleError as error:
        raise PuzzleError(f"puzzle {quoted(puzzle.id)}: {printable(str(error))}") from error


def _check(puzzle: Puzzle) -> None:
    _check_length(puzzle)
    try:
        board = chess.Board(puzzle.fen)
    except ValueError as error:
        raise PuzzleError(f"illegal FEN {puzzle.fen!r}: {error}") from error
    if not board.is_valid():
        raise PuzzleError(f"illegal FEN {puzzle.fen!r}: {board.status()!r}")
    if puzzle.convention == "solver":
        _remember_key(puzzle, board)
    for ply, uci in enumerate(puzzle.moves):
        if len(uci) > 5:
            raise PuzzleError(f"illegal uci: {quoted(uci)}")
        try:
            move = board.parse_uci(uci)
        except ValueError as error:
            hint = "" if ply else _hint_where_first_is_played(puzzle, board)
            raise PuzzleError(f"{error}{hint}") from error
        # python-chess takes a null move, and castling onto the rook, as legal.
        if not move or move.uci() != uci:
            raise PuzzleError(f"illegal uci: {uci!r} in {board.fen()}")
        board.push(move)
        if ply == 0 and puzzle.convention == "before":
            _remember_key(puzzle, board)  # while the board is at hand: a third of what it costs later


def _check_length(puzzle: Puzzle) -> None:
    """Check that the line ends with a move of the solver's, which also tells the two conventions apart."""
    count = len(puzzle.moves)
    if puzzle.convention == "solver":
        if count % 2 == 0:
            raise PuzzleError(
                f"{count} move(s) in 'Moves': from the solver's position on, the line would end with the "
                "opponent's move; if the first is the opponent's, as in Lichess files, give --position before"
            )
        return
    hint = "; if the FEN is what the solver sees, give --position solver"
    if count < 2:
        raise PuzzleError(
            f"{count} move(s) in 'Moves', but a puzzle needs the opponent's move and at least one to "
            f"find{hint if count else ''}"
        )
    if count % 2:
        raise PuzzleError(f"the line ends with the opponent's move{hint}")


def _hint_where_first_is_played(puzzle: Puzzle, board: chess.Board) -> str:
    """A hint where the second move fits the FEN, and so the first is played in it already."""
    try:
        board.parse_uci(puzzle.moves[1])
    except (ValueError, IndexError):
        return ""
    return "; the second move fits the FEN: leave out the first and give --position solver"


def _remember_key(puzzle: Puzzle, board: chess.Board) -> str:
    key = canonical(board)
    object.__setattr__(puzzle, "_position_key", key)
    return key


def mirror(puzzle: Puzzle) -> Puzzle:
    """The same puzzle with the colours swapped: a solver should not care, a memoriser does.

    Keeps the id, so that the pair can be compared; the game's address still leads to the original.
    """
    board = chess.Board(puzzle.fen).mirror()
    return replace(puzzle, fen=board.fen(), moves=_flipped(puzzle.moves, COLOURS))


COLOURS, WINGS = 0o70, 0o07
"""What to xor a square's number with, which is its rank and its file as octal digits, to mirror the board."""


def _flipped(moves: Iterable[str], flip: int) -> tuple[str, ...]:
    parsed = map(chess.Move.from_uci, moves)
    return tuple(chess.Move(m.from_square ^ flip, m.to_square ^ flip, m.promotion).uci() for m in parsed)


def same_solution(one: Puzzle, other: Puzzle) -> bool:
    """True where two puzzles of one `position_key` have one solution line, mirrored as the position is."""
    sought = other.board().epd(en_passant="legal")
    for flip in (0, COLOURS, WINGS, COLOURS | WINGS):
        board = one.board()
        if flip & COLOURS:
            board = board.mirror()
        if flip & WINGS:
            board = board.transform(chess.flip_horizontal)
        if board.epd(en_passant="legal") == sought and _flipped(one.solution, flip) == other.solution:
            return True
    return False
