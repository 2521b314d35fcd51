"""From training rows to a format file that is checked on every one of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import chess
from pydantic import ValidationError

from evals.adopting.fault import find_fault
from evals.adopting.objects import find_spacing
from evals.adopting.positions import Placed, Which, place
from evals.adopting.rows import AdoptError, Row
from evals.adopting.samples import Columns, Sample, read_samples
from evals.adopting.sections import find_trace
from evals.adopting.shapes import Found, Gold, Hints, find_shape, golds_of, wrong
from evals.adopting.template import Order, Prompt, find_prompt
from evals.adopting.toml import write_question
from evals.formats.file import FormatError, parse_format
from evals.formats.format import WANTS, Example, Format, Question, Trace
from evals.formats.placeholders import PlaceholderError
from evals.formats.reader import read
from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import NoAnswer
from evals.reading.completions import split_trace
from evals.reading.moves import read_move
from evals.reading.text import shown
from evals.tasks import TaskSettings, build_tasks, cases_for
from evals.tasks.gold import GoldError, check_gold

TRACE_CHARACTERS = 2
"""Characters of a trace that a token has at least. A bare answer gets a token for each of its characters:
tokenizers split moves, FENs and boards up to single letters and digits.
"""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user decides."""

    columns: Columns
    hints: Hints
    which: Which | None = None
    order: Order | None = None
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """A format made of rows, and what a person is told about it."""

    question: str
    text: str
    """The table of the question."""
    rows: int
    filled: str
    """The messages of the first row, as the format makes them; the row's own are the same."""
    notes: Sequence[str]
    fault: str | None
    respelled: bool
    """True where FENs are asked in another spelling than the rows'."""


def adopt(
    rows: Sequence[tuple[int, Row]], choices: Choices, puzzles: Mapping[str, Puzzle], source: str, date: str
) -> Adopted:
    """Make a format of training rows.

    :param puzzles: puzzles that the rows may be made of, by id and by FEN.
    :param source: where the rows are from, for the comment.
    :raises AdoptError: no format fits every row, or a user has to decide something.
    """
    samples = read_samples(rows, choices.columns)
    thinking = _thinks(samples)
    placed, spelled = place(samples, choices.which, puzzles, anyway=choices.anyway)
    prompt = find_prompt(placed, choices.order)
    golds = golds_of(prompt.placed, prompt.more)
    found = find_shape(golds, choices.hints, thinking=thinking)
    lines = [_moves(found, gold) for gold in golds]
    question = _question(prompt, found, golds, lines, thinking)
    said = f"Made from {len(rows)} rows of {source}, {date}."
    traced = f", for every {TRACE_CHARACTERS} of its trace" if thinking else ""
    limit = f"a token for each character of the longest answer{traced}, and a quarter"
    text = write_question(found.question, question, {"": said, "max_tokens": limit})
    format = _read_again(text)
    filled = _check_prompts(format.questions[found.question], prompt)
    _check_answers(format.questions[found.question], found, golds)
    _check_gold(format, found, golds, lines)
    notes = [*spelled, *_notes(golds, lines, question, found)]
    return Adopted(
        found.question, text, len(rows), filled, notes, find_fault(prompt.placed, lines), bool(spelled)
    )


def _thinks(samples: Sequence[Sample]) -> bool:
    with_trace = [sample for sample in samples if split_trace(sample.gold).trace is not None]
    if with_trace and len(with_trace) < len(samples):
        without = next(sample for sample in samples if sample not in with_trace)
        raise AdoptError(
            f"{len(with_trace)} of {len(samples)} answers start with a <think> trace and the others do not: "
            f"row {with_trace[0].row} has one, row {without.row} starts "
            f"{shown(str(without.gold.content), 80)}; "
            "make a format of each kind by itself"
        )
    for sample in with_trace:
        if not split_trace(sample.gold).closed:
            raise AdoptError(f"the trace of row {sample.row} is never closed: there is no </think>")
    return bool(with_trace)


