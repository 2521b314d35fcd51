"""The turns of a case, as every task judges them."""

from __future__ import annotations

from collections.abc import Sequence

from evals.words import Completion, Outcome, Verdict

_UNASKED = Completion(error="no completion: the request was never sent")


def completion_of(completions: Sequence[Completion], turn: int = 0) -> Completion:
    """The completion of a turn, counted from 0; one with an error where the turn was never asked."""
    return completions[turn] if turn < len(completions) else _UNASKED


def failed(outcome: Outcome | None, solution: str | None, detail: str) -> Verdict:
    """The verdict on a completion that holds no answer."""
    assert outcome is not None
    return Verdict(outcome, None, solution, detail)
