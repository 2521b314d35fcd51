"""Positions and puzzles for the tests, by random play: deterministic, and from no file."""

from __future__ import annotations

import random
from collections.abc import Iterator

import chess

from evals.puzzles.puzzle import Puzzle


def random_board(rng: random.Random, plies: int = 80) -> chess.Board:
    """A position with a legal move, after up to `plies` random half moves."""
    board = chess.Board()
    for _ in range(rng.randrange(plies + 1)):
        board.push(rng.choice(list(board.legal_moves)))
        if board.is_game_over():
            board.pop()
            break
    return board


def random_puzzle(rng: random.Random, half_moves: int = 3) -> Puzzle:
    """A puzzle by its form alone: the solution is random play, of `half_moves` or fewer where the game
    ends.
    """
    while True:
        board = random_board(rng)
        fen, moves = board.fen(), list[str]()
        while len(moves) <= half_moves and not board.is_game_over():
            move = rng.choice(list(board.legal_moves))
            moves.append(move.uci())
            board.push(move)
        if len(moves) >= 2:
            line = moves[: len(moves) - len(moves) % 2]
            return Puzzle(
                f"r{rng.randrange(10**9)}", fen, tuple(line), 1500, game_url="https://example.org/g"
            )


def random_puzzles(seed: int, count: int) -> Iterator[Puzzle]:
    """`count` puzzles that only depend on `seed`."""
    rng = random.Random(seed)
    for _ in range(count):
        yield random_puzzle(rng)


BACK_RANK = Puzzle(
    "back", "6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 30", ("a3a2", "d1d8"), 800, themes=("mateIn1",), set="tests"
)
"""White mates on the back rank: 31. Rd8#."""
