"""The whole solution: said at once, and played out against the opponent's replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from evals.words import Case, Completion, Settle, Task

pytestmark = pytest.mark.line


@pytest.mark.cases("line", quick=60)
def test_line(
    case: Case, completions: Sequence[Completion], tasks: Mapping[str, Task], settle: Settle
) -> None:
    """The model sees the whole line from the start, the replies included."""
    settle(tasks["line"].judge(case, completions))


@pytest.mark.cases("play", quick=60)
def test_play(
    case: Case, completions: Sequence[Completion], tasks: Mapping[str, Task], settle: Settle
) -> None:
    """The model finds every move of the solution when it comes to it, as on Lichess."""
    settle(tasks["play"].judge(case, completions))
