"""What a suite uses: `case`, `completions`, `tasks`, `settle`; and all completions of a task."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import pytest
from syrupy.assertion import SnapshotAssertion

from evals.asking.broker import Answered, BrokerClosedError
from evals.asking.relay import RelayError
from evals.harness.participant import PARTICIPANT, Participant
from evals.harness.reports import RECORD
from evals.harness.snapshots import extension_for
from evals.results.explain import explain
from evals.tasks import is_gated
from evals.words import Case, Completion, Outcome, Record, Settle, Task, Verdict
from serve.printable import printable

if TYPE_CHECKING:
    from evals.results.engine import Engine


def _participant(request: pytest.FixtureRequest) -> Participant:
    return request.config.stash[PARTICIPANT]


def _fail(message: str) -> None:
    pytest.fail(printable(message, 4000, newlines=True), pytrace=False)


@pytest.fixture(scope="session")
def tasks(request: pytest.FixtureRequest) -> Mapping[str, Task]:
    """Every task by name, set up as the options say."""
    return _participant(request).builder.tasks


@pytest.fixture(scope="session")
def not_asked(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """Task -> why the model cannot be asked it."""
    return _participant(request).source.not_asked()


@pytest.fixture(scope="session")
def all_completions(request: pytest.FixtureRequest) -> Callable[[str], Sequence[Answered]]:
    """Every planned case of a task with its completions, once the last has arrived.

    Skips the test where only part of a task's cases is selected: what holds for a part is not the model's.
    """
    participant = _participant(request)

    def take_all(task: str) -> Sequence[Answered]:
        if task in participant.selection.deselected:
            pytest.skip(f"only part of the {task} cases is selected")
        return participant.source.take_all(task)

    return take_all


@pytest.fixture(scope="session")
def model_of(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The served model that a task is asked of, by the task's name. Skips or fails where it is not asked."""
    participant = _participant(request)

    def model_of(task: str) -> str:
        try:
            if (reason := participant.source.not_asked().get(task)) is not None:
                pytest.skip(f"{task} is left out: {reason}")
            return participant.source.model_of(task)
        except (BrokerClosedError, RelayError):
            return pytest.fail(
                f"this test reads the answers to {task} cases, and none is selected: select them with it "
                f"(-m {task})",
                pytrace=False,
            )

    return model_of


@pytest.fixture
def format_snapshot(
    request: pytest.FixtureRequest, snapshot: SnapshotAssertion, model_of: Callable[[str], str]
) -> SnapshotAssertion:
    """The stored trace format of the model that is asked, or of the one that `--format-of` names."""
    asked = model_of("reasoning")
    return snapshot.use_extension(extension_for(_participant(request).options.format_of or asked))


@pytest.fixture
def completions(
    request: pytest.FixtureRequest,
    case: Case,
    record_verdict: Callable[[Verdict], None],
    not_asked: Mapping[str, str],
) -> Sequence[Completion]:
    """What the server sent back for this case, every turn of it. Waits for it.

    A case without an answer is an error, never a wrong move; in the diagnosis it is skipped.
    """
    if (reason := not_asked.get(case.task)) is not None:
        pytest.skip(f"{case.task} is left out: {reason}")
    try:
        completions = _participant(request).source.take(case)
    except (BrokerClosedError, RelayError) as error:
        pytest.fail(printable(str(error)), pytrace=False)
    error = completions[-1].error
    if error is not None:
        record_verdict(Verdict(Outcome.UNANSWERED, detail=error))
        if not is_gated(case.task):
            pytest.skip(printable(f"unanswered: {error}"))
        _fail(f"unanswered: {error}")
    return completions


@pytest.fixture
def record_verdict(request: pytest.FixtureRequest, case: Case) -> Callable[[Verdict], None]:
    """Send this case's verdict to the run."""

    def record(verdict: Verdict) -> None:
        request.node.user_properties.append((RECORD, Record.of(case, verdict).to_json()))

    return record


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Generator[Engine | None]:
    """The engine of `--engine`, for a second opinion on missed moves; None without the option."""
    name = _participant(request).options.engine
    if name is None:
        yield None
        return
    # Only with the option: python-chess's engine module and sqlite3 cost every worker 0.04 s.
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
    strict = _participant(request).options.policy == "strict"

    def settle(verdict: Verdict) -> None:
        verdict = engine.annotate(case, verdict) if engine else verdict
        record_verdict(verdict)
        if strict and verdict.outcome is not Outcome.SOLVED:
            _fail(explain(case, verdict))

    return settle
