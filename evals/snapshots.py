"""Format snapshots: the skeleton of how a model answers, kept per model version and compared by syrupy.

A snapshot holds no prose and no figures, only what is there and how often, in bands:

    trace
      closed                                    always
    sections, in their order
      ## Step 1: FEN parsing                    always

So it stays as it is when wording changes, and differs when a section is dropped or renamed, a field gets
another name or type, the answer moves into the trace, or `</think>` is lost.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from evals.answers import split_trace
from evals.cases import Case, Completion, Task
from evals.reasoning import read_sections

SNAPSHOTS = Path(__file__).with_name("__snapshots__")

BANDS = (("always", 0.95), ("mostly", 0.6), ("partly", 0.2), ("rarely", 0.05), ("never", 0.0))
"""A band's name and the least rate in it."""
SLACK = 0.04
"""How far behind its band's edge a rate still counts as in the snapshot's band. A server's own noise flips a
case or two, and a rate beside an edge must not fail every other session for that."""

CHECKS = (
    "lines_legal",
    "answer_in_candidates",
    "faithful",
    "solution_legal",
    "solution_starts_with_answer",
    "free_of_loops",
)
"""The reasoning checks whose bands belong to the format."""

_WIDTH = 48


def band(rate: float) -> str:
    """The name of the band that a rate (0 to 1) is in."""
    return next(name for name, least in BANDS if rate >= least)


@dataclass(frozen=True)
class Skeleton:
    """The format of one model's answers: groups of rows, each a label with the rate at which it is there."""

    groups: Mapping[str, Mapping[str, float]]

    @property
    def text(self) -> str:
        """What a snapshot stores. Rows that are never there are left out, except where they are always
        listed.
        """
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for group, rows in self.groups.items():
            yield group
            for label, rate in rows.items():
                if group in _LISTED or band(rate) != "never":
                    yield f"  {label:<{_WIDTH}}{band(rate)}"

    def fits(self, stored: str) -> bool:
        """True where this is the stored format, give or take `SLACK` at the edges of bands."""
        before, now = _read(stored), _read(self.text)
        for group in {*before, *self.groups}:
            old, rates = before.get(group, {}), self.groups.get(group, {})
            for label in {*old, *rates}:
                rate = rates.get(label, 0.0)
                near = {band(rate), band(min(1.0, rate + SLACK)), band(max(0.0, rate - SLACK))}
                if old.get(label, "never") not in near:
                    return False
            kept = [label for label in old if label in now.get(group, {})]
            if kept != [label for label in now.get(group, {}) if label in old]:
                return False
        return True


_LISTED = frozenset({"answer", "trace", "checks"})


def _read(text: str) -> dict[str, dict[str, str]]:
    """A stored skeleton as label -> band, by group, in its order."""
    return {
        group: {row[2:].rpartition(" ")[0].rstrip(): row.rpartition(" ")[2] for row in rows}
        for group, rows in _rows(text).items()
    }


def skeleton(task: Task, answered: Iterable[tuple[Case, Sequence[Completion]]]) -> Skeleton:
    """The format of the reasoning answers of one session; their order does not matter.

    :raises ValueError: no case was answered, so there is no format.
    """
    seen = [(case, got) for case, got in answered if got and got[-1].error is None]
    if not seen:
        raise ValueError(f"no {task.name} case was answered: there is no format to compare")
    total = len(seen)
    answers: Counter[str] = Counter()
    traces: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    fields, sections = _Order(), _Order()
    for case, completions in seen:
        completion = completions[-1]
        parts = split_trace(completion)
        value = _json(parts.content)
        answers[_kind(value, parts.content)] += 1
        if isinstance(value, dict):
            fields.add(f"{name}: {_type(of)}" for name, of in value.items())
        sections.add(section.heading for section in read_sections(parts.trace or "", ()))
        facts = task.judge(case, completions).checks
        traces.update(label for label, check in _TRACE.items() if facts.get(check) is True)
        checks.update(name for name in CHECKS if facts.get(name) is True)
        checks["piece list right"] += facts.get("piece_precision") == facts.get("piece_recall") == 1.0
    return Skeleton(
        {
            "answer": {name: answers[name] / total for name in ("one JSON object", "other text", "nothing")},
            "fields, in their order": fields.rates(total),
            "trace": {label: traces[label] / total for label in _TRACE},
            "sections, in their order": sections.rates(total),
            "checks": {name: checks[name] / total for name in (*CHECKS, "piece list right")},
        }
    )


_TRACE = {
    "present": "reasoning_present",
    "closed": "closed",
    "cut off by the token limit": "unclosed_by_length",
    "holds the answer": "answer_in_trace",
    "expected sections, in order": "sections_in_order",
}


class _Order:
    """Counts labels in many lists, and orders them by where they stand on average."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._place: Counter[str] = Counter()

    def add(self, labels: Iterable[str]) -> None:
        for place, label in enumerate(dict.fromkeys(_one_line(label) for label in labels)):
            self._count[label] += 1
            self._place[label] += place

    def rates(self, total: int) -> dict[str, float]:
        order = sorted(self._count, key=lambda label: (self._place[label] / self._count[label], label))
        return {label: self._count[label] / total for label in order}


def _one_line(label: str) -> str:
    return " ".join(label.split())[:_WIDTH]


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _kind(value: Any, content: str) -> str:
    if isinstance(value, dict):
        return "one JSON object"
    return "other text" if content else "nothing"


def _type(value: Any) -> str:
    """A JSON value's type in words: `text`, `list of text`, `object`. An empty list is a list of text."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            kinds = sorted({_type(item) for item in value}) or ["text"]
            return f"list of {' and '.join(kinds)}"
        case None:
            return "null"
        case _:
            return "object"


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


def diff_formats(before: str, after: str) -> list[str]:
    """What changed between two stored skeletons: each group with a change, and its rows; [] if nothing."""
    old, new = _rows(before), _rows(after)
    lines: list[str] = []
    for group in {**new, **old}:
        rows = difflib.unified_diff(old.get(group, []), new.get(group, []), n=1, lineterm="")
        changed = [row for row in rows if not row.startswith(("---", "+++", "@@"))]
        lines += [f" {group}", *changed] if changed else []
    return lines


def _rows(text: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("  "):
            groups[next(reversed(groups))].append(line)
        else:
            groups[line] = []
    return groups


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
