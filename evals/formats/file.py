"""Format files: TOML, one per adapter, read and checked.

A file has a table for each question that the adapter was taught (`[move]`, `[line]`, `[reasoning]`,
`[board.pieces]`, ...), and above them what holds for all. `extends` names a shipped format, or another file,
whose tables it takes over where it has none of its own.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import chess
from pydantic import ValidationError

from evals.formats.format import SHIPPED, WANTS, Format, Inherited, Question
from evals.formats.placeholders import SHOW_THE_POSITION, known_in, used_in
from serve.explain import explain, line_of
from serve.printable import printable

BOARD = "board"
_RESERVED = frozenset({"model", "messages", "stream", "n"})
"""Fields of a request that a format cannot set: the session does."""


class FormatError(ValueError):
    """A format file that is missing or cannot be used; one sentence with file, line and what to write."""


def shipped_names() -> list[str]:
    """The formats that come with the harness."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_format(name_or_path: str | Path) -> Format:
    """Read a shipped format by its name, or one from a file.

    :raises FormatError: it cannot be read, or says what a format cannot say.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        if str(name_or_path) not in shipped_names():
            raise FormatError(
                f"there is no format {str(name_or_path)!r}: shipped are {', '.join(shipped_names())}; "
                "or give a .toml file"
            )
        name, path = str(name_or_path), SHIPPED / f"{name_or_path}.toml"
        return Format(name, read_questions(path.read_text(encoding="utf-8"), path), own=False)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"format {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"format {str(path)!r} is not UTF-8: {error.reason}") from error
    return Format(str(path), read_questions(text, path))


def parse_format(text: str, name: str, folder: Path) -> Format:
    """Read the text of a format file that came from elsewhere, a Hub repository say.

    :param name: where it came from, for messages and the manifest.
    :param folder: where a file that it extends would lie.
    :raises FormatError: see `load_format`.
    """
    return Format(name, read_questions(text, folder / Path(name).name, name))


def read_questions(text: str, path: Path, name: str = "") -> dict[str, Question]:
    """Every question of a format's text.

    :raises FormatError: see `load_format`.
    """
    where = name or str(path)
    data = _toml(text, where)
    extends = data.pop("extends", None)
    inherited = _tables_of(extends, path, where) if extends is not None else {}
    known = [*Inherited.model_fields, *(name for name in WANTS if "." not in name), BOARD, "extends"]
    for key in data:
        if key not in known:
            raise FormatError(f"{_at(where, [key], text)}: unknown key {_quoted(key)}; {_meant(key, known)}")
    tables = dict(_questions(data, where, text))
    shared = {key: value for key, value in data.items() if key in Inherited.model_fields}
    if not (tables or inherited):
        raise FormatError(
            f"{where}: no question is declared: write a table [move], or another of {', '.join(WANTS)}"
        )
    try:
        Inherited.model_validate(shared)
    except ValidationError as error:
        raise FormatError(explain(error, text, Path(where), Inherited)) from error
    questions = {
        name: _question(name, {**inherited.get(name, {}), **shared, **table}, where, text)
        for name, table in {**{name: {} for name in inherited}, **tables}.items()
    }
    if "move" in questions:
        questions.setdefault("play", questions["move"])
    return {name: questions[name] for name in WANTS if name in questions}


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FormatError(f"{where}: not valid TOML: {printable(str(error))}") from error


def _tables_of(extends: object, path: Path, where: str, depth: int = 0) -> dict[str, dict[str, Any]]:
    """The tables of the format that a file extends, by question, with what it says for all merged in."""
    if not isinstance(extends, str):
        raise FormatError(
            f"{where}: extends = {extends!r}: give the name of a shipped format or a .toml file"
        )
    if depth > 5:
        raise FormatError(f"{where}: formats extend each other in a circle, or more than five deep")
    source = SHIPPED / f"{extends}.toml" if extends in shipped_names() else path.parent / extends
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(
            f"{where}: extends = {extends!r} cannot be read; shipped are {', '.join(shipped_names())}"
        ) from error
    data = _toml(text, str(source))
    above = data.pop("extends", None)
    tables = _tables_of(above, source, str(source), depth + 1) if above is not None else {}
    shared = {key: value for key, value in data.items() if key in Inherited.model_fields}
    for name, table in _questions(data, str(source), text):
        tables[name] = {**tables.get(name, {}), **shared, **table}
    return tables


def _questions(data: Mapping[str, Any], where: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each table of a question, by the question's name."""
    skills = [name.partition(".")[2] for name in WANTS if name.startswith(f"{BOARD}.")]
    for key, value in data.items():
        if key in Inherited.model_fields:
            continue
        if not isinstance(value, dict):
            raise FormatError(f"{_at(where, [key], text)}: {key} is no table: write [{key}]")
        if key != BOARD:
            yield key, value
            continue
        for skill, table in value.items():
            place = _at(where, [key, skill], text)
            if skill not in skills:
                raise FormatError(f"{place}: no board skill {_quoted(skill)}; {_meant(skill, skills)}")
            if not isinstance(table, dict):
                raise FormatError(f"{place}: {key}.{skill} is no table: write [{key}.{skill}]")
            yield f"{BOARD}.{skill}", table


