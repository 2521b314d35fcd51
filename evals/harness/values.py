"""Values on the command line: each reader raises `argparse.ArgumentTypeError` that says what is wrong."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evals.puzzles.dialect import FIELDS


def whole(least: int) -> Callable[[str], int]:
    """A whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r}: must be at least {least}, a whole number")
        return value

    return read


def number(low: float, high: float, what: str, *, above: bool = False) -> Callable[[str], float]:
    """A finite number from `low` (or, with `above`, greater than it) to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value or (low == value and not above)) or not value <= high or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text!r}: must be {what}")
        return value

    return read


seconds = partial(number, 0.0, math.inf, "a number of seconds above 0", above=True)


def rating_band(text: str) -> tuple[int, int]:
    """`1200-1600` as two numbers."""
    low, _, high = text.partition("-")
    try:
        band = int(low), int(high)
    except ValueError:
        band = (1, 0)
    if band[0] > band[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: give two numbers such as 1200-1600")
    return band


def column_names(text: str) -> tuple[tuple[str, str], ...]:
    """`fen=question_fen,moves=solution` as pairs of a field and the name of its column."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        field, _, name = (part.strip() for part in pair.partition("="))
        if not name:
            raise argparse.ArgumentTypeError(f"{pair!r}: give FIELD=NAME, such as fen=question_fen")
        if field not in FIELDS:
            near = difflib.get_close_matches(field, FIELDS, n=1)
            offer = f"did you mean {near[0]}={name}?" if near else f"there are {', '.join(FIELDS)}"
            raise argparse.ArgumentTypeError(f"{pair!r}: there is no field {field!r}; {offer}")
        if field in found:
            raise argparse.ArgumentTypeError(f"{field!r} is given twice: {found[field]!r} and {name!r}")
        found[field] = name
    return tuple(found.items())


def comma_separated(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def absolute(text: str) -> Path:
    """A path that stays the same whatever the current folder becomes."""
    return Path(text).absolute()
