"""Prompts: TOML files that a user can read and replace, each with a version and a digest.

A file has `version`, `system`, `user` and any number of `[[examples]]`. Both messages may have placeholders
(`placeholders_of`), of which the user message needs `{fen}` or `{board}`. A system message without any is the
same for every case, and so are the examples: they come first, so that the server's prefix cache holds them.
An example has the values of the user message's placeholders (at least `fen`) and `answer`, the exact text
that the model should give.
"""

from __future__ import annotations

import difflib
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
OF_A_POSITION = ("fen", "side", "board")
"""The placeholders of every prompt: the position as FEN, `White` or `Black`, and the board as eight rows."""
OF_A_QUESTION = {"board-moves": ("square",), "board-after": ("moves",)}
"""What the question of one prompt has besides: the square of a piece, moves to be played."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z_0-9]*)\}")


class PromptError(ValueError):
    """A prompt file that is missing or can not be used."""


def placeholders_of(name: str) -> frozenset[str]:
    """The placeholders that the prompt of this name may have."""
    return frozenset((*OF_A_POSITION, *OF_A_QUESTION.get(name, ())))


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
        """The chat of one case, with its `values` in the messages: system, examples, user."""
        messages = [{"role": "system", "content": _fill(self.system, values)}] if self.system else []
        for example in self.examples:
            messages.append({"role": "user", "content": _fill(self.user, example.values)})
            messages.append({"role": "assistant", "content": example.answer})
        messages.append({"role": "user", "content": _fill(self.user, values)})
        return tuple(messages)


def _fill(text: str, values: Mapping[str, str]) -> str:
    # Not str.format: a message may hold JSON, whose braces that can not read.
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


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
    if folder.is_file():
        raise PromptError(
            f"--prompts {str(folder)!r} is a file: give the folder that it is in, {str(folder.parent)!r}"
        )
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

    :raises PromptError: it can not be read, a field is missing or of another type, a placeholder is none of
        this prompt's, or the user message does not show the position.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PromptError(f"prompt {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PromptError(f"prompt {str(path)!r} is not UTF-8: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"prompt {str(path)!r} is not TOML: {error}") from error
    if unknown := sorted(table.keys() - {"version", "system", "user", "examples"}):
        raise PromptError(f"prompt {str(path)!r}: unknown field {unknown[0]!r}")
    version, system, user = (_text(table, name, path) for name in ("version", "system", "user"))
    _placeholders("system", system, path)
    used = _placeholders("user", user, path)
    if not used & {"fen", "board"}:
        raise PromptError(
            f"prompt {str(path)!r}: 'user' has neither {{fen}} nor {{board}}: the position is not shown"
        )
    examples = table.get("examples", [])
    if not isinstance(examples, list):
        raise PromptError(f"prompt {str(path)!r}: write each example as a table [[examples]]")
    return Prompt(path.stem, version, system, user, tuple(_example(row, used, path) for row in examples))


def _placeholders(field_name: str, text: str, path: Path) -> set[str]:
    """The placeholders of a message.

    :raises PromptError: one is none of this prompt's.
    """
    used = set(_PLACEHOLDER.findall(text))
    known = [*OF_A_POSITION, *OF_A_QUESTION.get(path.stem, ())]
    for unknown in sorted(used.difference(known)):
        near = difflib.get_close_matches(unknown.lower(), known, n=1)
        *most, last = (f"{{{name}}}" for name in known)
        raise PromptError(
            f"prompt {str(path)!r}: {field_name!r} has {{{unknown}}}; use {', '.join(most)} or {last}"
            + (f" (did you mean {{{near[0]}}}?)" if near else "")
        )
    return used


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
