"""The side of a session that owns the server and the run: pytest itself or, under xdist, the controller."""

from __future__ import annotations

import signal
import threading
from collections.abc import Container, Generator, Mapping, Sequence
from types import FrameType
from typing import Any

import pytest

from evals.asking.broker import Source
from evals.asking.relay import Relay
from evals.harness.against import Against
from evals.harness.case_builder import Selection, leads_into_suites
from evals.harness.evaluation import Evaluation
from evals.harness.manifest import describe_setup
from evals.harness.options import Options
from evals.harness.participant import SETUP_ERRORS, Participant
from evals.harness.reports import UNDECIDED, gate_reports, read_property, read_record, usage_error
from evals.harness.summary import write_summary
from evals.harness.worker import INPUT
from evals.results.engine import EngineError, open_engine
from evals.results.exit_status import is_whole, status_of
from evals.results.gates import Incidents
from evals.results.gates_file import GateError, load_gates
from evals.results.stored_run import RunError
from evals.tasks import task_names
from evals.tasks.gold import GoldError
from evals.words import Case, Outcome
from serve.errors import ServeError
from serve.printable import printable


class Controller(Participant):
    """Draws the puzzles, opens the evaluation, hears every report, and closes."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        super().__init__(config, options)
        self._evaluation: Evaluation | None = None
        self._relay: Relay | None = None
        self._reported = Reported()
        self._joined: list[Selection] = []
        self._header_said = False
        self._joining = threading.Lock()
        self._sigterm: Any = None
        if threading.current_thread() is threading.main_thread():
            self._sigterm = signal.signal(signal.SIGTERM, _interrupt)

    @property
    def source(self) -> Source:
        """The evaluation, which is open once the first test runs."""
        return self.evaluation

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation, made on first use: `pytest tests` has none.

        :raises pytest.UsageError: gates, puzzles or formats cannot be used.
        """
        if self._evaluation is None:
            options, builder = self.options, self.builder
            try:
                tasks = builder.tasks
                gates = load_gates(
                    options.gates,
                    {name: task.checks for name, task in tasks.items()},
                )
                against = Against.read(options, self.drawing)
                facts = describe_setup(options, self.drawing.value, self.formats.value, builder.settings)
            except (GateError, RunError, *SETUP_ERRORS) as error:
                raise usage_error(error) from error
            root, formats = self.config.rootpath, self.formats.value
            self._evaluation = Evaluation(options, tasks, gates, root, facts, self._say, formats, against)
            self._evaluation.plan.not_asked.update(builder.left_out)
        return self._evaluation

    def _say(self, line: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(printable(line, 2000))

    # collect

    def pytest_report_header(self) -> list[str]:
        """Which gates the session is judged by, and in which formats it asks."""
        if not leads_into_suites(self.config):
            return []
        _ = self.evaluation  # says what the user got wrong, before the tasks are built of it
        self._header_said = True
        return self._header(self.builder.tasks)

    def _header(self, asked: Container[str]) -> list[str]:
        gates = self.evaluation.gates
        formats = self.formats.value.lines(self.config.rootpath, asked)
        return [
            f"gates: {printable(str(gates.path))} ({len(gates.gates)}, digest {gates.digest})",
            *(f"format: {printable(line)}" for line in formats),
            *self.evaluation.against.header(),
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Read all that a user can get wrong before the suites are collected: one clean error."""
        if leads_into_suites(session.config):
            _ = self.evaluation

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker where the relay listens, where puzzles and formats are, and which tasks."""
        if self._relay is None:
            self._relay = Relay(self._join, lambda: self.evaluation)
            if leads_into_suites(self.config):
                _ = self.evaluation
            self.drawing.share_in(self._relay.folder)
            self.formats.share_in(self._relay.folder)
        node.workerinput[INPUT] = {
            "address": self._relay.address,
            "key": self._relay.key,
            "folder": str(self._relay.folder),
            "tasks": task_names(),
        }

    # plan

    def _join(self, cases: Sequence[Case], deselected: Mapping[str, int]) -> None:
        # On a thread of the relay: what the user got wrong is raised by `open`, on pytest's own.
        with self._joining:
            self._joined.append(Selection(tuple(cases), deselected))

    # open

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Open when the first worker has collected; its plan came before this."""
        if not self.config.option.collectonly:
            self.open()

    def open(self) -> None:
        """Open the evaluation once there is a case to ask.

        :raises pytest.UsageError: there is no server to ask, no engine, or no place for the run.
        """
        with self._joining:
            joined, self._joined = self._joined, []
        if self._evaluation is None and not joined:
            return
        for selection in joined:
            self.evaluation.plan.add(selection)
        evaluation = self.evaluation
        if not evaluation.plan.cases:
            if self.builder.left_out and leads_into_suites(self.config):
                reasons = "; ".join(dict.fromkeys(self.builder.left_out.values()))
                raise usage_error(f"there is nothing to ask: {reasons}")
            return
        try:
            if self.options.engine:
                open_engine(self.options.engine).close()
            if not self._header_said:
                self._header_said = True
                for line in self._header(evaluation.plan.planned.tasks):
                    self._say(line)
            evaluation.open()
        except (GoldError, ServeError, EngineError, OSError) as error:
            raise usage_error(error) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Open before the first test, close after the last, and report the gates as items."""
        if self.config.option.collectonly:
            return (yield)
        if session.items and not session.testsfailed:
            self.selection = self.builder.select(session.items)
            if self.selection.cases:
                self._join(self.selection.cases, self.selection.deselected)
            self.open()
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

    # judge

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a report carries, and what else went wrong."""
        self._reported.add(report)
        record = None if report.when == "teardown" else read_record(report)
        if record is not None and self._evaluation is not None:
            self._evaluation.keep(record)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that cannot be collected is an error of the session."""
        if report.failed:
            self._reported.errors.append(report.nodeid)

    # close

    def _close(self, session: pytest.Session, status: str) -> None:
        evaluation = self._evaluation
        if evaluation is None or evaluation.run is None:
            return
        results = evaluation.close(status, self._reported.incidents(status))
        if status == "interrupted":
            return
        session.testscollected += len(results)
        for result in results:
            excused = self.options.inconclusive == "pass" and is_whole(results)
            for report in gate_reports(result, evaluation.gates.path, self.config.rootpath, excused):
                self.config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Tell what could not be decided from what failed, by the exit status."""
        # Last of all, because syrupy joins its own status to the session's by a bitwise or.
        yield
        evaluation = self._evaluation
        if evaluation is None or not evaluation.results:
            return
        status = status_of(evaluation.results, self.options.inconclusive)
        if session.exitstatus == pytest.ExitCode.TESTS_FAILED and status:
            session.exitstatus = status
        if session.exitstatus == pytest.ExitCode.OK and evaluation.not_blessed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print outcomes, gates and the verdict."""
        if self._evaluation is not None and self._evaluation.results:
            write_summary(
                terminalreporter,
                self._evaluation,
                self.drawing.value.notes,
                self._reported.node_ids,
                self.options,
            )

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind: server, threads, temporary folder, signal handler."""
        if self._evaluation is not None:
            self._evaluation.close("interrupted", self._reported.incidents("interrupted"))
        if self._relay is not None:
            self._relay.close()
        if self._sigterm is not None:
            signal.signal(signal.SIGTERM, self._sigterm)


class Reported:
    """What the reports of a session say beside the records that they carry."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.errors: list[str] = []
        self.undecided: list[str] = []
        self.node_ids: dict[str, str] = {}
        """Case key -> node id."""

    def add(self, report: pytest.TestReport) -> None:
        """Take in one report of one phase of one item."""
        record = read_record(report)
        if record is not None:
            self.node_ids[record.case] = report.nodeid
        unanswered = record is not None and record.outcome is Outcome.UNANSWERED
        if report.failed and not (unanswered and report.when == "setup"):
            (self.failed if report.when == "call" else self.errors).append(report.nodeid)
        if report.when == "call" and (sentence := read_property(report, UNDECIDED)) is not None:
            self.undecided.append(sentence)

    def incidents(self, status: str) -> Incidents:
        """Why a session of this status may not be what it seems."""
        flaws = [] if status == "finished" else [f"the session was {status}"]
        return Incidents(flaws, self.failed, self.errors, self.undecided)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    """Let SIGTERM end a session the way Ctrl-C does: with its server stopped and its run closed."""
    raise KeyboardInterrupt
