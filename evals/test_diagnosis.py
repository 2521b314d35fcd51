"""Where answers come from: what the model says in the position before the opponent's move. Never gated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from evals.words import Case, Completion, Task, Verdict

pytestmark = pytest.mark.diagnosis


@pytest.mark.cases("diagnosis", quick=40)
def test_diagnosis(
    case: Case,
    completions: Sequence[Completion],
    tasks: Mapping[str, Task],
    record_verdict: Callable[[Verdict], None],
) -> None:
    """What is found stands in the summary; no answer is a mistake here."""
    record_verdict(tasks["diagnosis"].judge(case, completions))
