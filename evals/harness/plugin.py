"""pytest's hooks, a line each. The package's docstring tells the protocol of a session."""

from __future__ import annotations

import pytest

from evals.harness.options import add_options, read_options
from evals.harness.participant import PARTICIPANT, Participant
from evals.harness.reports import Status, status_of
from evals.harness.snapshots import keep_other_models
from evals.tasks import task_names

pytest_plugins = ["evals.harness.fixtures"]

MARKS = (
    "cases(task, quick=None): parametrize `case` over a task's cases; `quick` caps the default scope",
    "format: the format snapshot of a model's reasoning",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the harness."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and this process's side of the session."""
    for line in (*MARKS, *(f"{task}: cases of the task {task!r}" for task in task_names())):
        config.addinivalue_line("markers", line)
    keep_other_models(config)
    participant = _participant(config)
    config.stash[PARTICIPANT] = participant
    config.pluginmanager.register(participant, "eighth-rank")


def _participant(config: pytest.Config) -> Participant:
    # A worker needs neither the server's side nor the statistics of the gates: the imports of the other side
    # would cost each of them 0.2 s.
    options = read_options(config)
    if hasattr(config, "workerinput"):
        from evals.harness.worker import Worker

        return Worker(config, options)
    from evals.harness.controller import Controller

    return Controller(config, options)


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> Status | None:
    """Give a model's mistake, an unanswered case and a gate words of their own."""
    return status_of(report)
