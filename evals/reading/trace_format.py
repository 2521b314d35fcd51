"""The trace format: how a model answers, as text that can be compared between two of its versions.

A trace format holds no prose and no figures, only what is there and how often, in bands:

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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.reading.completions import split_trace
from evals.reading.traces import read_sections
from evals.words import Case, Completion, Task
from serve.printable import printable

BANDS = (("always", 0.95), ("mostly", 0.6), ("partly", 0.2), ("rarely", 0.05), ("never", 0.0))
"""A band's name and the least rate in it."""
SLACK = 0.06
"""How far outside of the stored band a rate may lie and still fit it: between two sessions of the same model
a case or two change, and a rate near the edge of its band would differ every other time."""

CHECKS = (
    "lines_legal",
    "answer_in_candidates",
    "faithful",
    "solution_legal",
    "solution_starts_with_answer",
    "free_of_loops",
)
"""The reasoning checks whose bands belong to the format."""
TRACE = {
    "present": "reasoning_present",
    "closed": "closed",
    "cut off by the token limit": "unclosed_by_length",
    "holds the answer": "answer_in_trace",
    "expected sections, in order": "sections_in_order",
}
"""What is told of the trace as a whole, with the check that says so."""

LONGEST_LABEL = 100
"""Characters of a label. Headings and field names are a model's text, and may be of any length."""
MOST_LABELS = 40
"""Fields, or headings, of one answer that become rows."""
_COLUMN = 46
"""Where the bands start, as far as the labels in front of them allow."""


def band(rate: float) -> str:
    """The name of the band that a rate (0 to 1) is in."""
    return next(name for name, least in BANDS if rate >= least)


@dataclass(frozen=True)
class TraceFormat:
    """The format of one model's answers: groups of rows, each a label with the rate at which it is there.

    Groups and labels are made fit for a row of text; of those that become the same, the highest rate counts.
    """

    groups: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        groups: dict[str, dict[str, float]] = {}
        for group, rows in self.groups.items():
            fit = groups.setdefault(_label(group), {})
            for label, rate in ((_label(text), rate) for text, rate in rows.items()):
                fit[label] = max(rate, fit.get(label, 0.0))
        object.__setattr__(self, "groups", groups)

    @property
    def text(self) -> str:
        """What a snapshot stores: a row for every label that is ever there, and for all of a fixed group."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for group, rows in self.groups.items():
            yield group
            for label, rate in rows.items():
                if group in _FIXED or band(rate) != "never":
                    yield f"  {label:<{_COLUMN}}  {band(rate)}"

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


_FIXED = frozenset({"answer", "trace", "checks"})
"""The groups whose labels are the same for all models."""


def _read(text: str) -> dict[str, dict[str, str]]:
    """A stored format as label -> band, by group, in its order."""
    groups: dict[str, dict[str, str]] = {}
    for group, rows in _rows(text).items():
        cells = [row[2:].rpartition("  ") for row in rows]
        groups[group] = {label.rstrip(): name for label, _, name in cells}
    return groups


def trace_format(task: Task, answered: Iterable[tuple[Case, Sequence[Completion]]]) -> TraceFormat:
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
        traces.update(label for label, check in TRACE.items() if facts.get(check) is True)
        checks.update(name for name in CHECKS if facts.get(name) is True)
        checks["piece list right"] += facts.get("piece_precision") == facts.get("piece_recall") == 1.0
    return TraceFormat(
        {
            "answer": {name: answers[name] / total for name in ("one JSON object", "other text", "nothing")},
            "fields, in their order": fields.rates(total),
            "trace": {label: traces[label] / total for label in TRACE},
            "sections, in their order": sections.rates(total),
            "checks": {name: checks[name] / total for name in (*CHECKS, "piece list right")},
        }
    )


class _Order:
    """Counts labels in many lists, and orders them by where they stand on average."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._place: Counter[str] = Counter()

    def add(self, labels: Iterable[str]) -> None:
        different = list(dict.fromkeys(_label(label) for label in labels))
        if len(different) > MOST_LABELS:
            different[MOST_LABELS:] = [f"more than {MOST_LABELS}"]
        for place, label in enumerate(different):
            self._count[label] += 1
            self._place[label] += place

    def rates(self, total: int) -> dict[str, float]:
        order = sorted(self._count, key=lambda label: (self._place[label] / self._count[label], label))
        return {label: self._count[label] / total for label in order}


def _label(text: str) -> str:
    """A text as a label: printable, on one line and without two blanks in a row, which end a label."""
    return printable(" ".join(text.split())[:LONGEST_LABEL].rstrip(), LONGEST_LABEL)


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _kind(value: Any, content: str) -> str:
    if isinstance(value, dict):
        return "one JSON object"
    return "other text" if content else "nothing"


def _type(value: Any, depth: int = 3) -> str:
    """A JSON value's type in words: `text`, `list of text`, `object`. An empty list is a list of text.

    Lists are looked into `depth` levels deep: JSON may be nested deeper than Python calls functions.
    """
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            if depth == 0:
                return "list"
            kinds = sorted({_type(item, depth - 1) for item in value}) or ["text"]
            return f"list of {' and '.join(kinds)}"
        case None:
            return "null"
        case _:
            return "object"


def diff_formats(before: str, after: str) -> list[str]:
    """What changed between two stored formats: each group with a change, and its rows; [] if nothing.

    The rows can be printed, also those of a file that was edited by hand.
    """
    old, new = _rows(before), _rows(after)
    lines: list[str] = []
    for group in {**new, **old}:
        rows = difflib.unified_diff(old.get(group, []), new.get(group, []), n=1, lineterm="")
        changed = [row for row in rows if not row.startswith(("---", "+++", "@@"))]
        lines += [f" {group}", *changed] if changed else []
    return [printable(line) for line in lines]


def _rows(text: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    group = ""
    for line in text.splitlines():
        if line.startswith("  "):
            groups.setdefault(group, []).append(line)
        else:
            group = line
            groups.setdefault(group, [])
    return groups
