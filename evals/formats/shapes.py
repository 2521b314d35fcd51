"""Answer shapes: how a right answer to a question is written, as a format file declares it.

uci, san   one move and nothing else
pgn        movetext: the main line is the answer; comments and variations are read, not played
json       an object; `field` says where in it the answer stands
regex      the part of a text that a pattern's group finds, the first or the last
list       items between commas or blanks, or `none`
pieces     `White: Ke1, Qd1, ...` and `Black: ...`
ascii      a board of eight rows of eight
fen        a position
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from evals.formats.table import Table
from evals.reading.pattern import Pattern, PatternError
from evals.words import Notation

Want = Literal["move", "line", "moves", "pieces", "check", "position", "themes"]
"""What a question asks for."""
ShapeName = Literal["uci", "san", "pgn", "json", "regex", "list", "pieces", "ascii", "fen"]
Kind = Literal[
    "move",
    "line",
    "moves",
    "candidates",
    "pieces",
    "position",
    "text",
    "texts",
    "sides",
    "number",
    "flag",
    "any",
]
"""What stands in a field of a JSON answer.

`line`, `moves` and `candidates` are lists of moves (1 to 40, up to 256, up to 12), `pieces` a list as
`["Ke1", "ke8"]`, `sides` an object of texts by side, `position` a FEN, `flag` true or false.
"""

BARE: Mapping[Want, tuple[ShapeName, ...]] = {
    "move": ("uci", "san", "pgn"),
    "line": ("list", "pgn"),
    "moves": ("list",),
    "pieces": ("pieces", "ascii", "fen", "list"),
    "check": (),
    "position": ("fen",),
    "themes": ("list",),
}
"""How a whole text, or a text inside of JSON or of a pattern's group, can say what is asked for."""


def shapes_for(want: Want) -> tuple[str, ...]:
    """The shapes in which an answer to such a question may be declared."""
    return (*BARE[want], "json", *(("regex",) if BARE[want] else ()))


class AnswerShape(Table):
    """The shape of the answers to one question."""

    shape: ShapeName
    notation: Notation | None = None
    """How moves are written; `uci`, `san` and `pgn` say it by themselves."""
    of: ShapeName | None = None
    """For `json` and `regex`: the shape of the text that stands there; by default a move, or a list."""
    anywhere: bool = False
    """Also take an answer that stands inside of other text, the last one: for models that were not taught."""
    field: str = ""
    """For `json`: the path of the answer, with dots: `answer.move`."""
    fields: dict[str, Any] | None = None
    """For `json`: every field in the trained order with its kind. What a schema then holds the answer to;
    without it other fields do not matter, and no schema is sent."""
    line: str = ""
    candidates: str = ""
    themes: str = ""
    pieces: str = ""
    """For `json` of a question that asks for a move: paths of what stands beside it and is checked, too."""
    pattern: str = ""
    """For `regex`: RE2's syntax, which takes linear time on any text."""
    group: str | int | None = None
    take: Literal["first", "last"] = "last"
    template: str = ""
    """For `regex`: how a right answer is written, `{answer}` standing for what the group is to find."""

    @cached_property
    def compiled(self) -> Pattern:
        """The pattern of a `regex` shape."""
        return Pattern.compile(self.pattern, self.group)

    @model_validator(mode="after")
    def _consistent(self) -> AnswerShape:
        needs = {"json": ("field",), "regex": ("pattern", "template")}
        for name in needs.get(self.shape, ()):
            if not getattr(self, name):
                raise ValueError(f"shape {self.shape!r} needs {name!r}")
        of_json = ("field", "fields", "line", "candidates", "themes", "pieces")
        of_regex = ("pattern", "group", "template")
        for shape, names in (("json", of_json), ("regex", of_regex)):
            for name in names:
                if self.shape != shape and getattr(self, name):
                    raise ValueError(f"{name!r} belongs to shape {shape!r}, and this one is {self.shape!r}")
        if self.of in ("json", "regex"):
            raise ValueError(f"of = {self.of!r}: give the shape of a text without another inside")
        if self.fields is not None:
            self._check_fields()
        if self.shape == "regex":
            self._check_pattern()
        return self

    def _check_fields(self) -> None:
        assert self.fields is not None
        for path, kinds in leaves(self.fields):
            for kind in kinds:
                if kind not in get_args(Kind):
                    raise ValueError(
                        f"fields: {path} = {kind!r} is no kind of field; use one of "
                        f"{', '.join(get_args(Kind))}"
                    )
        for name in ("field", "line", "candidates", "themes", "pieces"):
            path = getattr(self, name)
            if path and path not in dict(leaves(self.fields)):
                known = ", ".join(path for path, _ in leaves(self.fields))
                raise ValueError(f"{name} = {path!r} is not one of the fields: {known}")

    def _check_pattern(self) -> None:
        if "{answer}" not in self.template:
            raise ValueError("the template does not say where the {answer} stands")
        try:
            Pattern.compile(self.pattern, self.group)
        except PatternError as error:
            raise ValueError(str(error)) from error

    @property
    def has_more(self) -> bool:
        """True where more than the answer itself is read."""
        return bool(self.line or self.candidates or self.themes or self.pieces)

    def moves_in(self) -> Notation | None:
        """How the moves of an answer are written; None where that is not said."""
        if self.shape in ("uci", "san"):
            return self.shape
        if "pgn" in (self.shape, self.of):
            return "san"
        if self.of in ("uci", "san"):
            return self.of
        return self.notation

    def inner(self, want: Want) -> ShapeName | None:
        """The shape of the text that holds the answer; None for what JSON says without a text."""
        if self.shape not in ("json", "regex"):
            return self.shape
        if self.of is not None:
            return self.of
        if want == "move":
            return self.moves_in()
        return BARE[want][0] if BARE[want] else None

    def problem(self, want: Want) -> str | None:
        """Why answers of this shape cannot answer such a question; None where they can."""
        if self.shape not in (known := shapes_for(want)):
            return f"an answer that is a {want} cannot be of shape {self.shape!r}; use {', '.join(known)}"
        if self.of is not None and self.of not in BARE[want]:
            return f"of = {self.of!r} says no {want}; use {', '.join(BARE[want]) or 'none'}"
        if want in ("move", "line", "moves") and self.moves_in() is None:
            return 'say with notation = "uci" or "san" how its moves are written'
        if want != "move" and (beside := [n for n in ("line", "candidates", "themes") if getattr(self, n)]):
            return f"{beside[0]!r} is read beside a move, and this question asks for a {want}"
        return None


def _short(value: Any) -> Any:
    """`answer = "uci"` is short for a table with that shape."""
    return {"shape": value} if isinstance(value, str) else value


Answer = Annotated[AnswerShape, BeforeValidator(_short), Field()]


def leaves(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every field with its path and the kinds that it may be of."""
    for name, kind in fields.items():
        path = f"{above}{name}"
        if isinstance(kind, Mapping):
            yield from leaves(kind, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield path, tuple(map(str, kind)) if isinstance(kind, list | tuple) else (str(kind),)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
