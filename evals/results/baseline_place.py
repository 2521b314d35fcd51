"""Where baselines are kept, and what their names mean. Light: every worker reads the command line with it."""

from __future__ import annotations

import re
from pathlib import Path

from evals.results.stored_run import RunError
from serve.printable import printable

FOLDER = Path(__file__).parents[1] / "baselines"
SUFFIX = ".jsonl"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")


def find_baseline(value: str, folder: Path = FOLDER) -> tuple[str, Path]:
    """The name and the path of a baseline: a stored one's name, a `.jsonl` file, or the folder of a run.

    :raises RunError: there is none; says which there are.
    """
    if NAME.fullmatch(value) and (stored := folder / f"{value}{SUFFIX}").is_file():
        return value, stored
    path = Path(value)
    if path.exists():
        return path.resolve().name.removesuffix(SUFFIX), path
    known = ", ".join(sorted(each.stem for each in folder.glob(f"*{SUFFIX}"))) or "none"
    raise RunError(
        f"no baseline {printable(value, 200)!r}: stored are {printable(known, 1000)}; "
        "give one of them, a .jsonl file or the folder of a run"
    )


def place_of(value: str, folder: Path = FOLDER) -> Path | None:
    """Where `--bless` writes: a name's place in `folder`, or the `.jsonl` file itself; None for neither."""
    if value.endswith(SUFFIX):
        return Path(value).absolute()
    return folder / f"{value}{SUFFIX}" if NAME.fullmatch(value) else None
