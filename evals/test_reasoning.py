"""The best move with the reasoning that leads to it, and the format of that reasoning as a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from syrupy.assertion import SnapshotAssertion

from evals.harness.snapshots import expect_format
from evals.reading.trace_format import trace_format
from evals.words import Case, Completion, Settle, Task

pytestmark = pytest.mark.reasoning


@pytest.mark.cases("reasoning", quick=40)
def test_reasoning(
    case: Case, completions: Sequence[Completion], tasks: Mapping[str, Task], settle: Settle
) -> None:
    """The model finds the move; whether its reasoning holds is recorded in the verdict's checks."""
    settle(tasks["reasoning"].judge(case, completions))


@pytest.mark.format
def test_reasoning_format(
    all_completions: Callable[[str], Sequence[tuple[Case, Sequence[Completion]]]],
    tasks: Mapping[str, Task],
    format_snapshot: SnapshotAssertion,
) -> None:
    """The format of all answers together is the one that is stored for this model version."""
    expect_format(trace_format(tasks["reasoning"], all_completions("reasoning")), format_snapshot)
