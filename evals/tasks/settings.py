"""What the tasks of a session have in common: how they ask, and how they hold an answer to its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evals.tasks.prompts import Prompt, Prompts, load_prompts
from evals.words import Constraint, Notation, Request

ReasoningFormat = Literal["json", "text"]

SECTIONS = (
    "FEN parsing",
    "Piece positions",
    "Position summary",
    "Candidate moves",
    "Candidate lines analysis",
    "Solution",
)
"""The sections of a reasoning trace, in the trained order."""

MAX_TOKENS = {"move": 32, "line": 256, "play": 32, "reasoning": 2048, "board": 768}
"""Output tokens of one turn, by task, for tokenizers that know words; `max_tokens` overrides them."""
FREE_TEXT_TOKENS = 512
"""The least room for an answer that no schema keeps short (`--constrain none`)."""


@dataclass(frozen=True)
class TaskSettings:
    """What a session asks with. Picklable; the same settings build the same tasks in any process."""

    notation: Notation = "uci"
    constrain: Constraint = "schema"
    prompts: Prompts = field(default_factory=load_prompts)
    sections: tuple[str, ...] = SECTIONS
    max_tokens: int | None = None
    """Overrides `MAX_TOKENS` for every task; None keeps them."""
    reasoning_format: ReasoningFormat = "json"
    board_skills: int = 1
    """How many of the board skills are asked of each puzzle."""

    def request(
        self,
        task: str,
        prompt: Prompt,
        values: Mapping[str, str],
        schema: Mapping[str, Any] | None,
        *,
        thinking: bool = False,
    ) -> Request:
        """One request of `task`, held to `schema` except under `--constrain none`."""
        free = self.constrain == "none"
        most = max(MAX_TOKENS[task], FREE_TEXT_TOKENS) if free else MAX_TOKENS[task]
        return Request(
            messages=prompt.messages(values),
            max_tokens=self.max_tokens or most,
            schema_name="" if free or schema is None else prompt.name,
            schema=None if free else schema,
            thinking=thinking,
        )
