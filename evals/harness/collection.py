"""Which cases a session has: puzzles drawn once, turned into the cases of each task.

Every process that collects (pytest itself, each xdist worker) builds the same cases. The controller draws the
puzzles, because a puzzle file can have millions of rows, and leaves them to its workers in a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from evals.harness.options import Options
from evals.puzzles.draw import spread
from evals.puzzles.loading import SETS, Loaded, NothingToAskError, PuzzleFileError, load, read_quarantine
from evals.puzzles.puzzle import mirror
from evals.results.explain import explain
from evals.results.run import Record
from evals.tasks import TASKS, TaskSettings, build_tasks, cases_for, prompts_used
from evals.tasks.prompts import PromptError, load_prompts
from evals.words import Case, Outcome, Task, Verdict

SUITES = Path(__file__).parents[1]


class Collection:
    """The puzzles and tasks of a session, and the cases made of them."""

    errors = (PuzzleFileError, PromptError, NothingToAskError)
    """What a user can cause here."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.collected: dict[str, tuple[str, int]] = {}
        """The task of each test function, by node id, and how many cases were collected for it."""
        self.notes: list[str] = []
        self._loaded: Loaded | None = None
        self._shared: Path | None = None

    def wanted(self, config: pytest.Config) -> bool:
        """True where the command line leads into the suites of this folder."""
        for argument in config.args:
            path = (config.invocation_params.dir / argument.split("::")[0]).resolve()
            if path == SUITES or SUITES in path.parents or path in SUITES.parents:
                return True
        return False

    @cached_property
    def settings(self) -> TaskSettings:
        """How tasks ask.

        :raises PromptError: a prompt file cannot be used.
        """
        options = self.options
        return TaskSettings(
            notation=options.notation,
            constrain=options.constrain,
            prompts=load_prompts(options.prompts),
            reasoning_format=options.reasoning_format,
        )

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """Every task by name."""
        return build_tasks(self.settings)

    def load(self) -> Loaded:
        """The drawn puzzles; read once, or taken from the controller.

        :raises PuzzleFileError: a puzzle file is missing or bad.
        :raises NothingToAskError: the filters leave no puzzle.
        """
        if self._loaded is None:
            self._loaded = pickle.loads(self._shared.read_bytes()) if self._shared else self._draw()
            assert self._loaded is not None
        return self._loaded

    def _draw(self) -> Loaded:
        options = self.options
        loaded = load(
            options.puzzles or (SETS,),
            limit=options.limit,
            seed=options.seed,
            themes=options.themes,
            ratings=options.ratings,
            skip_bad=options.skip_bad_puzzles,
            quarantine=read_quarantine(),
            stratify=options.stratify,
        )
        self.notes += [f"puzzles  {note}" for note in loaded.notes]
        return loaded

    def prepare(self) -> None:
        """Read all that a user can get wrong, before anything is collected or started.

        :raises PuzzleFileError, PromptError, NothingToAskError: see `load` and `settings`.
        """
        self.load()
        _ = self.settings

    def share(self, folder: Path) -> str:
        """Draw the puzzles now and leave them in `folder` for the workers; returns the file's path."""
        path = folder / "puzzles.pickle"
        if not path.exists():
            self.prepare()
            path.write_bytes(pickle.dumps(self.load()))
        return str(path)

    def use_shared(self, path: str) -> None:
        """Take the puzzles from the controller's file, once they are needed."""
        self._shared = Path(path) if path else None

    def cases(self, task: str, quick: int | None) -> list[Case]:
        """The cases of a task.

        :param quick: how many puzzles the quick scope asks, spread evenly over the shipped sets.
        """
        puzzles = self.load().puzzles
        options = self.options
        capped = not (options.full or options.puzzles or options.limit is not None)
        if quick is not None and capped and len(puzzles) > quick:
            puzzles = spread(puzzles, quick)
        cases = cases_for(task, puzzles, self.settings)
        if options.mirror:
            turned = [mirror(puzzle) for puzzle in puzzles]
            cases += cases_for(task, turned, self.settings, mirrored=True)
        return [dataclasses.replace(c, sample=k) for c in cases for k in range(options.samples)]

    def facts(self) -> Mapping[str, Any]:
        """What the manifest says of the puzzles and of how they are asked."""
        loaded = self.load()
        sets = [
            {
                "name": s.name,
                "source": s.source,
                "digest": s.digest,
                "rows": s.rows,
                "bad": s.bad,
                "problems": s.problems,
                "duplicates": s.duplicates,
            }
            for s in loaded.sets
        ]
        return {
            "puzzles": {
                "seed": self.options.seed,
                "limit": self.options.limit,
                "digest": loaded.digest,
                "sets": sets,
            },
            "asking": {
                "notation": self.options.notation,
                "constrain": self.options.constrain,
                "prompts": {task: prompts_used(task, self.settings) for task in TASKS},
                "schemas": self._schemas(),
            },
        }

    def _schemas(self) -> Mapping[str, str | None]:
        """A digest of the JSON schema that each task's first request carries, by task."""
        digests: dict[str, str | None] = {}
        for name, task in self.tasks.items():
            cases = cases_for(name, self.load().puzzles[:1], self.settings)
            request = next(task.turns(cases[0]))
            digests[name] = schema_digest(request.schema) if request.schema else None
        return digests

    def explain(self, case: Case, verdict: Verdict) -> str:
        """The mistake as a chess player reads it."""
        return explain(case, verdict)

    def explain_record(self, case: Case, record: Record) -> str:
        """The mistake of a recorded verdict."""
        verdict = Verdict(
            outcome=Outcome(record["outcome"]),
            move=record["move"],
            solution=record["solution"],
            detail=record["detail"],
            checks=record["checks"],
        )
        return f"{record['case']}\n{explain(case, verdict)}"


def schema_digest(schema: Mapping[str, Any]) -> str:
    """Names a JSON schema in a manifest."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
