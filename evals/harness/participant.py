"""What both sides of a session have: the puzzles, the cases built of them, and a source of completions."""

from __future__ import annotations

import pytest

from evals.asking.broker import Source
from evals.harness.case_builder import PROMPT_ERRORS, CaseBuilder, Selection
from evals.harness.drawing import DRAWING_ERRORS, Drawing
from evals.harness.options import Options
from evals.harness.reports import usage_error

SETUP_ERRORS = (*DRAWING_ERRORS, *PROMPT_ERRORS)
"""What a user can cause before a case is there: puzzle files, filters, prompts."""


class Participant:
    """One process of a session. `PARTICIPANT` finds it from a fixture."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config, self.options = config, options
        self.drawing = Drawing(options)
        self.builder = CaseBuilder(options, self.drawing)
        self.selection = Selection((), {})

    @property
    def source(self) -> Source:
        """Where completions come from."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize `case` of a test that is marked `cases(task)`."""
        mark = metafunc.definition.get_closest_marker("cases")
        if mark is None or "case" not in metafunc.fixturenames:
            return
        try:
            cases = self.builder.build(metafunc.definition.nodeid, mark.args[0], mark.kwargs.get("quick"))
        except (ValueError, *SETUP_ERRORS) as error:
            raise pytest.Collector.CollectError(str(usage_error(error))) from error
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])


PARTICIPANT = pytest.StashKey[Participant]()
