"""The tasks: how a puzzle is asked and judged, a module each; `build_tasks` makes them from the settings.

What they share: `prompts` (the files they ask with), `settings`, `grading` (what one move is worth) and
`turns` (which completion answers which turn). May import `evals.reading` and above, but not `evals.asking`.
"""

from __future__ import annotations

from collections.abc import Iterable

from evals.puzzles.puzzle import Puzzle
from evals.tasks.board import BoardTask, skills_for
from evals.tasks.line import LineTask
from evals.tasks.move import MoveTask
from evals.tasks.play import PlayTask
from evals.tasks.reasoning import ReasoningTask
from evals.tasks.settings import SECTIONS, ReasoningFormat, TaskSettings
from evals.words import Case, Task

__all__ = ["SECTIONS", "TASKS", "ReasoningFormat", "TaskSettings", "build_tasks", "cases_for", "prompts_used"]

TASKS = ("move", "line", "play", "reasoning", "board")
"""The names of all tasks."""


def build_tasks(settings: TaskSettings) -> dict[str, Task]:
    """Every task by its name."""
    tasks: tuple[Task, ...] = (
        MoveTask(settings),
        LineTask(settings),
        PlayTask(settings),
        ReasoningTask(settings),
        BoardTask(settings),
    )
    return {task.name: task for task in tasks}


def cases_for(
    task: str, puzzles: Iterable[Puzzle], settings: TaskSettings, *, mirrored: bool = False
) -> list[Case]:
    """The cases in which `task` asks these puzzles, in their order.

    One a puzzle, except that `board` has one for each of the skills that it asks of the puzzle. `mirrored`
    says that the puzzles are the colour-swapped copies: with the ids of the originals they ask for the same
    skills.

    :raises ValueError: there is no such task.
    """
    if task not in TASKS:
        raise ValueError(f"no task {task!r}: use one of {', '.join(TASKS)}")
    if task == "board":
        return [
            Case(task, puzzle, variant=skill, mirrored=mirrored)
            for puzzle in puzzles
            for skill in skills_for(puzzle, settings.board_skills)
        ]
    return [Case(task, puzzle, mirrored=mirrored) for puzzle in puzzles]


def prompts_used(task: str, settings: TaskSettings) -> dict[str, dict[str, str]]:
    """Version and digest of each prompt that a task asks with, by prompt name: what a manifest has to
    record.
    """
    names = build_tasks(settings)[task].prompt_names
    prompts = {name: settings.prompts[name] for name in names}
    return {name: {"version": prompt.version, "digest": prompt.digest} for name, prompt in prompts.items()}
