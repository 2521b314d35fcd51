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
from evals.formats.format import Question
from evals.harness.case_builder import Selection
from evals.harness.manifest import VERSIONS_OF
from evals.harness.options import Options
from evals.harness.served import Asked, Checked, Say, Served, check_models, serving
from evals.puzzles.puzzle import Puzzle
from evals.results import run as runs
from evals.results.diagnosis import diagnose
from evals.results.findings import Finding
from evals.results.gates import GateResult, Incidents, Planned, judge_gates, overall
from evals.results.gates_file import GatesFile
from evals.tasks import is_gated
from evals.tasks.gold import check_gold
from evals.words import Case, Completion, Record, Request, Task
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
    :param format_names: the format of each task, for messages.
    :param questions: how each question is asked.
    """

    def __init__(
        self,
        options: Options,
        tasks: Mapping[str, Task],
        gates: GatesFile,
        root: Path,
        facts: Mapping[str, Any],
        say: Say,
        format_names: Mapping[str, str],
        questions: Mapping[str, Question],
    ) -> None:
        self.options, self.tasks, self.gates, self.root = options, tasks, gates, root
        self.facts, self.say, self.format_names, self.questions = facts, say, format_names, questions
        self.plan = Plan()
        self.models: dict[str, str] = {}
        self.run: runs.Run | None = None
        self.results: list[GateResult] = []
        self.asked_before: dict[str, Record] = {}
        """The records of what is asked for the diagnosis alone, by case."""
        self.findings: list[Finding] = []
        self.warnings: list[str] = []
        self.seconds = 0.0
        self._stack = contextlib.ExitStack()
        self._broker: Broker | None = None
        self._opened = 0.0

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
            checked = self._preflight(served.endpoint, chosen)
        except BaseException as error:
            self.run.close("not started", error=str(error))
            raise
        self.plan.not_asked.update(checked.not_asked)
        self._warn()
        self._describe(served, chosen, checked)
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
            check_gold(self.tasks[task], cases, self.format_names.get(task, ""))

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

    def _preflight(self, endpoint: Endpoint, chosen: Mapping[str, ServedModel]) -> Checked:
        """Check each model once for each way in which its tasks ask."""
        if self.options.no_preflight:
            return Checked()
        first = {case.task: case for case in reversed(self.plan.cases.values())}
        asked = [
            Asked(task, chosen[task], next(self.tasks[task].turns(case))) for task, case in first.items()
        ]
        return check_models(endpoint, asked, self.options, self.say)

    def _warn(self) -> None:
        asked = {model for task, model in self.models.items() if task not in self.plan.not_asked}
        self.warnings = [*self.gates.warnings_for(asked)]
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
            gates_file={"path": str(self.gates.path), "digest": self.gates.digest},
            planned=planned.counts(),
            deselected=planned.deselected,
            not_asked=planned.not_asked,
            concurrency=options.concurrency,
            versions=runs.versions(*VERSIONS_OF),
            git=runs.git_state(self.root),
        )
        puzzles: dict[tuple[str, str], Puzzle] = {
            (case.puzzle.set, case.puzzle.id): case.puzzle for case in self.plan.asked
        }
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
        contexts = {task: endpoint.context_of(model) for task, model in self.models.items()}

        async def ask(case: Case, request: Request) -> Completion:
            model = self.models[case.task]
            body = chat_body(
                request,
                model,
                options.sampling,
                sample=case.sample,
                vllm=endpoint.is_vllm,
                context=contexts[case.task],
                schema_by=checked.schema_by.get(model, "response_format"),
            )
            return await client.ask(body)

        def record(case: Case, turn: int, completion: Completion) -> None:
            run.add_completion(case, turn, completion, self.models[case.task])

        self._broker = Broker(
            ask, self.tasks, concurrency=options.concurrency, record=record, close=client.close
        )
        self._broker.plan(self.plan.asked)

    def keep(self, record: Record) -> None:
        """Keep a record, as it arrives from whoever judged the case."""
        if not is_gated(record.task):
            self.asked_before[record.case] = record
        elif self.run is not None:
            self.run.add_verdict(dataclasses.replace(record, model=self.models.get(record.task, "")))

    def close(self, status: str, incidents: Incidents) -> list[GateResult]:
        """Judge the gates, write the last of the run, and stop the server. Safe to call twice."""
        if self._broker is not None:
            self._broker.close()
        if self.run is not None and self._broker is not None and not self.results:
            planned = self.plan.planned
            self.results = judge_gates(self.gates, self.run.records, planned, incidents)
            self.seconds = time.monotonic() - self._opened
            self.findings = self._diagnose()
            self.run.close(
                status,
                diagnosis=[dataclasses.asdict(finding) for finding in self.findings],
                verdict=overall(self.results).value,
                gates=[dataclasses.asdict(result) for result in self.results],
                seconds=round(self.seconds, 1),
            )
        self._stack.close()
        return self.results

    def _diagnose(self) -> list[Finding]:
        """What the answers that arrived have in common."""
        assert self._broker is not None
        assert self.run is not None
        answered = [(case, said) for case, said in self._broker.answered() if case.key in self.plan.cases]
        return diagnose(answered, self.run.records, self.asked_before.values(), self.questions)
