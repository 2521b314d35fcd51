"""The position that a row asks about, and the move that led to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import chess

from evals.adopting.rows import AdoptError
from evals.adopting.samples import Sample
from evals.puzzles.puzzle import Puzzle
from evals.reading.pieces import write_pieces
from evals.reading.text import shown
from serve.printable import printable

FEN = re.compile(
    r"(?<![\w/])(?:[pnbrqkPNBRQK1-8]{1,8}/){7}[pnbrqkPNBRQK1-8]{1,8} [wb] (?:-|[KQkqA-Ha-h]{1,4})"
    r" (?:-|[a-h][36])(?: [0-9]{1,4} [0-9]{1,4})?"
)
"""A FEN inside of a text, with or without its counters."""
Which = Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A row with the position that it asks about."""

    sample: Sample
    board: chess.Board
    """Its move stack holds the move before it, where that is known."""
    puzzle: Puzzle | None = None
    """The puzzle that the row was made of, where that is known."""


def place(
    samples: Sequence[Sample], which: Which | None, puzzles: Mapping[str, Puzzle], *, anyway: bool
) -> tuple[list[Placed], list[str]]:
    """Find the position of every row, and say what a person has to know.

    :param which: of two FENs that vary, the one that is asked about.
    :param puzzles: by id and by FEN.
    :param anyway: take FENs that the harness writes otherwise, in its own spelling.
    :raises AdoptError: a row has no position, or two.
    """
    found = _fens(samples, which)
    placed: list[Placed] = []
    other: list[tuple[Sample, str, str]] = []
    for sample, fen in zip(samples, found, strict=True):
        puzzle = puzzles.get(sample.id) or puzzles.get(fen) or puzzles.get(sample.fen)
        board = _after(sample, fen, puzzle) if fen else _unshown(sample)
        if fen and board.fen() != fen:
            other.append((sample, fen, board.fen()))
            fresh = replace(sample, user=sample.user.replace(fen, board.fen()))
            sample = replace(fresh, system=sample.system.replace(fen, board.fen()))
        placed.append(Placed(sample, board, puzzle))
    if not other:
        return placed, []
    sample, fen, ours = other[0]
    said = (
        f"{len(other)} of {len(samples)} FENs are written otherwise than {{fen}} is; first row {sample.row}: "
        f"{fen!r}, which {{fen}} writes as {ours!r}"
    )
    if not anyway:
        raise AdoptError(f"{said}. With --anyway the file is made all the same, and asks with the second")
    return placed, [said]


