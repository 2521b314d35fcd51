"""Right answers that are read as wrong ones, and what they would be right as (`evals.tasks.rereading`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from statistics import mean

import chess

from evals.formats.file import load_format, shipped_names
from evals.formats.format import Question
from evals.reading.text import shown
from evals.results.findings import Answer, Finding, is_more
from evals.tasks.rereading import Cause, Rereading, reread
from evals.words import Notation, Outcome


def find_misread(task: str, question: Question, answers: Sequence[Answer]) -> Iterable[Finding]:
    """What mistakes would be right as; of each cause the way that most of them have."""
    wrong = [each for each in answers if not each.solved]
    ways: dict[tuple[Cause, str, Notation], list[tuple[Answer, Rereading]]] = {}
    for each in wrong:
        for way in reread(question, each.board, each.solution, each.completion):
            where = "" if way.cause is Cause.LETTERS else way.where
            ways.setdefault((way.cause, where, way.notation), []).append((each, way))
    if not ways:
        return
    chance = mean(1 / each.board.legal_moves.count() for each in wrong)
    said = set[Cause]()
    for (cause, _, _), found in sorted(ways.items(), key=lambda way: -len(way[1])):
        legal = sum(each.record.outcome is Outcome.MISSED for each, _ in found)
        seen = len(found) if 2 * len(found) >= len(wrong) else len(found) - legal
        if cause not in said and is_more(seen, len(wrong), len(answers), chance):
            said.add(cause)
            share = seen / len(answers)
            sentence = f"{share:.0%} of {len(answers)} {task} answers {_why(question, found[0])}"
            yield Finding(cause.value, sentence, share, len(answers))


_NAMES: Mapping[Notation, str] = {"uci": "UCI", "san": "SAN"}


def _why(question: Question, found: tuple[Answer, Rereading]) -> str:
    answer, way = found
    shape = question.answer
    asked, other = _NAMES[shape.moves_in() or "san"], _NAMES[way.notation]
    match way.cause:
        case Cause.NOTATION:
            return f"are right in {other}, but {asked} is asked for: correct the format's answer"
        case Cause.LETTERS:
            right = answer.board.san(chess.Move.from_uci(answer.solution))
            meant = right if way.notation == "san" else answer.solution
            return f"are right but for the case of their letters: {shown(way.where, 20)} for {meant}, say"
        case Cause.FIELD if way.where == shape.field:
            return f"are right, but beside fields that the format does not declare with {shown(way.where)}"
        case Cause.FIELD:
            return (
                f"are right in the field {shown(way.where)} of the JSON, in {other}, but the answer is read "
                f"from {shown(shape.field)}"
            )
        case Cause.SHAPE:
            return _why_shape(shape.shape, way)
        case Cause.MORE_TEXT:
            where = "followed by more text" if way.where == "behind" else "inside of other text"
            return f"are right, but {where} than the answer's shape, {shown(shape.shape)}, has"
        case Cause.TRACE:
            return "are right in the trace only: what follows it is another answer, or none"


def _why_shape(asked: str, way: Rereading) -> str:
    words = {"bare": f"a bare move in {_NAMES[way.notation]}", "pgn": "PGN movetext"}
    taught = words.get(way.where, "JSON")
    if taught == "JSON":
        taught = f"JSON with the move in {shown(way.where)}, in {_NAMES[way.notation]}"
        if (known := _shipped_for(way)) is not None:
            taught += f" (the shipped format '{known}')"
    return (
        f"are right as {taught}, but the format asks for {shown(asked)}: this adapter was probably trained "
        "to answer so, and is asked in the wrong format"
    )


@cache
def _shipped_for(way: Rereading) -> str | None:
    """The shipped format that reads a field in this notation."""
    for name in shipped_names():
        for question in load_format(name).questions.values():
            if (question.answer.field, question.answer.moves_in()) == (way.where, way.notation):
                return name
    return None
