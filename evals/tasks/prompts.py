"""Prompts: TOML files that a user can read and replace, each with a version and a digest.

A file has `version`, `system`, `user` and any number of `[[examples]]`. The system message and the examples
are the same for every case and come first, so that the server's prefix cache holds them; only the user
message has placeholders. An example has the values of those placeholders (at least `fen`) and `answer`, the
exact text that the model should give.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chess

SHIPPED = Path(__file__).parents[1] / "prompts"
PLACEHOLDERS = frozenset({"fen", "side", "board", "square", "moves"})
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class PromptError(ValueError):
    """A prompt file that is missing or can not be used."""


@dataclass(frozen=True, slots=True)
class Example:
    """One few-shot example: what fills the user message, and the answer to it."""

    values: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """How one task, or one skill of a task, asks."""

    name: str
    version: str
    system: str
    user: str
    examples: tuple[Example, ...] = ()
    digest: str = field(init=False)
    """Sixteen hex digits over everything that the model gets to read."""

    def __post_init__(self) -> None:
        examples = [[dict(example.values), example.answer] for example in self.examples]
        text = json.dumps([self.system, self.user, examples], sort_keys=True)
        object.__setattr__(self, "digest", hashlib.sha256(text.encode()).hexdigest()[:16])

    def messages(self, values: Mapping[str, str]) -> tuple[dict[str, str], ...]:
        """The chat of one case: what all cases share, then the user message with its `values` filled in."""
        messages = [{"role": "system", "content": self.system}] if self.system else []
        for example in self.examples:
            messages.append({"role": "user", "content": self._fill(example.values)})
            messages.append({"role": "assistant", "content": example.answer})
        messages.append({"role": "user", "content": self._fill(values)})
        return tuple(messages)

    def _fill(self, values: Mapping[str, str]) -> str:
        # Not str.format: a user message may hold JSON, whose braces it would trip over.
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.user)


def position(board: chess.Board, **more: str) -> dict[str, str]:
    """The values of the placeholders for a position: `fen`, `side`, `board`, and whatever else is given."""
    side = "White" if board.turn == chess.WHITE else "Black"
    return {"fen": board.fen(), "side": side, "board": str(board)} | more


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of a session by name (the file's stem)."""

    by_name: Mapping[str, Prompt]

    def __getitem__(self, name: str) -> Prompt:
        return self.by_name[name]


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read the shipped prompts, each replaced by the file of the same name in `folder`, where there is one.

    :raises PromptError: the folder is missing, a file is not a prompt, or no task asks with it.
    """
    prompts = {path.stem: read_prompt(path) for path in sorted(SHIPPED.glob("*.toml"))}
    if folder is None:
        return Prompts(prompts)
    if not folder.is_dir():
        raise PromptError(
            f"prompt folder {str(folder)!r} is not there: give --prompts a folder of .toml files"
        )
    replaced = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if not replaced:
        raise PromptError(
            f"prompt folder {str(folder)!r} has no .toml file: copy one of {str(SHIPPED)!r} into it"
        )
    if unknown := sorted(replaced.keys() - prompts.keys()):
        raise PromptError(
            f"no task asks with {unknown[0] + '.toml'!r}: name it one of {', '.join(sorted(prompts))}"
        )
    return Prompts(prompts | {name: read_prompt(path) for name, path in replaced.items()})


def read_prompt(path: Path) -> Prompt:
    """Read one prompt file.

    :raises PromptError: it can not be read, a field is missing or of another type, a placeholder is
    unknown, or
        the user message does not show the position.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PromptError(f"prompt {str(path)!r}: {error}") from error
    if unknown := sorted(table.keys() - {"version", "system", "user", "examples"}):
        raise PromptError(f"prompt {str(path)!r}: unknown field {unknown[0]!r}")
    version, system, user = (_text(table, name, path) for name in ("version", "system", "user"))
    used = set(_PLACEHOLDER.findall(user))
    if unknown := sorted(used - PLACEHOLDERS):
        raise PromptError(
            f"prompt {str(path)!r}: unknown placeholder {{{unknown[0]}}}: "
            f"use {', '.join(sorted(PLACEHOLDERS))}"
        )
    if not used & {"fen", "board"}:
        raise PromptError(
            f"prompt {str(path)!r}: 'user' has neither {{fen}} nor {{board}}: the position is not shown"
        )
    examples = table.get("examples", [])
    if not isinstance(examples, list):
        raise PromptError(f"prompt {str(path)!r}: write each example as a table [[examples]]")
    return Prompt(path.stem, version, system, user, tuple(_example(row, used, path) for row in examples))


def _text(table: Mapping[str, Any], name: str, path: Path) -> str:
    value = table.get(name)
    if not isinstance(value, str):
        raise PromptError(f"prompt {str(path)!r}: field {name!r} is missing or not a text")
    return value


def _example(row: Any, used: set[str], path: Path) -> Example:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise PromptError(f"prompt {str(path)!r}: an example is a table of texts")
    values: dict[str, str] = dict(row)
    answer = values.pop("answer", None)
    if answer is None or "fen" not in values:
        raise PromptError(f"prompt {str(path)!r}: an example needs 'fen' and 'answer'")
    try:
        values = position(chess.Board(values["fen"])) | values
    except ValueError as error:
        raise PromptError(
            f"prompt {str(path)!r}: example with illegal FEN {values['fen']!r}: {error}"
        ) from error
    if missing := sorted(used - values.keys()):
        raise PromptError(f"prompt {str(path)!r}: an example has no {missing[0]!r}, which 'user' shows")
    return Example(values, answer)
