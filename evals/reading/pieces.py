"""Piece lists: the pieces on a board by name, and reading such a list from text."""

from __future__ import annotations

import re

import chess


def name_pieces(board: chess.Board) -> frozenset[str]:
    """Every piece with its square: `Ke1`, `pe7`."""
    return frozenset(
        piece.symbol() + chess.square_name(square) for square, piece in board.piece_map().items()
    )


def overlap(given: frozenset[str], wanted: frozenset[str]) -> tuple[float, float]:
    """Precision and recall of a set of answers; 1.0 where there was nothing to get wrong or to miss."""
    both = len(given & wanted)
    return (
        round(both / len(given), 4) if given else 1.0,
        round(both / len(wanted), 4) if wanted else 1.0,
    )


_PIECE_WORDS = {"king": "K", "queen": "Q", "rook": "R", "bishop": "B", "knight": "N", "pawn": "P"}
_PIECE_TOKEN = re.compile(
    r"\b(?:(?P<side>white|black)|(?P<word>king|queen|rook|bishop|knight|pawn)s?)\b"
    r"|(?<![A-Za-z0-9])(?P<symbol>[KQRBNPkqrbnp])?(?P<square>[a-h][1-8])(?![A-Za-z0-9])",
    # ASCII: else `IGNORECASE` takes a long s for an `s` and the Kelvin sign for a `k`.
    re.IGNORECASE | re.ASCII,
)


def read_pieces(text: str) -> frozenset[str]:
    """Read a list of pieces: `White: Kg1, Pa2 Black: Ke8`, `White: king g1, pawns a2, b2`, or `Kg1, ke8`.

    Returns a symbol and a square each (`Pa2`, `ke8`). A square with no piece named is a pawn's, as in SAN;
    without `White` or `Black` above it, a symbol's case tells the side.
    """
    pieces: set[str] = set()
    side: str | None = None
    named: str | None = None
    for match in _PIECE_TOKEN.finditer(text):
        if match["side"]:
            side, named = match["side"].lower(), None
        elif match["word"]:
            named = _PIECE_WORDS[match["word"].lower()]
        elif match["square"].islower():
            symbol = match["symbol"]
            if symbol:
                named = None
            kind = symbol or named or "P"
            if side is not None:
                kind = kind.upper() if side == "white" else kind.lower()
            pieces.add(kind + match["square"])
    return frozenset(pieces)
