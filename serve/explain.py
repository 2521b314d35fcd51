"""What is wrong with a TOML file, and on which line, for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, text: str, path: Path, model: type[BaseModel]) -> str:
    """The first thing that is wrong, with the file, the line, the key, and the key that was perhaps meant.

    :param text: what was read from `path`.
    :param model: what the whole file should have been.
    """
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"] if part != "[key]"]
    line = _line_of(keys, text)
    where = f"{path}:{line}" if line else str(path)
    key = ".".join(keys)
    if first["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1], model)
        near = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
        return f"{where}: unknown key {key!r}; {hint}"
    if first["type"] == "missing":
        return f"{where}: the key {key!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {key} = {first['input']!r}: {message}" if key else f"{where}: {message}"


def _known_keys(table: list[str], model: type[BaseModel]) -> list[str]:
    for key in table:
        annotation = model.model_fields[key].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _line_of(keys: list[str], text: str) -> int | None:
    """The line, from 1, on which a dotted key of a TOML text is set."""
    if not keys:
        return None
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            if table == keys:
                return number
        elif (key := re.match(r"\s*([\w.\"'-]+)\s*=", line)) and [*table, key[1].strip("\"'")] == keys:
            return number
    return None
