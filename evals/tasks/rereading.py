"""How a wrong answer would have been right: in another notation, another shape, another place.

A model that was trained in one format and is asked in another gives right answers that are read as wrong
ones. Here such an answer is read in every other way that models are known to answer in. Nothing of it counts
for a verdict; what is found often says how the format has to be corrected (`evals.results.misread`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import chess

from evals.formats.format import Question
from evals.formats.reader import Reading, read
from evals.reading.answers import last_move, objects_in, parse_json, unusable
from evals.reading.completions import split_trace
from evals.reading.moves import read_move
from evals.reading.movetext import read_movetext
from evals.reading.traces import read_conclusion
from evals.tasks.grading import gives_checkmate
from evals.words import Completion, Notation

LONGEST_FIELD = 2000
"""Characters of a field in which a move is looked for."""
MOST_FIELDS = 100
TAIL = 1000
"""Characters at the end of a trace in which its conclusion is looked for."""


class Cause(StrEnum):
    """Why a right answer was read as a wrong one."""

    NOTATION = "notation"
    """SAN where UCI was asked for, or the reverse."""
    LETTERS = "letters"
    """`nf3` or `E2E4`."""
    SHAPE = "shape"
    """JSON where a bare move was asked for, movetext where JSON was, and the like."""
    FIELD = "field"
    """In another field of the JSON."""
    MORE_TEXT = "more_text"
    """With other text behind it, or around it."""
    TRACE = "trace"
    """In the trace, but not in the answer behind it."""


@dataclass(frozen=True, slots=True)
class Rereading:
    """One way in which an answer is right, `where` and in which `notation`."""

    cause: Cause
    where: str
    """The shape, or the path of a field with dots; of `LETTERS` the text itself; of `MORE_TEXT` `behind` or
    `around`.
    """
    notation: Notation


@dataclass(frozen=True, slots=True)
class _Position:
    """The position that was asked about."""

    board: chess.Board
    solution: str
    asked: Notation

    @property
    def both(self) -> tuple[Notation, Notation]:
        """The notation that was asked for, then the other one."""
        return (self.asked, "san" if self.asked == "uci" else "uci")

    def is_right(self, text: str, notation: Notation) -> bool:
        """True where a text is a move that solves."""
        if len(text) > LONGEST_FIELD:
            return False
        move = read_move(text, self.board, notation).move
        return move is not None and (move.uci() == self.solution or gives_checkmate(self.board, move))

    def right_in(self, text: str) -> Notation | None:
        """The notation in which a text is a move that solves."""
        return next((notation for notation in self.both if self.is_right(text, notation)), None)


def reread(
    question: Question, board: chess.Board, solution: str, completion: Completion
) -> tuple[Rereading, ...]:
    """Every way of the first kind in which a wrong answer is right after all; mostly none.

    :param solution: in UCI.
    """
    if completion.error is not None or completion.malformed is not None or completion.refusal:
        return ()
    position = _Position(board, solution, question.answer.moves_in() or "san")
    parts = split_trace(completion)
    reading = None if unusable(completion) else read(question.answer, "move", completion)
    given = reading.items[0] if isinstance(reading, Reading) and reading.items else None
    for found in (
        _in_other_letters(given, position) if given is not None else (),
        _in_other_text(question, parts.content, position),
        _in_trace(parts.trace, position),
    ):
        if ways := tuple(found):
            return ways
    return ()


def _in_other_letters(given: str, position: _Position) -> Iterator[Rereading]:
    """What was read as the move, in the other notation or with letters of the right case."""
    text = given.strip()
    if position.is_right(text, other := position.both[1]):
        yield Rereading(Cause.NOTATION, other, other)
        return
    for folded in dict.fromkeys((text.lower(), text[:1].upper() + text[1:].lower(), _first_lower(text))):
        if folded != text and position.is_right(_castled(folded), position.asked):
            yield Rereading(Cause.LETTERS, text, position.asked)
            return


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _castled(text: str) -> str:
    return text.upper() if text.lower().startswith(("o-o", "0-0")) else text


def _in_other_text(question: Question, content: str, position: _Position) -> Iterator[Rereading]:
    """What follows the trace, in another shape than the declared one, or with more beside it."""
    asked = question.answer.shape
    alone = True
    try:
        value = parse_json(content)
    except ValueError:
        alone, value = False, next(reversed(list(objects_in(content))), None)
    if isinstance(value, Mapping):
        yield from _in_fields(question, value, content, position, alone=alone)
        return
    words = content.split()
    if len(words) == 1 and (notation := position.right_in(content)) is not None:
        yield Rereading(Cause.NOTATION if asked in ("uci", "san") else Cause.SHAPE, "bare", notation)
    elif asked != "pgn" and _is_movetext(content) and _is_right_movetext(content, position):
        yield Rereading(Cause.SHAPE, "pgn", "san")
    elif words and (notation := position.right_in(words[0].rstrip(",.;:"))) is not None:
        yield Rereading(Cause.MORE_TEXT, "behind", notation)
    elif (last := last_move(content, position.asked)) is not None and position.is_right(*last):
        yield Rereading(Cause.MORE_TEXT, "around", last[1])


def _is_movetext(text: str) -> bool:
    """True where a text starts with a move number, or with more than one move."""
    return text[:1].isdigit() or len(read_movetext(text)) > 1


def _is_right_movetext(text: str, position: _Position) -> bool:
    moves = read_movetext(text)
    return bool(moves) and position.is_right(moves[0], "san")


def _in_fields(
    question: Question, value: Mapping[str, Any], content: str, position: _Position, *, alone: bool
) -> Iterator[Rereading]:
    """The fields of an object: which of them hold a right move."""
    shape = question.answer
    for path, text in _texts(value):
        notation = position.right_in(text)
        if notation is None and _is_right_movetext(text[:LONGEST_FIELD], position):
            notation = "san"
        if notation is None or path == shape.candidates:
            continue
        if shape.shape != "json":
            yield Rereading(Cause.SHAPE, path, notation)
        elif path != shape.field or alone:
            yield Rereading(Cause.FIELD, path, notation)
        else:
            place = "behind" if content.startswith("{") else "around"
            yield Rereading(Cause.MORE_TEXT, place, notation)


def _texts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts of an object with their paths; of a list its first item."""
    waiting: list[tuple[str, Any]] = [("", value)]
    for _ in range(MOST_FIELDS):
        if not waiting:
            return
        path, each = waiting.pop(0)
        if isinstance(each, list) and each:
            each = each[0]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(each, Mapping):
            inside = list(each.items())[:MOST_FIELDS]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            waiting += [(f"{path}.{name}" if path else str(name), item) for name, item in inside]  # pyright: ignore[reportUnknownVariableType]
        elif isinstance(each, str):
            yield path, each


def _in_trace(trace: str | None, position: _Position) -> Iterator[Rereading]:
    if not trace:
        return
    concluded = read_conclusion(trace[-TAIL:], position.board)
    if concluded is not None and position.is_right(concluded, "san"):
        yield Rereading(Cause.TRACE, "trace", "san")
    elif (last := last_move(trace[-TAIL:], "uci")) is not None and position.is_right(*last):
        yield Rereading(Cause.TRACE, "trace", last[1])
