"""When two positions are one, and the held-out split: which are for training and which for evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import chess


def _flip_files(board: chess.Board) -> chess.Board:
    return board.transform(chess.flip_horizontal)


def canonical(board: chess.Board) -> str:
    """One key for a position and all its mirror images.

    Colours swapped is always the same position to a solver; left and right swapped only while nobody can
    castle. Move counters do not count. The result is the smallest EPD among the images.
    """
    castling = board.castling_xfen() if board.castling_rights else "-"
    if (board.ep_square is not None and board.has_legal_en_passant()) or not set(castling) <= set("KQkq-"):
        images = [board, board.mirror()]
        if not board.castling_rights:
            images += [_flip_files(image) for image in images]
        return min(image.epd(en_passant="legal") for image in images)

    # The same on text, many times faster: composing and training ask for every position they meet.
    ranks = _ranks(board)
    swapped = [rank.swapcase() for rank in reversed(ranks)]
    images = [
        (ranks, "w" if board.turn else "b", castling),
        (swapped, "b" if board.turn else "w", "".join(sorted(castling.swapcase()))),
    ]
    if not board.castling_rights:
        images += [([rank[::-1] for rank in each], turn, castling) for each, turn, castling in images]
    return min(f"{_placement(each)} {turn} {castling} -" for each, turn, castling in images)


def _ranks(board: chess.Board) -> list[str]:
    """The ranks from the eighth to the first, a letter for each piece and a dot for each empty square."""
    squares = ["."] * 64
    for piece_type in chess.PIECE_TYPES:
        symbol = chess.piece_symbol(piece_type)
        for square in chess.scan_forward(board.pieces_mask(piece_type, chess.WHITE)):
            squares[square] = symbol.upper()
        for square in chess.scan_forward(board.pieces_mask(piece_type, chess.BLACK)):
            squares[square] = symbol
    return ["".join(squares[start : start + 8]) for start in range(56, -8, -8)]


def _placement(ranks: Iterable[str]) -> str:
    """The ranks as the first field of a FEN."""
    placement = "/".join(ranks)
    for run in range(8, 0, -1):
        placement = placement.replace("." * run, str(run))
    return placement


EVALUATION_SHARE = 16
"""One position in this many is kept for evaluation."""


def held_out(board: chess.Board) -> bool:
    """True where a position belongs to evaluation: never train on it.

    The split hashes `canonical`, so it needs no list, holds for any source, and cannot be broken by a mirror
    image. Shipped puzzle sets use only held-out positions; training uses only the others.
    """
    return is_held_out(canonical(board))


def is_held_out(key: str) -> bool:
    """The same of a position's key, which `canonical` gives."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % EVALUATION_SHARE == 0
