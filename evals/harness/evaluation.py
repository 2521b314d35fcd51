"""One evaluation, without pytest: a server that answers, a broker that asks it, a run that keeps it."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.asking.body import chat_body
from evals.asking.broker import Answered, Broker, BrokerClosedError
from evals.asking.client import Client
from evals.harness.against import Against, stored_run
from evals.harness.case_builder import Selection
from evals.harness.formats import Formats
from evals.harness.manifest import VERSIONS_OF
from evals.harness.options import Options
from evals.harness.served import Asked, Checked, Say, Served, check_models, serving
from evals.puzzles.puzzle import Puzzle, mirror
from evals.results import run as runs
from evals.results.baseline_place import place_of
from evals.results.baselines import bless, why_not_blessed
from evals.results.diagnosis import diagnose
from evals.results.findings import Finding
from evals.results.gates import GateResult, Incidents, Planned, judge_gates, overall
from evals.results.gates_file import GatesFile
from evals.results.planning import plan_lines
from evals.results.relative_gates import Baseline, discordance_by_task
from evals.tasks import is_gated
from evals.tasks.gold import check_gold
from evals.words import GRADING, Case, Completion, Record, Request, Task
from serve.endpoint.endpoint import Endpoint, ServedModel
from serve.spec import load_spec


class Plan:
    """What the evaluation sets out to judge; every process that collects adds what it selected."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.deselected: dict[str, int] = {}
        self.not_asked: dict[str, str] = {}

    def add(self, selection: Selection) -> None:
        """Join in what one process selected."""
        self.cases.update({case.key: case for case in selection.cases})
        self.deselected.update(selection.deselected)

    @property
    def asked(self) -> list[Case]:
        """The cases of every task that the model can be asked, in order; also those for the diagnosis."""
        return [case for case in self.cases.values() if case.task not in self.not_asked]

    @property
    def planned(self) -> Planned:
        """The plan as gates read it: without what is asked for the diagnosis alone."""
        return Planned(
            [case for case in self.asked if is_gated(case.task)],
            {task: number for task, number in self.deselected.items() if is_gated(task)},
            self.not_asked,
        )


