"""The pieces on a board: by name, as a list for a person, and read from such a list or from a drawn board."""

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


ORDER = (chess.KING, chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT, chess.PAWN)
"""The order in which the kinds of pieces are listed."""


def _list_side(board: chess.Board, color: chess.Color) -> str:
    """The pieces of one side: `Ke1, Qd1, Ra1, ..., Pa2`, from the king down, each kind from a1 to h8."""
    return ", ".join(
        chess.piece_symbol(kind).upper() + chess.square_name(square)
        for kind in ORDER
        for square in board.pieces(kind, color)
    )


def write_pieces(board: chess.Board) -> str:
    """Both sides, as `read_pieces` reads them: a row `White: Ke1, Qd1, ...`, then one for Black."""
    return f"White: {_list_side(board, chess.WHITE)}\nBlack: {_list_side(board, chess.BLACK)}"


_DRAWN = str.maketrans(
    {symbol: name for name, symbol in chess.UNICODE_PIECE_SYMBOLS.items()}
    | dict.fromkeys("│┃║", "|")
    | dict.fromkeys("·⭘∙", ".")
    | dict.fromkeys("─━═—–", "-")
    | dict.fromkeys("\ufe0e\ufe0f")
)
"""What a board is drawn with, as ASCII; the last two only ask for a way to show the character before them."""
_ROW = re.compile(r"(?P<left>[1-8])?(?P<squares>[KQRBNPkqrbnp.-]+)(?P<right>[1-8])?", re.ASCII)


def read_ascii(text: str) -> frozenset[str] | None:
    """Read a board that is drawn with letters, or with the chess symbols of Unicode, White at the bottom:

        8 r n b q k b n r        or        |r|n|b|q|k|b|n|r|        or        rnbqkbnr

    Empty squares are `.`, `·`, `-`, or a blank between two bars. Rows of other text and borders do not count.
    Returns each piece with its square, as `name_pieces` does; None where there are not exactly eight rows of
    eight squares, or where the labels beside them say that Black is at the bottom.
    """
    drawn = [_without_blanks(line) for line in text.translate(_DRAWN).splitlines()]
    found = [row for line in drawn if (row := _ROW.fullmatch(line)) is not None]
    dotted = any("." in row["squares"] for row in found)
    # Dashes alone are a border, but for eight of them on a board whose empty squares are dashes.
    rows = [row for row in found if row["squares"].strip("-") or (not dotted and len(row["squares"]) == 8)]
    if len(rows) != 8 or any(len(row["squares"]) != 8 for row in rows) or "hgfedcba" in map(str.lower, drawn):
        return None
    pieces: set[str] = set()
    for rank, row in zip("87654321", rows, strict=True):
        if not {row["left"], row["right"]} <= {None, rank}:
            return None
        squares = zip("abcdefgh", row["squares"], strict=True)
        pieces |= {f"{name}{file}{rank}" for file, name in squares if name not in ".-"}
    return frozenset(pieces)


def _without_blanks(line: str) -> str:
    """A row of a drawn board without blanks and bars; a blank between two bars is an empty square."""
    cells = line.split("|")
    if len(cells) == 10:
        cells[1:9] = [cell.strip() or "." for cell in cells[1:9]]
    return "".join("".join(cells).split())
