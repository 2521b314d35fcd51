"""Two runs over the same puzzles, case by case: where the candidate gained, where it lost, whether it shows.

    python -m evals compare BASELINE CANDIDATE

Only what was asked the same way can be compared: the same puzzles, prompts, schemas and sampling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.results.report import align
from evals.statistics.paired import Paired, difference_interval, mcnemar
from evals.words import Outcome, Record

SAME = ("asking", "sampling")
"""What of two manifests has to be equal, beside the cases themselves."""


class CompareError(Exception):
    """Two runs that cannot be compared, or no runs at all; says why."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that ended, read back: its manifest, and its verdicts by case."""

    folder: Path
    manifest: Mapping[str, Any]
    verdicts: Mapping[str, Record]

    @property
    def models(self) -> str:
        """The models that were asked, in words."""
        return ", ".join(sorted({model["id"] for model in self.manifest["models"].values()}))


def read_run(folder: Path) -> StoredRun:
    """Read a run's manifest and verdicts.

    :raises CompareError: it is not there, not whole, or not finished.
    """
    try:
        manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        lines = (folder / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
        verdicts = {record.case: record for record in map(Record.from_json, lines)}
    except (OSError, ValueError, KeyError) as error:
        raise CompareError(f"{str(folder)!r} is not a run: {error}") from error
    if manifest.get("status") != "finished":
        raise CompareError(
            f"the run {str(folder)!r} is {manifest.get('status')!r}, not finished: run it again"
        )
    return StoredRun(folder, manifest, verdicts)


def check_comparable(baseline: StoredRun, candidate: StoredRun) -> None:
    """Refuse what would compare two questions instead of two models.

    :raises CompareError: the runs differ in puzzles, prompts, schemas or sampling, or a case is unanswered.
    """
    for name in SAME:
        if baseline.manifest.get(name) != candidate.manifest.get(name):
            raise CompareError(f"the runs differ in {name!r} (see run.json): ask both in the same way")
    if baseline.verdicts.keys() != candidate.verdicts.keys():
        only = len(baseline.verdicts.keys() ^ candidate.verdicts.keys())
        raise CompareError(f"the runs differ in {only} cases: use the same puzzles, --limit and --seed")
    if baseline.manifest["puzzles"]["digest"] != candidate.manifest["puzzles"]["digest"]:
        raise CompareError("the runs have puzzles of the same ids but not the same positions")
    for run in (baseline, candidate):
        unanswered = sum(r.outcome == Outcome.UNANSWERED for r in run.verdicts.values())
        if unanswered:
            raise CompareError(f"{unanswered} cases of {str(run.folder)!r} are unanswered: run it again")


def pairs_by_set(baseline: StoredRun, candidate: StoredRun) -> Iterator[tuple[str, str, Paired]]:
    """Task, set (or board skill), and how its cases went for both."""
    groups: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for key, theirs in baseline.verdicts.items():
        ours = candidate.verdicts[key]
        group = theirs.task, theirs.variant or theirs.set
        solved = ours.outcome == Outcome.SOLVED, theirs.outcome == Outcome.SOLVED
        groups.setdefault(group, []).append(solved)
    for (task, name), pairs in sorted(groups.items()):
        yield task, name, Paired.of(pairs)


def compare(baseline: StoredRun, candidate: StoredRun) -> list[str]:
    """The comparison as lines of text: difference with Tango's 95% interval, exact McNemar, mid-p.

    :raises CompareError: the runs cannot be compared.
    """
    check_comparable(baseline, candidate)
    header = ["task", "set", "cases", "baseline", "candidate", "gained", "lost", "difference (95% interval)"]
    rows = [[*header, "p exact", "p mid"]]
    for task, name, pairs in pairs_by_set(baseline, candidate):
        low, high = difference_interval(pairs, 0.95)
        test = mcnemar(pairs)
        rows.append(
            [
                task,
                name,
                str(pairs.n),
                f"{(pairs.both + pairs.lost) / pairs.n:.1%}",
                f"{(pairs.both + pairs.gained) / pairs.n:.1%}",
                str(pairs.gained),
                str(pairs.lost),
                f"{pairs.difference:+.1%} ({low:+.1%} to {high:+.1%})",
                f"{test.exact:.2g}",
                f"{test.mid_p:.2g}",
            ]
        )
    return [f"baseline   {baseline.models}", f"candidate  {candidate.models}", "", *align(rows, left=2)]
