"""xdist's side of a session: collects, takes completions over the relay, and judges."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import pytest

from evals.asking.broker import Source
from evals.asking.relay import Link
from evals.harness.options import Options
from evals.harness.participant import Participant

INPUT = "eighth_rank"
"""The key of `workerinput`: the controller says where it listens, what is shared, and its tasks."""


class Worker(Participant):
    """One xdist worker."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        super().__init__(config, options)
        told = cast("dict[str, Any]", config.workerinput)[INPUT]  # type: ignore[attr-defined]
        self._link = Link(told["address"], told["key"])
        self._known: Collection[str] = told["tasks"]
        self.drawing.share_in(Path(told["folder"]))
        self.formats.share_in(Path(told["folder"]))

    @property
    def known(self) -> Collection[str]:
        """The tasks of the controller, which does the asking."""
        return self._known

    @property
    def source(self) -> Source:
        """The controller's completions, over the relay."""
        return self._link

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the controller the plan, before xdist tells it that this worker has collected."""
        self.selection = self.builder.select(session.items)
        if self.selection.cases:
            self._link.plan(self.selection.cases, self.selection.deselected)
