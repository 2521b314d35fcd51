"""A right answer written in its declared shape: what a model would say that makes no mistake.

With it a format is tested before a model is asked (`evals.tasks.gold`), and a perfect player plays in tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import chess

from evals.formats.format import Question
from evals.formats.shapes import AnswerShape, ShapeName, Want
from evals.reading.lists import write_list
from evals.reading.movetext import write_movetext
from evals.reading.pieces import name_pieces, write_pieces
from evals.words import Completion, Notation


@dataclass(frozen=True, slots=True)
class Right:
    """What is right in one position."""

    board: chess.Board
    moves: Sequence[chess.Move] = ()
    """The best move, the line that starts with it, or a set of moves."""
    themes: Sequence[str] = ()
    position: str = ""


def write(question: Question, want: Want, right: Right) -> Completion:
    """The completion of a model that answers right, with a trace where the format has one."""
    shape = question.answer
    if shape.shape == "json":
        content = json.dumps(_json(shape, want, right), separators=question.json_spacing)
    elif shape.shape == "regex":
        inner = shape.inner(want)
        assert inner is not None
        content = shape.template.replace("{answer}", _text(inner, want, right, shape.moves_in() or "san"))
    else:
        content = _text(shape.shape, want, right, shape.moves_in() or "san")
    reasoning = write_trace(question, right) if question.thinking else None
    return Completion(content=content, reasoning=reasoning, finish_reason="stop")


def _moves(right: Right, want: Want, notation: Notation) -> list[str]:
    """The moves as text; a line's are played one after the other, a set's all in the one position."""
    board, texts = right.board.copy(stack=False), list[str]()
    for move in right.moves:
        texts.append(board.san(move) if notation == "san" else move.uci())
        if want != "moves":
            board.push(move)
    return texts[:1] if want == "move" else texts


def _text(inner: ShapeName, want: Want, right: Right, notation: Notation) -> str:
    match inner:
        case "uci" | "san":
            return _moves(right, "move", inner)[0]
        case "pgn":
            return write_movetext(right.board, right.moves)
        case "pieces":
            return write_pieces(right.board)
        case "ascii":
            return str(right.board)
        case "fen":
            return right.position or right.board.fen()
        case _:
            if want == "themes":
                return write_list(right.themes)
            if want == "pieces":
                return write_list(sorted(name_pieces(right.board)))
            return write_list(_moves(right, want, notation))


def _json(shape: AnswerShape, want: Want, right: Right) -> dict[str, Any]:
    """An object with the answer at its path, and something right or empty everywhere else."""
    notation = shape.moves_in() or "san"
    line = _moves(right, "line", notation) if want in ("move", "line") else []
    beside = ("line", "line"), ("candidates", "line"), ("themes", "themes"), ("pieces", "pieces")
    asked = {getattr(shape, name): what for name, what in beside} | {shape.field: want}
    values: dict[str, Any] = {}
    for path, what in asked.items():
        match what:
            case "move":
                inner = shape.inner("move")
                values[path] = write_movetext(right.board, right.moves) if inner == "pgn" else line[0]
            case "line":
                values[path] = line if path != shape.candidates else line[:1]
            case "moves":
                values[path] = _moves(right, "moves", notation)
            case "themes":
                values[path] = list(right.themes)
            case "pieces":
                values[path] = (
                    sorted(name_pieces(right.board)) if want == "pieces" else write_pieces(right.board)
                )
            case "check":
                values[path] = right.board.is_check()
            case _:
                values[path] = right.position or right.board.fen()
    values.pop("", None)
    return _nested(shape.fields, values) if shape.fields is not None else _from_paths(values)


_EMPTY: Mapping[str, Any] = {"number": 0, "flag": False, "texts": [], "sides": {}, "any": None, "moves": []}


def _nested(fields: Mapping[str, Any], values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, kind in fields.items():
        path = f"{above}{name}"
        if isinstance(kind, Mapping):
            nested[name] = _nested(kind, values, f"{path}.")  # pyright: ignore[reportUnknownArgumentType]
        elif path in values:
            nested[name] = _fit(values[path], kind)
        else:
            first = kind if isinstance(kind, str) else str(kind[0])
            nested[name] = _EMPTY.get(first, "")
    return nested


def _fit(value: Any, kind: Any) -> Any:
    """A list as one text, where only a text may stand there."""
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    lists = {"line", "moves", "candidates", "pieces", "texts", "any"}
    return value if not isinstance(value, list) or lists & set(kinds) else " ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _from_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in values.items():
        *parents, name = path.split(".")
        table = root
        for parent in parents:
            table = table.setdefault(parent, {})
        table[name] = value
    return root


def write_trace(question: Question, right: Right) -> str:
    """A trace with the format's sections, in which everything that is checked is right."""
    trace = question.trace
    best = _moves(right, "move", "san")[0]
    movetext = write_movetext(right.board, right.moves)
    texts: dict[str, str] = {
        "piece": write_pieces(right.board),
        "candidate": best,
        "line": movetext,
        "solution": movetext,
    }
    named = {trace.pieces: "piece", trace.candidates: "candidate", trace.lines: "line"}
    named |= {trace.conclusion: "solution"}
    rows: list[str] = []
    for number, title in enumerate(trace.sections, start=1):
        key = named.get(title) or next((word for word in texts if word in title.casefold()), "")
        rows.append(f"## Step {number}: {title}\n{texts.get(key, '-')}")
    return "\n\n".join(rows) or best
