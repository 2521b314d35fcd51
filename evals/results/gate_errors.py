"""What is wrong with a gates file: a sentence that says where, what stands there, and what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from serve.printable import printable

Place = tuple[str | int, ...]
"""Where something stands in a TOML file: keys, and numbers of array elements from 0."""

WANTED: Mapping[str, str] = {
    "models": 'a list of patterns, as in ["pawn*"]',
    "gate": "a list of gates, each under [[gate]]",
    "name": "a name of letters, digits, '.', '_' and '-'",
    "task": 'the name of a task, as in "move"',
    "rate": 'the name of a rate, as in "solved"',
    "at_least": "a share between 0 and 1, as in 0.40",
    "at_most": "a share between 0 and 1, as in 0.02",
    "not_worse_than": "a share above 0 and below 1, as in 0.05",
    "better": "true",
    "baseline": 'the name of a baseline, as in "production"',
    "confidence": "a share above 0.5 and below 1, as in 0.95",
    "where": 'a table, as in { themes = ["mateIn1"] }',
    "sets": 'a list of names, as in ["mate-in-1"]',
    "themes": 'a list of names, as in ["mateIn1"]',
    "variants": 'a list of names, as in ["pieces"]',
    "ratings": "a list of two whole numbers, the lower first, as in [1200, 1600]",
}
"""What belongs behind each key."""


class WrongError(Exception):
    """What is wrong, and at which place."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def explain(error: ValidationError, known: Mapping[str, Iterable[str]]) -> WrongError:
    """The first thing wrong with the tables themselves.

    :param known: the keys of each table by its name; the file's own under "".
    """
    first = error.errors()[0]
    place = first["loc"]
    keys = [part for part in place if isinstance(part, str)]
    key = keys[-1]
    if first["type"] == "extra_forbidden":
        table = keys[-2] if len(keys) > 1 else ""
        return WrongError(place, f"unknown key {quoted(key)}; {meant(key, known[table])}")
    if first["type"] == "missing" and place[-1] == key:
        return WrongError(place[:-1], f"a gate has no {key}: give it {WANTED[key]}")
    return WrongError(place, not_wanted(key, first["input"]))


def not_wanted(key: str, value: Any) -> str:
    """Says that the value does not belong behind the key, and for a percentage which share it is."""
    sentence = f"{key} = {printable(repr(value), 60)} is not {WANTED[key]}"
    if WANTED[key].startswith("a share") and type(value) in (int, float) and 1 < value <= 100:
        share = f"{value / 100:.2f}" if value == int(value) else f"{value / 100:g}"
        sentence += f": for {value:g}% say {share}"
    return sentence


def meant(name: str, known: Iterable[str]) -> str:
    """The known name that is closest to `name`, or all of them where none is close.

    Of `checks.closed` the last part is compared: the first would make all checks look alike.
    """
    by_end = {each.rpartition(".")[2]: each for each in known}
    near = difflib.get_close_matches(name.rpartition(".")[2], by_end, n=1)
    return f"did you mean {by_end[near[0]]!r}?" if near else one_of(by_end.values())


def one_of(known: Iterable[str]) -> str:
    """What there is to choose from."""
    return f"use one of {', '.join(known)}"


def quoted(name: str) -> str:
    """A name of the file's in quotation marks, printable."""
    return f"'{printable(name, 60)}'"


def line_of(place: Place, text: str) -> int:
    """The line, from 1, on which a place of a TOML text stands, or else the closest place around it."""
    lines: dict[Place, int] = {(): 1}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := re.match(r"\s*\[\[\s*([\w-]+)\s*\]\]", line):
            table = header[1], sum(each[:1] == (header[1],) and len(each) == 2 for each in lines)
            lines.setdefault((header[1],), number)
            lines[table] = number
        elif header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            first, *rest = header[1].split(".")
            # [gate.where] belongs to the gate above it.
            table = (*table[:2], *rest) if rest and table[:1] == (first,) else (first, *rest)
            lines.setdefault(table, number)
        elif key := re.match(r"\s*([\w-]+)\s*(?:\.\s*([\w-]+)\s*)?=", line):
            names = [name for name in key.groups() if name]
            lines.setdefault((*table, names[0]), number)
            lines.setdefault((*table, *names), number)
    return next(lines[place[:length]] for length in range(len(place), -1, -1) if place[:length] in lines)
