"""What the terminal shows at the end of a session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from evals.harness.evaluation import Evaluation
from evals.harness.options import Options
from evals.results import report
from evals.results.explain import explain
from evals.words import Record
from serve.printable import printable

COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}
CAUSES = 10
"""Causes of unanswered cases that are shown; one fault has one, however many cases it costs."""


def write_summary(
    terminal: pytest.TerminalReporter,
    evaluation: Evaluation,
    notes: Iterable[str],
    node_ids: Mapping[str, str],
    options: Options,
) -> None:
    """Print mistakes, outcomes, gates and the verdict.

    :param notes: what there is to say of the puzzles.
    :param node_ids: case key -> node id, to find a case by.
    """
    assert evaluation.run is not None
    records, cases = evaluation.run.records, evaluation.plan.cases

    def write(line: str, **markup: bool) -> None:
        terminal.write_line(printable(line, 2000), **markup)

    terminal.section("eighth rank", sep="=")
    if options.policy == "strict":
        for line in mistake_lines(records, node_ids):
            write(line)
    for record in report.mistakes_to_show(records, options.show):
        for line in [record.case, *explain(cases[record.case], record.verdict).splitlines(), ""]:
            write(line)
    for line in [*report.outcome_table(records), "", *report.extra_lines(records)]:
        write(line)
    for line in report.model_lines(evaluation.run.answered_by):
        write(line)
    for line in unanswered_lines(records, node_ids):
        write(line)
    for line, verdict in report.gate_lines(evaluation.results):
        write(line, **{COLOURS[verdict]: True})
    write("")
    for line in [
        *(f"puzzles  {note}" for note in notes),
        *(f"warning  {warning}" for warning in evaluation.warnings),
        *(f"baseline {line}" for line in evaluation.against.lines),
        *([f"bless    {evaluation.blessed}"] if evaluation.blessed else []),
    ]:
        write(line)
    write(f"run      {evaluation.run.folder} ({evaluation.seconds:.0f} s)")
    write(f"verdict  {report.conclusion(evaluation.results, evaluation.plan.planned)}", bold=True)


def mistake_lines(records: Sequence[Record], node_ids: Mapping[str, str]) -> list[str]:
    """Each mistake on a line of its own, for `--cases strict`."""
    return [
        f"{record.outcome:<12}{node_ids.get(record.case, record.case)}: {record.detail}"
        for record in records
        if record.answered and not record.solved
    ]


def unanswered_lines(records: Sequence[Record], node_ids: Mapping[str, str]) -> list[str]:
    """Why cases are unanswered: each cause once, with how many cases it cost and the first of them."""
    causes: dict[str, list[Record]] = {}
    for record in records:
        if not record.answered:
            causes.setdefault(record.detail, []).append(record)
    ranked = sorted(causes.items(), key=lambda cause: -len(cause[1]))
    lines = [
        f"unanswered {len(lost)}: {cause} (first: {node_ids.get(lost[0].case, lost[0].case)})"
        for cause, lost in ranked[:CAUSES]
    ]
    if (more := len(ranked) - CAUSES) > 0:
        lines.append(f"unanswered: {more} more causes, see verdicts.jsonl")
    return lines
