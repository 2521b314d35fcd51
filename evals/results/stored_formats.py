"""The stored trace formats of model versions, a folder each; the reasoning suite writes them as snapshots."""

from __future__ import annotations

import re
from pathlib import Path

from serve.printable import printable

SNAPSHOTS = Path(__file__).parents[1] / "__snapshots__"
SUFFIX = "txt"


def model_folder(model: str) -> str:
    """The folder name of a model version under `__snapshots__`: its id with anything unusual as `-`."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", model).strip(".-") or "model"


def stored_format(model: str, root: Path = SNAPSHOTS) -> str:
    """The stored formats of a model version, one after the other.

    :raises FileNotFoundError: there are none; the message names the models that have some.
    """
    files = sorted((root / model_folder(model)).rglob(f"*.{SUFFIX}"))
    if not files:
        known = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        raise FileNotFoundError(
            f"no format snapshot of '{printable(model, 80)}': run the reasoning suite on it with "
            f"--snapshot-update; there are snapshots of {printable(', '.join(known)) or 'no model'}"
        )
    return "".join(path.read_text(encoding="utf-8", errors="backslashreplace") for path in files)
