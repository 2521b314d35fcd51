"""Answers: the text of a completion on its way to an answer, whatever the answer's shape.

The server is asked to hold an answer to a shape, but it is never trusted with that: a server that ignores a
schema answers 200 all the same, so every answer is read here again. What is *in* a field is not judged here:
`{"move": "hello"}` is a well-formed answer whose move can not be read (`evals.reading.moves`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evals.reading.completions import split_trace
from evals.reading.text import shown
from evals.words import Completion, Notation, Outcome
from serve.printable import printable

MAX_ITEMS = 256
"""No list of an answer is longer: a model that repeats itself meets it before its token limit."""
MAX_LINE = 40
"""The longest line, in half moves, that an answer may give."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a completion holds nothing that could be judged: `unanswered`, `truncated`, `malformed` or
    `unparseable`.
    """

    outcome: Outcome
    detail: str


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


def parse_json(text: str) -> Any:
    """Read `text`, which has to be JSON and nothing else but white space, with no field named twice.

    :raises ValueError: it is not; the message says how, in one line.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("not JSON: nested too deep") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}: {shown(text)}") from error


def objects_in(text: str) -> Iterator[dict[str, Any]]:
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
        if found := moves_in(text, way):
            return found[-1], way
    return None


def moves_in(text: str, notation: Notation) -> list[str]:
    """Everything in free text that looks like a move in `notation`, in order."""
    return _TOKENS[notation].findall(text)


def unusable(completion: Completion) -> NoAnswer | None:
    """Why a completion holds nothing that could be read as an answer; None where it does."""
    if completion.error is not None:
        return NoAnswer(Outcome.UNANSWERED, printable(completion.error))
    if completion.malformed is not None:
        return NoAnswer(Outcome.MALFORMED, f"not a message: {printable(completion.malformed)}")
    if completion.refusal:
        return NoAnswer(Outcome.MALFORMED, f"refused: {shown(completion.refusal)}")
    parts = split_trace(completion)
    if parts.content:
        return None
    if completion.finish_reason == "length":
        return NoAnswer(Outcome.TRUNCATED, "cut off at the token limit before the answer")
    if parts.trace and not parts.closed:
        return NoAnswer(
            Outcome.MALFORMED,
            "content is empty and all text is reasoning: </think> is missing, or the server runs a reasoning "
            "parser on a model that does not think",
        )
    return NoAnswer(Outcome.MALFORMED, "the answer is empty")
