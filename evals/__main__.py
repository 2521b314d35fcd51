"""`python -m evals`: what there is to do with the suites besides running them.

python -m evals compare BASELINE CANDIDATE    two runs over the same puzzles, case by case
python -m evals tournament RUN RUN ...        which of several runs is the best, and whether that is shown
python -m evals adopt SOURCE --out FILE       the format file of an adapter, from rows that it was trained on
python -m evals replay RUN                    a stored run judged and gated again, without a server
python -m evals diff-format MODEL_A MODEL_B   what changed between the stored formats of two model versions
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from evals.adopting import command as adopting
from evals.adopting.rows import AdoptError
from evals.reading.trace_format import diff_formats
from evals.results.baseline_place import NAME, find_baseline
from evals.results.baselines import read_baseline
from evals.results.comparable import CompareError
from evals.results.comparison import MARGIN, compare, flip_lines, judge, slice_lines
from evals.results.exit_status import status_of
from evals.results.gates import GateResult, overall
from evals.results.report import gate_lines
from evals.results.stored_formats import SNAPSHOTS, stored_format
from evals.results.stored_run import RunError, StoredRun, read_run
from evals.results.tournament import tournament_lines
from serve.printable import printable


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit with status 2."""
        self.exit(2, f"{self.prog}: {printable(message)}; see {self.prog} --help\n")


def diff_format(before: str, after: str, *roots: Path) -> int:
    """Print what changed between two stored formats. Returns 1 if anything did, else 0, as diff does."""
    lines = diff_formats(stored_format(before, *roots), stored_format(after, *roots))
    same = f"{before} and {after} have the same format"
    said = [f"--- {before}", f"+++ {after}", *lines] if lines else [same]
    print("\n".join(map(printable, said)))
    return 1 if lines else 0


def compare_runs(before: str, after: str, margin: float | None, flips: int) -> int:
    """Print how two runs differ, and whether the candidate is not worse by the margin, or (None) better.

    Returns 0 where that is shown, 1 where it is shown to be false or a slice to be worse, else 6.
    """
    baseline, candidate = _run_of(before), _run_of(after)
    lines = compare(baseline, candidate)
    results = judge(baseline, candidate, margin)
    lines += ["", *slice_lines(baseline, candidate), "", *flip_lines(baseline, candidate, flips), ""]
    lines += [line for line, _ in gate_lines(results)]
    print("\n".join([*lines, f"verdict  {overall(results)}"]))
    return status_of(results)


def tournament(values: Sequence[str]) -> int:
    """Print how several runs did, each pair with intervals that hold together.

    Returns 0 where one is shown to be the best in every task, 1 where tasks have different winners, else 6.
    """
    runs = [_run_of(value) for value in values]
    lines, verdict = tournament_lines(runs)
    print("\n".join(lines))
    return status_of([GateResult("tournament", verdict, lines[-1])])


def _run_of(value: str) -> StoredRun:
    """The run in a folder or a `.jsonl` file, or the blessed one of this name.

    :raises RunError: there is none.
    """
    if Path(value).exists() or not NAME.fullmatch(value):
        return read_baseline(Path(value)) if Path(value).is_file() else read_run(Path(value))
    return read_baseline(find_baseline(value)[1])


def replay_stored(folder: Path, given: Sequence[str]) -> int:
    """Print what comes of a run that is judged again. Returns the exit status that a session would have."""
    # Its room imports pytest, which no other command needs.
    from evals.harness.replaying import REPLAY_ERRORS, replay_run

    try:
        lines, status = replay_run(folder, given)
    except REPLAY_ERRORS as error:
        raise RunError(printable(str(error), 2000)) from error
    print("\n".join(lines))
    return status


def share(text: str) -> float:
    """A share above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 < value < 1:
        return value
    hint = f": for {value:g}% say {value / 100:g}" if 1 <= value < 100 else ""
    raise argparse.ArgumentTypeError(f"{text!r}: must be a share above 0 and below 1, as in 0.05{hint}")


def count(text: str) -> int:
    """A whole number from 0."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number from 0")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, which is 2 for a user's error."""
    parser = Parser(
        prog="python -m evals", description="What there is to do with the suites besides running them."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    diff = commands.add_parser("diff-format", help="compare the stored formats of two model versions")
    diff.add_argument("before", metavar="MODEL_A")
    diff.add_argument("after", metavar="MODEL_B")
    diff.add_argument(
        "--snapshots",
        type=Path,
        help="folder with a folder per model version (default: here, then what is shipped)",
    )
    paired = commands.add_parser("compare", help="compare two runs over the same puzzles, case by case")
    paired.add_argument(
        "baseline", metavar="BASELINE", help="folder of a run, or a blessed one's name or file"
    )
    paired.add_argument("candidate", metavar="CANDIDATE", help="another run")
    claim = paired.add_mutually_exclusive_group()
    claim.add_argument(
        "--margin", type=share, default=MARGIN, help=f"not worse by so much (default: {MARGIN})", metavar="M"
    )
    claim.add_argument("--better", action="store_true", help="better, instead of not worse")
    paired.add_argument(
        "--flips", type=count, default=5, metavar="N", help="cases to list that went differently, each way"
    )
    several = commands.add_parser(
        "tournament", help="which of several runs over the same puzzles is the best, and is it shown"
    )
    several.add_argument("first", metavar="RUN", help="folder of a run, or a blessed one's name or file")
    several.add_argument("others", metavar="RUN", nargs="+", help="further runs")
    again = commands.add_parser(
        "replay",
        help="judge and gate a stored run again, without a server",
        epilog="Options of a session may follow, as --gates FILE; otherwise those that made the run hold.",
    )
    again.add_argument("run", metavar="RUN", type=Path, help="folder of a run")
    adopt = commands.add_parser("adopt", help="make an adapter's format file from its training rows")
    adopting.add_arguments(adopt)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "replay":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if options.command == "adopt":
            return adopting.run(options)
        if options.command == "compare":
            margin = None if options.better else options.margin
            return compare_runs(options.baseline, options.candidate, margin, options.flips)
        if options.command == "tournament":
            return tournament([options.first, *options.others])
        if options.command == "replay":
            return replay_stored(options.run, rest)
        here = Path(SNAPSHOTS.name), SNAPSHOTS
        return diff_format(
            options.before, options.after, *([options.snapshots] if options.snapshots else here)
        )
    except (AdoptError, RunError, CompareError, OSError) as error:
        print(f"python -m evals: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