def _moves(found: Found, gold: Gold) -> list[chess.Move]:
    """The moves of a gold answer, where it is a move or a line; of PGN all of the main line."""
    if WANTS[found.question] not in ("move", "line"):
        return []
    want = "line" if found.shape.shape == "pgn" else WANTS[found.question]
    reading = read(found.shape, want, gold.placed.sample.gold)
    board, moves = gold.placed.board.copy(stack=False), list[chess.Move]()
    for text in () if isinstance(reading, NoAnswer) else reading.items:
        if (move := read_move(text, board, reading.notation).move) is None:  # pyright: ignore[reportAttributeAccessIssue]
            break
        moves.append(move)
        board.push(move)
    return moves


def _question(
    prompt: Prompt, found: Found, golds: Sequence[Gold], lines: Sequence[Sequence[chess.Move]], thinking: bool
) -> Question:
    texts = [gold.text for gold in golds]
    more: dict[str, object] = {}
    if found.shape.shape == "json":
        spacing = find_spacing(texts)
        # A server would write it on one line; nothing is better than what was not trained.
        more = {"json_spacing": spacing} if spacing else {"constrain": "none"}
    trace = find_trace(golds, [line[0] if line else None for line in lines])[0] if thinking else Trace()
    try:
        return Question.model_validate(
            {
                "thinking": thinking,
                "max_tokens": _limit(golds),
                "legal_moves": prompt.legal_moves,
                "system": prompt.system,
                "user": prompt.user,
                "examples": _examples(prompt),
                "answer": found.shape,
                "trace": trace,
                **more,
            }
        )
    except ValidationError as error:
        raise AdoptError(f"these rows make no format: {error.errors()[0]['msg']}") from error


def _limit(golds: Sequence[Gold]) -> int:
    """Room for the longest answer, and a quarter more for those of rows that were not read."""
    longest = max(
        len(gold.text) + len(split_trace(gold.placed.sample.gold).trace or "") / TRACE_CHARACTERS
        for gold in golds
    )
    return max(16, math.ceil(1.25 * longest / 8) * 8)


def _examples(prompt: Prompt) -> tuple[Example, ...]:
    """Earlier turns of the chat, which have to be the same in all rows."""
    turns = [each.sample.turns for each in prompt.placed]
    if (odd := next((at for at, each in enumerate(turns) if each != turns[0]), None)) is not None:
        rows = prompt.placed[0].sample.row, prompt.placed[odd].sample.row
        raise AdoptError(
            f"the turns before the question are not the same in rows {rows[0]} and {rows[1]}: "
            "worked examples of a format do not change"
        )
    return tuple(_example(prompt, asked, answered) for asked, answered in turns[0])


def _example(prompt: Prompt, asked: str, answered: str) -> Example:
    """A worked example by the values of its placeholders."""
    names = re.findall(r"\{(\w+)\}", prompt.user)
    pieces = re.split(r"\{\w+\}", prompt.user)
    match = re.fullmatch("(.*?)".join(map(re.escape, pieces)), asked, re.DOTALL)
    values = dict(zip(names, match.groups(), strict=True)) if match is not None else {}
    if "fen" not in values:
        raise AdoptError(
            "an earlier turn is not asked as the question is, so it is no worked example: "
            f"{shown(asked, 120)}, and the question is {shown(prompt.user, 120)}"
        )
    return Example.model_validate({**values, "answer": answered})


# --- checks: all that is claimed is read again from what was written ---


def _read_again(text: str) -> Format:
    try:
        return parse_format(text, "the format", Path())
    except FormatError as error:
        raise AdoptError(f"these rows make no format: {error}") from error


