"""Many mates in one and puzzle files made of them: for tests of the harness, not of the chess."""

from __future__ import annotations

from pathlib import Path

import chess

from evals.puzzles.puzzle import COLUMNS

MATES = (
    ("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3", "a7a6 f3f7"),
    ("rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq - 0 2", "g2g4 d8h4"),
    ("6k1/5ppp/8/1pp1pp1p/1PP1PP1P/r7/5PPP/3R2K1 b - - 0 1", "a3a2 d1d8"),
)
"""FEN before the opponent's move, and that move with the mate that answers it."""

IDLE = (
    "a2 b2 c2 d2 g2 h2 b1 c1 g1 b7 h7 c6",
    "a7 b7 c7 d7 f7 g7 h7 b8 c8 g8 a2 b2",
    "b4 c4 e4 f4 h4 b5 c5 e5 f5 h5 g2 h2",
)
"""Squares of men that have no part in a mate: without some of them it is another position and a mate."""


def puzzle(number: int) -> tuple[str, str]:
    """FEN and moves of puzzle `number` of `write_mates`: the three mates in turn, 12,288 positions in all."""
    fen, moves = MATES[number % len(MATES)]
    board = chess.Board(fen)
    missing = number // len(MATES)
    for bit, square in enumerate(IDLE[number % len(MATES)].split()):
        if missing >> bit & 1:
            board.remove_piece_at(chess.parse_square(square))
    return board.fen(), moves


def solver_fen(number: int) -> str:
    """The position that puzzle `number` of `write_mates` shows."""
    fen, moves = puzzle(number)
    board = chess.Board(fen)
    board.push_uci(moves.split()[0])
    return board.fen()


def write_mates(path: Path, count: int) -> Path:
    """A puzzle file `p000` to `p<count-1>`, no position twice."""
    rows = [",".join(COLUMNS)]
    for number in range(count):
        fen, moves = puzzle(number)
        rows.append(f"p{number:03},{fen},{moves},{800 + number % 3000},80,90,10,mate mateIn1 oneMove,,")
    path.write_text("\n".join(rows) + "\n")
    return path
