"""What is wrong with a TOML file, and on which line, for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError


def explain(
    error: ValidationError, text: str, path: Path, model: type[BaseModel], prefix: Sequence[str] = ()
) -> str:
    """The first thing that is wrong, with the file, the line, the key, and the key that was perhaps meant.

    :param text: what was read from `path`.
    :param model: what the file, or its table `prefix`, should have been.
    """
    first = error.errors()[0]
    inside = [str(part) for part in first["loc"] if part != "[key]"]
    keys = [*prefix, *inside]
    line = line_of(keys, text)
    where = f"{path}:{line}" if line else str(path)
    key = ".".join(keys)
    if first["type"] == "extra_forbidden":
        known = _known_keys(inside[:-1], model)
        near = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"{where}: unknown key {key!r}; {hint}"
    if first["type"] == "missing":
        return f"{where}: the key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {first['input']!r}: {message}" if key else f"{where}: {message}"


def _known_keys(table: list[str], model: type[BaseModel]) -> list[str]:
    for key in table:
        field = model.model_fields.get(key)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return list(model.model_fields)


def line_of(keys: Sequence[str], text: str) -> int | None:
    """The line, from 1, on which a dotted key of a TOML text is set, or else that of the table around it.

    Numbers of elements of an array are left out of account: the first element's line is given.
    """
    wanted = [key for key in keys if not key.isdigit()]
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?([^\[\]]+)\]", line):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            lines.setdefault(table, number)
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            names = tuple(part.strip("\"'") for part in key[1].split("."))
            lines.setdefault((*table, *names), number)
    found = (lines.get(tuple(wanted[:length])) for length in range(len(wanted), 0, -1))
    return next((line for line in found if line is not None), None)
