"""The baselines of a session: stored ones, and those whose adapter is asked beside the candidate.

A baseline's adapter is asked on the same server in the same session: each of its cases comes right after the
candidate's. Its completions and verdicts are a run of their own, in `baselines/<name>` of the session's run
folder, and count in none of the candidate's figures. `--baseline-model` has all cases asked in that way. Of a
stored baseline whose adapter is served a sample is asked again, to see whether the baseline is stale.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from evals.asking.broker import Answered
from evals.harness.case_builder import CaseBuilder
from evals.harness.formats import FORMAT_ERRORS, find_formats
from evals.harness.manifest import describe_setup
from evals.harness.options import RECHECKED, Options
from evals.harness.shared import Shared
from evals.puzzles.loading import Loaded
from evals.results.baseline_place import find_baseline
from evals.results.baselines import read_baseline
from evals.results.comparable import CompareError, baseline_for, check_asking, recheck_line
from evals.results.planning import Rival
from evals.results.relative_gates import Baseline
from evals.results.report import model_lines
from evals.results.run import Run
from evals.results.stored_run import RunError, StoredRun, mapping_of, model_ids
from evals.tasks import task_names
from evals.words import Case, Completion, Record, Task
from serve.endpoint.endpoint import Endpoint, ServedModel
from serve.printable import printable


class Setup(NamedTuple):
    """How a baseline's models are asked, each in its own format."""

    tasks: Mapping[str, Task]
    asking: Mapping[str, Any]
    """What the manifest of its run says of that."""
    left_out: Mapping[str, str]
    """Task -> why its format cannot ask it."""


@dataclass
class Asked:
    """A baseline's adapter that is asked in this session."""

    name: str
    models: Mapping[str, ServedModel]
    """By task."""
    cases: Mapping[str, Case]
    """The candidate's cases that it is asked as well, by their key."""
    tasks: Mapping[str, Task]
    run: Run

    def stored(self) -> StoredRun:
        """Its run so far."""
        return stored_run(self.run, dict(Counter(case.task for case in self.cases.values())))


def setup_of(options: Options, drawing: Shared[Loaded], models: Mapping[str, str]) -> Setup:
    """How the model of each task is asked: as the session asks, but in its own format.

    :raises FormatError, ServeError: a format cannot be found or used.
    """
    routes = tuple(f"{task}={model}" for task, model in models.items())
    options = dataclasses.replace(options, models=routes)
    formats = Shared("formats", lambda: find_formats(options))
    builder = CaseBuilder(options, drawing, formats)
    facts = describe_setup(options, drawing.value, formats.value, builder.settings)
    return Setup(builder.tasks, facts["asking"], builder.left_out)


