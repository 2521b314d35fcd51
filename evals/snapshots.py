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

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

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
    groups: dict[str, dict[str, str]] = {}
    rows: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("  "):
            rows = groups.setdefault(line, {})
        else:
            label, _, name = line.strip().rpartition(" ")
            rows[label.rstrip()] = name
    return groups


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
    """Stores a `Skeleton` as one text file per test; a rate near the edge of its band matches both."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

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
        """Every row of the format, the changed ones marked."""
        yield from diff_formats(str(snapshot_data), str(serialized_data), "snapshot", "this session")


def extension_for(model: str) -> type[FormatExtension]:
    """A `FormatExtension` that keeps to the folder of one model version.

    A folder each, side by side: syrupy deletes what it thinks unused below the folder that it updates.
    """
    folder = f"{SNAPSHOTS.name}/{model_folder(model)}"
    return type("FormatExtension", (FormatExtension,), {"snapshot_dirname": folder})


def diff_formats(before: str, after: str, before_name: str, after_name: str) -> list[str]:
    """What changed between two stored skeletons, as a unified diff with each change in its group; [] if
    nothing.
    """
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), before_name, after_name, n=99, lineterm=""
    )
    return [line for line in lines if not line.startswith("@@")]


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
