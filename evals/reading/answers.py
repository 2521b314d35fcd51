"""Answers: the shape a completion has to have, and reading a completion into it.

The server is asked to hold an answer to a JSON schema, but it is never trusted with that: a server that
ignores the schema answers 200 all the same, so every answer is validated here again. What is *in* a field is
not judged here: `{"move": "hello"}` is a well-formed answer whose move can not be read
(`evals.reading.moves`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.reading.completions import split_trace
from evals.reading.text import shown
from evals.words import Completion, Notation, Outcome
from serve.printable import printable

MAX_ITEMS = 256
"""No list of an answer is longer: a model that repeats itself meets it before its token limit."""
MAX_LINE = 40
"""The longest line, in half moves, that an answer may give."""


_MOVE_NUMBER = re.compile(r"^[0-9]+\.+")


class Answer(BaseModel):
    """An answer as JSON: no field more, no field less, no type coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MoveAnswer(Answer):
    """The best move of one position."""

    move: str


class LineAnswer(Answer):
    """The whole solution: the solver's moves and the replies to them, in turn."""

    line: list[str] = Field(min_length=1, max_length=MAX_LINE)


class ReasoningAnswer(Answer):
    """What follows a reasoning trace. Moves are SAN.

    Adapters differ in which of the fields are texts and which are lists; the format snapshot holds one to
    its own.
    """

    piece_positions: str | list[str] | dict[str, str | list[str]]
    candidate_moves: list[str] = Field(max_length=MAX_ITEMS)
    themes: str | list[str]
    solution: str | list[str]
    best_move: str

    @property
    def line(self) -> list[str]:
        """The moves of `solution`, without move numbers."""
        texts = self.solution.split() if isinstance(self.solution, str) else self.solution
        return [move for text in texts if (move := _MOVE_NUMBER.sub("", text))]


class PiecesAnswer(Answer):
    """Every piece with its square: `Ke1`, White in capitals."""

    pieces: list[str] = Field(max_length=MAX_ITEMS)


class MovesAnswer(Answer):
    """A set of moves in UCI."""

    moves: list[str] = Field(max_length=MAX_ITEMS)


class CheckAnswer(Answer):
    """Whether the side to move is in check."""

    check: bool


class FenAnswer(Answer):
    """A position."""

    fen: str


A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Reading(Generic[A]):
    """A completion read: an answer, or why there is none."""

    answer: A | None
    outcome: Outcome | None = None
    """Set where there is no answer: `unanswered`, `truncated` or `malformed`."""
    detail: str = ""
    lenient: bool = False
    """True where the answer had to be found inside of other text."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: which of the two was meant?"""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is there twice")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_OBJECT_START = re.compile(r"\{[ \t\r\n]*[\"}]")
MOST_STARTS = 100
"""Places in free text, from its end, where a JSON object is looked for. What follows a brace may have to be
read to the end of the text before it turns out to be no JSON: without a limit, that takes quadratic time."""


def parse_answer(text: str, model: type[A]) -> A:
    """Read `text`, which has to be one JSON object of this shape and nothing else but white space.

    :raises ValueError: it is not; the message says how, in one line.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("not JSON: nested too deep") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}: {shown(text)}") from error
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = printable(".".join(str(part) for part in first["loc"]) or "answer", 60)
        raise ValueError(f"not the schema: {where}: {first['msg'].lower()}: {shown(text)}") from error


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in `text` that are not inside another, in order, from the last `MOST_STARTS` places on
    where one may start.
    """
    end = 0
    for start in [match.start() for match in _OBJECT_START.finditer(text)][-MOST_STARTS:]:
        if start >= end:
            try:
                value, end = _DECODER.raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
            yield value


def find_answer(text: str, model: type[A]) -> A | None:
    """Read the last JSON object of this shape that is anywhere in `text`."""
    for value in reversed(list(_objects(text))):
        try:
            return model.model_validate(value)
        except ValidationError:
            continue
    return None


_TOKENS: dict[Notation, re.Pattern[str]] = {
    "uci": re.compile(r"(?<![\w-])[a-h][1-8][a-h][1-8][qrbn]?(?![\w-])"),
    "san": re.compile(
        r"(?<![\w-])(?:O-O(?:-O)?|0-0(?:-0)?|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=?[QRBN])?)(?![\w-])"
    ),
}


def last_move(text: str, notation: Notation) -> tuple[str, Notation] | None:
    """The last thing in free text that looks like a move, in `notation`, else in the other one."""
    other: Notation = "san" if notation == "uci" else "uci"
    for way in (notation, other):
        if found := _TOKENS[way].findall(text):
            return found[-1], way
    return None


def unusable(completion: Completion) -> Reading[Any] | None:
    """Why a completion holds nothing that could be read as an answer; None where it does."""
    if completion.error is not None:
        return Reading(None, Outcome.UNANSWERED, printable(completion.error))
    if completion.malformed is not None:
        return Reading(None, Outcome.MALFORMED, f"not a message: {printable(completion.malformed)}")
    if completion.refusal:
        return Reading(None, Outcome.MALFORMED, f"refused: {shown(completion.refusal)}")
    parts = split_trace(completion)
    if parts.content:
        return None
    if completion.finish_reason == "length":
        return Reading(None, Outcome.TRUNCATED, "cut off at the token limit before the answer")
    if parts.trace and not parts.closed:
        return Reading(
            None,
            Outcome.MALFORMED,
            "content is empty and all text is reasoning: </think> is missing, or the server runs a reasoning "
            "parser on a model that does not think",
        )
    return Reading(None, Outcome.MALFORMED, "the answer is empty")


def read_answer(completion: Completion, model: type[A], *, anywhere: bool = False) -> Reading[A]:
    """Read a completion that was asked for as JSON.

    :param anywhere: where the whole text is no answer, take the last one that is inside of it.
    """
    if (failure := unusable(completion)) is not None:
        return failure
    content = split_trace(completion).content
    try:
        return Reading(parse_answer(content, model))
    except ValueError as error:
        if completion.finish_reason == "length":
            return Reading(None, Outcome.TRUNCATED, f"cut off at the token limit: {error}")
        if anywhere and (answer := find_answer(content, model)) is not None:
            return Reading(answer, lenient=True)
        return Reading(None, Outcome.MALFORMED, str(error))
