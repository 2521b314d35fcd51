"""Lists: moves or squares in a row of text, as models write them without JSON, or nearly in JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

NOTHING = frozenset({"none", "-", "–", "—"})
"""How an empty list is written, in lower case."""

_BETWEEN = re.compile(r"[\s,;\[\]\"']+")
_MOVE_NUMBER = re.compile(r"[0-9]+(?:\.+|…|\))")
_BULLETS = frozenset({"-", "*", "•", "–", "—"})


def read_list(text: str) -> list[str]:
    """The items of a list, in order and as often as they are there.

    Commas, semicolons, blanks, new lines and `and` part them; they may stand in quotes and the whole in
    brackets (`['Qxh7', "Nf3"]`). Bullets, move numbers and a full stop at the end are no part of them.
    `none`, `-`, `[]` and an empty text are an empty list; `none` beside other items is one of them.
    """
    words = [word.strip("*`") for word in _BETWEEN.split(text.strip().removesuffix("."))]
    if [word.lower() for word in words if word] == ["none"]:
        return []
    items = (_without_number(word) for word in words if word not in _BULLETS)
    return [item for item in items if item and item != "and"]


def _without_number(word: str) -> str:
    number = _MOVE_NUMBER.match(word)
    return word[number.end() :] if number is not None else word


def write_list(items: Sequence[str]) -> str:
    """`Qxh7, Nf3`, or `none` where there are none."""
    return ", ".join(items) or "none"
