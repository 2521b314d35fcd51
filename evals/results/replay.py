"""A stored run judged again from its completions, without a server: what other rules or gates make of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from evals.puzzles.puzzle import Puzzle, PuzzleError, mirror, parse_row
from evals.results.gates import GateResult, Incidents, Planned
from evals.results.stored_run import RunError, StoredRun, mapping_of, model_ids
from evals.statistics.rates import Decision
from evals.tasks import cases_for
from evals.words import Case, Completion, Outcome, Record, Task, Verdict
from serve.printable import printable

_COMPLETION = TypeAdapter(Completion)
MOST = 10
"""Changed verdicts that are shown."""
HAPPENED = ("tests", "errors", "undecided")
"""Gates of a session about what else happened in it: nothing that can be judged again."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run judged again."""

    run: StoredRun
    """With the new records."""
    planned: Planned
    incidents: Incidents


def read_puzzles(folder: Path) -> list[Puzzle]:
    """The puzzles of a run, as `run.write_puzzles` wrote them.

    :raises RunError: the file is not there or damaged.
    """
    path = folder / "puzzles.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_puzzle(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise RunError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    except (PuzzleError, ValueError, csv.Error) as error:
        raise RunError(f"{printable(str(path))}: {printable(str(error))}") from error


def _puzzle(row: Mapping[str, str]) -> Puzzle:
    solver = row.get("Convention") == "solver"
    name, convention = row.get("Set") or "", "solver" if solver else "before"
    puzzle = parse_row(row, name, convention=convention, unrated=True)
    return replace(puzzle, seen=row.get("Seen") == "yes")


def read_completions(folder: Path, *, torn: bool) -> Mapping[str, list[Completion]]:
    """The completions of each case, by its key, in the order of its turns.

    :param torn: the run did not finish, so that its last line may be half a line.
    :raises RunError: the file is not there or damaged.
    """
    path = folder / "completions.jsonl"
    try:
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise RunError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    found: dict[str, list[Completion]] = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            key, turn, completion = _read_line(line)
            turns = found.setdefault(key, [])
            if turn != len(turns):
                raise ValueError(f"turn {turn} after {len(turns)}")
            turns.append(completion)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            if torn and number == len(lines):
                break
            raise RunError(f"{printable(str(path))}:{number}: no whole completion of its turn") from error
    return found


def _read_line(line: bytes) -> tuple[str, int, Completion]:
    data: dict[str, Any] = json.loads(line)
    key, turn = data.pop("case"), data.pop("turn")
    for name in ("task", "asked"):
        data.pop(name)
    if not isinstance(key, str) or not isinstance(turn, int):
        raise ValueError("no case or no turn")
    return key, turn, _COMPLETION.validate_python(data)


def replay(run: StoredRun, tasks: Mapping[str, Task], puzzles: Sequence[Puzzle]) -> Replayed:
    """Judge every case of a run again whose completions are there.

    :param puzzles: see `read_puzzles`.
    :raises RunError: its puzzles or completions are not there, damaged, or not each other's.
    """
    completions = read_completions(run.folder, torn=run.manifest.get("status") != "finished")
    cases = {case.key: case for case in _cases(run, puzzles, tasks, completions.keys())}
    if strangers := completions.keys() - cases.keys():
        first = printable(min(strangers))
        raise RunError(
            f"{run.name}: {len(strangers)} cases have completions but no puzzle, the first: {first}"
        )
    models = model_ids(run.manifest)
    records = {
        key: Record.of(case, _judge(tasks[case.task], case, completions[key]), models.get(case.task, ""))
        for key, case in cases.items()
    }
    planned = Planned(
        list(cases.values()),
        _counts(run.manifest.get("deselected")),
        {task: str(why) for task, why in mapping_of(run.manifest.get("not_asked")).items()},
    )
    return Replayed(replace(run, records=records), planned, Incidents(_flaws(run, planned)))


def _judge(task: Task, case: Case, completions: Sequence[Completion]) -> Verdict:
    if (error := completions[-1].error) is not None:
        return Verdict(Outcome.UNANSWERED, detail=error)
    return task.judge(case, completions)


def _cases(
    run: StoredRun, puzzles: Sequence[Puzzle], tasks: Mapping[str, Task], asked: Collection[str]
) -> Iterator[Case]:
    """The cases of these puzzles that were asked, in the order of tasks and puzzles."""
    samples = _counts(run.manifest.get("sampling")).get("samples", 1)
    for task in (each for each in run.planned if each in tasks):
        for mirrored in (False, True):
            copies = [mirror(puzzle) for puzzle in puzzles] if mirrored else puzzles
            for case in cases_for(tasks[task], copies, mirrored=mirrored):
                each = (replace(case, sample=sample) for sample in range(samples))
                yield from (one for one in each if one.key in asked)


def _flaws(run: StoredRun, planned: Planned) -> list[str]:
    """Why the run can pass nothing, whatever its verdicts are."""
    status = str(run.manifest.get("status"))
    flaws = [] if status == "finished" else [f"the run is {status!r}, not finished"]
    found = planned.counts()
    missing = sum(max(0, number - found.get(task, 0)) for task, number in run.planned.items())
    return [*flaws, f"{missing} planned cases have no completion"] if missing else flaws


def _counts(value: Any) -> dict[str, int]:
    return {name: each for name, each in mapping_of(value).items() if isinstance(each, int)}


def happened(run: StoredRun) -> list[GateResult]:
    """What else kept the stored session from passing; it still does."""
    return [
        GateResult(gate["name"], Decision(gate["verdict"]), f"{gate.get('sentence')} (in the run itself)")
        for gate in _gates(run)
        if gate.get("name") in HAPPENED and gate.get("verdict") in tuple(Decision)
    ]


def _gates(run: StoredRun) -> list[Mapping[str, Any]]:
    gates: Any = run.manifest.get("gates")
    return [mapping_of(gate) for gate in gates] if isinstance(gates, list) else []


def change_lines(run: StoredRun, replayed: StoredRun, results: Sequence[GateResult]) -> list[str]:
    """What is otherwise than it was: verdicts of cases, then of gates."""
    both = [(run.records.get(key), new) for key, new in replayed.records.items()]
    changed = [
        (old, new) for old, new in both if old is None or (old.outcome, old.move) != (new.outcome, new.move)
    ]
    lines = [f"{len(changed)} of {len(both)} cases are judged otherwise than they were"]
    for old, new in changed[:MOST]:
        before = "not judged" if old is None else f"{old.outcome} {printable(old.move or '-', 20)}"
        lines.append(
            f"  {printable(new.case, 120)}  {before} -> {new.outcome} {printable(new.move or '-', 20)}"
        )
    if len(changed) > MOST:
        lines.append(f"  {len(changed) - MOST} more")
    before = {gate.get("name"): gate.get("verdict") for gate in _gates(run)}
    for result in results:
        if (was := before.get(result.name)) != result.verdict:
            lines.append(f"gate {result.name}: {printable(str(was or 'not judged'), 20)} -> {result.verdict}")
    return lines
