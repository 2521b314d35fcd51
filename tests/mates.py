"""Mates in one, each in a position of its own, and puzzle files made of them: to test the harness with."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import chess

from evals.puzzles.puzzle import COLUMNS

MATES = (
    ("3qkb2/p2p1p2/8/4p3/2B5/5Q2/8/4K3 b - - 0 3", "a7a6 f3f7"),
    ("3qk3/8/8/4p3/8/5P2/3PP1P1/3QKB2 w - - 0 2", "g2g4 d8h4"),
    ("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 1", "a3a2 d1d8"),
)
"""FEN before the opponent's move, and that move with the mate that answers it."""

SPARE = (
    (chess.WHITE, "g2 g4 g5 h2 h3 h4 h5 b2 b3 b4"),
    (chess.BLACK, "a7 a6 a5 a4 b7 b6 b5 b4 c7 c6"),
    (chess.WHITE, "b3 b4 b5 b6 c3 c4 c5 c6 e4 e5"),
)
"""Where each of them has room for pawns that change nothing, and whose."""


@cache
def mate(number: int) -> tuple[str, str]:
    """FEN and moves of puzzle `number` (below 1,914): one of `MATES` in turn, with up to five more pawns."""
    kind, copy = number % len(MATES), number // len(MATES)
    colour, squares = SPARE[kind]
    subsets = (itertools.combinations(squares.split(), size) for size in range(6))
    board = chess.Board(MATES[kind][0])
    for square in next(itertools.islice(itertools.chain.from_iterable(subsets), copy, None)):
        board.set_piece_at(chess.parse_square(square), chess.Piece(chess.PAWN, colour))
    return board.fen(), MATES[kind][1]


def solver_fen(number: int) -> str:
    """The position that puzzle `number` of `write_mates` shows."""
    fen, moves = mate(number)
    board = chess.Board(fen)
    board.push_uci(moves.split()[0])
    return board.fen()


def write_mates(path: Path, count: int) -> Path:
    """A puzzle file `p000` to `p<count-1>` of the three mates in turn."""
    rows = [",".join(COLUMNS)]
    for number in range(count):
        fen, moves = mate(number)
        rows.append(f"p{number:03},{fen},{moves},{800 + number},80,90,10,mate mateIn1 oneMove,,")
    path.write_text("\n".join(rows) + "\n")
    return path