def _question(name: str, table: dict[str, Any], where: str, text: str) -> Question:
    keys = name.split(".")
    try:
        question = Question.model_validate(table)
    except ValidationError as error:
        raise FormatError(explain(error, text, Path(where), Question, prefix=keys)) from error
    if (problem := question.answer.problem(WANTS[name])) is not None:
        raise FormatError(f"{_at(where, [*keys, 'answer'], text)}: {name}.answer: {problem}")
    if reserved := sorted(_RESERVED & question.extra_body.keys()):
        raise FormatError(
            f"{_at(where, [*keys, 'extra_body'], text)}: extra_body.{reserved[0]} is set by the session: "
            "leave it out"
        )
    for field in ("system", "user"):
        _check_placeholders(name, field, getattr(question, field), _at(where, [*keys, field], text))
    shown = used_in(question.user)
    if not shown & SHOW_THE_POSITION:
        raise FormatError(
            f"{_at(where, [*keys, 'user'], text)}: {name}.user shows no position: it needs {{fen}}, "
            "{board} or {pieces}"
        )
    for example in question.examples:
        _check_example(name, example.values, shown, _at(where, [*keys, "examples"], text))
    return question


def _check_placeholders(name: str, field: str, message: str, place: str) -> None:
    known = known_in(name)
    for unknown in sorted(used_in(message).difference(known)):
        near = difflib.get_close_matches(unknown.lower(), known, n=1)
        *most, last = (f"{{{each}}}" for each in known)
        meant = f" (did you mean {{{near[0]}}}?)" if near else ""
        raise FormatError(
            f"{place}: {name}.{field} has {{{unknown}}}; use {', '.join(most)} or {last}{meant}"
        )


def _check_example(name: str, values: Mapping[str, str], shown: frozenset[str], place: str) -> None:
    try:
        chess.Board(values["fen"])
    except ValueError as error:
        raise FormatError(
            f"{place}: {name}: an example has the illegal FEN {_quoted(values['fen'])}: "
            f"{printable(str(error))}"
        ) from error
    cannot = {"last_move", "last_move_uci", "square", "moves"}
    if missing := sorted(shown & cannot - values.keys()):
        raise FormatError(f"{place}: {name}: an example has no {missing[0]!r}, which 'user' shows")


def _at(where: str, keys: list[str], text: str) -> str:
    line = line_of(keys, text)
    return f"{printable(where)}:{line}" if line else printable(where)


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"


def _quoted(text: str) -> str:
    return f"'{printable(text, 60)}'"
