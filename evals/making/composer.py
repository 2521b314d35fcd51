"""Composes the puzzle sets of our own: `python -m evals.making.composer` (or `make puzzles`).

Stockfish plays itself, weakened by a seeded choice among its candidate moves. Wherever a legal move in such
a game would be a blunder that leaves a held-out position with a forced mate or with one winning move, there
is a puzzle. Mates are proved by trying every move (`evals.making.mates`); in a tactic each move to find is
the only winning one, by Stockfish at two depths.

One thread, node limits and a cleared hash for each game make Stockfish repeat itself: one seed and one
version of Stockfish give the same sets, byte for byte. The shipped ones are of Stockfish 15.1.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import sys
from base64 import b32encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine

from evals.making.games import GLANCE, MATE, best_moves, play
from evals.making.mates import best_defence, keys_in_two, mating_moves
from evals.making.themes import difficulty, is_plain_capture, phase, themes
from evals.puzzles.loading import SETS
from evals.puzzles.puzzle import COLUMNS, Puzzle, check
from evals.puzzles.split import canonical, held_out
from evals.results.engine import EngineError, start_uci


class Size(NamedTuple):
    """How many puzzles a set has, and from how many candidates they are chosen to be varied."""

    puzzles: int
    candidates: int


SIZES = {"mate-in-1": Size(400, 400), "mate-in-2": Size(200, 200), "tactics": Size(150, 225)}
"""With 400 mates in one, a paired test can see a difference of 8 points in them."""

LONGEST = 5
"""Half moves of the longest solution line."""

PER_GAME, APART = 4, 2
"""The most puzzles of one set that come from one game, and the fewest half moves between two of them."""

LOOK = chess.engine.Limit(nodes=20_000)
PROOF = chess.engine.Limit(nodes=100_000)

WINNING, CRUSHING = 200, 600
"""Centipawns from which a tactic wins, and wins crushingly, as Lichess has it."""
LEVEL = 150
"""Centipawns that the second best move, and the position before the blunder, may be worth to the solver."""


# --- puzzles ---


class Find(NamedTuple):
    """The solution line of a puzzle, and for a tactic what it is worth to the solver."""

    line: list[chess.Move]
    centipawns: int = 0


def candidates(
    engine: chess.engine.SimpleEngine, rng: random.Random, names: Collection[str]
) -> Iterator[tuple[str, Puzzle]]:
    """The puzzles of one game for the sets that are named, each with the name of its set."""
    game = object()
    taken: dict[str, list[int]] = {name: [] for name in sorted(names)}
    for before in play(engine, rng, game):
        if before.ply() < 6:
            continue
        blunders = list(before.legal_moves)
        rng.shuffle(blunders)
        for blunder in blunders:
            board = before.copy(stack=False)
            board.push(blunder)
            if not held_out(board) or (name := _promise(engine, board, game, taken)) not in taken:
                continue
            plies = taken[name]
            if len(plies) == PER_GAME or (plies and before.ply() - plies[-1] < APART):
                continue
            if find := COMPOSERS[name](engine, before, board):
                plies.append(before.ply())
                yield name, _puzzle(before, [blunder, *find.line], find.centipawns)


def _promise(
    engine: chess.engine.SimpleEngine, board: chess.Board, game: object, names: Mapping[str, object]
) -> str:
    """The set that the position may be a puzzle of, at a glance; '' for none."""
    if board.is_game_over():
        return ""
    if mating_moves(board):
        return "mate-in-1"
    if set(names) == {"mate-in-1"}:
        return ""
    ranked = best_moves(engine, board, GLANCE, 2, game)
    if ranked[0][1] == MATE - 2:
        return "mate-in-2"
    if (winner := _only_winner(ranked)) is None:
        return ""
    # The commonest blunder moves a piece to where it can simply be taken: seeing that is not a tactic.
    move, takes = winner[0], winner[0].to_square == board.peek().to_square
    return "" if takes and is_plain_capture(board, move) else "tactics"


def _mate_in_one(_: chess.engine.SimpleEngine, _before: chess.Board, board: chess.Board) -> Find:
    return Find([min(mating_moves(board), key=chess.Move.uci)])


def _mate_in_two(_: chess.engine.SimpleEngine, _before: chess.Board, board: chess.Board) -> Find | None:
    """The only move that forces mate in two, the best defence, and a mate."""
    keys = keys_in_two(board)
    if len(keys) != 1:
        return None
    board = board.copy(stack=False)
    board.push(keys[0])
    reply = best_defence(board)
    board.push(reply)
    return Find([keys[0], reply, min(mating_moves(board), key=chess.Move.uci)])


def _tactic(engine: chess.engine.SimpleEngine, before: chess.Board, board: chess.Board) -> Find | None:
    """Up to three moves, each the only winning one, with the best replies; only after a real blunder."""
    if -best_moves(engine, before, LOOK, 1, object())[0][1] > LEVEL:
        return None
    if (winner := only_winner(engine, board)) is None:
        return None
    move, centipawns = winner
    board = board.copy(stack=False)
    line = [move]
    while len(line) < LONGEST:
        board.push(line[-1])
        if board.is_game_over():
            break
        reply, _ = best_moves(engine, board, LOOK, 1, object())[0]
        board.push(reply)
        if board.is_game_over() or (winner := only_winner(engine, board)) is None:
            break
        line += [reply, winner[0]]
    return Find(line, centipawns)


def only_winner(engine: chess.engine.SimpleEngine, board: chess.Board) -> tuple[chess.Move, int] | None:
    """The only move that wins, short of mate, and its centipawns; None where the depths disagree."""
    looked, proved = (_only_winner(best_moves(engine, board, limit, 2, object())) for limit in (LOOK, PROOF))
    return proved if looked and proved and looked[0] == proved[0] else None


def _only_winner(ranked: Sequence[tuple[chess.Move, int]]) -> tuple[chess.Move, int] | None:
    (move, best), *others = ranked
    second = others[0][1] if others else -MATE
    wins = WINNING <= best < MATE - 100 and second <= min(LEVEL, best - WINNING)
    return (move, best) if wins else None


COMPOSERS = {"mate-in-1": _mate_in_one, "mate-in-2": _mate_in_two, "tactics": _tactic}


def _puzzle(before: chess.Board, moves: Sequence[chess.Move], centipawns: int) -> Puzzle:
    """The puzzle of a line. Its id comes from its content, its rating is a proxy (see `difficulty`), and its
    deviation is that of a puzzle that nobody has played.
    """
    worth = ["crushing" if centipawns >= CRUSHING else "advantage"] if centipawns else []
    fen, line = before.fen(), tuple(move.uci() for move in moves)
    digest = hashlib.blake2b(" ".join((fen, *line)).encode(), digest_size=5).digest()
    board = chess.Board(fen)
    board.push(moves[0])
    puzzle = Puzzle(
        id=b32encode(digest).decode().lower(),
        fen=fen,
        moves=line,
        rating=difficulty(board, moves[1:]),
        rating_deviation=350,
        popularity=100,
        themes=tuple(sorted([*themes(before, moves), *worth])),
    )
    check(puzzle)
    return puzzle


# --- sets ---


def compose(
    engine: chess.engine.SimpleEngine, seed: int, sizes: Mapping[str, Size] = SIZES
) -> dict[str, list[Puzzle]]:
    """Play games until every set has its candidates, and choose varied ones.

    No two puzzles of all sets are the same position, nor mirror images of each other.
    """
    rng = random.Random(seed)
    found: dict[str, list[Puzzle]] = {name: [] for name in sizes}
    seen: set[str] = set()
    games = 0
    while needed := {name for name, size in sizes.items() if len(found[name]) < size.candidates}:
        for name, puzzle in candidates(engine, rng, needed):
            key = canonical(puzzle.board())
            if key not in seen:
                seen.add(key)
                found[name].append(puzzle)
        games += 1
        if games % 10 == 0:
            counts = ", ".join(f"{name} {len(found[name])}" for name in sizes)
            print(f"{games} games: {counts}", file=sys.stderr, flush=True)
    return {
        name: sorted(varied(found[name], size.puzzles), key=lambda p: p.rating)
        for name, size in sizes.items()
    }


def varied(puzzles: Iterable[Puzzle], size: int) -> list[Puzzle]:
    """Choose so that pieces, captures, phases, colours and lengths each get their turn."""
    groups: dict[str, list[Puzzle]] = {}
    for puzzle in puzzles:
        board, move = puzzle.board(), chess.Move.from_uci(puzzle.moves[1])
        piece = board.piece_type_at(move.from_square)
        shape = (piece, board.is_capture(move), phase(board), len(puzzle.moves), board.turn)
        groups.setdefault(str(shape), []).append(puzzle)
    rounds = zip_longest(*(groups[key] for key in sorted(groups)))
    return [puzzle for each in rounds for puzzle in each if puzzle][:size]


def write(path: Path, puzzles: Iterable[Puzzle]) -> None:
    """Write a set in Lichess CSV form."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(puzzle.to_row().values() for puzzle in puzzles)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compose every set and write it to its file."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.making.composer", description="Compose the puzzle sets."
    )
    parser.add_argument("--seed", type=int, default=1, help="of the games (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=SETS, help="folder to write to (default: %(default)s)")
    parser.add_argument("--stockfish", metavar="PATH", default="stockfish", help="the engine to compose with")
    options = parser.parse_args(arguments)
    try:
        with start_uci(options.stockfish) as engine:
            sets = compose(engine, options.seed, SIZES)
    except EngineError as error:
        raise SystemExit(str(error)) from error
    except chess.engine.EngineError as error:
        raise SystemExit(f"engine {options.stockfish!r} failed: {error}") from error
    options.out.mkdir(parents=True, exist_ok=True)
    for name, puzzles in sets.items():
        write(options.out / f"{name}.csv", puzzles)
        print(f"{name}: {len(puzzles)} puzzles, {options.out / name}.csv")


if __name__ == "__main__":
    main()
