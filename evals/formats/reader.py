"""A completion read by the shape that its format declares: what it answers, or why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import chess

from evals.formats.fields import at, check_fields
from evals.formats.shapes import AnswerShape, ShapeName, Want
from evals.reading.answers import MAX_ITEMS, NoAnswer, last_move, objects_in, parse_json, unusable
from evals.reading.completions import split_trace
from evals.reading.lists import read_list
from evals.reading.movetext import read_movetext
from evals.reading.pieces import name_pieces, read_ascii, read_pieces
from evals.reading.text import shown
from evals.reading.themes import read_themes
from evals.words import Completion, Notation, Outcome


@dataclass(frozen=True, slots=True)
class Reading:
    """What a completion answers. Which of the fields is set depends on what was asked for."""

    items: tuple[str, ...] = ()
    """Moves as they were written (one, a line, a set), or names of themes."""
    notation: Notation = "san"
    pieces: frozenset[str] = frozenset()
    """`Ke1`, `pe7`."""
    position: str = ""
    """A FEN as it was written."""
    check: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The whole JSON answer, where it is one."""
    lenient: bool = False
    """True where the answer had to be found inside of other text."""
    cut: bool = False
    """True where the token limit may have cut off what follows."""


class _WrongShapeError(Exception):
    """A text that is not of its shape."""

    def __init__(self, detail: str, outcome: Outcome = Outcome.MALFORMED) -> None:
        super().__init__(detail)
        self.outcome = outcome


def read(
    shape: AnswerShape, want: Want, completion: Completion, *, anywhere: bool = False
) -> Reading | NoAnswer:
    """Read what a completion answers.

    :param anywhere: also take an answer that stands inside of other text, whatever the shape says.
    """
    if (failure := unusable(completion)) is not None:
        return failure
    content = split_trace(completion).content
    cut = completion.finish_reason == "length"
    try:
        return _read(shape, want, content, cut=cut)
    except _WrongShapeError as error:
        if (anywhere or shape.anywhere) and (found := _find(shape, want, content, cut=cut)) is not None:
            return replace(found, lenient=True)
        if cut:
            return NoAnswer(Outcome.TRUNCATED, f"cut off at the token limit: {error}")
        return NoAnswer(error.outcome, str(error))


def _read(shape: AnswerShape, want: Want, content: str, *, cut: bool) -> Reading:
    if shape.shape == "json":
        try:
            fields = check_fields(shape, parse_json(content), content)
        except ValueError as error:
            raise _WrongShapeError(str(error)) from error
        return _from_json(shape, want, fields, content)
    if shape.shape == "regex":
        text = shape.compiled.find(content, shape.take)
        if text is None:
            raise _WrongShapeError(f"the answer's pattern finds nothing in {shown(content)}")
        if cut and content.endswith(text):
            raise _WrongShapeError(f"the answer may go on behind {shown(text)}")
        cut = False
    else:
        text = content
        if shape.shape in ("uci", "san") and not _is_one_move(content, shape.shape):
            raise _WrongShapeError(f"{shown(content)} is not one move alone", Outcome.UNPARSEABLE)
    inner = shape.inner(want)
    assert inner is not None
    return _from_text(inner, want, text, shape.moves_in() or "san", cut=cut)


def _is_one_move(content: str, notation: Notation) -> bool:
    """False where there is more than a move, or than what cannot be read as one."""
    found = last_move(content, notation)
    return len(content.split()) == 1 and (found is None or found[0] == content.rstrip("+#!?"))


def _find(shape: AnswerShape, want: Want, content: str, *, cut: bool) -> Reading | None:
    """The last answer that stands inside of other text: an object of the shape, else a move."""
    if shape.shape == "json":
        for value in reversed(list(objects_in(content))):
            try:
                return _from_json(shape, want, check_fields(shape, value, content), content)
            except (ValueError, _WrongShapeError):
                continue
    if want != "move" or cut or shape.shape not in ("json", "uci", "san") or shape.has_more:
        return None
    if (found := last_move(content, shape.moves_in() or "san")) is not None:
        return Reading(items=(found[0],), notation=found[1])
    return Reading(items=(content,), notation=shape.moves_in() or "san")


def _from_json(shape: AnswerShape, want: Want, fields: Mapping[str, Any], content: str) -> Reading:
    value = at(fields, shape.field)
    if value is None:
        raise _WrongShapeError(f"not the schema: {shape.field}: field required: {shown(content)}")
    if want == "check":
        if not isinstance(value, bool):
            raise _WrongShapeError(f"not the schema: {shape.field}: neither true nor false: {shown(content)}")
        return Reading(check=value, fields=fields)
    notation = shape.moves_in() or "san"
    if isinstance(value, list) and want in ("line", "moves", "pieces", "themes"):
        items = [item for item in value if isinstance(item, str)]  # pyright: ignore[reportUnknownVariableType]
        if len(items) != len(value):  # pyright: ignore[reportUnknownArgumentType]
            raise _WrongShapeError(f"not the schema: {shape.field}: not a list of texts: {shown(content)}")
        if want == "pieces":
            return Reading(pieces=frozenset(items), fields=fields)
        return Reading(items=tuple(items), notation=notation, fields=fields)
    if isinstance(value, Mapping) and want == "pieces":
        value = "\n".join(f"{side}: {pieces}" for side, pieces in value.items())  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str):
        raise _WrongShapeError(f"not the schema: {shape.field}: not a text: {shown(content)}")
    inner = shape.inner(want)
    if inner is None:
        raise _WrongShapeError(f"not the schema: {shape.field}: a text says no {want}: {shown(content)}")
    return replace(_from_text(inner, want, value, notation, cut=False), fields=fields)


def _from_text(inner: ShapeName, want: Want, text: str, notation: Notation, *, cut: bool) -> Reading:
    """A text that is wholly of one bare shape."""
    if inner == "pgn":
        return _from_movetext(text, want, cut=cut)
    if cut:
        raise _WrongShapeError(shown(text))
    if inner in ("uci", "san"):
        return Reading(items=(text,), notation=notation)
    if inner == "list" and want == "pieces":
        return Reading(pieces=frozenset(read_list(text)))
    if inner == "list" and want == "themes":
        return Reading(items=tuple(sorted(read_themes(text))))
    if inner == "list":
        items = tuple(read_list(text))
        if len(items) > MAX_ITEMS or (want == "line" and not items):
            raise _WrongShapeError(f"{shown(text)} is no list of 1 to {MAX_ITEMS}")
        return Reading(items=items, notation=notation)
    if inner == "fen" and want == "position":
        return Reading(position=text)
    return Reading(pieces=_pieces(inner, text))


def _from_movetext(text: str, want: Want, *, cut: bool) -> Reading:
    moves = tuple(read_movetext(text))
    if cut:
        moves = moves[:-1]  # the last one may go on
    if not moves:
        raise _WrongShapeError(f"{shown(text)} has no move in it", Outcome.UNPARSEABLE)
    return Reading(items=moves if want == "line" else moves[:1], notation="san", cut=cut and want == "line")


def _pieces(inner: ShapeName, text: str) -> frozenset[str]:
    if inner == "ascii":
        if (pieces := read_ascii(text)) is None:
            raise _WrongShapeError(f"{shown(text)} is no board of eight rows of eight")
        return pieces
    if inner == "fen":
        try:
            return name_pieces(chess.Board(text))
        except ValueError as error:
            raise _WrongShapeError(f"{shown(text)} is not a FEN: {shown(str(error))}") from error
    if not (pieces := read_pieces(text)):
        raise _WrongShapeError(f"{shown(text)} names no piece")
    return pieces
