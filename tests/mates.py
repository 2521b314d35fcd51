"""Mates in one by the hundred, and puzzle files made of them: for tests of the harness, not of the chess."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import chess

from evals.puzzles.puzzle import COLUMNS

MATES = (
    ("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3", "a7a6 f3f7"),
    ("rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq - 0 2", "g2g4 d8h4"),
    ("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 1", "a3a2 d1d8"),
)
"""FEN before the opponent's move, and that move with the mate that answers it."""

PAWNS = (
    "a2,a3,a4 b2,b3 c2,c3 d2,d3 g2,g3 h2,h3,h4 b7,b6 h7,h6,h5",
    "a2,a3,a4 b2,b3,b4 c2,c3,c4 a7,a6,a5 b7,b6,b5 c7,c6,c5",
    "f2,f3,f4 g2,g3 h2,h3,h4 -,b3,b4,b5,b6 -,e3,e4,e5,e6 -,c3,c4,c5",
)
"""Pawns of each mate that may stand elsewhere (or, where the first place is `-`, be there at all) and change
nothing: each combination is a position of its own."""


@cache
def mate(number: int) -> tuple[str, str]:
    """The FEN and the moves of puzzle `number`: the three mates in turn, no two of them the same position."""
    kind, variation = number % len(MATES), number // len(MATES)
    fen, moves = MATES[kind]
    board = chess.Board(fen)
    for pawns in PAWNS[kind].split():
        places = pawns.split(",")
        variation, choice = divmod(variation, len(places))
        if places[0] != "-":
            pawn = board.remove_piece_at(chess.parse_square(places[0]))
        else:
            pawn = chess.Piece(chess.PAWN, chess.WHITE)
        if places[choice] != "-":
            board.set_piece_at(chess.parse_square(places[choice]), pawn)
    assert not variation, "more puzzles than there are variations"
    varied = board.fen()
    for uci in moves.split():
        board.push(board.parse_uci(uci))
    assert board.is_checkmate(), varied
    return varied, moves


def solver_fen(number: int) -> str:
    """The position that puzzle `number` of `write_mates` shows."""
    fen, moves = mate(number)
    board = chess.Board(fen)
    board.push_uci(moves.split()[0])
    return board.fen()


def write_mates(path: Path, count: int) -> Path:
    """A puzzle file `p000` to `p<count-1>` of mates, no two of them the same position."""
    rows = [",".join(COLUMNS)]
    for number in range(count):
        fen, moves = mate(number)
        rows.append(f"p{number:03},{fen},{moves},{800 + number % 2000},80,90,10,mate mateIn1 oneMove,,")
    path.write_text("\n".join(rows) + "\n")
    return path
