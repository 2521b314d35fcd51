"""The skills under a good move: what stands where, what is legal, what the position is after a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from evals.words import Case, Completion, Settle, Task

pytestmark = pytest.mark.board


@pytest.mark.cases("board", quick=60)
def test_board(
    case: Case, completions: Sequence[Completion], tasks: Mapping[str, Task], settle: Settle
) -> None:
    """The model answers one question about the board exactly."""
    settle(tasks["board"].judge(case, completions))
