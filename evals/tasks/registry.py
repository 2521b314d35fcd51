"""The tasks by name: ours, and those that other packages bring.

A task is a class with `turns` and `judge` (`evals.words.Task`), registered by its name:

    @task("material")
    class MaterialTask: ...

It is made from the session's `TaskSettings` where it wants them. Its module is imported by a `conftest.py`,
or named by an entry point of the group `eighth_rank.tasks`, which is loaded when the tasks are first asked
for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar, cast

from evals.puzzles.puzzle import Puzzle
from evals.tasks.settings import TaskSettings
from evals.words import Case, Completion, Request, Task, Verdict

GROUP = "eighth_rank.tasks"


class Asks(Protocol):
    """What a task has to have."""

    def turns(self, case: Case) -> Generator[Request, Completion, None]: ...

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict: ...


Factory = Callable[..., Asks]
"""A class that is made from `TaskSettings`, or from nothing."""
F = TypeVar("F", bound=Factory)

UNSAID: Mapping[str, Any] = {"questions": (), "checks": {}}
"""What a task has that says nothing of it: prompts of its own, and no checks."""

_factories: dict[str, Factory] = {}
_not_gated: set[str] = set()
_watchers: list[Callable[[str], None]] = []


class TaskError(ValueError):
    """A task that cannot be registered; says which, and what to do."""


def task(name: str, *, gated: bool = True) -> Callable[[F], F]:
    """Register a task under its name, which is also its pytest mark and what gates call it.

    :param gated: False for what is asked for the diagnosis alone: no gate, no table and no figure of a run
        looks at its cases, and a run is whole without them.
    :raises TaskError: the name is no word of letters, digits and `_`; another task has it; or the class has
        no `turns` or no `judge`.
    """
    if not name.isidentifier():
        raise TaskError(
            f"{name!r} is no name for a task: it is also a pytest mark, so use letters, digits and _"
        )

    def register(factory: F) -> F:
        _check(name, factory)
        for attribute, value in {"name": name, **UNSAID}.items():
            if not hasattr(factory, attribute):
                setattr(factory, attribute, value)
        _factories[name] = factory
        (_not_gated.discard if gated else _not_gated.add)(name)
        for watcher in _watchers:
            watcher(name)
        return factory

    return register


def _check(name: str, factory: Factory) -> None:
    if name in _factories and _source(_factories[name]) != _source(factory):
        raise TaskError(f"two tasks are called {name!r}: {_source(_factories[name])} and {_source(factory)}")
    for method in ("turns", "judge"):
        if not hasattr(factory, method):
            raise TaskError(f"the task {name!r} ({_source(factory)}) has no method {method!r}")
    own = getattr(factory, "name", name)
    if isinstance(own, str) and own != name:
        raise TaskError(f"the task {name!r} ({_source(factory)}) calls itself {own!r}: leave its name out")


def _source(factory: Factory) -> str:
    return f"{factory.__module__}.{getattr(factory, '__qualname__', factory)}"


def watch(watcher: Callable[[str], None]) -> Callable[[], None]:
    """Be told the name of each task that is registered from now on; returns what ends that."""
    _watchers.append(watcher)
    return lambda: _watchers.remove(watcher)


@cache
def _load_entry_points() -> None:
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
            if inspect.isclass(loaded) and loaded not in _factories.values():
                task(point.name)(cast(Factory, loaded))
        except Exception as error:
            package = point.dist.name if point.dist else "a package"
            raise TaskError(
                f"the task {point.name!r} of {package} cannot be loaded from {point.value}: "
                f"{type(error).__name__}: {error}; correct it, or uninstall {package}"
            ) from error


def task_names() -> tuple[str, ...]:
    """The names of all tasks, ours first.

    :raises TaskError: an entry point cannot be loaded.
    """
    _load_entry_points()
    return tuple(_factories)


def is_gated(task: str) -> bool:
    """False for a task that is asked for the diagnosis alone."""
    return task not in _not_gated


def build_tasks(settings: TaskSettings) -> dict[str, Task]:
    """Every task by its name."""
    return {name: _build(_factories[name], settings) for name in task_names()}


def _build(factory: Factory, settings: TaskSettings) -> Task:
    wants_settings = bool(inspect.signature(factory).parameters)
    return cast(Task, factory(settings) if wants_settings else factory())


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
