"""The stored trace formats of model versions, a folder each; the reasoning suite writes them as snapshots."""

from __future__ import annotations

import re
from pathlib import Path

from serve.printable import printable

SNAPSHOTS = Path(__file__).parents[1] / "__snapshots__"
"""The formats that are shipped, beside the suites."""
SUFFIX = "txt"


def model_folder(model: str) -> str:
    """The folder name of a model version under `__snapshots__`: its id with anything unusual as `-`."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", model).strip(".-") or "model"


def stored_format(model: str, *roots: Path) -> str:
    """The stored formats of a model version, one after the other, from the first of the folders that has it.

    :raises FileNotFoundError: there are none; the message names the models that have some.
    """
    found = (sorted((root / model_folder(model)).rglob(f"*.{SUFFIX}")) for root in roots)
    files = next(filter(None, found), [])
    if not files:
        folders = (path for root in roots if root.is_dir() for path in root.iterdir())
        known = sorted({path.name for path in folders if path.is_dir()})
        raise FileNotFoundError(
            f"no format snapshot of '{printable(model, 80)}': run the reasoning suite on it with "
            f"--snapshot-update; there are snapshots of {printable(', '.join(known)) or 'no model'}"
        )
    return "".join(path.read_text(encoding="utf-8", errors="backslashreplace") for path in files)
