"""Where the harness meets pytest: options, collection of cases, and the fixtures that a suite uses.

One process controls a session: pytest itself or, under xdist, the controller (`evals.harness.controller`).
It owns the server, the broker and the run. Workers collect, take completions over the relay, judge, and send
verdicts back on their reports, so that every file of a run has one writer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest
from syrupy.assertion import SnapshotAssertion

from evals.asking.broker import Answered, BrokerClosedError, Source
from evals.asking.relay import Link, RelayError
from evals.harness.collection import Collection
from evals.harness.options import Options, add_options, read_options
from evals.harness.snapshots import extension_for, keep_other_models
from evals.words import Case, Completion, Outcome, Record, Settle, Task, Verdict

if TYPE_CHECKING:
    from evals.results.engine import Engine

VERDICT = "verdict"
"""The user property of a report that carries a verdict, as JSON, to the controller and into JUnit XML."""

LETTERS = {
    Outcome.MISSED: "m",
    Outcome.ILLEGAL: "i",
    Outcome.AMBIGUOUS: "a",
    Outcome.UNPARSEABLE: "u",
    Outcome.MALFORMED: "f",
    Outcome.TRUNCATED: "t",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the harness."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Hook into xdist only where it is there: its hooks are unknown to a pytest without it."""
    if pluginmanager.hasplugin("xdist"):
        from evals.harness.controller import XdistHooks

        pluginmanager.register(XdistHooks(), "eighth-rank-xdist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and the part that this process plays."""
    for line in (
        "cases(task, quick=None): parametrize `case` over a task's cases; `quick` caps the default scope",
        "move: the best move",
        "line: the whole solution",
        "reasoning: a trace and a structured answer",
        "board: the skills under it",
        "format: the format snapshot of a model's reasoning",
    ):
        config.addinivalue_line("markers", line)
    keep_other_models(config)
    options = read_options(config)
    collection = Collection(options)
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Worker(config, options, collection), "eighth-rank")
    else:
        # Only here: a worker needs neither the gates nor the statistics, and imports are what it starts with.
        from evals.harness.controller import Controller

        config.pluginmanager.register(Controller(config, options, collection), "eighth-rank")


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, tuple[str, Mapping[str, bool]]] | None:
    """Give a model's mistake its own letter and word instead of a green dot."""
    if report.when == "call" and report.passed:
        record = read_verdict(report)
        if record is not None and record.outcome in LETTERS:
            word = record.outcome.value
            return word, LETTERS[record.outcome], (word.upper(), {"yellow": True})
    return None


def read_verdict(report: pytest.TestReport | pytest.CollectReport) -> Record | None:
    """The verdict that a report carries, if it has one."""
    for name, value in getattr(report, "user_properties", ()):
        if name == VERDICT:
            return Record.from_json(cast(str, value))
    return None


class Judge:
    """What both sides have: the collection of cases, and a source of completions."""

    def __init__(self, config: pytest.Config, options: Options, collection: Collection) -> None:
        self.config, self.options, self.collection = config, options, collection
        self.left_out: dict[str, int] = {}
        """How many cases of a task were collected but not selected, where some were."""

    @property
    def source(self) -> Source:
        """Where completions come from."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize `case` of a test that is marked `cases(task)`."""
        mark = metafunc.definition.get_closest_marker("cases")
        if mark is None or "case" not in metafunc.fixturenames:
            return
        try:
            cases = self.collection.cases(mark.args[0], mark.kwargs.get("quick"))
        except self.collection.errors as error:
            raise pytest.Collector.CollectError(str(error)) from error
        self.collection.collected[metafunc.definition.nodeid] = cases[0].task, len(cases)
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])

    def plan(self, session: pytest.Session) -> tuple[list[Case], dict[str, int]]:
        """The selected cases in order, and how many of a task's cases were left out where some were."""
        selected: dict[str, Case] = {}
        chosen: dict[str, int] = {}
        for item in session.items:
            case = case_of(item)
            if case is not None:
                selected[case.key] = case
                function = item.nodeid.split("[")[0]
                chosen[function] = chosen.get(function, 0) + 1
        for function, (task, collected) in self.collection.collected.items():
            if 0 < chosen.get(function, 0) < collected:
                self.left_out[task] = collected - chosen[function]
        return list(selected.values()), self.left_out


