"""JSON answers: their fields in the trained order, the kind of each, and the one that answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import chess
from pydantic import ValidationError

from evals.adopting.rows import AdoptError
from evals.formats.fields import at
from evals.formats.schemas import MOST_CANDIDATES, MOST_TEXTS, PATTERNS
from evals.formats.shapes import AnswerShape, Want, leaves
from evals.reading.answers import MAX_ITEMS, MAX_LINE, parse_json
from evals.reading.lists import read_list
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces, read_pieces
from evals.reading.themes import read_themes
from evals.words import Notation

SPACINGS = ((", ", ": "), (",", ":"), (",", ": "), (", ", ":"))
USUAL = ("best_move", "bestmove", "best", "move", "answer", "san", "uci")
"""Names of the field that answers, where several could."""

Objects = Sequence[Mapping[str, Any]]


def parse_objects(texts: Sequence[str]) -> list[dict[str, Any]] | None:
    """The objects; None where a text is anything else."""
    try:
        values = [parse_json(text) for text in texts]
    except ValueError:
        return None
    return values if all(isinstance(value, dict) for value in values) else None


def find_spacing(texts: Sequence[str]) -> tuple[str, str] | None:
    """What stands between the items of the JSON, and between names and values; None for line breaks "
    "and such."""
    values = parse_objects(texts)
    if values is None:
        return None
    for spacing in SPACINGS:
        if all(
            text in (json.dumps(value, separators=spacing, ensure_ascii=ascii) for ascii in (True, False))
            for text, value in zip(texts, values, strict=True)
        ):
            return spacing
    return None


def object_shapes(
    want: Want, texts: Sequence[str], boards: Sequence[chess.Board], field: str
) -> Iterator[AnswerShape]:
    """The shapes that JSON answers can have, by the notation of their moves.

    :param field: the path of the answer, where a user says it.
    :raises AdoptError: several fields could hold the answer.
    """
    objects = parse_objects(texts)
    if objects is None:
        return
    for notation in ("uci", "san"):
        fields = _fields(objects, boards, notation)
        paths = dict(_paths(objects))
        answers = [path for path in paths if _answers(want, [at(o, path) for o in objects], boards, notation)]
        if not (path := _chosen(answers, field, objects)):
            continue
        said: dict[str, Any] = {"shape": "json", "field": path, "fields": fields}
        if want in ("move", "line", "moves"):
            said["notation"] = notation
        if want == "move":
            said |= _beside(objects, boards, notation, path)
        try:
            yield AnswerShape.model_validate(said)
        except ValidationError:
            continue


def _chosen(answers: Sequence[str], field: str, objects: Objects) -> str:
    if field:
        return field if field in answers or any(at(each, field) is not None for each in objects) else ""
    if len(answers) < 2:
        return answers[0] if answers else ""
    usual = [path for name in USUAL for path in answers if path.rpartition(".")[2].lower() == name]
    same = all(at(each, path) == at(each, answers[0]) for each in objects for path in answers)
    if len(usual) == 1 or (usual and same):
        return usual[0]
    raise AdoptError(
        f"the answer may stand in {' or '.join(map(repr, answers))}: say with --field which it is"
    )


