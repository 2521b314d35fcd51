"""Formats: how an adapter was taught to be asked and to answer.

An adapter is its weights and the way it was taught to be asked. A format says the second, for each question
that the adapter was taught: the messages, the shape of the answer, the sections of the trace, and the limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import chess
from pydantic import ConfigDict, Field

from evals.formats.placeholders import MoveList, fill
from evals.formats.schemas import PATTERNS, json_schema, legal_moves
from evals.formats.shapes import Answer, Want
from evals.formats.table import Table
from evals.words import Constraint, Request

SHIPPED = Path(__file__).parent / "shipped"
FILE_NAME = "eighth-rank.toml"
"""The name of a format file that lies beside an adapter's weights."""

WANTS: Mapping[str, Want] = {
    "move": "move",
    "line": "line",
    "play": "move",
    "reasoning": "move",
    "board.pieces": "pieces",
    "board.moves": "moves",
    "board.captures": "moves",
    "board.check": "check",
    "board.after": "position",
    "board.themes": "themes",
}
"""Every question that a format can declare, with what it asks for."""

MAX_TOKENS: Mapping[Want, int] = {"move": 32, "line": 256}
"""Output tokens of one turn where a format does not say: for tokenizers that know words."""
BOARD_TOKENS, FREE_TEXT_TOKENS, TRACE_TOKENS = 768, 512, 2048
"""The same for the board's skills, and the least for an answer that nothing keeps short, and for a trace."""


class Example(Table):
    """One worked example, shown as a turn of the chat: what fills the user message, and the answer to it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    fen: str
    answer: str

    @property
    def values(self) -> dict[str, str]:
        """Values that go before what the position says."""
        return {"fen": self.fen, **{name: str(value) for name, value in (self.model_extra or {}).items()}}


class Trace(Table):
    """What a reasoning trace is expected to be: the titles of its sections in the trained order, and in which
    of them what is looked for stands. Where nothing is said, a title with the right word is.
    """

    sections: tuple[str, ...] = ()
    pieces: str = ""
    candidates: str = ""
    lines: str = ""
    conclusion: str = ""


class Inherited(Table):
    """What a format says for all of its questions, and a question for itself."""

    thinking: bool = False
    """A `<think>` trace comes before the answer."""
    max_tokens: int | None = Field(default=None, ge=1)
    constrain: Constraint | None = None
    """What the server holds answers to: by default JSON to its schema, and all else to nothing."""
    json_spacing: tuple[str, str] = (", ", ": ")
    """What stands between items, and between a name and its value, in the JSON that was trained."""
    extra_body: dict[str, Any] = Field(default_factory=dict[str, Any])
    """More fields of the request."""
    legal_moves: MoveList = MoveList()


class Question(Inherited):
    """How one question is asked, and how its answers are written."""

    system: str = ""
    user: str
    examples: tuple[Example, ...] = ()
    answer: Answer
    trace: Trace = Trace()

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits over all that this question says."""
        return _digest(self.model_dump(mode="json"))

    def messages(self, board: chess.Board, more: Mapping[str, str]) -> tuple[dict[str, str], ...]:
        """The chat that asks about a position: system, examples, user. What all cases share comes first, so
        that the server's prefix cache holds it.

        :raises PlaceholderError: the position has no value for a placeholder.
        """
        listed = self.legal_moves
        messages: list[dict[str, str]] = []
        if self.system:
            messages.append({"role": "system", "content": fill(self.system, board, more, listed)})
        for example in self.examples:
            shown = fill(self.user, chess.Board(example.fen), example.values, listed)
            messages.append({"role": "user", "content": shown})
            messages.append({"role": "assistant", "content": example.answer})
        messages.append({"role": "user", "content": fill(self.user, board, more, listed)})
        return tuple(messages)

    def request(
        self,
        name: str,
        board: chess.Board,
        more: Mapping[str, str] | None = None,
        constrain: Constraint | None = None,
    ) -> Request:
        """The request that asks this question about a position.

        :param name: the question's, which decides what the answer has to be.
        :param constrain: what the session wants, whatever the format says.
        :raises PlaceholderError: see `messages`.
        """
        held = constrain or self.constrain or ("schema" if self.answer.shape == "json" else "none")
        by = self._held_to(board, held, WANTS.get(name, "move"))
        return Request(
            messages=self.messages(board, more or {}),
            max_tokens=self.max_tokens or self._tokens(name, free=not by),
            schema_name=name.replace(".", "-") if "schema" in by else "",
            thinking=self.thinking,
            separators=self.json_spacing,
            extra=self.extra_body,
            **by,
        )

    def _held_to(self, board: chess.Board, held: Constraint, want: Want) -> dict[str, Any]:
        """What of a request holds the answer to its shape; empty where nothing can or shall."""
        shape, legal = self.answer, held == "legal" and want == "move"
        if held == "none":
            return {}
        if shape.shape == "json" and shape.fields is not None:
            return {"schema": json_schema(shape, board if legal else None)}
        if shape.shape in ("uci", "san"):
            if legal:
                return {"choice": tuple(legal_moves(board, shape.shape))}
            return {"regex": PATTERNS[shape.shape].strip("^$")}
        return {}

    def _tokens(self, name: str, *, free: bool) -> int:
        if self.thinking:
            return TRACE_TOKENS
        most = MAX_TOKENS.get(WANTS.get(name, "move"), BOARD_TOKENS)
        return max(most, FREE_TEXT_TOKENS) if free and self.answer.shape not in ("uci", "san") else most


@dataclass(frozen=True, slots=True)
class Format:
    """The questions that an adapter was taught, and where that stands."""

    name: str
    """Where it was found: the file, `hf://repo@revision`, or the name of a shipped one."""
    questions: Mapping[str, Question]
    own: bool = True
    """False for a shipped default, for which no adapter was trained."""

    @property
    def digest(self) -> str:
        """Sixteen hex digits over every question."""
        return _digest({name: question.digest for name, question in sorted(self.questions.items())})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
