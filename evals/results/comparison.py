"""Two runs over the same puzzles, case by case: where the candidate gained, where it lost, whether it shows.

    python -m evals compare BASELINE CANDIDATE [--margin M | --better] [--flips N]

Samples and mirrored copies of a position are one unit (`evals.statistics.paired`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evals.results.comparable import check_comparable
from evals.results.gates import GateResult, hold, result_of
from evals.results.gates_file import Gate
from evals.results.relative_gates import Baseline, judge_against, judge_slices, points, slices_of
from evals.results.report import align, seen_lines
from evals.results.stored_run import StoredRun
from evals.statistics.paired import Paired, difference_interval, mcnemar
from evals.statistics.relative import two_sided
from evals.words import Record
from serve.printable import printable

MARGIN = 0.05
"""By how much a candidate may be worse unless said otherwise: what the shipped sets can decide."""


def pairs_by_set(baseline: StoredRun, candidate: StoredRun) -> Iterator[tuple[str, str, Paired]]:
    """Task, set (or board skill), and how its cases went for both."""
    groups: dict[tuple[str, str], list[tuple[Record, Record]]] = {}
    for key, theirs in baseline.records.items():
        groups.setdefault((theirs.task, theirs.variant or theirs.set), []).append(
            (candidate.records[key], theirs)
        )
    for (task, name), both in sorted(groups.items()):
        solved = [(ours.solved, theirs.solved) for ours, theirs in both]
        yield task, name, Paired.of(solved, [theirs.position for _, theirs in both])


def compare(baseline: StoredRun, candidate: StoredRun) -> list[str]:
    """The comparison as lines of text.

    The difference with Tango's 95% interval, McNemar's exact test and mid-p beside it; where positions have
    several cases, interval and p by the score statistic of the positions.

    :raises CompareError: the runs cannot be compared.
    """
    notes = [*check_comparable(baseline, candidate), *seen_lines(candidate.records.values())]
    header = ["task", "set", "cases", "positions", "baseline", "candidate", "gained", "lost"]
    rows = [[*header, "difference (95% interval)", "p", "mid-p"]]
    for task, name, pairs in pairs_by_set(baseline, candidate):
        low, high = difference_interval(pairs, 0.95)
        rows.append(
            [
                printable(task),
                printable(name),
                str(pairs.cases),
                str(pairs.n),
                f"{(pairs.both + pairs.lost) / pairs.cases:.1%}",
                f"{(pairs.both + pairs.gained) / pairs.cases:.1%}",
                str(pairs.gained),
                str(pairs.lost),
                f"{pairs.difference:+.1%} ({low:+.1%} to {high:+.1%})",
                f"{two_sided(pairs):.2g}",
                f"{mcnemar(pairs).mid_p:.2g}" if pairs.single else "-",
            ]
        )
    names = [f"baseline   {baseline.models}", f"candidate  {candidate.models}"]
    return [*names, *(f"note       {note}" for note in notes), "", *align(rows, left=2)]


def slice_lines(baseline: StoredRun, candidate: StoredRun) -> list[str]:
    """The comparison by rating band, theme and skill: the difference, its p among all of them, and which drop
    could have been noticed. Both runs have the same cases.
    """
    rows = [["slice", "positions", "difference", "p of a drop", "could notice"]]
    for name, each in sorted(slices_of(_pairs(baseline, candidate)).items()):
        difference, noticeable = points(each.difference), f"{100 * each.noticeable:.0f} points"
        shown = f"{each.p:.2g}" + (" worse" if each.worse else "")
        rows.append([printable(name, 80), str(each.positions), difference, shown, noticeable])
    return align(rows, left=1)


def flip_lines(baseline: StoredRun, candidate: StoredRun, most: int) -> list[str]:
    """Cases that one of the two solved and the other did not, at most so many each way."""
    lines: list[str] = []
    for word, gained in (("gained", True), ("lost", False)):
        flips = [
            (ours, theirs)
            for ours, theirs in _pairs(baseline, candidate)
            if ours.solved is gained and theirs.solved is not gained
        ]
        for ours, theirs in flips[:most]:
            lines.append(f"{word:<6}  {printable(ours.case, 120)}  {_played(theirs)} -> {_played(ours)}")
        if (more := len(flips) - most) > 0:
            lines.append(f"{word:<6}  {more} more" if most else f"{word:<6}  {more}")
    return lines


def judge(baseline: StoredRun, candidate: StoredRun, margin: float | None) -> list[GateResult]:
    """A gate for each task, and the alarms over the slices. Both runs have the same cases. Those that were
    trained on do not count.

    :param margin: the candidate is not worse by so much; None asks whether it is better.
    """
    claim = {"better": True} if margin is None else {"not_worse_than": margin}
    tasks = sorted({record.task for record in candidate.records.values()})
    gates = [Gate.model_validate({"name": task, "task": task, **claim}) for task in tasks]
    against = Baseline("the baseline", baseline.records)
    records = [record for record in candidate.records.values() if not record.seen]
    results = [result_of(gate.name, judge_against(gate, [against], records)) for gate in gates]
    held = hold(results, {gate.name: gate.confidence for gate in gates})
    return [*held, result_of("slices", judge_slices(against, records))]


def _pairs(baseline: StoredRun, candidate: StoredRun) -> Sequence[tuple[Record, Record]]:
    """All pairs that count: of positions that were not trained on."""
    both = [(candidate.records[key], baseline.records[key]) for key in sorted(baseline.records)]
    return [(ours, theirs) for ours, theirs in both if not ours.seen]


def _played(record: Record) -> str:
    return f"{record.outcome} {printable(record.move or '-', 20)}"
