"""`python -m evals replay RUN`: a stored run judged and gated again, without a server.

The options of the session that made the run are taken from its manifest; those that are given now replace
them. Completions are read by the tasks as these options set them up, so a run that was asked in another way
than they say is refused.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from evals.harness.against import Against, Setup, folder_of, setup_of
from evals.harness.drawing import DRAWING_ERRORS, with_trained
from evals.harness.formats import FORMAT_ERRORS
from evals.harness.options import Options, conflict, flags
from evals.harness.shared import Shared
from evals.puzzles.loading import Loaded
from evals.results.comparable import CompareError, check_asking
from evals.results.exit_status import status_of
from evals.results.gates import judge_gates
from evals.results.gates_file import GateError, load_gates
from evals.results.replay import change_lines, happened, read_puzzles, replay
from evals.results.report import conclusion, gate_lines, outcome_table, seen_lines
from evals.results.run import strict
from evals.results.stored_run import RunError, StoredRun, model_ids, read_run
from serve.printable import printable

REPLAY_ERRORS = (RunError, GateError, *DRAWING_ERRORS, *FORMAT_ERRORS)
"""What a user can cause here."""


def replay_run(folder: Path, given: Sequence[str]) -> tuple[list[str], int]:
    """What a person reads of a run that was judged again, and the exit status.

    :param given: options of a session.
    :raises RunError: the run is damaged, or was asked otherwise than the options say.
    :raises GateError: the gates cannot be used.
    """
    run = read_run(folder)
    options = read_again(run.manifest.get("command"), given)
    loaded = Loaded(tuple(read_puzzles(folder)), ())
    if any(word.startswith("--trained-on") for word in given):
        loaded = with_trained(loaded, options)  # instead of what the session knew of it
    puzzles, drawing = loaded.puzzles, Shared("puzzles", lambda: loaded)
    setup = _setup(run, options, drawing)
    tasks = setup.tasks
    gates = load_gates(options.gates, {name: task.checks for name, task in tasks.items()})
    against = Against.read(options, drawing)
    replayed = replay(run, tasks, puzzles)
    answers: dict[str, StoredRun] = {}
    for rival in against.rivals:
        if (place := folder / "baselines" / folder_of(rival.name)).is_dir():
            beside = read_run(place)
            answers[rival.name] = replay(beside, _setup(beside, options, drawing).tasks, puzzles).run
    baselines = against.baselines(replayed.run, replayed.planned.tasks, answers)
    records = list(replayed.run.records.values())
    results = judge_gates(gates, records, replayed.planned, replayed.incidents, baselines)
    results += happened(run)
    lines = [
        f"replay   {run.name}, without a server",
        f"gates    {printable(str(gates.path))} ({len(gates.gates)}, digest {gates.digest})",
        *outcome_table(records),
        *seen_lines(records),
        "",
        *(line for line, _ in gate_lines(results)),
        "",
        *(f"puzzles  {line}" for line in loaded.notes),
        *(f"baseline {line}" for line in against.lines),
        *(f"changed  {line}" for line in change_lines(run, replayed.run, results)),
        f"verdict  {conclusion(results, replayed.planned)}",
    ]
    return [printable(line, 2000) for line in lines], status_of(results, options.inconclusive)


def _setup(run: StoredRun, options: Options, drawing: Shared[Loaded]) -> Setup:
    """How the options ask the models of a run.

    :raises RunError: it was asked in another way.
    """
    if not drawing.value.puzzles:
        raise RunError(f"{run.name} has no puzzle")
    setup = setup_of(options, drawing, model_ids(run.manifest))
    try:
        notes = check_asking(
            run.manifest.get("asking"), json.loads(json.dumps(strict(setup.asking))), list(run.planned)
        )
    except CompareError as error:
        raise RunError(f"{run.name} was not asked as these options ask: {error}") from error
    if notes:
        raise RunError(f"{run.name} was not asked as these options ask: {notes[0]}")
    return setup


def read_again(command: object, given: Sequence[str]) -> Options:
    """The options of a stored session, with those that are given now in their place.

    :param command: the session's arguments, as its manifest has them.
    :raises RunError: what is given is no option of a session, or not all of it goes together.
    """
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name, (flag, _) in flags().items():
        how: dict[str, Any] = flag.how
        parser.add_argument(flag.flag, dest=name, **how)
    words = cast("list[object]", command) if isinstance(command, list) else []
    before, _ = parser.parse_known_args([word for word in words if isinstance(word, str)])
    values: dict[str, Any] = vars(before) | vars(parser.parse_args(given))
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    options = Options(**values)
    if (problem := conflict(options)) is not None:
        raise RunError(problem)
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RunError(printable(message))
