"""Tactics made with Stockfish: positions of games where one move wins, or mates in two or three.

One game in ten is played by two weakened Stockfishes (they cost the most), the others are semi-random.

Every position of a game is searched at a glance, and only what then looks like a tactic is searched again.
One thread and node limits make Stockfish repeat itself: one seed gives the same tactics, as long as the
version of Stockfish and the puzzles that games start from are the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import chess
from chess.engine import INFO_SCORE, EngineError, InfoDict, Limit, SimpleEngine

from evals.making.composer import LEVEL, LONGEST, WINNING
from evals.making.games import MATE, play
from evals.making.themes import is_plain_capture
from evals.pawn.positions import Line, game, trainable
from evals.puzzles.split import canonical

GLANCE, LOOK, REPLY = Limit(nodes=500), Limit(nodes=8_000), Limit(nodes=4_000)
"""Measured: a longer glance or look finds fewer tactics a second; on 80 of 80 moves 100,000 nodes agreed."""

DECIDED = 600
"""Centipawns from which a game counts as won or lost and is left: no move would be the only one that wins."""


def tactics(engine: SimpleEngine, seed: int, puzzles: list[Line] | None = None) -> Iterator[Line]:
    """Tactics without end, no two of the same position or of mirror images of it.

    :param puzzles: lines of real puzzles, from whose positions two of three semi-random games start.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        if rng.random() < 1 / 10:
            boards = play(engine, rng, None)
        else:
            start = rng.choice(puzzles).board if puzzles and rng.random() < 2 / 3 else None
            boards = game(rng, start, plies=60)
        for line in _of_game(engine, boards):
            if (key := canonical(line.board)) not in seen:
                seen.add(key)
                yield line


def _of_game(engine: SimpleEngine, boards: Iterable[chess.Board]) -> Iterator[Line]:
    """The tactics of a game. One that is not played may be there again two plies later, so each first move is
    taken only once.
    """
    found: set[chess.Move] = set()
    before: chess.Board | None = None
    for board in boards:
        if before is not None and trainable(before) and trainable(board):
            scores = _glance(engine, board)
            if scores[-1] > DECIDED or scores[0] < -DECIDED:
                return
            if is_tactic(scores) and (moves := _solution(engine, board)) and moves[0] not in found:
                found.add(moves[0])
                yield Line(board.copy(stack=False), moves, before, board.peek())
        before = board.copy(stack=False)


def _solution(engine: SimpleEngine, board: chess.Board) -> tuple[chess.Move, ...]:
    """The solver's moves and the best replies, to the mate or while one move wins; () for no tactic."""
    move, scores = _look(engine, board, LOOK)
    # As in the composer: taking what was just put where it can be taken is not a tactic.
    taken = move.to_square == board.peek().to_square and is_plain_capture(board, move)
    if taken or not is_tactic(scores):
        return ()
    mates = MATE - scores[0] <= 3
    board = board.copy(stack=False)
    board.push(move)
    line = [move]
    while len(line) < LONGEST and not board.is_game_over():
        reply, _ = _look(engine, board, REPLY, count=1)
        board.push(reply)
        if not trainable(board):
            break
        move, scores = _look(engine, board, LOOK)
        if not (MATE - scores[0] <= 2 if mates else only_one_wins(scores)):
            break
        board.push(move)
        line += [reply, move]
    return () if mates and not board.is_checkmate() else tuple(line)


def is_tactic(scores: list[int]) -> bool:
    """Of several moves one wins, or mates soonest in two or three.

    :param scores: centipawns that the two best moves are worth to the mover; one where there is one move.
    """
    mate_in = MATE - scores[0]
    if len(scores) == 1 or mate_in == 1:  # python-chess finds mates in one without an engine
        return False
    return only_one_wins(scores) or (mate_in <= 3 and scores[1] < scores[0])


def only_one_wins(scores: list[int]) -> bool:
    """The best move wins, and the second best, if there is any, does not."""
    best, second = (*scores, -MATE)[:2]
    return best >= WINNING and second <= min(LEVEL, best - WINNING)


def _glance(engine: SimpleEngine, board: chess.Board) -> list[int]:
    """The scores alone: to read the moves of the engine's output as well takes longer than this search."""
    return _scores(engine.analyse(board, GLANCE, multipv=2, info=INFO_SCORE))


def _look(
    engine: SimpleEngine, board: chess.Board, limit: Limit, count: int = 2
) -> tuple[chess.Move, list[int]]:
    """The best move, and what so many best moves are worth to the mover."""
    with engine.analysis(board, limit, multipv=count, info=INFO_SCORE) as analysis:
        move = analysis.wait().move
        if move is None:
            raise EngineError(f"no move in {board.fen()}")
        return move, _scores(analysis.multipv)


def _scores(infos: Iterable[InfoDict]) -> list[int]:
    return [info["score"].relative.score(mate_score=MATE) for info in infos if "score" in info]
