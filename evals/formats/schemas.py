"""What a server is asked to hold answers to: a JSON schema of the fields, a pattern, or the legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import chess

from evals.formats.shapes import AnswerShape
from evals.reading.answers import MAX_ITEMS, MAX_LINE
from evals.words import Notation

UCI_PATTERN = "^[a-h][1-8][a-h][1-8][qrbn]?$"
SAN_PATTERN = (
    r"^(O-O(-O)?|[KQRBN][a-h]?[1-8]?x?[a-h][1-8]|([a-h]x)?[a-h][2-7]|([a-h]x)?[a-h][18]=[QRBN])[+#]?$"
)
PATTERNS: dict[Notation, str] = {"uci": UCI_PATTERN, "san": SAN_PATTERN}
MOST_CANDIDATES = 12
MOST_TEXTS = 32


def legal_moves(board: chess.Board, notation: Notation) -> list[str]:
    """The legal moves in this notation, sorted."""
    return sorted(board.san(move) if notation == "san" else move.uci() for move in board.legal_moves)


def json_schema(shape: AnswerShape, legal: chess.Board | None = None) -> dict[str, Any]:
    """The JSON schema of a shape that declares its fields.

    :param legal: a position whose legal moves alone the answer may be.
    """
    assert shape.fields is not None
    return _object(shape.fields, shape.moves_in() or "san", shape.field, legal)


def _object(
    fields: Mapping[str, Any], notation: Notation, answer: str, legal: chess.Board | None
) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, kind in fields.items():
        head, _, rest = answer.partition(".")
        below = rest if head == name else ""
        if isinstance(kind, Mapping):
            properties[name] = _object(kind, notation, below, legal)  # pyright: ignore[reportUnknownArgumentType]
        elif answer == name and legal is not None and kind == "move":
            properties[name] = {"enum": legal_moves(legal, notation)}
        elif isinstance(kind, list | tuple):
            properties[name] = {"anyOf": [_kind(str(each), notation) for each in kind]}  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        else:
            properties[name] = _kind(kind, notation)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _strings(most: int, **of: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", **of}, "maxItems": most}


def _kind(kind: str, notation: Notation) -> dict[str, Any]:
    """The JSON schema of one kind of field."""
    move = {"pattern": PATTERNS[notation]}
    match kind:
        case "move":
            return {"type": "string", **move}
        case "line":
            return _strings(MAX_LINE, **move) | {"minItems": 1}
        case "moves":
            return _strings(MAX_ITEMS, **move)
        case "candidates":
            return _strings(MOST_CANDIDATES, **move)
        case "pieces":
            return _strings(MOST_TEXTS, pattern="^[KQRBNPkqrbnp][a-h][1-8]$")
        case "position":
            return {"type": "string", "maxLength": 100}
        case "texts":
            return _strings(MOST_TEXTS)
        case "sides":
            texts = {"anyOf": [{"type": "string"}, _strings(16)]}
            return {"type": "object", "additionalProperties": texts}
        case "number":
            return {"type": "number"}
        case "flag":
            return {"type": "boolean"}
        case "any":
            return {}
        case _:
            return {"type": "string"}
