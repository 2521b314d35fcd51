"""pytest's hooks, a line each. The package's docstring tells the protocol of a session."""

from __future__ import annotations

import pytest

from evals.harness.options import add_options, read_options
from evals.harness.participant import PARTICIPANT, Participant
from evals.harness.reports import Status, status_of, usage_error
from evals.harness.snapshots import keep_other_models
from evals.tasks import TaskError, task_names
from evals.tasks.registry import watch

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
    _register_marks(config)
    keep_other_models(config)
    participant = _participant(config)
    config.stash[PARTICIPANT] = participant
    config.pluginmanager.register(participant, "eighth-rank")


def _register_marks(config: pytest.Config) -> None:
    """Ours, and one for each task; also for those that are registered later, by a module of tests say."""

    def register(task: str) -> None:
        config.addinivalue_line("markers", f"{task}: cases of the task {task!r}")

    for line in MARKS:
        config.addinivalue_line("markers", line)
    try:
        for task in task_names():
            register(task)
    except TaskError as error:
        raise usage_error(error) from error
    config.add_cleanup(watch(register))


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
