"""JSON schemas that a server is asked to hold answers to, one for each kind of `evals.reading.answers`."""

from __future__ import annotations

from typing import Any

import chess

from evals.reading.answers import MAX_ITEMS, MAX_LINE
from evals.words import Constraint, Notation

UCI_PATTERN = "^[a-h][1-8][a-h][1-8][qrbn]?$"


SAN_PATTERN = (
    r"^(O-O(-O)?|[KQRBN][a-h]?[1-8]?x?[a-h][1-8]|([a-h]x)?[a-h][2-7]|([a-h]x)?[a-h][18]=[QRBN])[+#]?$"
)


PATTERNS: dict[Notation, str] = {"uci": UCI_PATTERN, "san": SAN_PATTERN}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _strings(most: int, **of: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", **of}, "maxItems": most}


def move_item(board: chess.Board, notation: Notation, constraint: Constraint) -> dict[str, Any]:
    """The JSON schema of one move: any move of the notation, or the legal moves of `board` alone."""
    if constraint == "legal":
        moves = board.legal_moves
        return {"enum": sorted(board.san(move) if notation == "san" else move.uci() for move in moves)}
    return {"type": "string", "pattern": PATTERNS[notation]}


def move_schema(board: chess.Board, notation: Notation, constraint: Constraint) -> dict[str, Any]:
    """The JSON schema of `MoveAnswer`."""
    return _object({"move": move_item(board, notation, constraint)})


def line_schema(notation: Notation) -> dict[str, Any]:
    """The JSON schema of `LineAnswer`."""
    return _object({"line": _strings(MAX_LINE, pattern=PATTERNS[notation]) | {"minItems": 1}})


_PIECES_BY_SIDE = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "string"}, _strings(16)]},
}


def reasoning_schema(board: chess.Board, constraint: Constraint) -> dict[str, Any]:
    """The JSON schema of `ReasoningAnswer`."""
    return _object(
        {
            "piece_positions": {"anyOf": [{"type": "string"}, _strings(32), _PIECES_BY_SIDE]},
            "candidate_moves": _strings(12, pattern=SAN_PATTERN),
            "themes": {"anyOf": [{"type": "string"}, _strings(12)]},
            "solution": {"anyOf": [{"type": "string"}, _strings(MAX_LINE, pattern=SAN_PATTERN)]},
            "best_move": move_item(board, "san", constraint),
        }
    )


PIECES_SCHEMA = _object({"pieces": _strings(32, pattern="^[KQRBNPkqrbnp][a-h][1-8]$")})


MOVES_SCHEMA = _object({"moves": _strings(MAX_ITEMS, pattern=UCI_PATTERN)})


CHECK_SCHEMA = _object({"check": {"type": "boolean"}})


FEN_SCHEMA = _object({"fen": {"type": "string", "maxLength": 100}})
