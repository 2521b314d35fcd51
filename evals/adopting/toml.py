"""A question of a format as TOML that a person can read and edit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evals.formats.format import Question

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_LITERAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def write_question(name: str, question: Question, notes: Mapping[str, str]) -> str:
    """The table of a question, all that is not as it is by default.

    :param notes: comments, by the key that they stand behind; the one of the empty key stands above.
    """
    said = question.model_dump(
        exclude_defaults=True, exclude={"user", "system", "answer", "examples", "trace"}
    )
    rows = [f"# {line}" for line in notes.get("", "").splitlines()]
    rows.append(f"[{name}]")
    for key, value in said.items():
        note = f" # {notes[key]}" if key in notes else ""
        rows.append(f"{key} = {value_text(value)}{note}")
    rows += [f"{key} = {string(text)}" for key in ("system", "user") if (text := getattr(question, key))]
    for example in question.examples:
        rows += ["", f"[[{name}.examples]]"]
        rows += [f"{_key(key)} = {string(str(value))}" for key, value in example.model_dump().items()]
    rows += ["", f"[{name}.answer]", *_table(question.answer.model_dump(exclude_defaults=True))]
    if trace := question.trace.model_dump(exclude_defaults=True):
        rows += ["", f"[{name}.trace]", *_table(trace)]
    return "\n".join(rows) + "\n"


def _table(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value_text(value)) > 80:
            yield f"{_key(key)} = ["
            yield from (f"    {value_text(each)}," for each in value)
            yield "]"
        else:
            yield f"{_key(key)} = {value_text(value)}"


def value_text(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _basic(value) if "\n" in value else string(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(str(key))} = {value_text(each)}" for key, each in value.items())  # pyright: ignore[reportUnknownVariableType]
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(value_text, value))}]"  # pyright: ignore[reportUnknownArgumentType]
    return repr(value)


def string(text: str) -> str:
    """A text: as it is where TOML has a way to write it so, else with escapes."""
    plain = _NOT_LITERAL.search(text) is None
    if plain and "\\" not in text and '"' not in text:
        return f'"""\n{text}"""' if "\n" in text else f'"{text}"'
    if plain and "\n" in text and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    if plain and "\n" not in text and "'" not in text:
        return f"'{text}'"
    return _basic(text)


def _basic(text: str) -> str:
    # TOML's escapes are those of JSON, but for DEL, which has to be one.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _KEY.fullmatch(name) else _basic(name)
