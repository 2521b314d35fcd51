"""Format snapshots: the skeleton of each model version's answers, kept in a folder of its own by syrupy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from evals.skeletons import Skeleton, diff_formats

SNAPSHOTS = Path(__file__).with_name("__snapshots__")


class FormatExtension(SingleFileSnapshotExtension):
    """Stores a `Skeleton` as one text file per test; a rate near the edge of its band matches both.

    Use it through `extension_for`, which gives every model version a folder of its own.
    """

    _write_mode = WriteMode.TEXT
    file_extension = "txt"
    folder = "model"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """`__snapshots__/<model>/<test file>`, beside the test file."""
        test_file = Path(test_location.filepath)
        return str(test_file.with_name(SNAPSHOTS.name) / cls.folder / test_file.stem)

    def __init__(self) -> None:
        self._latest: Skeleton | None = None

    def serialize(self, data: Any, **_: Any) -> str:
        """The text of a skeleton."""
        if not isinstance(data, Skeleton):
            raise TypeError(f"a format snapshot holds a Skeleton, not {type(data).__name__}")
        self._latest = data
        return data.text

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        """Compare what `serialize` got last with what is stored."""
        if self._latest is None:
            return bool(serialized_data == snapshot_data)
        return self._latest.fits(str(snapshot_data))

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        """The rows that changed, in their groups."""
        yield from diff_formats(str(snapshot_data), str(serialized_data))


def expect_format(found: Skeleton, snapshot: SnapshotAssertion) -> None:
    """Fail the test where the format is not the stored one, with what changed and what to do about it.

    An assertion would do, but pytest cuts what it says about one to eight lines.
    """
    same: bool = snapshot == found
    if not same:
        file = snapshot.extension.get_location(test_location=snapshot.test_location, index=0)
        changes = "\n".join(snapshot.get_assert_diff())
        pytest.fail(
            f"the reasoning format is not the one in {file} (-: stored, +: this session)\n{changes}\n"
            "If the new format is the one you want, store it: run again with --snapshot-update.",
            pytrace=False,
        )


def keep_other_models(config: pytest.Config) -> None:
    """Keep syrupy from deleting the snapshots of other model versions when it updates: no session uses them.

    Its default extension looks through all of `__snapshots__` even where no test uses it, and takes what it
    does not know for left over.
    """
    ignored = getattr(config.option, "ignore_file_extensions", None) or []
    config.option.ignore_file_extensions = [*ignored, FormatExtension.file_extension]


def extension_for(model: str) -> type[FormatExtension]:
    """The extension that keeps the snapshots of one model version, in a folder of their own."""
    return type("ModelFormatExtension", (FormatExtension,), {"folder": model_folder(model)})


def model_folder(model: str) -> str:
    """The folder name of a model version under `__snapshots__`: its id with anything unusual as `-`."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", model).strip(".-") or "model"


def stored_format(model: str, root: Path = SNAPSHOTS) -> str:
    """The stored skeletons of a model version, one after the other.

    :raises FileNotFoundError: there are none; the message names the models that have some.
    """
    files = sorted((root / model_folder(model)).rglob(f"*.{FormatExtension.file_extension}"))
    if not files:
        known = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        raise FileNotFoundError(
            f"no format snapshot of {model!r}: run the reasoning suite on it with --snapshot-update; "
            f"there are snapshots of {', '.join(known) or 'no model'}"
        )
    return "".join(path.read_text(encoding="utf-8") for path in files)