def _judge(request: pytest.FixtureRequest) -> Judge:
    judge = request.config.pluginmanager.get_plugin("eighth-rank")
    assert isinstance(judge, Judge)
    return judge


@pytest.fixture(scope="session")
def tasks(request: pytest.FixtureRequest) -> Mapping[str, Task]:
    """Every task by name, set up as the options say."""
    return _judge(request).collection.tasks


@pytest.fixture(scope="session")
def all_completions(request: pytest.FixtureRequest) -> Callable[[str], Sequence[Answered]]:
    """Every planned case of a task with its completions, once the last has arrived.

    Skips the test where only part of a task's cases is selected: what holds for a part is not the model's.
    """
    judge = _judge(request)

    def take_all(task: str) -> Sequence[Answered]:
        if task in judge.left_out:
            pytest.skip(f"only part of the {task} cases is selected")
        return judge.source.take_all(task)

    return take_all


@pytest.fixture(scope="session")
def model_of(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The served model that a task is asked of, by the task's name."""
    return _judge(request).source.model_of


@pytest.fixture
def format_snapshot(
    request: pytest.FixtureRequest, snapshot: SnapshotAssertion, model_of: Callable[[str], str]
) -> SnapshotAssertion:
    """The stored reasoning format of the model that is asked, or of the one that `--format-of` names."""
    model = _judge(request).options.format_of or model_of("reasoning")
    return snapshot.use_extension(extension_for(model))


@pytest.fixture
def completions(
    request: pytest.FixtureRequest, case: Case, record_verdict: Callable[[Verdict], None]
) -> Sequence[Completion]:
    """What the server sent back for this case, every turn of it. Waits for it.

    A case without an answer is an error, never a wrong move.
    """
    try:
        completions = _judge(request).source.take(case)
    except (BrokerClosedError, RelayError) as error:
        pytest.fail(str(error), pytrace=False)
    error = completions[-1].error
    if error is not None:
        record_verdict(Verdict(Outcome.UNANSWERED, detail=error))
        pytest.fail(f"unanswered: {error}", pytrace=False)
    return completions


@pytest.fixture
def record_verdict(request: pytest.FixtureRequest, case: Case) -> Callable[[Verdict], None]:
    """Send this case's verdict to the run."""

    def record(verdict: Verdict) -> None:
        request.node.user_properties.append((VERDICT, Record.of(case, verdict).to_json()))

    return record


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Generator[Engine | None]:
    """The engine of `--engine`, for a second opinion on missed moves; None without the option."""
    name = _judge(request).options.engine
    if name is None:
        yield None
        return
    from evals.results.engine import open_engine

    cache = request.config.rootpath / ".cache" / "engine.sqlite"
    cache.parent.mkdir(exist_ok=True)
    with open_engine(name, cache=cache) as opened:
        yield opened


@pytest.fixture
def settle(
    request: pytest.FixtureRequest,
    case: Case,
    record_verdict: Callable[[Verdict], None],
    engine: Engine | None,
) -> Settle:
    """Record a verdict and, with `--cases strict`, fail the test for a model's mistake."""
    judge = _judge(request)

    def settle(verdict: Verdict) -> None:
        verdict = engine.annotate(case, verdict) if engine else verdict
        record_verdict(verdict)
        if judge.options.policy == "strict" and verdict.outcome is not Outcome.SOLVED:
            pytest.fail(judge.collection.explain(case, verdict), pytrace=False)

    return settle


def case_of(item: pytest.Item) -> Case | None:
    """The case that an item asks, if it asks one."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec is not None else None
    return case if isinstance(case, Case) else None


class Worker(Judge):
    """The part of an xdist worker."""

    def __init__(self, config: pytest.Config, options: Options, collection: Collection) -> None:
        super().__init__(config, options, collection)
        told = cast("dict[str, Any]", config.workerinput)["eighth_rank"]  # type: ignore[attr-defined]
        self._link = Link(told["address"], told["key"])
        collection.use_shared(told["puzzles"])

    @property
    def source(self) -> Source:
        """The controller's broker, over the relay."""
        return self._link

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the controller the plan, before xdist tells it that this worker has collected."""
        cases, left_out = self.plan(session)
        if cases:
            self._link.plan(cases, left_out)
