"""The fields of a JSON answer: whether it has exactly those that a shape declares, and what stands where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from evals.formats.schemas import MOST_CANDIDATES
from evals.formats.shapes import AnswerShape
from evals.reading.answers import MAX_ITEMS, MAX_LINE
from evals.reading.text import shown
from serve.printable import printable

_TYPES: Mapping[str, Any] = {
    "move": str,
    "line": Annotated[list[str], Field(min_length=1, max_length=MAX_LINE)],
    "moves": Annotated[list[str], Field(max_length=MAX_ITEMS)],
    "candidates": Annotated[list[str], Field(max_length=MAX_ITEMS)],
    "pieces": Annotated[list[str], Field(max_length=MAX_ITEMS)],
    "position": str,
    "text": str,
    "texts": list[str],
    "sides": dict[str, str | list[str]],
    "number": int | float,
    "flag": bool,
    "any": Any,
}
"""The type of each kind of field. A model's list of candidates may be longer than the schema has it."""
assert MOST_CANDIDATES <= MAX_ITEMS


def check_fields(shape: AnswerShape, value: Any, text: str) -> Mapping[str, Any]:
    """The fields of a JSON answer: no field more, no field less, no type coerced.

    :param text: what was read, for the message.
    :raises ValueError: the value is no such object; says what is wrong, in one line.
    """
    if shape.fields is None:
        if not isinstance(value, dict):
            raise ValueError(f"not the schema: answer: input should be an object: {shown(text)}")
        return value  # pyright: ignore[reportUnknownVariableType]
    try:
        _model(_frozen(shape.fields)).model_validate(value, strict=True)
        return value
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = printable(".".join(str(part) for part in first["loc"]) or "answer", 60)
        raise ValueError(f"not the schema: {where}: {first['msg'].lower()}: {shown(text)}") from error


def at(fields: Mapping[str, Any], path: str) -> Any:
    """What stands at a path with dots; None where nothing does, or the path is empty."""
    if not path:
        return None
    value: Any = fields
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


_Frozen = tuple[tuple[str, Any], ...]


def _frozen(fields: Mapping[str, Any]) -> _Frozen:
    """The declaration as something that a cache takes."""

    def of(kind: Any) -> Any:
        if isinstance(kind, Mapping):
            return ("object", _frozen(kind))  # pyright: ignore[reportUnknownArgumentType]
        return tuple(kind) if isinstance(kind, list | tuple) else kind  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]

    return tuple((name, of(kind)) for name, kind in fields.items())


@lru_cache(maxsize=256)
def _model(fields: _Frozen) -> type[BaseModel]:
    """The fields as a model of pydantic. A name of JSON need not be one of Python, so it is an alias."""
    typed: dict[str, Any] = {
        f"field_{number}": (_type(kind), Field(alias=name)) for number, (name, kind) in enumerate(fields)
    }
    return create_model("answer", __config__=ConfigDict(extra="forbid"), **typed)


def _type(kind: Any) -> Any:
    if isinstance(kind, tuple):
        if kind and kind[0] == "object":
            return _model(kind[1])
        union: Any = _TYPES[kind[0]]
        for each in kind[1:]:
            union = union | _TYPES[each]
        return union
    return _TYPES[kind]
