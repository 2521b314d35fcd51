"""`python -m evals`: what there is to do with the suites besides running them.

python -m evals compare BASELINE CANDIDATE    two runs over the same puzzles, case by case
python -m evals diff-format MODEL_A MODEL_B   what changed between the stored formats of two model versions
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from evals.reading.trace_format import diff_formats
from evals.results.comparison import CompareError, compare
from evals.results.stored_formats import SNAPSHOTS, stored_format
from evals.results.stored_run import RunError, read_run
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


def compare_runs(baseline: Path, candidate: Path) -> int:
    """Print how two runs differ. Returns 0: what to make of it is for gates."""
    print("\n".join(compare(read_run(baseline), read_run(candidate))))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 where formats differ, 2 for a user's error."""
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
    paired.add_argument("baseline", metavar="BASELINE", type=Path, help="folder of a run")
    paired.add_argument("candidate", metavar="CANDIDATE", type=Path, help="folder of another run")
    options = parser.parse_args(arguments)
    try:
        if options.command == "compare":
            return compare_runs(options.baseline, options.candidate)
        here = Path(SNAPSHOTS.name), SNAPSHOTS
        return diff_format(
            options.before, options.after, *([options.snapshots] if options.snapshots else here)
        )
    except (RunError, CompareError, OSError) as error:
        print(f"python -m evals: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
