"""Records for tests of what reads records: gates, comparison, report."""

from __future__ import annotations

from typing import Any

from evals.words import Outcome, Record


def record(outcome: Outcome | str = Outcome.SOLVED, number: int = 0, **more: Any) -> Record:
    """A judged `move` case of puzzle `number` of the set `s`; every puzzle is a position of its own."""
    fields: dict[str, Any] = {
        "case": f"move:s/{number}",
        "task": "move",
        "set": "s",
        "puzzle": str(number),
        "position": f"position {more.get('puzzle', number)}",
        "rating": 1500,
        "outcome": Outcome(outcome),
        "move": "e2e4",
    }
    return Record(**(fields | more))
