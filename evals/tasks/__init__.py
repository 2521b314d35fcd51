"""The tasks: how a puzzle is asked and judged, a module each; `build_tasks` makes them from the settings.

What they share: `settings` (the formats they ask in), `grading` (what one move is worth), `turns` (which
completion answers which turn) and `registry` (the tasks by name). `rereading` says how a wrong answer would
have been right, and `gold` whether a format can score its own right answers. May import `evals.formats` and
above, but not `evals.asking`.
"""

from __future__ import annotations

# Importing a task registers it, in this order.
from evals.tasks.move import MoveTask

from evals.tasks.line import LineTask  # isort: skip
from evals.tasks.play import PlayTask  # isort: skip
from evals.tasks.reasoning import ReasoningTask  # isort: skip
from evals.tasks.board import BoardTask  # isort: skip
from evals.tasks.diagnosis import DiagnosisTask  # isort: skip
from evals.tasks.registry import TaskError, build_tasks, cases_for, is_gated, task, task_names
from evals.tasks.settings import TaskSettings

__all__ = [
    "BoardTask",
    "DiagnosisTask",
    "LineTask",
    "MoveTask",
    "PlayTask",
    "ReasoningTask",
    "TaskError",
    "TaskSettings",
    "build_tasks",
    "cases_for",
    "is_gated",
    "task",
    "task_names",
]
