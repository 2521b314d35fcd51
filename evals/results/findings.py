"""What a diagnosis says, of what it says it, and when that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import chess

from evals.statistics.rates import p_at_least
from evals.words import Case, Completion, Record

FEWEST, LEAST, SIGNIFICANT = 5, 0.05, 0.001
"""A finding is said from so many cases, and such a share of all, on, and only below this probability."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence with its share of `n` cases."""

    name: str
    sentence: str
    share: float
    n: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion with what was judged of it."""

    case: Case
    completion: Completion
    record: Record

    @property
    def board(self) -> chess.Board:
        """The position that was asked about."""
        return self.case.puzzle.board()

    @property
    def solution(self) -> str:
        """The best move, in UCI."""
        return self.case.puzzle.solution[0]

    @property
    def solved(self) -> bool:
        """True where the first answer is right; what comes after it in `play` is another question."""
        return self.record.solved or self.record.checks.get("first_move") is True


def is_more(seen: int, tried: int, n: int, chance: float) -> bool:
    """Enough of `n`, and more of those that were `tried` than by chance."""
    return seen >= FEWEST and seen >= LEAST * n and p_at_least(seen, tried, chance) < SIGNIFICANT
