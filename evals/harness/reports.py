"""Records and gates on pytest's reports: the way from the process that judges to the one that keeps the run.

Mistakes, unanswered cases and gates have words of their own instead of pytest's `failed` and `error`. So each
is shown once, by the summary: pytest's own list of failures prints a block for each and takes quadratic time
(10,000 mistakes: 83 s). Exit status and JUnit XML come from the reports and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from evals.tasks import is_gated
from evals.words import Outcome, Record
from serve.printable import printable

if TYPE_CHECKING:
    # Gates bring scipy, 0.5 s of every worker's start, and a worker judges none.
    from evals.results.gates import GateResult

RECORD = "record"
"""The user property that carries a record, as JSON, to the controller and into JUnit XML."""
UNDECIDED = "undecided"
"""The user property that says why a test could decide nothing."""
GATE = "gate"
"""The user property of a gate's report."""

LETTERS = {
    Outcome.MISSED: "m",
    Outcome.ILLEGAL: "i",
    Outcome.AMBIGUOUS: "a",
    Outcome.UNPARSEABLE: "u",
    Outcome.MALFORMED: "f",
    Outcome.TRUNCATED: "t",
    Outcome.UNANSWERED: "U",
}
Status = tuple[str, str, tuple[str, Mapping[str, bool]]]


def read_record(report: pytest.TestReport | pytest.CollectReport) -> Record | None:
    """The record that a report carries, if it has one."""
    line = read_property(report, RECORD)
    return None if line is None else Record.from_json(line)


def read_property(report: pytest.TestReport | pytest.CollectReport, name: str) -> str | None:
    """A user property of a report, if it has it."""
    return next(
        (cast(str, value) for key, value in getattr(report, "user_properties", ()) if key == name), None
    )


def status_of(report: pytest.TestReport | pytest.CollectReport) -> Status | None:
    """The word and the letter of a mistake, an unanswered case or a gate that does not pass."""
    if isinstance(report, pytest.CollectReport) or report.when == "teardown":
        return None
    if (verdict := read_property(report, GATE)) is not None and report.failed:
        return f"gate {verdict.lower()}", "G", (f"GATE {verdict}", {"red": True})
    if report.when == "setup" and report.passed:
        return None
    record = read_record(report)
    if record is not None and record.answered and not is_gated(record.task):
        return "diagnosed", "d", ("DIAGNOSED", {"green": True})
    if record is None or record.outcome not in LETTERS:
        return None
    word = record.outcome.value
    return word, LETTERS[record.outcome], (word.upper(), {"red" if report.failed else "yellow": True})


def gate_reports(
    result: GateResult, gates: Path, root: Path, excused: bool = False
) -> list[pytest.TestReport]:
    """Reports of a gate as if it were a test: the terminal, JUnit XML and the exit status all take them.

    :param gates: the file that the gate stands in.
    :param root: the folder that node ids are relative to.
    :param excused: an inconclusive gate is skipped instead of failed.
    """
    name = f"gate[{result.name}]"
    file = gates.relative_to(root).as_posix() if gates.is_relative_to(root) else gates.as_posix()
    passed = result.verdict == "PASS"
    skipped = excused and result.verdict == "INCONCLUSIVE"
    sentence = printable(result.sentence, 2000)
    why: Any = f"{result.verdict.value}: {sentence}"

    def phase(when: Any, failed: bool) -> pytest.TestReport:
        return pytest.TestReport(
            nodeid=f"{file}::{name}",
            location=(file, None, name),
            keywords={},
            outcome=("skipped" if skipped else "failed") if failed else "passed",
            longrepr=((file, 0, why) if skipped else why) if failed else None,
            when=when,
            user_properties=[(GATE, result.verdict.value), ("gate_sentence", sentence)],
        )

    return [phase("setup", False), phase("call", not passed), phase("teardown", False)]


def usage_error(error: object) -> pytest.UsageError:
    """What a user did wrong, as pytest ends a session for it (exit status 4)."""
    return pytest.UsageError(printable(str(error), 4000, newlines=True))
