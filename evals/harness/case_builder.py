"""Cases: built of a session's puzzles for each task, and which of them are selected.

Every process that collects (pytest itself, each xdist worker) builds the same cases in the same order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import pytest

from evals.harness.formats import Formats
from evals.harness.options import SUITES, Options
from evals.harness.shared import Shared
from evals.puzzles.draw import spread
from evals.puzzles.loading import Loaded
from evals.puzzles.puzzle import mirror
from evals.tasks import TaskSettings, build_tasks, cases_for, is_gated
from evals.words import Case, Task


@dataclasses.dataclass(frozen=True)
class Selection:
    """The cases that are selected, in order, and how many of a task's were left out where some were."""

    cases: tuple[Case, ...]
    deselected: Mapping[str, int]


class CaseBuilder:
    """Tasks set up as the options say, and the cases in which they ask the drawn puzzles."""

    def __init__(self, options: Options, drawing: Shared[Loaded], formats: Shared[Formats]) -> None:
        self._options, self._drawing, self._formats = options, drawing, formats
        self._collected: dict[str, tuple[str, int]] = {}
        """The task of each test function, by node id, and how many cases were collected for it."""

    @cached_property
    def settings(self) -> TaskSettings:
        """How tasks ask.

        :raises FormatError, ServeError: a format cannot be found or used.
        """
        return self._formats.value.settings(self._options)

    @cached_property
    def left_out(self) -> Mapping[str, str]:
        """Task -> why the session's formats cannot ask it."""
        return self._formats.value.left_out(self.settings)

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """Every task by name."""
        return build_tasks(self.settings)

    def build(self, function: str, task: str, quick: int | None) -> list[Case]:
        """The cases of a task for one test function.

        :param function: the function's node id.
        :param quick: how many puzzles the quick scope asks, spread evenly over the shipped sets unless the
            task has a `draw` of its own; of the diagnosis also where the puzzles are the user's.
        :raises ValueError: there is no such task.
        """
        if task not in self.tasks:
            raise ValueError(f"no task {task!r}: use one of {', '.join(self.tasks)}")
        options, puzzles = self._options, self._drawing.value.puzzles
        gated = is_gated(task)
        chosen = gated and (options.puzzles or options.limit is not None)
        capped = not (options.scope == "full" or chosen)
        if quick is not None and capped:
            puzzles = getattr(self.tasks[task], "draw", spread)(puzzles, quick)
        cases = cases_for(self.tasks[task], puzzles)
        if options.mirror and gated:
            cases += cases_for(self.tasks[task], [mirror(puzzle) for puzzle in puzzles], mirrored=True)
        samples = options.samples if gated else 1
        built = [dataclasses.replace(case, sample=k) for case in cases for k in range(samples)]
        self._collected[function] = task, len(built)
        return built

    def select(self, items: Iterable[pytest.Item]) -> Selection:
        """What is left of the cases that were built, once pytest has selected its items."""
        selected: dict[str, Case] = {}
        chosen: Counter[str] = Counter()
        for item in items:
            if (case := case_of(item)) is not None:
                selected[case.key] = case
                chosen[item.nodeid.split("[")[0]] += 1
        deselected = {
            task: built - chosen[function]
            for function, (task, built) in self._collected.items()
            if 0 < chosen[function] < built
        }
        return Selection(tuple(selected.values()), deselected)


def case_of(item: pytest.Item) -> Case | None:
    """The case that an item asks, if it asks one."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec is not None else None
    return case if isinstance(case, Case) else None


def leads_into_suites(config: pytest.Config) -> bool:
    """True where the command line leads into the suites of this package."""
    package = SUITES.name
    for argument in config.args:
        name = argument.split("::")[0]
        if config.option.pyargs and name.partition(".")[0] == package:
            return True
        path = (config.invocation_params.dir / name).resolve()
        if path == SUITES or SUITES in path.parents:
            return True
        # pytest does not look for tests in a virtual environment that lies in the user's folder.
        if path in SUITES.parents and "site-packages" not in SUITES.relative_to(path).parts:
            return True
    return False