class Evaluation:
    """Plan, open, take, keep, close: in this order.

    :param root: the folder that `runs/` belongs in.
    :param facts: what the manifest says of puzzles and formats.
    :param say: prints one line for the person who watches.
    :param against: what the run is held against.
    """

    def __init__(
        self,
        options: Options,
        tasks: Mapping[str, Task],
        gates: GatesFile,
        root: Path,
        facts: Mapping[str, Any],
        say: Say,
        formats: Formats,
        against: Against,
    ) -> None:
        self.options, self.tasks, self.gates, self.root = options, tasks, gates, root
        self.facts, self.say, self.formats = facts, say, formats
        self.against = against
        self.plan = Plan()
        self.models: dict[str, str] = {}
        self.run: runs.Run | None = None
        self.results: list[GateResult] = []
        self.asked_before: dict[str, Record] = {}
        """The records of what is asked for the diagnosis alone, by case."""
        self.findings: list[Finding] = []
        self.warnings: list[str] = []
        self.seconds = 0.0
        self.blessed: str | None = None
        """What became of `--bless`, in words; None without it."""
        self._stack = contextlib.ExitStack()
        self._broker: Broker | None = None
        self._opened = 0.0

    @property
    def not_blessed(self) -> bool:
        """True where `--bless` was given and the run was not kept."""
        return self.options.bless is not None and not (self.blessed or "").startswith("blessed")

    # A source of completions, so that an evaluation can be given to tests directly.

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of a case; see `Broker.take`."""
        return self._asking().take(case)

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of a task with its completions."""
        return self._asking().take_all(task)

    def model_of(self, task: str) -> str:
        """The served model that a task is asked of.

        :raises BrokerClosedError: no case of the task is asked.
        """
        if task not in self.models:
            raise BrokerClosedError(f"no {task} case is asked in this session")
        return self.models[task]

    def not_asked(self) -> Mapping[str, str]:
        """Task -> why it is left out."""
        self._asking()
        return self.plan.not_asked

    def _asking(self) -> Broker:
        if self._broker is None:
            raise BrokerClosedError("no server is open: nothing can be asked")
        return self._broker

    # Its life.

    def open(self) -> None:
        """Claim the run's folder, start or attach to the server, check it, and start asking the plan.

        :raises GoldError: a format cannot score its own right answers.
        :raises ServeError: there is no server to ask; the message says why and what to do.
        :raises OSError: the run's folder is taken or cannot be written.
        """
        if self._broker is not None:
            return
        self._opened = time.monotonic()
        self._check_gold()
        self.run = self._claim()
        folder = self.run.folder
        try:
            served = self._stack.enter_context(serving(self.options, folder, self.say))
            chosen = {
                task: served.choose(self.options, self._asked_as(task))
                for task in dict.fromkeys(case.task for case in self.plan.asked)
            }
            self.models = {task: model.id for task, model in chosen.items()}
            checked = self._preflight(served.endpoint, chosen, self.tasks)
            checked = self._preflight_baseline(served.endpoint, checked)
        except BaseException as error:
            self.run.close("not started", error=str(error))
            raise
        self.plan.not_asked.update(checked.not_asked)
        self._warn()
        self._describe(served, chosen, checked)
        for line in plan_lines(self.gates.gates, self.plan.planned, self.against.rivals):
            self.say(f"plan: {line}")
        gated = {task: model for task, model in chosen.items() if is_gated(task)}
        cases = self.plan.planned.cases
        self.against.open(folder, cases, served.endpoint, gated, self.run.manifest)
        self._start_broker(served.endpoint, checked)

    def _asked_as(self, task: str) -> str:
        """The task whose model is asked: for the diagnosis that of the question it asks."""
        own = is_gated(task) or task in self.options.routes
        return task if own else self.tasks[task].questions[0]

    def _check_gold(self) -> None:
        """Let a perfect player answer in each task's format, before anything is paid for."""
        by_task: dict[str, list[Case]] = {}
        for case in self.plan.asked:
            by_task.setdefault(case.task, []).append(case)
        for task, cases in by_task.items():
            check_gold(self.tasks[task], cases, self.formats.by_task[task].name)
            if (setup := self.against.live_setup) is not None and task not in setup.left_out:
                check_gold(setup.tasks[task], cases, f"the format of {self.against.live}")

    def _claim(self) -> runs.Run:
        try:
            return runs.Run(self.options.run_dir or runs.default_folder(self.root, self._expected_model()))
        except FileExistsError:
            raise
        except OSError as error:
            raise OSError(f"the run cannot be kept: {error}; give another --run-dir") from error

    def _expected_model(self) -> str:
        """The model's name before the server has said what it serves, for the name of the run's folder."""
        options = self.options
        spec = None if options.base_url or options.model else load_spec(options.spec)
        return options.model or (spec.model_for("default") if spec else None) or "attached"

    def _preflight_baseline(self, endpoint: Endpoint, checked: Checked) -> Checked:
        """Check the model of `--baseline-model` for the tasks that the candidate is asked.

        What it cannot be asked is left out of its cases, not of the candidate's.
        """
        setup, model = self.against.live_setup, self.against.live_model(endpoint)
        if model is None or setup is None:
            return checked
        left_out = {*checked.not_asked, *self.against.not_asked}
        tasks = [task for task in self.models if is_gated(task) and task not in left_out]
        found = self._preflight(endpoint, dict.fromkeys(tasks, model), setup.tasks)
        self.against.not_asked.update(found.not_asked)
        checks = [*checked.checks, *found.checks]
        return dataclasses.replace(checked, checks=checks, schema_by={**checked.schema_by, **found.schema_by})

    def _preflight(
        self, endpoint: Endpoint, chosen: Mapping[str, ServedModel], tasks: Mapping[str, Task]
    ) -> Checked:
        """Check each model once for each way in which its tasks ask."""
        if self.options.no_preflight:
            return Checked()
        first = {case.task: case for case in reversed(self.plan.cases.values())}
        asked = [
            Asked(task, chosen[task], next(tasks[task].turns(case)))
            for task, case in first.items()
            if task in chosen
        ]
        return check_models(endpoint, asked, self.options, self.say)

    def _warn(self) -> None:
        asked = {model for task, model in self.models.items() if task not in self.plan.not_asked}
        self.warnings = [*self.formats.notes(self.plan.planned.tasks), *self.gates.warnings_for(asked)]
        for warning in self.warnings:
            self.say(f"warning: {warning}")

    def _describe(self, served: Served, chosen: Mapping[str, ServedModel], checked: Checked) -> None:
        """Write the manifest as far as it is known before the first case."""
        assert self.run is not None
        options, endpoint, planned = self.options, served.endpoint, self.plan.planned
        self.run.save(
            command=sys.argv[1:],
            endpoint={"base_url": endpoint.base_url, "version": endpoint.version},
            **served.facts,
            models={task: dataclasses.asdict(model) for task, model in chosen.items()},
            served=[dataclasses.asdict(model) for model in endpoint.models],
            preflight=checked.checks,
            sampling=dataclasses.asdict(options.sampling) | {"samples": options.samples},
            **self.facts,
            grading=GRADING,
            gates_file={"path": str(self.gates.path), "digest": self.gates.digest},
            planned=planned.counts(),
            deselected=planned.deselected,
            not_asked=planned.not_asked,
            concurrency=options.concurrency,
            versions=runs.versions(*VERSIONS_OF),
            git=runs.git_state(self.root),
        )
        # As the sets have them: of a mirrored copy the original, should it not be asked itself.
        puzzles: dict[tuple[str, str], Puzzle] = {}
        for case in sorted(self.plan.asked, key=lambda case: case.mirrored):
            original = mirror(case.puzzle) if case.mirrored else case.puzzle
            puzzles.setdefault((original.set, original.id), original)
        runs.write_puzzles(self.run.folder, puzzles.values())
        if self.run.folder.parent == self.root / "runs":
            runs.point_latest(self.run.folder)

    def _start_broker(self, endpoint: Endpoint, checked: Checked) -> None:
        assert self.run is not None
        run, options = self.run, self.options
        client = Client(
            endpoint.base_url,
            endpoint.headers(),
            concurrency=options.concurrency,
            timeout=options.request_timeout,
        )
        against = self.against
        contexts = {model.id: endpoint.context_of(model.id) for model in endpoint.models}

        async def ask(case: Case, request: Request) -> Completion:
            model = against.model_of(case) if case.asked_of else self.models[case.task]
            body = chat_body(
                request,
                model,
                options.sampling,
                sample=case.sample,
                vllm=endpoint.is_vllm,
                context=contexts[model],
                schema_by=checked.schema_by.get(model, "response_format"),
            )
            return await client.ask(body)

        def record(case: Case, turn: int, completion: Completion) -> None:
            if case.asked_of:
                against.record(case, turn, completion)
            else:
                run.add_completion(case, turn, completion, self.models[case.task])

        self._broker = Broker(
            ask,
            self.tasks,
            concurrency=options.concurrency,
            record=record,
            close=client.close,
            of_baselines={name: asked.tasks for name, asked in against.asked.items()},
        )
        self._broker.plan(against.interleave(self.plan.asked))

    def keep(self, record: Record) -> None:
        """Keep a record, as it arrives from whoever judged the case."""
        if not is_gated(record.task):
            self.asked_before[record.case] = record
        elif self.run is not None:
            self.run.add_verdict(dataclasses.replace(record, model=self.models.get(record.task, "")))

    def close(self, status: str, incidents: Incidents) -> list[GateResult]:
        """Judge the gates, write the last of the run, and stop the server. Safe to call twice."""
        broker, run = self._broker, self.run
        if broker is not None and run is not None and not self.results:
            if status == "finished":
                for name in self.against.asked:
                    broker.take_from(name, wait=True)
            broker.close()
            self.against.judge(status, lambda name: broker.take_from(name, wait=False))
            self._judge(run, status, incidents)
        elif broker is not None:
            broker.close()
        self._stack.close()
        return self.results

    def _judge(self, run: runs.Run, status: str, incidents: Incidents) -> None:
        """Judge the gates, close the run, and bless it where that was asked for."""
        planned = self.plan.planned
        candidate = stored_run(run, planned.counts())
        baselines = self.against.baselines(candidate, planned.tasks, self.against.answers())
        self.results = judge_gates(self.gates, run.records, planned, incidents, baselines)
        self.seconds = time.monotonic() - self._opened
        self.findings = self._diagnose(run)
        run.close(
            status,
            diagnosis=[dataclasses.asdict(finding) for finding in self.findings],
            verdict=overall(self.results).value,
            gates=[dataclasses.asdict(result) for result in self.results],
            baselines={each.name: dict(each.unfit) for each in baselines},
            seconds=round(self.seconds, 1),
        )
        if self.options.bless is not None:
            self.blessed = self._bless(run, baselines)

    def _diagnose(self, run: runs.Run) -> list[Finding]:
        """What the answers that arrived have in common."""
        answered = [(case, said) for case, said in self._asking().answered() if case.key in self.plan.cases]
        questions = self.formats.settings(self.options).questions
        return diagnose(answered, run.records, self.asked_before.values(), questions)

    def _bless(self, run: runs.Run, baselines: Sequence[Baseline]) -> str:
        """Keep the run as a baseline; returns what became of it, in words."""
        place = place_of(self.options.bless or "")
        assert place is not None
        if (why := why_not_blessed(run.manifest["status"], self.results)) is not None:
            return f"not blessed: {why}"
        try:
            unseen = [record for record in run.records if not record.seen]
            compared = discordance_by_task(baselines[0], unseen) if baselines else {}
            bless(
                stored_run(run, self.plan.planned.counts()),
                place,
                tried=self.options.tried,
                compared=compared,
            )
        except OSError as error:
            return f"not blessed: {place} cannot be written: {error.strerror}"
        return f"blessed as {place}"