def _fens(samples: Sequence[Sample], which: Which | None) -> list[str]:
    """The FEN that each row asks about; worked examples are FENs that many rows have. Empty where only a
    column says it.
    """
    in_rows = [FEN.findall(sample.user) or FEN.findall(sample.system) for sample in samples]
    rows_with = Counter(fen for fens in in_rows for fen in set(fens))
    most = max(1, len(samples) // 2) if len(samples) > 1 else len(samples)
    varying = [[fen for fen in dict.fromkeys(fens) if rows_with[fen] <= most] for fens in in_rows]
    if not any(varying):
        return [""] * len(samples)
    last = next(fens[-1] in vary for fens, vary in zip(in_rows, varying, strict=True) if vary)
    return [_asked(*each, which, last) for each in zip(samples, in_rows, varying, strict=True)]


def _asked(sample: Sample, fens: list[str], varying: list[str], which: Which | None, last: bool) -> str:
    if len(varying) > 1 and sample.fen in varying and which is None:
        return sample.fen
    if len(varying) > 1 and which is None:
        raise AdoptError(
            f"two FENs vary: row {sample.row} has {varying[0]!r} and {varying[1]!r}; say with --fen first or "
            "--fen last which of them is the question's"
        )
    if varying:
        return varying[0 if which == "first" else -1]
    if not fens:
        raise AdoptError(f"row {sample.row} shows no FEN, and other rows do: {shown(sample.user, 120)}")
    return fens[-1 if last else 0]  # its position is one of the examples


def _board(fen: str, row: int) -> chess.Board:
    try:
        return chess.Board(fen)
    except ValueError as error:
        raise AdoptError(
            f"row {row} has the illegal FEN {shown(fen, 100)}: {printable(str(error))}"
        ) from error


def _after(sample: Sample, fen: str, puzzle: Puzzle | None) -> chess.Board:
    """The position with the move before it, where the row's columns or its puzzle say that."""
    board = _board(fen, sample.row)
    known = [(puzzle.fen, puzzle.moves[0])] if puzzle is not None and puzzle.moves else []
    if sample.fen and sample.moves:
        known.append((sample.fen, sample.moves[0]))
    for before, uci in known:
        led = _pushed(before, uci)
        if led is not None and led.board_fen() == board.board_fen() and led.turn == board.turn:
            return _as(led, board)
    return (sample.last_move and retract(board, sample.last_move)) or board


def _pushed(fen: str, move: str) -> chess.Board | None:
    try:
        board = chess.Board(fen)
        board.push(read_either(move, board))
    except ValueError:
        return None
    return board


def read_either(text: str, board: chess.Board) -> chess.Move:
    """A legal move in UCI or in SAN.

    :raises ValueError: it is neither.
    """
    try:
        return board.parse_uci(text)
    except ValueError:
        return board.parse_san(text)


def _unshown(sample: Sample) -> chess.Board:
    """The position of a row that shows no FEN: the column's, or the one after the first move, whichever is
    drawn or listed in the question.
    """
    if not sample.fen:
        raise AdoptError(
            f"row {sample.row} has no FEN, neither in the question nor in a column: say with --fen-column "
            "which one it is"
        )
    board = _board(sample.fen, sample.row)
    after = _pushed(sample.fen, sample.moves[0]) if sample.moves else None
    text = sample.system + sample.user
    for each in (after, board):
        if each is not None and (str(each) in text or write_pieces(each) in text):
            return each
    raise AdoptError(
        f"row {sample.row}: its question shows neither its FEN, nor its board as eight rows, nor its pieces: "
        f"{shown(sample.user, 120)}"
    )


def _as(board: chess.Board, other: chess.Board) -> chess.Board:
    """`board` with the other's rights and counters, and its own moves before."""
    board.castling_rights, board.ep_square = other.castling_rights, other.ep_square
    board.halfmove_clock, board.fullmove_number = other.halfmove_clock, other.fullmove_number
    return board


def retract(board: chess.Board, text: str) -> chess.Board | None:
    """The position with this move, in SAN or UCI, as the one before it; None where it cannot have been.

    What the move captured is not known, but a move that is written so led here from some position.
    """
    uci = re.fullmatch(r"([a-h][1-8])([a-h][1-8])([qrbn])?", text)
    squares = re.findall(r"[a-h][1-8]", text)
    for before, move in _before(board, chess.parse_square(squares[-1]) if squares else None):
        if (move.uci() == text) if uci else _is_san(before, move, text):
            before.push(move)
            if before.board_fen() == board.board_fen():
                return _as(before, board)
    return None


def _is_san(before: chess.Board, move: chess.Move, text: str) -> bool:
    try:
        return before.san(move) == text
    except (ValueError, AssertionError):
        return False


def _before(board: chess.Board, to: chess.Square | None) -> Iterator[tuple[chess.Board, chess.Move]]:
    """Positions from which a move of the other side to this square leads here, with that move."""
    mover = not board.turn
    yield from _castling(board, mover, chess.BB_RANK_1 if mover else chess.BB_RANK_8)
    if to is None or (piece := board.piece_at(to)) is None or piece.color != mover:
        return
    for origin in chess.SquareSet(~board.occupied):
        if piece.piece_type == chess.PAWN and chess.square_file(origin) != chess.square_file(to):
            yield from _en_passant(board, origin, to, mover)
        for promoted in (False, True) if chess.square_rank(to) in (0, 7) else (False,):
            for captured in (None, *chess.PIECE_TYPES[:-1]):
                before = _without_last(board, to)
                before.set_piece_at(origin, chess.Piece(chess.PAWN, mover) if promoted else piece)
                if captured is not None:
                    before.set_piece_at(to, chess.Piece(captured, board.turn))
                move = chess.Move(origin, to, piece.piece_type if promoted else None)
                if before.is_legal(move):
                    yield before, move


def _without_last(board: chess.Board, *squares: chess.Square) -> chess.Board:
    """The position with the other side to move and these squares empty."""
    before = board.copy(stack=False)
    before.turn, before.ep_square = not board.turn, None
    for square in squares:
        before.remove_piece_at(square)
    return before


def _en_passant(
    board: chess.Board, origin: chess.Square, to: chess.Square, mover: chess.Color
) -> Iterator[tuple[chess.Board, chess.Move]]:
    behind = chess.square(chess.square_file(to), chess.square_rank(origin))
    if board.piece_at(behind) is None:
        before = _without_last(board, to)
        before.ep_square = to
        before.set_piece_at(origin, chess.Piece(chess.PAWN, mover))
        before.set_piece_at(behind, chess.Piece(chess.PAWN, board.turn))
        if before.is_legal(move := chess.Move(origin, to)):
            yield before, move


def _castling(board: chess.Board, mover: chess.Color, rank: int) -> Iterator[tuple[chess.Board, chess.Move]]:
    king, rook = chess.Piece(chess.KING, mover), chess.Piece(chess.ROOK, mover)
    for files in ((6, 5, 4, 7), (2, 3, 4, 0)):
        king_to, rook_to, king_from, rook_from = (
            chess.SquareSet(rank & chess.BB_FILES[file]).pop() for file in files
        )
        if board.piece_at(king_to) == king and board.piece_at(rook_to) == rook:
            before = _without_last(board, king_to, rook_to)
            before.set_piece_at(king_from, king)
            before.set_piece_at(rook_from, rook)
            before.castling_rights |= chess.BB_SQUARES[rook_from]
            if before.is_legal(move := chess.Move(king_from, king_to)):
                yield before, move