def _paths(objects: Objects) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The paths that every object has."""

    def kinds(value: Any) -> Any:
        return {key: kinds(each) for key, each in value.items()} if isinstance(value, dict) else "any"  # pyright: ignore[reportUnknownVariableType]

    every = [dict(leaves(kinds(each))) for each in objects]
    yield from ((path, kind) for path, kind in every[0].items() if all(path in each for each in every))


def _legal(text: Any, board: chess.Board, notation: Notation) -> chess.Move | None:
    return read_move(text, board, notation).move if isinstance(text, str) else None


def _answers(want: Want, values: Sequence[Any], boards: Sequence[chess.Board], notation: Notation) -> bool:
    """True where the values of a field could be the answers, most of them at least: what is wrong with the
    others is for the shape to say.
    """

    def could(value: Any, board: chess.Board) -> bool:
        match want:
            case "move":
                return _legal(value, board, notation) is not None
            case "line":
                return isinstance(value, list) and bool(value) and _is_line(value, board, notation)  # pyright: ignore[reportUnknownArgumentType]
            case "moves":
                return isinstance(value, list) and all(_legal(each, board, notation) for each in value)  # pyright: ignore[reportUnknownVariableType]
            case "check":
                return isinstance(value, bool)
            case "pieces":
                return _names_pieces(value, board)
            case "position":
                return isinstance(value, str) and _is_fen(value)
            case "themes":
                return isinstance(value, list) and all(map(is_theme, value))  # pyright: ignore[reportUnknownArgumentType]

    right = sum(could(value, board) for value, board in zip(values, boards, strict=True))
    return right * 10 >= len(values) * 7


def is_theme(name: Any) -> bool:
    """True for the name of a theme of Lichess: those are found whatever their case."""
    return isinstance(name, str) and name in read_themes([name.swapcase()])


def _is_line(items: Sequence[Any], board: chess.Board, notation: Notation) -> bool:
    board = board.copy(stack=False)
    for text in items:
        if (move := _legal(text, board, notation)) is None:
            return False
        board.push(move)
    return True


def _names_pieces(value: Any, board: chess.Board) -> bool:
    if isinstance(value, Mapping):
        value = "\n".join(f"{side}: {pieces}" for side, pieces in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return all(isinstance(e, str) for e in value) and frozenset(value) == name_pieces(board)  # pyright: ignore
    return isinstance(value, str) and read_pieces(value) == name_pieces(board)


def _is_fen(text: str) -> bool:
    try:
        chess.Board(text)
    except ValueError:
        return False
    return len(text.split()) == 6 and len(text) <= 100


def _beside(
    objects: Objects, boards: Sequence[chess.Board], notation: Notation, answer: str
) -> dict[str, str]:
    """What is read beside the move: the line that starts with it, candidates, themes and pieces."""
    found: dict[str, str] = {}
    for path, _ in _paths(objects):
        if path == answer:
            continue
        name, values = path.rpartition(".")[2].lower(), [at(each, path) for each in objects]
        lists = [read_list(v) if isinstance(v, str) else v for v in values]
        if "theme" in name:
            found.setdefault("themes", path)
        elif all(_names_pieces(v, b) for v, b in zip(values, boards, strict=True)):
            found.setdefault("pieces", path)
        elif not all(isinstance(each, list) for each in lists):
            continue
        elif "candidate" in name:
            if all(_legal(m, b, "san") for items, b in zip(lists, boards, strict=True) for m in items):
                found.setdefault("candidates", path)
        elif all(
            items
            and _is_line(items, b, "san")
            and _legal(items[0], b, "san") == _legal(at(o, answer), b, notation)
            for items, b, o in zip(lists, boards, objects, strict=True)
        ):
            found.setdefault("line", path)
    return found


# --- kinds ---


def _fields(objects: Objects, boards: Sequence[chess.Board], notation: Notation) -> dict[str, Any] | None:
    """The fields with their kinds; None where not every object has the same in the same order."""
    names = list(objects[0])
    if any(list(each) != names for each in objects):
        return None
    return {name: _kind(name, [each[name] for each in objects], boards, notation) for name in names}


def _kind(name: str, values: Sequence[Any], boards: Sequence[chess.Board], notation: Notation) -> Any:
    if all(isinstance(each, bool) for each in values):
        return "flag"
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return "number"
    if all(isinstance(each, str) for each in values):
        return _kind_of_text(values, boards, notation)
    if all(isinstance(each, list) and all(isinstance(e, str) for e in each) for each in values):  # pyright: ignore[reportUnknownVariableType]
        return _kind_of_list(name, values, boards, notation)
    nested = _fields(values, boards, notation) if all(isinstance(each, dict) for each in values) else None
    if not nested:
        return "any"
    texts = all(isinstance(value, str | list) for each in values for value in each.values())
    return "sides" if texts and {key.lower() for key in nested} == {"white", "black"} else nested


def _kind_of_text(values: Sequence[str], boards: Sequence[chess.Board], notation: Notation) -> str:
    if all(_is_written(v, notation) and _legal(v, b, notation) for v, b in zip(values, boards, strict=True)):
        return "move"
    return "position" if all(map(_is_fen, values)) else "text"


def _is_written(text: str, notation: Notation) -> bool:
    """True where a server that holds a move to its pattern would let it be written so."""
    return re.fullmatch(PATTERNS[notation], text) is not None


def _kind_of_list(
    name: str, values: Sequence[list[str]], boards: Sequence[chess.Board], notation: Notation
) -> str:
    longest = max(map(len, values))
    both = list(zip(values, boards, strict=True))
    if any(values) and all(_is_written(item, notation) for items in values for item in items):
        legal = all(_legal(item, board, notation) for items, board in both for item in items)
        if legal and "candidate" in name.lower() and longest <= MOST_CANDIDATES:
            return "candidates"
        if all(items and _is_line(items, board, notation) for items, board in both) and longest <= MAX_LINE:
            return "line"
        if legal and longest <= MAX_ITEMS:
            return "moves"
    if any(values) and all(frozenset(items) <= name_pieces(board) for items, board in both):
        return "pieces"
    return "texts" if longest <= MOST_TEXTS else "any"
