"""What a person reads at the end of a session: outcomes, gates, and the verdict. Pure text, no pytest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from evals.results.gates import GateResult, Planned, by_position, overall
from evals.statistics.clustered import rate_bounds
from evals.statistics.paired import Paired, difference_interval
from evals.statistics.rates import Decision
from evals.statistics.relative import two_sided
from evals.statistics.samples import consistency, pass_at_k
from evals.statistics.strength import Rating, RatingBound, Result, performance
from evals.tasks import is_gated, task_names
from evals.words import Outcome, Record
from serve.printable import printable

CONCLUSIONS = {
    Decision.PASS: "promote",
    Decision.FAIL: "do not promote",
    Decision.INCONCLUSIVE: "not enough evidence",
}


def outcome_table(records: Iterable[Record]) -> list[str]:
    """One row for each task and set (board: skill), one column for each outcome that occurred.

    The solved share has its two-sided 95% interval (exact; samples and overlapping sets weighed by their
    positions); unanswered cases are not in it.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        name = printable(record.variant or record.set) + (" mirrored" if record.mirrored else "")
        groups.setdefault((printable(record.task), name), []).append(record)
    seen = [o for o in Outcome if any(record.outcome is o for group in groups.values() for record in group)]
    rows = [["task", "set", "cases", *(outcome.value for outcome in seen), "solved share (95% interval)"]]
    for (task, name), group in sorted(groups.items()):
        counts = Counter(record.outcome for record in group)
        rows.append(
            [task, name, str(len(group)), *(str(counts[outcome]) for outcome in seen), solved_share(group)]
        )
    return align(rows, left=2)


def solved_share(records: Iterable[Record]) -> str:
    """`61.0% (56.1% to 65.7%)`, or a dash where nothing was answered."""
    answered = [record for record in records if record.answered]
    if not answered:
        return "-"
    # Each of the two ends may be wrong 2.5 times in a hundred.
    bounds = rate_bounds(by_position(answered, lambda record: record.solved), 0.975)
    return f"{bounds.rate:.1%} ({bounds.low:.1%} to {bounds.high:.1%})"


def mistakes_to_show(records: Iterable[Record], n: int) -> list[Record]:
    """The first `n` mistakes; missed moves first, because a board tells most about them."""
    mistakes = [record for record in records if record.answered and not record.solved]
    return sorted(mistakes, key=lambda r: (r.task != "move", r.outcome is not Outcome.MISSED))[:n]


def extra_lines(records: Sequence[Record]) -> list[str]:
    """Further figures: strength, and what samples and mirrored copies show, where they were asked for."""
    return [*seen_lines(records), *strength_lines(records), *sample_lines(records), *mirror_lines(records)]


def seen_lines(records: Iterable[Record]) -> list[str]:
    """What was solved of the positions that the model was trained on and of the others, a line for each task;
    none where there are none of the former.
    """
    tasks: dict[str, dict[bool, list[Record]]] = {}
    for record in records:
        tasks.setdefault(record.task, {False: [], True: []})[record.seen].append(record)
    return [
        f"trained  {printable(task)}: {solved_share(sides[True])} solved of {len(sides[True])} cases it "
        f"was trained on, {solved_share(sides[False])} of {len(sides[False])} others, which gates judge"
        for task, sides in tasks.items()
        if sides[True]
    ]


def strength_lines(records: Iterable[Record]) -> list[str]:
    """The performance rating of the `move` cases against the ratings of their puzzles."""
    results = [
        Result(record.rating, record.solved, record.position)
        for record in records
        if record.task == "move" and record.answered and not record.mirrored
    ]
    found = performance(results)
    match found:
        case Rating():
            figure = f"{found.rating:.0f} ({found.low:.0f} to {found.high:.0f})"
        case RatingBound():
            figure = f"{found.side} {found.rating:.0f}"
        case _ if found.left_out:
            figure = "unknown"
        case _:
            return []
    line = f"strength {figure}: performance rating of {len(results) - found.left_out} move cases"
    if found.left_out:
        line += f" ({found.left_out} left out, whose puzzles have no usable rating)"
    return [f"{line}; it belongs to this mix of puzzles"]


def sample_lines(records: Iterable[Record]) -> list[str]:
    """pass@k and consistency of cases that were asked several times, a line for each task."""
    asked: dict[str, dict[tuple[str, ...], list[Record]]] = {}
    for record in records:
        if record.answered:
            question = record.set, record.puzzle, record.variant, str(record.mirrored)
            asked.setdefault(record.task, {}).setdefault(question, []).append(record)
    lines: list[str] = []
    for task, questions in asked.items():
        k = max(map(len, questions.values()))
        whole = [samples for samples in questions.values() if len(samples) == k]
        if k == 1:
            continue
        solved = [sum(record.solved for record in samples) for samples in whole]
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
    tasks: dict[str, dict[tuple[str, ...], dict[bool, Record]]] = {}
    for record in records:
        if record.answered:
            question = record.set, record.puzzle, record.variant, str(record.sample)
            tasks.setdefault(record.task, {}).setdefault(question, {})[record.mirrored] = record
    lines: list[str] = []
    for task, questions in tasks.items():
        both = [(sides[True], sides[False]) for sides in questions.values() if len(sides) == 2]
        pairs = Paired.of(
            [(copy.solved, original.solved) for copy, original in both],
            [original.position for _, original in both],
        )
        if pairs.n:
            low, high = difference_interval(pairs, 0.95)
            lines.append(
                f"mirrored {task}: {pairs.difference:+.1%} ({low:+.1%} to {high:+.1%}) against originals, "
                f"{pairs.gained} gained, {pairs.lost} lost of {pairs.cases}, p = {two_sided(pairs):.2g}"
            )
    return lines


def model_lines(answered_by: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Which other models answered, in the server's words, than the ones that were asked.

    :param answered_by: completions of each other model, by the model that was asked (`Run.answered_by`).
    """
    return [
        f"model    {number} completions came from '{printable(other, 80)}' where '{printable(asked, 80)}' "
        "was asked"
        for asked, others in answered_by.items()
        for other, number in others.items()
    ]


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


def conclusion(results: Sequence[GateResult], planned: Planned) -> str:
    """The run's verdict in words: promote and on which tasks, do not promote, or not enough evidence."""
    verdict = overall(results)
    words = CONCLUSIONS[verdict]
    if verdict is not Decision.PASS:
        return (
            f"{words}: {', '.join(r.name for r in results if r.verdict is verdict) or 'no gate was judged'}"
        )
    asked = sorted(planned.tasks, key=task_names().index)
    if set(asked) >= {task for task in task_names() if is_gated(task)}:
        return f"{words}: every gate passed"
    *first, last = asked
    return f"{words}, on {', '.join(first)} and {last}" if first else f"{words}, on {last} alone"
