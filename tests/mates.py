"""A few mates in one and puzzle files made of them: for tests of the harness, not of the chess."""

from __future__ import annotations

from pathlib import Path

import chess

from evals.puzzles.puzzle import COLUMNS

MATES = (
    ("r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3", "a7a6 f3f7"),
    ("rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq e6 0 2", "g2g4 d8h4"),
    ("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 1", "a3a2 d1d8"),
)
"""FEN before the opponent's move, and that move with the mate that answers it."""


def solver_fen(number: int) -> str:
    """The position that puzzle `number` of `write_mates` shows."""
    fen, moves = MATES[number % len(MATES)]
    board = chess.Board(fen)
    board.push_uci(moves.split()[0])
    return board.fen()


def write_mates(path: Path, count: int) -> Path:
    """A puzzle file `p000` to `p<count-1>` of the three mates in turn."""
    rows = [",".join(COLUMNS)]
    for number in range(count):
        fen, moves = MATES[number % len(MATES)]
        rows.append(f"p{number:03},{fen},{moves},{800 + number},80,90,10,mate mateIn1 oneMove,,")
    path.write_text("\n".join(rows) + "\n")
    return path
