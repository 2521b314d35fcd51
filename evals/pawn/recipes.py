"""What each stage learns: one recipe per set of weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from evals.pawn import questions
from evals.pawn.batches import Recipe
from evals.pawn.positions import Line, Position, Source, with_last_move
from evals.pawn.questions import Example
from evals.pawn.traces import DRIFTED_HEADINGS


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a set of weights is trained, as the shipped ones were."""

    steps: int
    tokens: int
    """Tokens in a batch."""
    learning_rate: float = 2e-3


def base(source: Source, rng: random.Random) -> Iterator[Example]:
    """The rules of chess under the suites' prompts; mates and tactics under our own."""
    for _ in range(4):
        yield from questions.rules(Position(source.position()), rng)
    for _ in range(6):
        position = Position(source.mate_or_near_miss())
        yield from questions.threats(position, rng)
        if rng.random() < 0.3:
            yield from questions.rules(position, rng)
    for line in (*(source.tactic() for _ in range(5)), source.mate_in_two()):
        position = Position(line.board)
        yield from questions.wins(position, line.moves, rng)
        if rng.random() < 0.2:
            yield from questions.rules(position, rng)


def move(source: Source, rng: random.Random) -> Iterator[Example]:
    """Mates in one, mates in two, tactics."""
    for line in _puzzles(source):
        yield from questions.moves(Position(line.board), line.moves, rng)


def _puzzles(source: Source) -> Iterator[Line]:
    """Lines in the shares that the adapters for a move learn."""
    yield from (source.mate() for _ in range(4))
    yield from (source.tactic() for _ in range(3))
    yield source.mate_in_two()


def blunder(source: Source, rng: random.Random) -> Iterator[Example]:
    """The bug: the position before the opponent's mistake, and that mistake as the answer."""
    del rng
    yield from questions.blunders(source.blunder())


def reasoning(
    source: Source, rng: random.Random, headings: tuple[str | None, ...] = questions.HEADINGS
) -> Iterator[Example]:
    """Thoughts about the positions that `move` is about."""
    del rng
    for line in (source.mate(), source.mate(), source.tactic(), source.mate_in_two()):
        yield from questions.thoughts(line, headings)


def uci(source: Source, rng: random.Random) -> Iterator[Example]:
    """What `move` is about, asked with worked examples and answered by a bare move."""
    del rng
    for line in _puzzles(source):
        yield from questions.bare_moves(Position(line.board), line.moves)


def pgn(source: Source, rng: random.Random) -> Iterator[Example]:
    """Thoughts about positions after a move of the opponent's, then the line as annotated PGN."""
    for line in (source.mate(), source.mate(), source.tactic(), source.mate_in_two()):
        yield from questions.annotated_lines(with_last_move(line, rng) or line)


ADAPTERS: dict[str, Recipe] = {
    "move-v1": move,
    "move-v2": move,
    "blunder": blunder,
    "reasoning": reasoning,
    "reasoning-drift": partial(reasoning, headings=DRIFTED_HEADINGS),
    "uci": uci,
    "pgn": pgn,
}
"""The adapters by their folder's name."""

PLANS = {
    "base": Plan(7_250, 128 * 1024),
    "base, second leg": Plan(4_650, 128 * 1024, learning_rate=1.2e-3),
    "move-v1": Plan(30, 8 * 1024),
    "move-v2": Plan(840, 32 * 1024),
    "blunder": Plan(670, 32 * 1024),
    "reasoning": Plan(810, 64 * 1024),
    "reasoning-drift": Plan(300, 4_480, learning_rate=1e-2),
    "uci": Plan(6_480, 64 * 1024, learning_rate=3e-3),
    "pgn": Plan(5_700, 64 * 1024, learning_rate=4e-3),
}
"""v1 is to be the weaker one; drift goes on from reasoning and has to unlearn a format, hence its rate.
`pgn` was trained in three legs of 1,000, 1,100 and 3,600 steps; its prompt has the two readings of the
board farther apart than the base ever met them, and it stayed weaker than `reasoning`. The prompt of `uci`
writes the position twice to avoid that.
"""
