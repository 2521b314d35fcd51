"""The tasks by name: ours, and those that other packages bring.

A task is a class with `turns` and `judge` (`evals.words.Task`), made from the settings and registered by its
name:

    @task("material")
    class MaterialTask: ...

A package makes its tasks known by an entry point of the group `eighth_rank.tasks`, which is imported when the
tasks are first asked for; a `conftest.py` by importing the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

from evals.puzzles.puzzle import Puzzle
from evals.tasks.settings import TaskSettings
from evals.words import Case, Task

GROUP = "eighth_rank.tasks"
Factory = Callable[..., Task]
"""A class that is made from `TaskSettings`."""
F = TypeVar("F", bound=Factory)

_factories: dict[str, Factory] = {}
_not_gated: set[str] = set()


def task(name: str, *, gated: bool = True) -> Callable[[F], F]:
    """Register a task under its name.

    :param gated: False for what is asked for the diagnosis alone: no gate, no table and no figure of a run
        looks at its cases, and a run is whole without them.
    :raises ValueError: the name is no word of letters, digits and `_`, or another task has it.
    """
    if not name.isidentifier():
        raise ValueError(
            f"{name!r} is no name for a task: it is also a pytest mark, so use letters, digits and _"
        )

    def register(factory: F) -> F:
        if name in _factories and _source(_factories[name]) != _source(factory):
            raise ValueError(
                f"two tasks are called {name!r}: {_source(_factories[name])} and {_source(factory)}"
            )
        _factories[name] = factory
        (_not_gated.discard if gated else _not_gated.add)(name)
        return factory

    return register


def _source(factory: Factory) -> str:
    return f"{factory.__module__}.{getattr(factory, '__qualname__', factory)}"


@cache
def _load_entry_points() -> None:
    for point in entry_points(group=GROUP):
        point.load()


def task_names() -> tuple[str, ...]:
    """The names of all tasks, ours first."""
    _load_entry_points()
    return tuple(_factories)


def is_gated(task: str) -> bool:
    """False for a task that is asked for the diagnosis alone."""
    return task not in _not_gated


def build_tasks(settings: TaskSettings) -> dict[str, Task]:
    """Every task by its name."""
    return {name: _factories[name](settings) for name in task_names()}


def cases_for(task: Task, puzzles: Iterable[Puzzle], *, mirrored: bool = False) -> list[Case]:
    """The cases in which `task` asks these puzzles, in their order.

    One a puzzle, except where the task has `variants`: then one for each of the puzzle's. `mirrored` says
    that the puzzles are the colour-swapped copies: with the ids of the originals they have the same variants.
    """
    variants: Callable[[Puzzle], Iterable[str]] = getattr(task, "variants", lambda _: ("",))
    return [
        Case(task.name, puzzle, variant=variant, mirrored=mirrored)
        for puzzle in puzzles
        for variant in variants(puzzle)
    ]


def missing(task: Task, questions: Mapping[str, object]) -> tuple[str, ...]:
    """The questions of a task that a format does not have; a task of several skills needs one of them."""
    absent = tuple(name for name in task.questions if name not in questions)
    several = len(task.questions) > 1
    return () if several and len(absent) < len(task.questions) else absent
