"""What a puzzle is, with Lichess semantics.

Source of the format: https://database.lichess.org/#puzzles. `FEN` is the position *before* the opponent's
move, `Moves[0]` is that move, and the solver answers from `Moves[1]` on. Nothing outside this module pairs
the raw FEN with a move: `Puzzle.board()` is the only way to a position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import chess

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


class PuzzleError(ValueError):
    """A puzzle row that breaks the format or the rules of chess."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One puzzle. `moves[0]` is the opponent's, `moves[1:]` the solution line, all in UCI."""

    id: str
    fen: str
    moves: tuple[str, ...]
    rating: int
    rating_deviation: int = 0
    popularity: int = 0
    plays: int = 0
    themes: tuple[str, ...] = ()
    game_url: str = ""
    opening_tags: tuple[str, ...] = ()
    set: str = field(default="", compare=False)
    """Name of the puzzle set that it came from (the file's stem)."""

    @property
    def solution(self) -> tuple[str, ...]:
        """The line from the solver's first move on, the opponent's replies included, in UCI."""
        return self.moves[1:]

    @property
    def solver_moves(self) -> tuple[str, ...]:
        """The moves that the solver has to find, in UCI."""
        return self.moves[1::2]

    def board(self, ply: int = 0) -> chess.Board:
        """The position the solver sees after `ply` half moves of the solution (0: the puzzle's start).

        The opponent's move is already played; the board's move stack starts with it.
        """
        board = chess.Board(self.fen)
        for uci in self.moves[: ply + 1]:
            board.push_uci(uci)
        return board

    def to_row(self) -> dict[str, str]:
        """The puzzle as one Lichess CSV row."""
        return {
            "PuzzleId": self.id,
            "FEN": self.fen,
            "Moves": " ".join(self.moves),
            "Rating": str(self.rating),
            "RatingDeviation": str(self.rating_deviation),
            "Popularity": str(self.popularity),
            "NbPlays": str(self.plays),
            "Themes": " ".join(self.themes),
            "GameUrl": self.game_url,
            "OpeningTags": " ".join(self.opening_tags),
        }


def parse_row(row: Mapping[str, str], set_name: str = "") -> Puzzle:
    """Read one row of a Lichess puzzle file and check it against the rules of chess.

    :raises PuzzleError: a field is missing or not a number, the FEN is invalid, a move is illegal, or there
        is no move to find.
    """
    puzzle_id = row.get("PuzzleId") or "?"
    try:
        puzzle = Puzzle(
            id=row["PuzzleId"],
            fen=row["FEN"],
            moves=tuple(row["Moves"].split()),
            rating=int(row["Rating"]),
            rating_deviation=int(row.get("RatingDeviation") or 0),
            popularity=int(row.get("Popularity") or 0),
            plays=int(row.get("NbPlays") or 0),
            themes=tuple((row.get("Themes") or "").split()),
            game_url=row.get("GameUrl") or "",
            opening_tags=tuple((row.get("OpeningTags") or "").split()),
            set=set_name,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PuzzleError(f"puzzle {puzzle_id!r}: a field is missing or not a number: {error}") from error
    check(puzzle)
    return puzzle


def check(puzzle: Puzzle) -> None:
    """Check the position and every move of the line.

    :raises PuzzleError: with the puzzle's id and what is wrong.
    """
    if len(puzzle.moves) < 2:
        raise PuzzleError(
            f"puzzle {puzzle.id!r}: {len(puzzle.moves)} move(s) in 'Moves', but a puzzle needs the "
            "opponent's move and at least one to find"
        )
    if len(puzzle.moves) % 2:
        raise PuzzleError(f"puzzle {puzzle.id!r}: the line ends with the opponent's move")
    try:
        board = chess.Board(puzzle.fen)
    except ValueError as error:
        raise PuzzleError(f"puzzle {puzzle.id!r}: illegal FEN {puzzle.fen!r}: {error}") from error
    if not board.is_valid():
        raise PuzzleError(f"puzzle {puzzle.id!r}: illegal FEN {puzzle.fen!r}: {board.status()!r}")
    for uci in puzzle.moves:
        try:
            move = board.parse_uci(uci)
        except ValueError as error:
            raise PuzzleError(f"puzzle {puzzle.id!r}: {error}") from error
        # python-chess takes a null move, and castling onto the rook, as legal.
        if not move or move.uci() != uci:
            raise PuzzleError(f"puzzle {puzzle.id!r}: illegal uci: {uci!r} in {board.fen()}")
        board.push(move)


def mirror(puzzle: Puzzle) -> Puzzle:
    """The same puzzle with the colours swapped: a solver should not care, a memoriser does.

    Keeps the id, so that the pair can be compared; the game's address still leads to the original.
    """
    board = chess.Board(puzzle.fen).mirror()
    moves = tuple(_mirror_move(chess.Move.from_uci(uci)).uci() for uci in puzzle.moves)
    return replace(puzzle, fen=board.fen(), moves=moves)


def _mirror_move(move: chess.Move) -> chess.Move:
    return chess.Move(
        chess.square_mirror(move.from_square), chess.square_mirror(move.to_square), promotion=move.promotion
    )
