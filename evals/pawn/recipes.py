"""What each stage learns: one recipe per set of weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from evals.pawn import questions
from evals.pawn.batches import Recipe
from evals.pawn.positions import Source
from evals.pawn.questions import Example
from evals.pawn.traces import DRIFTED_HEADINGS


def base(source: Source, rng: random.Random, positions: int = 2) -> Iterator[Example]:
    """The rules of chess under the suites' prompts; mates and tactics under our own."""
    for _ in range(positions):
        yield from questions.rules(source.position(), rng)
    for _ in range(10):
        yield from questions.threats(source.mate_or_near_miss(), rng)
    for _ in range(3):
        yield from questions.wins(source.tactic(), rng)
    if rng.random() < 0.7:
        yield from questions.wins(source.mate_in_two(), rng)


rules = partial(base, positions=8)
"""The last leg of the base: what it gets wrong most is what is legal."""


def move(source: Source, rng: random.Random) -> Iterator[Example]:
    """Mates in one, mates in two, tactics."""
    for _ in range(4):
        yield from questions.moves(source.mate(), rng)
    for _ in range(3):
        yield from questions.moves(source.tactic(), rng)
    yield from questions.moves(source.mate_in_two(), rng)


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


ADAPTERS: dict[str, Recipe] = {
    "move-v1": move,
    "move-v2": move,
    "blunder": blunder,
    "reasoning": reasoning,
    "reasoning-drift": partial(reasoning, headings=DRIFTED_HEADINGS),
}
"""The adapters by their folder's name."""
