"""What a person reads at the end of a session: outcomes, gates, and the verdict. Pure text, no pytest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean

from evals.results.gates import GateResult, overall
from evals.statistics.paired import Paired, difference_interval, mcnemar
from evals.statistics.rates import Decision, interval
from evals.statistics.samples import consistency, pass_at_k
from evals.statistics.strength import Rating, RatingBound, Result, performance
from evals.words import Outcome, Record

CONCLUSIONS = {
    Decision.PASS: "promote: every gate passed",
    Decision.FAIL: "do not promote",
    Decision.INCONCLUSIVE: "not enough evidence",
}


def outcome_table(records: Iterable[Record]) -> list[str]:
    """One row for each task and set (board: skill), one column for each outcome that occurred.

    The solved share has its two-sided 95% interval (exact); unanswered cases are not in it.
    """
    groups: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        name = record.variant or record.set
        if record.mirrored:
            name += " mirrored"
        groups.setdefault((record.task, name), Counter())[record.outcome] += 1
    seen = [outcome for outcome in Outcome if any(counts[outcome] for counts in groups.values())]
    rows = [["task", "set", "cases", *(outcome.value for outcome in seen), "solved share (95% interval)"]]
    for (task, name), counts in sorted(groups.items()):
        share = solved_share(counts[Outcome.SOLVED], counts.total() - counts[Outcome.UNANSWERED])
        rows.append([task, name, str(counts.total()), *(str(counts[outcome]) for outcome in seen), share])
    return align(rows, left=2)


def mistakes_to_show(records: Iterable[Record], n: int) -> list[Record]:
    """The first `n` mistakes; missed moves first, because a board tells most about them."""
    mistakes = [r for r in records if r.outcome not in (Outcome.SOLVED, Outcome.UNANSWERED)]
    return sorted(mistakes, key=lambda r: (r.task != "move", r.outcome != Outcome.MISSED))[:n]


def solved_share(solved: int, n: int) -> str:
    """`61.0% (56.1% to 65.7%)`, or a dash where nothing was answered."""
    if not n:
        return "-"
    low, high = interval(solved, n, 0.95)
    return f"{solved / n:.1%} ({low:.1%} to {high:.1%})"


def extra_lines(records: Sequence[Record]) -> list[str]:
    """Further figures: strength, and what samples and mirrored copies show, where they were asked for."""
    return [*strength_lines(records), *sample_lines(records), *mirror_lines(records)]


def strength_lines(records: Iterable[Record]) -> list[str]:
    """The performance rating of the `move` cases against the ratings of their puzzles."""
    results = [
        Result(record.rating, record.solved, record.position)
        for record in records
        if record.task == "move" and record.outcome != Outcome.UNANSWERED and not record.mirrored
    ]
    found = performance(results)
    what = f"performance rating of {len(results)} move cases against their puzzles' ratings"
    match found:
        case Rating():
            return [f"strength {found.rating:.0f} ({found.low:.0f} to {found.high:.0f}): {what}"]
        case RatingBound():
            return [f"strength {found.side} {found.rating:.0f}: {what}"]
        case _:
            return []


def sample_lines(records: Iterable[Record]) -> list[str]:
    """pass@k and consistency of cases that were asked several times, a line for each task."""
    asked: dict[str, dict[tuple[str, ...], list[Record]]] = {}
    for record in records:
        if record.outcome != Outcome.UNANSWERED:
            question = record.set, record.puzzle, record.variant, str(record.mirrored)
            asked.setdefault(record.task, {}).setdefault(question, []).append(record)
    lines: list[str] = []
    for task, questions in asked.items():
        k = max(map(len, questions.values()))
        whole = [samples for samples in questions.values() if len(samples) == k]
        if k == 1:
            continue
        solved = [sum(record.outcome == Outcome.SOLVED for record in samples) for samples in whole]
        at_1, at_k = (mean(pass_at_k(k, n, tries) for n in solved) for tries in (1, k))
        same = mean(consistency([record.move for record in samples]) for samples in whole)
        lines.append(
            f"samples  {task}: pass@1 {at_1:.1%}, pass@{k} {at_k:.1%}, consistency {same:.1%} "
            f"({len(whole)} puzzles, {k} samples each)"
        )
    return lines


def mirror_lines(records: Iterable[Record]) -> list[str]:
    """The paired difference between mirrored copies and originals, a line for each task.

    A solver does not care which colour it plays; memory does.
    """
    by_question: dict[str, dict[tuple[str, ...], dict[bool, bool]]] = {}
    for record in records:
        if record.outcome != Outcome.UNANSWERED and record.sample == 0:
            question = record.set, record.puzzle, record.variant
            sides = by_question.setdefault(record.task, {}).setdefault(question, {})
            sides[record.mirrored] = record.outcome == Outcome.SOLVED
    lines: list[str] = []
    for task, questions in by_question.items():
        pairs = Paired.of((sides[True], sides[False]) for sides in questions.values() if len(sides) == 2)
        if pairs.n:
            low, high = difference_interval(pairs, 0.95)
            lines.append(
                f"mirrored {task}: {pairs.difference:+.1%} ({low:+.1%} to {high:+.1%}) against originals, "
                f"{pairs.gained} gained, {pairs.lost} lost of {pairs.n}, p = {mcnemar(pairs).exact:.2g}"
            )
    return lines


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
