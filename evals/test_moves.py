"""The best move of one position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from evals.words import Case, Completion, Settle, Task

pytestmark = pytest.mark.move


@pytest.mark.cases("move")
def test_move(
    case: Case, completions: Sequence[Completion], tasks: Mapping[str, Task], settle: Settle
) -> None:
    """The model finds the solution's first move, or another checkmate."""
    settle(tasks["move"].judge(case, completions))
