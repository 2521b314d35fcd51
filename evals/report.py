"""What a person reads at the end of a session: outcomes, gates, and the verdict. Pure text, no pytest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from evals.cases import Outcome
from evals.gates import GateResult, overall
from evals.runs import Record
from evals.statistics import Decision, interval

CONCLUSIONS = {
    Decision.PASS: "promote: every gate passed",
    Decision.FAIL: "do not promote",
    Decision.INCONCLUSIVE: "not enough evidence",
}


def outcome_table(records: Iterable[Record]) -> list[str]:
    """One row for each task and set (board: skill), one column for each outcome that occurred.

    The solved share has its two-sided 95% Wilson interval; unanswered cases are not in it.
    """
    groups: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        name = record["variant"] or record["set"]
        if record["mirrored"]:
            name += " mirrored"
        groups.setdefault((record["task"], name), Counter())[record["outcome"]] += 1
    seen = [outcome for outcome in Outcome if any(counts[outcome] for counts in groups.values())]
    rows = [["task", "set", "cases", *(outcome.value for outcome in seen), "solved share (95% interval)"]]
    for (task, name), counts in sorted(groups.items()):
        share = solved_share(counts[Outcome.SOLVED], counts.total() - counts[Outcome.UNANSWERED])
        rows.append([task, name, str(counts.total()), *(str(counts[outcome]) for outcome in seen), share])
    return align(rows, left=2)


def solved_share(solved: int, n: int) -> str:
    """`61.0% (56.1% to 65.7%)`, or a dash where nothing was answered."""
    if not n:
        return "-"
    low, high = interval(solved, n, 0.95)
    return f"{solved / n:.1%} ({low:.1%} to {high:.1%})"


def align(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows as lines with straight columns; the first `left` columns start flush left, the rest end so."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def gate_lines(results: Sequence[GateResult]) -> list[tuple[str, Decision]]:
    """One line for each gate, with its verdict for the colour."""
    return [(f"{result.verdict.value:<12}  {result.sentence}", result.verdict) for result in results]


def conclusion(results: Sequence[GateResult]) -> str:
    """The run's verdict in words: promote, do not promote, or not enough evidence."""
    verdict = overall(results)
    words = CONCLUSIONS[verdict]
    if verdict is Decision.PASS:
        return words
    return f"{words}: {', '.join(r.name for r in results if r.verdict is verdict)}"
