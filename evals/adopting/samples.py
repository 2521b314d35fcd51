"""A training row as what is asked and what is answered, whatever its columns are called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.adopting.rows import AdoptError, Row
from evals.words import Completion
from serve.printable import printable

CHATS = ("messages", "conversations", "conversation")
QUESTIONS = ("prompt", "question", "input", "instruction", "problem", "query", "user")
ANSWERS = ("completion", "answer", "output", "response", "target", "chosen", "assistant")
SYSTEMS = ("system", "system_prompt")
FENS = ("FEN", "fen", "position", "board_fen")
MOVES = ("Moves", "moves", "solution", "solution_moves", "line")
LAST_MOVES = ("last_move", "lastmove", "opponent_move", "previous_move")
THEMES = ("Themes", "themes")
IDS = ("PuzzleId", "puzzle_id", "puzzleid", "id")
_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: a chat that ends with its answer, and what else the row says."""

    row: int
    """Its number in the file, from 1."""
    system: str
    turns: tuple[tuple[str, str], ...]
    """What was asked and answered before."""
    user: str
    gold: Completion
    fen: str = ""
    moves: tuple[str, ...] = ()
    last_move: str = ""
    themes: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a user names; empty ones are found by the usual names."""

    question: str = ""
    answer: str = ""
    fen: str = ""
    moves: str = ""


def read_samples(rows: Sequence[tuple[int, Row]], columns: Columns) -> list[Sample]:
    """The samples of rows.

    :raises AdoptError: a row has neither messages nor a question and an answer; names its columns.
    """
    return [_sample(number, row, columns) for number, row in rows]


def _sample(number: int, row: Row, columns: Columns) -> Sample:
    for named in (columns.question, columns.answer, columns.fen, columns.moves):
        if named and named not in row:
            raise AdoptError(f"row {number} has no column {named!r}; there are {_names(row)}")
    chat = _chat(number, row, columns)
    system = "".join(text for role, text in chat if role == "system")
    turns = [(role, text) for role, text in chat if role != "system"]
    roles = [role for role, _ in turns]
    if [role for role, _ in chat].count("system") > 1 or (system and chat[0][0] != "system"):
        raise AdoptError(f"row {number} has a system message that is not the one first message")
    if len(turns) < 2 or roles != ["user", "assistant"] * (len(turns) // 2):
        raise AdoptError(
            f"row {number} is no chat of questions and answers that ends with an answer: "
            f"{', '.join(roles) or 'empty'}"
        )
    pairs = [(turns[at][1], turns[at + 1][1]) for at in range(0, len(turns), 2)]
    user, answer = pairs.pop()
    return Sample(
        row=number,
        system=system,
        turns=tuple(pairs),
        user=user,
        gold=Completion(content=answer, reasoning=_reasoning(row) or None, finish_reason="stop"),
        fen=_text(row, (columns.fen,) if columns.fen else FENS),
        moves=tuple(_items(row, (columns.moves,) if columns.moves else MOVES)),
        last_move=_text(row, LAST_MOVES),
        themes=tuple(_items(row, THEMES)),
        id=_text(row, IDS),
    )


def _chat(number: int, row: Row, columns: Columns) -> list[tuple[str, str]]:
    """Role and text of each message."""
    messages = next((_parsed(row[name]) for name in CHATS if name in row), None)
    if messages is None and not columns.question:
        asked = next((_parsed(row[name]) for name in QUESTIONS if name in row), None)
        answered = next((_parsed(row[name]) for name in ANSWERS if name in row), None)
        if isinstance(asked, list) and isinstance(answered, list):  # the prompt and completion of TRL
            messages = [*asked, *answered]
    if isinstance(messages, list) and not columns.question:
        return [_message(number, each) for each in messages]
    question, answer = _question(row, columns), _text(row, (columns.answer,) if columns.answer else ANSWERS)
    if not question or not answer:
        lacking = ("question", "--question") if not question else ("answer", "--answer")
        raise AdoptError(
            f"row {number} has no messages and no {lacking[0]}: say with {lacking[1]} which column it is; "
            f"there are {_names(row)}"
        )
    system = _text(row, SYSTEMS)
    return [*([("system", system)] if system else []), ("user", question), ("assistant", answer)]


def _question(row: Row, columns: Columns) -> str:
    if columns.question:
        return _text(row, (columns.question,))
    instruction, more = row.get("instruction"), row.get("input")
    if isinstance(instruction, str) and isinstance(more, str) and more:
        return f"{instruction}\n{more}"
    return _text(row, QUESTIONS)


def _message(number: int, message: Any) -> tuple[str, str]:
    if isinstance(message, Mapping):
        role = message.get("role", message.get("from"))  # pyright: ignore[reportUnknownMemberType]
        text = message.get("content", message.get("value"))  # pyright: ignore[reportUnknownMemberType]
        if isinstance(text, list):  # parts, as of a model that also sees
            text = "".join(part.get("text") or "" for part in text if isinstance(part, Mapping))  # pyright: ignore
        if isinstance(role, str) and isinstance(text, str):
            thought = message.get("reasoning_content") or message.get("reasoning")  # pyright: ignore[reportUnknownMemberType]
            if isinstance(thought, str) and thought:
                text = f"<think>\n{thought}\n</think>\n\n{text}"
            return _ROLES.get(role, role), text
    raise AdoptError(f"row {number} has a message without a role and a text: {printable(repr(message), 80)}")


def _reasoning(row: Row) -> str:
    """A trace in a column of its own."""
    return _text(row, ("reasoning", "reasoning_content", "thinking"))


def _parsed(value: Any) -> Any:
    """A cell of a CSV file may hold the list as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _text(row: Row, names: Sequence[str]) -> str:
    return next((value for name in names if isinstance(value := row.get(name), str) and value), "")


def _items(row: Row, names: Sequence[str]) -> list[str]:
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value.replace(",", " ").split()
        if isinstance(value, list):
            return [item for item in value if isinstance(item, str)]
    return []


def _names(row: Row) -> str:
    return printable(", ".join(map(str, row)), 200)
