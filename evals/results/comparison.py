"""Two runs over the same puzzles, case by case: where the candidate gained, where it lost, whether it shows.

    python -m evals compare BASELINE CANDIDATE

Only what was asked the same way can be compared: the same positions, prompts, schemas and sampling. Samples
and mirrored copies of a position are one unit (`evals.statistics.paired`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from evals.results.report import align
from evals.results.stored_run import StoredRun
from evals.statistics.paired import Paired, difference_interval, mcnemar
from evals.statistics.relative import two_sided
from evals.words import Record
from serve.printable import printable

SAME = ("asking", "sampling")
"""What of two manifests has to be equal, beside the cases themselves."""


class CompareError(Exception):
    """Two runs that cannot be compared; says why."""


def check_comparable(baseline: StoredRun, candidate: StoredRun) -> None:
    """Refuse what would compare two questions instead of two models, or half of an answer.

    :raises CompareError: the runs differ in positions, prompts, schemas or sampling, or one is not complete.
    """
    for run in (baseline, candidate):
        _check_complete(run)
    for name in SAME:
        if baseline.manifest[name] != candidate.manifest[name]:
            raise CompareError(f"the runs differ in {name!r} (see run.json): ask both in the same way")
    if different := len(baseline.records.keys() ^ candidate.records.keys()):
        raise CompareError(f"the runs differ in {different} cases: use the same puzzles, --limit and --seed")
    moved = [
        key for key, each in candidate.records.items() if each.position != baseline.records[key].position
    ]
    if moved:
        raise CompareError(f"the runs differ in the position of {printable(moved[0])}: use the same puzzles")
    digests = {_digest(baseline), _digest(candidate)} - {None}
    if len(digests) > 1:
        raise CompareError(
            "the runs differ in their puzzles (their digest in run.json): use the same puzzles"
        )


def _check_complete(run: StoredRun) -> None:
    status = printable(str(run.manifest.get("status")))
    if status != "finished":
        raise CompareError(f"the run {run.name} is '{status}', not finished: run it again")
    if not run.records or run.unjudged:
        of = len(run.records) + run.unjudged
        raise CompareError(f"only {len(run.records)} of {of} cases of {run.name} are judged: run it again")
    if unanswered := sum(not record.answered for record in run.records.values()):
        raise CompareError(f"{unanswered} cases of {run.name} are unanswered: run it again")
    for name in SAME:
        if name not in run.manifest:
            raise CompareError(f"run.json of {run.name} does not say {name!r}: run it again")


def _digest(run: StoredRun) -> object:
    """The digest of the run's puzzles, where its manifest has one: it also covers the solutions."""
    puzzles = run.manifest.get("puzzles")
    return cast(Mapping[str, object], puzzles).get("digest") if isinstance(puzzles, Mapping) else None


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
    check_comparable(baseline, candidate)
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
    return [f"baseline   {baseline.models}", f"candidate  {candidate.models}", "", *align(rows, left=2)]
