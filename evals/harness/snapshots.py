"""Format snapshots: how each model version answers, kept in a folder of its own by syrupy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from evals.harness.reports import UNDECIDED
from evals.reading.trace_format import TraceFormat, diff_formats
from evals.results.stored_formats import SNAPSHOTS, SUFFIX, model_folder
from serve.printable import printable


class FormatExtension(SingleFileSnapshotExtension):
    """Stores a `TraceFormat` as one text file per test; a rate near the edge of its band matches both.

    Use it through `extension_for`, which gives every model version a folder of its own.
    """

    _write_mode = WriteMode.TEXT
    file_extension = SUFFIX
    folder = "model"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """`__snapshots__/<model>/<test file>`, beside the test file or in the user's own folder."""
        test_file = Path(test_location.filepath)
        config = test_location.item.config
        root = snapshots_root(
            test_file, cls.folder, config.rootpath, update=bool(config.option.update_snapshots)
        )
        return str(root / cls.folder / test_file.stem)

    def __init__(self) -> None:
        self._latest: TraceFormat | None = None

    def serialize(self, data: Any, **_: Any) -> str:
        """The text of a format."""
        if not isinstance(data, TraceFormat):
            raise TypeError(f"a format snapshot holds a TraceFormat, not {type(data).__name__}")
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


def snapshots_root(test_file: Path, folder: str, project: Path, *, update: bool) -> Path:
    """Where the stored formats of a model version are that a test file is to use.

    Beside the test file; but nothing is written beside the suites of an installed package. From there come
    only those of the models that are shipped with it, where the user's own `__snapshots__` has none.
    """
    beside, own = test_file.with_name(SNAPSHOTS.name), project / SNAPSHOTS.name
    if test_file.is_relative_to(project) and "site-packages" not in test_file.relative_to(project).parts:
        return beside
    shipped = (beside / folder).is_dir() and not (own / folder).is_dir()
    return beside if shipped and not update else own


def expect_format(found: TraceFormat, snapshot: SnapshotAssertion) -> None:
    """Fail the test where the format is not the stored one, with what changed and what to do about it.

    An assertion would do, but pytest cuts what it says about one to eight lines.
    """
    same: bool = snapshot == found
    if not same:
        file = Path(snapshot.extension.get_location(test_location=snapshot.test_location, index=0))
        if not file.exists():
            _undecided(snapshot, f"no reasoning format is stored in {file}: run again with --snapshot-update")
        changes = "\n".join(snapshot.get_assert_diff())
        pytest.fail(
            printable(
                f"the reasoning format is not the one in {file} (-: stored, +: this session)\n{changes}\n"
                "If the new format is the one you want, store it: run again with --snapshot-update.",
                10_000,
                newlines=True,
            ),
            pytrace=False,
        )


def _undecided(snapshot: SnapshotAssertion, sentence: str) -> None:
    """Skip a test that has nothing to compare with, and let the run be inconclusive for it."""
    sentence = printable(sentence)
    snapshot.test_location.item.user_properties.append((UNDECIDED, sentence))
    pytest.skip(sentence)


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