def _check_prompts(question: Question, prompt: Prompt) -> str:
    """Render every row's prompt; returns the first.

    :raises AdoptError: one is not byte for byte the row's; shows a row that is equal beside it.
    """
    first = ""
    for each, more in zip(prompt.placed, prompt.more, strict=True):
        theirs = _messages(each.sample)
        try:
            ours = question.messages(each.board, more)
        except PlaceholderError as error:
            raise AdoptError(f"row {each.sample.row}: {error}") from error
        one, two = ("\n".join(f"[{m['role']}] {m['content']}" for m in chat) for chat in (ours, theirs))
        if list(ours) != theirs:
            at = next(
                (n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
            )
            beside = f", while row {prompt.placed[0].sample.row} is equal" if first else ""
            raise AdoptError(
                f"the prompt is not byte for byte that of row {each.sample.row}{beside}: at character "
                f"{at + 1} the format has {one[at : at + 60]!r} and the row {two[at : at + 60]!r}"
            )
        first = first or one
    return first


def _messages(sample: Sample) -> list[dict[str, str]]:
    chat = [("system", sample.system)] if sample.system else []
    for asked, answered in sample.turns:
        chat += [("user", asked), ("assistant", answered)]
    return [{"role": role, "content": text} for role, text in [*chat, ("user", sample.user)]]


def _check_answers(question: Question, found: Found, golds: Sequence[Gold]) -> None:
    again = Found(found.question, question.answer)
    for gold in golds:
        if (why := wrong(again, gold)) is not None:
            raise AdoptError(f"row {gold.placed.sample.row} is not read back from the written format: {why}")


def _check_gold(
    format: Format, found: Found, golds: Sequence[Gold], lines: Sequence[Sequence[chess.Move]]
) -> None:
    """The self-test that a session makes before it asks a model."""
    puzzles: list[Puzzle] = []
    for number, (gold, line) in enumerate(zip(golds, lines, strict=True)):
        moves = line or list(gold.placed.board.legal_moves)[:1]
        uci = tuple(move.uci() for move in moves)
        themes = gold.placed.sample.themes
        board = gold.placed.board
        puzzles.append(Puzzle(f"row{number}", board.fen(), uci, 1500, themes=themes, convention="solver"))
    task = build_tasks(TaskSettings(format.questions))[found.question.partition(".")[0]]
    try:
        check_gold(task, cases_for(task, puzzles), "made of these rows")
    except GoldError as error:
        raise AdoptError(str(error)) from error


# --- what a person has to know ---


def _notes(
    golds: Sequence[Gold], lines: Sequence[Sequence[chess.Move]], question: Question, found: Found
) -> list[str]:
    notes: list[str] = []
    if len({gold.placed.board.turn for gold in golds}) == 1 and len(golds) > 1:
        side = "White" if golds[0].placed.board.turn else "Black"
        notes.append(
            f"{side} is to move in every row: a prompt that names the side would seem to be constant"
        )
    others = [
        (gold.placed, line[0])
        for gold, line in zip(golds, lines, strict=True)
        if line and (best := _best(gold.placed)) is not None and best != line[0]
    ]
    if others:
        first, move = others[0]
        notes.append(
            f"{len(others)} of {len(golds)} gold answers are legal but not the solution's first move; "
            f"first row {first.sample.row}: {move.uci()}"
        )
    if question.thinking:
        in_order = find_trace(golds, [line[0] if line else None for line in lines])[1]
        notes.append(
            f"{in_order} of {len(golds)} traces have these sections in order: "
            f"{', '.join(question.trace.sections)}"
            if question.trace.sections
            else "the traces have no sections in common"
        )
    if found.shape.shape == "json" and found.shape.fields is None:
        notes.append("not every answer has the same fields in the same order: no schema is sent")
    if found.shape.shape == "json" and question.constrain == "none":
        notes.append("the JSON is not written on one line, so that answers are held to no schema")
    return notes


def _best(placed: Placed) -> chess.Move | None:
    puzzle = placed.puzzle
    if puzzle is None or puzzle.board().board_fen() != placed.board.board_fen():
        return None
    return chess.Move.from_uci(puzzle.solution[0])
