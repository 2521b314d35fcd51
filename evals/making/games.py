"""Games between weakened Stockfishes: positions that look like chess, blunders and punishment among them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import chess
import chess.engine

GLANCE = chess.engine.Limit(nodes=1_000)

NEEDED = chess.engine.INFO_SCORE | chess.engine.INFO_PV
"""All that is read of the engine's output; parsing the rest would cost more than the search at a glance."""

MATE = 10_000
"""Centipawns that stand for mate; a mate in n counts n less."""


def play(engine: chess.engine.SimpleEngine, rng: random.Random, game: object) -> Iterator[chess.Board]:
    """One game of two weak players; yields each position before it is moved in.

    A player takes one of the four best moves at a glance, the likelier the better it is, and sometimes any
    legal move: games with blunders and punishment, of every length and material.
    """
    board = chess.Board()
    wildness = {color: rng.uniform(0.02, 0.15) for color in chess.COLORS}
    temper = {color: rng.uniform(30, 150) for color in chess.COLORS}  # centipawns that halve a move's chance
    while not board.is_game_over() and board.ply() < 160:
        yield board
        if board.ply() < 4 or rng.random() < wildness[board.turn]:
            move = rng.choice(list(board.legal_moves))
        else:
            ranked = best_moves(engine, board, GLANCE, 4, game)
            weights = [2 ** ((score - ranked[0][1]) / temper[board.turn]) for _, score in ranked]
            move = rng.choices([move for move, _ in ranked], weights)[0]
        board.push(move)


def best_moves(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit, count: int, game: object
) -> list[tuple[chess.Move, int]]:
    """The best moves and what each is worth to the mover in centipawns, best first."""
    ranked: list[tuple[chess.Move, int]] = []
    for line in engine.analyse(board, limit, multipv=count, game=game, info=NEEDED):
        if "pv" in line and "score" in line:
            ranked.append((line["pv"][0], line["score"].relative.score(mate_score=MATE)))
    return sorted(ranked, key=lambda entry: -entry[1])
