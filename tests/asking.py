"""What a session asks with, for tests: shipped formats by name, and cases of a task by its name."""

from __future__ import annotations

from collections.abc import Iterable

from evals.formats.file import load_format
from evals.puzzles.puzzle import Puzzle
from evals.tasks import TaskSettings, build_tasks, cases_for
from evals.words import Case, Constraint


def asking(
    format: str = "default", *, constrain: Constraint | None = None, board_skills: int = 1
) -> TaskSettings:
    """The settings of a session that asks everything in a format: a shipped one's name, or a file."""
    return TaskSettings(load_format(format).questions, constrain, board_skills)


def cases_of(
    task: str, puzzles: Iterable[Puzzle], settings: TaskSettings | None = None, *, mirrored: bool = False
) -> list[Case]:
    """The cases in which a task asks these puzzles."""
    return cases_for(build_tasks(settings or asking())[task], puzzles, mirrored=mirrored)


SECTIONS = load_format("default").questions["reasoning"].trace.sections
"""The sections of a reasoning trace in the shipped format, in the trained order."""