@dataclass
class Against:
    """What a session's run is held against. `read` makes it."""

    stored: Mapping[str, StoredRun] = field(default_factory=dict[str, StoredRun])
    """Stored baselines by name, in the order given."""
    live: str | None = None
    """The served model that is asked all cases as well."""
    options: Options = field(default_factory=Options)
    drawing: Shared[Loaded] | None = None
    live_setup: Setup | None = None
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    not_asked: dict[str, str] = field(default_factory=dict[str, str])
    """Why the live baseline cannot be asked a task."""
    lines: list[str] = field(default_factory=list[str])
    """What a reader of the comparison has to know."""

    @classmethod
    def read(cls, options: Options, drawing: Shared[Loaded]) -> Against:
        """Read what the command line names.

        :raises RunError: a baseline is not there or damaged, or two have one name.
        :raises FormatError, ServeError: the format of `--baseline-model` cannot be found or used.
        """
        stored: dict[str, StoredRun] = {}
        for value in options.baselines:
            name, path = find_baseline(value)
            if folder_of(name) in {folder_of(each) for each in (*stored, options.baseline_model or "")}:
                raise RunError(f"two baselines are called {printable(name, 80)!r}: rename one")
            stored[name] = read_baseline(path)
        against = cls(stored, options.baseline_model, options, drawing)
        if (live := options.baseline_model) is not None:
            against.live_setup = setup_of(options, drawing, dict.fromkeys(task_names(), live))
            against.not_asked.update(against.live_setup.left_out)
        return against

    @property
    def rivals(self) -> list[Rival]:
        """The baselines as they are known before the first case."""
        live = [Rival(self.live, None)] if self.live else []
        return [*(Rival(name, run) for name, run in self.stored.items()), *live]

    def header(self) -> list[str]:
        """Which baselines there are."""
        stored = [
            f"baseline: {name} ({run.name}, {len(run.records)} cases)" for name, run in self.stored.items()
        ]
        return [
            *stored,
            *([f"baseline: {printable(self.live)}, asked beside the candidate"] if self.live else []),
        ]

    # Who is asked what.

    def live_model(self, endpoint: Endpoint) -> ServedModel | None:
        """The model of `--baseline-model`.

        :raises ServeError: it is not served.
        """
        return endpoint.choose(self.live) if self.live else None

    def open(
        self,
        folder: Path,
        cases: Sequence[Case],
        endpoint: Endpoint,
        chosen: Mapping[str, ServedModel],
        facts: Mapping[str, Any],
    ) -> None:
        """Decide which baselines are asked which cases, and open their runs.

        :param cases: the candidate's.
        :param chosen: the candidate's model of each task.
        :param facts: what the manifest of the session's run says.
        :raises OSError: a run cannot be kept.
        """
        for name, run in self.stored.items():
            models = self._served(name, run, endpoint, chosen, facts)
            setup = self._asked_again(name, run, models) if models else None
            if setup is not None:
                self._start(name, models, self._sample(run, cases, models), setup, folder, facts)
        if (model := self.live_model(endpoint)) is not None:
            assert self.live_setup is not None
            wanted = [case for case in cases if case.task not in self.not_asked]
            models = {case.task: model for case in wanted}
            self._start(model.id, models, wanted, self.live_setup, folder, facts)

    def _served(
        self,
        name: str,
        run: StoredRun,
        endpoint: Endpoint,
        chosen: Mapping[str, ServedModel],
        facts: Mapping[str, Any],
    ) -> Mapping[str, ServedModel]:
        """The models of a stored baseline that can be asked again, by task."""
        if self.options.recheck == 0:
            return {}
        served = {model.id: model for model in endpoint.models}
        wanted = {task: model for task, model in model_ids(run.manifest).items() if task in chosen}
        before, now = (mapping_of(known.get("identities")) for known in (run.manifest, facts))
        found = {task: served[model] for task, model in wanted.items() if model in served}
        reason = "its model is not served" if not found else ""
        for task, model in found.items():
            identities = before.get(model.id), now.get(model.id)
            if None not in identities and identities[0] != identities[1]:
                reason = f"{model.id} is served in another revision"
            elif None in identities and model.id == chosen[task].id:
                reason = f"the candidate is served under the same name, {model.id}"
        if reason:
            self._not_checked(name, reason)
            return {}
        return found

    def _asked_again(self, name: str, run: StoredRun, models: Mapping[str, ServedModel]) -> Setup | None:
        """How a stored baseline's models are asked again; None where that is not how they were asked."""
        assert self.drawing is not None
        try:
            setup = setup_of(self.options, self.drawing, {task: each.id for task, each in models.items()})
            notes = check_asking(run.manifest.get("asking"), setup.asking, list(models))
        except (CompareError, *FORMAT_ERRORS) as error:
            self._not_checked(name, str(error))
            return None
        if notes:
            self._not_checked(name, notes[0])
        return None if notes else setup

    def _not_checked(self, name: str, reason: str) -> None:
        self.lines.append(f"whether {printable(name, 80)} is stale was not checked: {printable(reason)}")

    def _sample(
        self, run: StoredRun, cases: Sequence[Case], models: Mapping[str, ServedModel]
    ) -> Sequence[Case]:
        """The cases of a stored baseline that are asked again, in the order of the plan."""
        known = [case for case in cases if case.task in models and case.key in run.records]
        number = RECHECKED if self.options.recheck is None else self.options.recheck
        chosen = random.Random(self.options.seed).sample(range(len(known)), min(number, len(known)))
        return [known[index] for index in sorted(chosen)]

    def _start(
        self,
        name: str,
        models: Mapping[str, ServedModel],
        cases: Sequence[Case],
        setup: Setup,
        folder: Path,
        facts: Mapping[str, Any],
    ) -> None:
        if not cases:
            return
        run = Run(folder / "baselines" / folder_of(name))
        asked = {case.task: models[case.task] for case in cases}
        run.save(
            **{key: value for key, value in facts.items() if key not in ("status", "started", "not_asked")}
            | {
                "baseline": name,
                "asking": setup.asking,
                "models": {task: dataclasses.asdict(model) for task, model in asked.items()},
                "planned": dict(Counter(case.task for case in cases)),
                "deselected": {},
            }
        )
        self.asked[name] = Asked(name, asked, {case.key: case for case in cases}, setup.tasks, run)

    def interleave(self, cases: Sequence[Case]) -> Iterator[Case]:
        """The candidate's cases, each followed by the same case for the baselines that are asked it."""
        for case in cases:
            yield case
            for name, asked in self.asked.items():
                if case.key in asked.cases:
                    yield dataclasses.replace(case, asked_of=name)

    def model_of(self, case: Case) -> str:
        """The model that a baseline's case is asked of."""
        return self.asked[case.asked_of].models[case.task].id

    def record(self, case: Case, turn: int, completion: Completion) -> None:
        """Keep a completion of a baseline's case in its run."""
        own = dataclasses.replace(case, asked_of="")
        self.asked[case.asked_of].run.add_completion(own, turn, completion, self.model_of(case))

    # What came of it.

    def judge(self, status: str, take: Callable[[str], Sequence[Answered]]) -> None:
        """Judge what the asked baselines answered, as the candidate's cases are, and close their runs.

        :param status: how the session ended.
        :param take: gives the answered cases of a baseline.
        """
        for asked in self.asked.values():
            for case, completions in take(asked.name):
                own = dataclasses.replace(case, asked_of="")
                verdict = asked.tasks[case.task].judge(own, completions)
                asked.run.add_verdict(Record.of(own, verdict, self.model_of(case)))
            asked.run.close(status)
            self.lines += [f"{asked.name}: {line}" for line in model_lines(asked.run.answered_by)]

    def answers(self) -> dict[str, StoredRun]:
        """The runs of the baselines that were asked in this session, by name."""
        return {name: asked.stored() for name, asked in self.asked.items()}

    def baselines(
        self, candidate: StoredRun, tasks: Sequence[str], answers: Mapping[str, StoredRun]
    ) -> list[Baseline]:
        """The baselines as gates read them; says of each what a reader has to know.

        :param tasks: the tasks that the candidate was asked.
        :param answers: see `answers`.
        """
        found: list[Baseline] = []
        for name, run in self.stored.items():
            stale = None
            if (again := answers.get(name)) is not None:
                line, stale = recheck_line(name, run, again)
                self.lines.append(line)
            baseline, notes = baseline_for(name, run, candidate, tasks, {"": stale} if stale else {})
            self.lines += notes
            found.append(baseline)
        if self.live is not None:
            unfit = {task: f"{self.live} was not asked: {why}" for task, why in self.not_asked.items()}
            asked = answers.get(self.live)
            if asked is None:
                found.append(Baseline(self.live, {}, {"": "it was asked nothing", **unfit}))
            else:
                baseline, notes = baseline_for(self.live, asked, candidate, tasks, unfit)
                self.lines += notes
                found.append(baseline)
        return found


def folder_of(name: str) -> str:
    """The name of the folder that keeps what a baseline's adapter answers in this session."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", name).strip(".")


def stored_run(run: Run, planned: Mapping[str, int]) -> StoredRun:
    """A run of this session as if it were read back from its folder."""
    records = {record.case: record for record in run.records}
    return StoredRun(run.folder, run.read_back(), records, planned)
