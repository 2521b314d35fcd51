"""The process that controls a session: server, broker and run, gates as items, and the summary."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from evals.asking.broker import Source
from evals.asking.relay import Relay
from evals.harness.collection import Collection
from evals.harness.options import Options
from evals.harness.plugin import Judge, read_verdict
from evals.results.engine import EngineError, open_engine
from evals.words import Case
from serve.errors import ServeError

if TYPE_CHECKING:
    from evals.harness.session import Session
    from evals.results.gates import GateResult


class Controller(Judge):
    """The part of the process that owns the server, the broker and the run."""

    def __init__(self, config: pytest.Config, options: Options, collection: Collection) -> None:
        super().__init__(config, options, collection)
        self._session: Session | None = None
        self._relay: Relay | None = None
        self._failed: list[str] = []
        self._planned = threading.Lock()
        self._sigterm: Any = None
        if threading.current_thread() is threading.main_thread():
            self._sigterm = signal.signal(signal.SIGTERM, _interrupt)

    @property
    def source(self) -> Source:
        """The session, which is open once the first test runs."""
        return self.session

    @property
    def session(self) -> Session:
        """The session, made on first use: `pytest tests` has none.

        :raises pytest.UsageError: the gates or the prompts cannot be used.
        """
        if self._session is None:
            # Not before a case is there: the gates bring in scipy, which `pytest tests` does not need.
            from evals.harness.session import Session
            from evals.results.gates import GateError, load_gates

            try:
                gates = load_gates(self.options.gates)
                tasks = self.collection.tasks
            except (GateError, *self.collection.errors) as error:
                raise pytest.UsageError(str(error)) from error
            self._session = Session(self.options, tasks, gates, self.config.rootpath, self._say)
        return self._session

    def _say(self, line: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(line)

    # xdist: what workers need to know, and the plan that they send.

    def worker_input(self) -> dict[str, str]:
        """What a worker is told: where the relay listens and where the drawn puzzles are."""
        if self._relay is None:
            self._relay = Relay(self._add_plan, lambda: self.session)
        try:
            wanted = self.collection.wanted(self.config)
            puzzles = self.collection.share(self._relay.folder) if wanted else ""
        except self.collection.errors as error:
            raise pytest.UsageError(str(error)) from error
        return {"address": self._relay.address, "key": self._relay.key, "puzzles": puzzles}

    def _add_plan(self, cases: Sequence[Case], left_out: Mapping[str, int]) -> None:
        with self._planned:
            self.session.plan.add(cases, left_out)

    def open_if_planned(self) -> None:
        """Open the session once there is a case to ask.

        :raises pytest.UsageError: there is no server to ask.
        """
        if self._session is None or not self._session.plan.cases:
            return
        self._session.facts = self.collection.facts()
        try:
            if self.options.engine:
                open_engine(self.options.engine).close()
            self._session.open()
        except (ServeError, EngineError, FileExistsError) as error:
            raise pytest.UsageError(str(error)) from error

    # pytest: the life of a session.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Load the puzzles before collecting the suites, so that a bad file is one clean error."""
        if self.collection.wanted(session.config):
            try:
                self.collection.prepare()
            except self.collection.errors as error:
                raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Open before the first test, close after the last, and report the gates as items."""
        if self.config.option.collectonly:
            return (yield)
        if session.items and not session.testsfailed:
            cases, left_out = self.plan(session)
            if cases:
                self.session.plan.add(cases, left_out)
                self.open_if_planned()
        status = "interrupted"
        try:
            outcome = yield
            status = "finished"
            return outcome
        except session.Failed:
            status = "stopped early"
            raise
        finally:
            self._close(session, status)

    def _close(self, session: pytest.Session, status: str) -> None:
        if self._session is None or self._session.run is None:
            return
        flaws = [] if status == "finished" else [f"the session was {status}"]
        results = self._session.close(status, flaws, self._failed)
        if status == "interrupted":
            return
        session.testscollected += len(results)
        for result in results:
            for gate_report in gate_reports(result):
                self.config.hook.pytest_runtest_logreport(report=gate_report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict from a report into the run."""
        if report.when == "call" and report.failed:
            self._failed.append(report.nodeid)
        record = read_verdict(report)
        if record is None or self._session is None or report.when == "teardown":
            return
        self._session.judged(record)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print outcomes, gates and the verdict."""
        session = self._session
        if session is None or session.run is None or not session.results:
            return
        from evals.results import report

        write = terminalreporter.write_line
        terminalreporter.section("eighth rank", sep="=")
        for record in report.mistakes_to_show(session.run.records, self.options.show):
            write(self.collection.explain_record(session.plan.cases[record.case], record))
            write("")
        for line in report.outcome_table(session.run.records):
            write(line)
        write("")
        for line in report.extra_lines(session.run.records):
            write(line)
        for line, verdict in report.gate_lines(session.results):
            write(line, **{COLOURS[verdict]: True})
        write("")
        for line in self.collection.notes:
            write(line)
        write(f"run      {session.run.folder} ({session.seconds:.0f} s)")
        final = report.conclusion(session.results)
        write(f"verdict  {final}", bold=True)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind: server, threads, temporary folder, signal handler."""
        if self._session is not None:
            self._session.close("interrupted", ["the session was interrupted"])
        if self._relay is not None:
            self._relay.close()
        if self._sigterm is not None:
            signal.signal(signal.SIGTERM, self._sigterm)


COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}


class XdistHooks:
    """The two moments of an xdist controller that matter here."""

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the relay is."""
        controller: Controller = node.config.pluginmanager.get_plugin("eighth-rank")
        node.workerinput["eighth_rank"] = controller.worker_input()

    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """Open the session when the first worker has collected; its plan came before this."""
        controller: Controller = node.config.pluginmanager.get_plugin("eighth-rank")
        if not node.config.option.collectonly:
            controller.open_if_planned()


def gate_reports(result: GateResult) -> list[pytest.TestReport]:
    """Reports of a gate as if it were a test: the terminal, JUnit XML and the exit status all take them."""
    name = f"gate[{result.name}]"
    nodeid = f"evals/gates.toml::{name}"
    passed = result.verdict == "PASS"

    def phase(when: Any, failed: bool) -> pytest.TestReport:
        return pytest.TestReport(
            nodeid=nodeid,
            location=("evals/gates.toml", None, name),
            keywords={},
            outcome="failed" if failed else "passed",
            longrepr=f"{result.verdict.value}: {result.sentence}" if failed else None,
            when=when,
            user_properties=[("gate", result.verdict.value), ("gate_sentence", result.sentence)],
        )

    return [phase("setup", False), phase("call", not passed), phase("teardown", False)]


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    """Let SIGTERM end a session the way Ctrl-C does: with its server stopped and its run closed."""
    raise KeyboardInterrupt
