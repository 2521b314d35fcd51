"""Whether two runs can be compared: only what was asked the same way, of the same puzzles, to the end.

The same positions, the same sampling, graded by the same rules, and asked in the same format, unless each of
two formats is its adapter's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from evals.results.relative_gates import Baseline
from evals.results.stored_run import StoredRun, mapping_of, model_ids
from evals.statistics.paired import Paired
from evals.statistics.relative import stale, two_sided
from serve.printable import printable

SAME = ("asking", "sampling", "grading")
"""What two manifests have to agree on, beside the cases themselves."""


class CompareError(Exception):
    """Two runs that cannot be compared; says why."""


def check_comparable(baseline: StoredRun, candidate: StoredRun) -> list[str]:
    """Refuse what would compare two questions instead of two models, or half of an answer.

    :return: what a reader of the comparison has to know.
    :raises CompareError: the runs differ in more than the model, or one is not complete.
    """
    for run in (baseline, candidate):
        check_complete(run)
    tasks = sorted({record.task for run in (baseline, candidate) for record in run.records.values()})
    return check_alike(baseline, candidate, tasks)


def check_alike(baseline: StoredRun, candidate: StoredRun, tasks: Collection[str]) -> list[str]:
    """Refuse two runs whose cases of these tasks differ in more than the model.

    :return: what a reader of the comparison has to know.
    :raises CompareError: says in what they differ.
    """
    for run in (baseline, candidate):
        for name in SAME:
            if name not in run.manifest:
                raise CompareError(f"{_source(run)} does not say {name!r}: run it again")
    for name in ("sampling", "grading"):
        if baseline.manifest[name] != candidate.manifest[name]:
            raise CompareError(f"the runs differ in {name!r} (see run.json): ask both in the same way")
    notes = check_asking(baseline.manifest["asking"], candidate.manifest["asking"], tasks)
    digests = {_digest(baseline), _digest(candidate)} - {None}
    if len(digests) > 1:
        raise CompareError(
            "the runs differ in their puzzles (their digest in run.json): use the same puzzles"
        )
    theirs, ours = (
        {k: r for k, r in run.records.items() if r.task in tasks} for run in (baseline, candidate)
    )
    if different := len(theirs.keys() ^ ours.keys()):
        raise CompareError(f"the runs differ in {different} cases: use the same puzzles, --limit and --seed")
    moved = [key for key, each in ours.items() if each.position != theirs[key].position]
    if moved:
        raise CompareError(f"the runs differ in the position of {printable(moved[0])}: use the same puzzles")
    if differ := sum(each.seen is not theirs[key].seen for key, each in ours.items()):
        raise CompareError(
            f"the runs differ in which positions were trained on ({differ} cases): give both the same "
            "--trained-on"
        )
    return notes


def check_asking(baseline: object, candidate: object, tasks: Collection[str]) -> list[str]:
    """Refuse two ways of asking these tasks that differ in more than formats that are the adapters' own.

    :param baseline: `asking` of a manifest. Of the formats only those of these tasks are compared.
    :return: which formats differ.
    :raises CompareError: says in what they differ.
    """
    if not isinstance(baseline, Mapping) or not isinstance(candidate, Mapping):
        raise CompareError(
            "the runs do not both say how they were asked ('asking' in run.json): run them again"
        )
    notes: list[str] = []
    for task in sorted(tasks):
        one, other = (_format_of(asking, task) for asking in (baseline, candidate))
        if _content(one) == _content(other):
            continue
        names = " and ".join(repr(printable(str(each.get("name")), 80)) for each in (one, other))
        if one.get("own") is not True or other.get("own") is not True:
            raise CompareError(
                f"the runs differ in 'asking' (the formats of {task}, {names}, and not both are the "
                "adapters' own): ask both in the same way"
            )
        notes.append(f"{task} is asked of each in its own format: {names}")
    theirs, ours = mapping_of(baseline), mapping_of(candidate)
    for name in sorted((theirs.keys() | ours.keys()) - {"formats"}):
        if theirs.get(name) != ours.get(name):
            raise CompareError(
                f"the runs differ in 'asking' ({name}, see run.json): ask both in the same way"
            )
    return notes


def _format_of(asking: object, task: str) -> Mapping[str, Any]:
    return mapping_of(mapping_of(mapping_of(asking).get("formats")).get(task))


def _content(format: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a format asks: not where it was found, nor whose it is."""
    return {name: value for name, value in format.items() if name not in ("name", "own")}


def check_complete(run: StoredRun) -> None:
    """Refuse a run that is not whole.

    :raises CompareError: it is not finished, or a case is not judged or not answered.
    """
    status = printable(str(run.manifest.get("status")))
    if status != "finished":
        raise CompareError(f"the run {run.name} is '{status}', not finished: run it again")
    if not run.records or run.unjudged:
        of = len(run.records) + run.unjudged
        raise CompareError(f"only {len(run.records)} of {of} cases of {run.name} are judged: run it again")
    if unanswered := sum(not record.answered for record in run.records.values()):
        raise CompareError(f"{unanswered} cases of {run.name} are unanswered: run it again")


def _source(run: StoredRun) -> str:
    return run.name if run.folder.suffix == ".jsonl" else f"run.json of {run.name}"


def _digest(run: StoredRun) -> object:
    """The digest of the run's puzzles, where its manifest has one: it also covers the solutions."""
    return mapping_of(run.manifest.get("puzzles")).get("digest")


def baseline_for(
    name: str, run: StoredRun, candidate: StoredRun, tasks: Collection[str], unfit: Mapping[str, str]
) -> tuple[Baseline, list[str]]:
    """A baseline as gates read it, and what a reader of the comparison has to know.

    :param tasks: the tasks that the candidate was asked.
    :param unfit: what is known already not to be comparable, as in `Baseline.unfit`.
    """
    reasons, notes = dict(unfit), list[str]()
    try:
        check_complete(run)
    except CompareError as error:
        reasons.setdefault("", str(error))
    for task in tasks:
        try:
            notes += check_alike(run, candidate, [task])
        except CompareError as error:
            reasons.setdefault(task, str(error))
    if run.records and _adapters(run) == _adapters(candidate):
        notes.append("the candidate and the baseline are the same adapter")
    return Baseline(name, run.records, reasons), [f"{printable(name, 80)}: {note}" for note in notes]


def _adapters(run: StoredRun) -> object:
    """The models that a run asked, with their identities where the run knows them."""
    identities = mapping_of(run.manifest.get("identities"))
    return {(model, str(identities.get(model))) for model in model_ids(run.manifest).values()}


def recheck_line(name: str, stored: StoredRun, again: StoredRun) -> tuple[str, str | None]:
    """What asking a stored baseline's adapter again showed, and why the baseline is stale, if it is."""
    name = printable(name, 80)
    if any(not each.answered for each in again.records.values()) or again.unjudged or not again.records:
        return (
            f"whether {name} is stale was not checked: not every case that was asked again was answered",
            None,
        )
    both = [(each.solved, stored.records[key].solved) for key, each in again.records.items()]
    pairs = Paired.of(both, [each.position for each in again.records.values()])
    flips = f"{pairs.cases} cases of {name} asked again, {pairs.gained} gained and {pairs.lost} lost"
    p = f"p = {two_sided(pairs):.2g}"
    if not stale(pairs):
        return f"{flips} ({p}): it is not shown to be stale", None
    return f"{flips} ({p}): it is stale", f"{name} is stale ({flips}, {p}): bless it again on this server"
