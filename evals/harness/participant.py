"""What both sides of a session have: the puzzles, the cases built of them, and a source of completions."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from evals.asking.broker import Source
from evals.harness.case_builder import CaseBuilder, Selection
from evals.harness.drawing import DRAWING_ERRORS, draw
from evals.harness.formats import FORMAT_ERRORS, find_formats
from evals.harness.options import Options
from evals.harness.reports import usage_error
from evals.harness.shared import Shared
from evals.tasks import TaskError, task_names
from evals.tasks.registry import GROUP

SETUP_ERRORS = (*DRAWING_ERRORS, *FORMAT_ERRORS, TaskError)
"""What a user can cause before a case is there: puzzle files, filters, formats, tasks of his own."""


class Participant:
    """One process of a session. `PARTICIPANT` finds it from a fixture."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config, self.options = config, options
        self.drawing = Shared("puzzles", lambda: draw(options))
        self.formats = Shared("formats", lambda: find_formats(options))
        self.builder = CaseBuilder(options, self.drawing, self.formats)
        self.selection = Selection((), {})

    @property
    def source(self) -> Source:
        """Where completions come from."""
        raise NotImplementedError

    @property
    def known(self) -> Collection[str]:
        """The tasks that were registered when the session was set up."""
        return self.formats.value.by_task

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize `case` of a test that is marked `cases(task)`."""
        mark = metafunc.definition.get_closest_marker("cases")
        if mark is None or "case" not in metafunc.fixturenames:
            return
        task = mark.args[0]
        try:
            if task in task_names() and task not in self.known:
                raise TaskError(
                    f"the task {task!r} is registered too late to be asked in this session: import its "
                    "module in the conftest.py that pytest loads first, or name it in an entry point "
                    f"of the group {GROUP}"
                )
            if (reason := self.builder.left_out.get(task)) is not None:
                skipped = pytest.param(None, marks=pytest.mark.skip(reason=f"{task} is left out: {reason}"))
                metafunc.parametrize("case", [skipped], ids=["left out"])
                return
            cases = self.builder.build(metafunc.definition.nodeid, task, mark.kwargs.get("quick"))
            if not cases and (needs := getattr(self.builder.tasks[task], "needs", "")):
                reason = f"{task} is left out: no puzzle has {needs}"
                cases_or_none = [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
                metafunc.parametrize("case", cases_or_none, ids=["left out"])
                return
        except (ValueError, *SETUP_ERRORS) as error:
            raise pytest.Collector.CollectError(str(usage_error(error))) from error
        marks = getattr(pytest.mark, task)
        metafunc.parametrize("case", [pytest.param(case, marks=marks, id=case.id) for case in cases])


PARTICIPANT = pytest.StashKey[Participant]()
