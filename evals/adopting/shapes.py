"""The answer shape under which every gold answer reads back as what is right, or legal, in its position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import chess
from pydantic import ValidationError

from evals.adopting.cues import cued
from evals.adopting.objects import is_theme, object_shapes
from evals.adopting.positions import Placed
from evals.adopting.rows import AdoptError
from evals.formats.format import WANTS
from evals.formats.reader import Reading, read
from evals.formats.shapes import AnswerShape, shapes_for
from evals.reading.answers import NoAnswer
from evals.reading.completions import split_trace
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces
from evals.reading.text import shown
from evals.reading.themes import score_themes
from evals.words import Notation

NOTATIONS: tuple[Notation, ...] = ("uci", "san")


@dataclass(frozen=True, slots=True)
class Hints:
    """What a user says about the answers."""

    task: str = ""
    field: str = ""
    cue: str = ""


@dataclass(frozen=True, slots=True)
class Gold:
    """A row with its answer, without the trace."""

    placed: Placed
    text: str
    more: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A question with the shape of its answers."""

    question: str
    shape: AnswerShape


@dataclass(frozen=True, slots=True)
class _Tried:
    found: Found
    wrong: Sequence[tuple[Gold, str]]


def golds_of(placed: Sequence[Placed], more: Sequence[Mapping[str, str]]) -> list[Gold]:
    """The gold answers."""
    return [
        Gold(each, split_trace(each.sample.gold).content, extra)
        for each, extra in zip(placed, more, strict=True)
    ]


def find_shape(golds: Sequence[Gold], hints: Hints, *, thinking: bool) -> Found:
    """The strictest shape that reads every gold answer.

    :raises AdoptError: none does, or it cannot be told which of two questions was asked.
    """
    fits: list[Found] = []
    best: _Tried | None = None
    for found in _candidates(golds, hints, thinking=thinking):
        if fits and fits[0].question == found.question:
            continue  # a stricter one fits
        tried = _Tried(found, [(gold, why) for gold in golds if (why := wrong(found, gold)) is not None])
        if not tried.wrong:
            fits.append(found)
            if found.shape.shape in ("uci", "san", "json"):
                break  # a move alone, or a field that says which it is
        elif best is None or len(tried.wrong) < len(best.wrong):
            best = tried
    if not fits:
        raise AdoptError(_none_fits(golds, best, hints))
    return _only(fits)


def _only(fits: list[Found]) -> Found:
    """The strictest: PGN of a whole line also reads as its first move."""
    questions = list(dict.fromkeys(each.question for each in fits))
    if len(questions) == 1 or set(questions) <= {"move", "line", "reasoning"}:
        return fits[0]
    raise AdoptError(
        f"the answers fit several questions: {', '.join(questions)}; say with --task which one was asked"
    )


def _candidates(golds: Sequence[Gold], hints: Hints, *, thinking: bool) -> Iterator[Found]:
    """Questions with shapes, the strictest first."""
    move = "reasoning" if thinking else "move"
    several = any(len(gold.text.split()) > 1 for gold in golds)
    order = [(move, "uci"), (move, "san"), (move, "json")]
    pgn = [(move, "pgn"), ("line", "pgn")] if thinking or not several else [("line", "pgn"), (move, "pgn")]
    numbered = all(gold.text[:1].isdigit() for gold in golds)
    movetext = numbered or all(gold.text[:1].isdigit() or gold.text[:1] in "[{" for gold in golds)
    order += [*(pgn if numbered else []), ("line", "list"), ("line", "json")]
    order += [*(pgn if movetext and not numbered else []), (move, "regex")]
    for skill in ("moves", "captures", "after", "pieces", "check", "themes"):
        order += [(f"board.{skill}", shape) for shape in ("fen", "ascii", "pieces", "list", "json", "regex")]
    if hints.task:
        named = [shape for question, shape in order if question == hints.task]
        order = [(hints.task, shape) for shape in named or shapes_for(WANTS[hints.task])]
    for question, shape in order:
        if shape in shapes_for(WANTS[question]) and not (question == "board.themes" and shape == "regex"):
            yield from (Found(question, each) for each in _shapes(question, shape, golds, hints))


def _shapes(question: str, name: str, golds: Sequence[Gold], hints: Hints) -> Iterator[AnswerShape]:
    want = WANTS[question]
    boards, texts = [gold.placed.board for gold in golds], [gold.text for gold in golds]
    if name == "json":
        yield from object_shapes(want, texts, boards, hints.field)
        return
    of_moves = want in ("move", "line", "moves")
    if name == "regex":
        if want == "move":
            known = [_solution(gold.placed) for gold in golds]
            yield from cued(texts, boards, known, hints.cue)
        return
    for notation in NOTATIONS if of_moves and name == "list" else (None,):
        try:
            yield AnswerShape.model_validate({"shape": name, "notation": notation})
        except ValidationError:
            continue


def _solution(placed: Placed) -> chess.Move | None:
    """The move that the row's puzzle has as the solution."""
    puzzle = placed.puzzle
    if puzzle is None or puzzle.board().board_fen() != placed.board.board_fen():
        return None
    return chess.Move.from_uci(puzzle.solution[0])


# --- is an answer right ---


def wrong(found: Found, gold: Gold) -> str | None:
    """Why a gold answer, read by the shape, is not right or not legal in its position; None where it is."""
    want = WANTS[found.question]
    completion = replace(gold.placed.sample.gold, content=gold.text, reasoning=None)
    reading = read(found.shape, want, completion)
    if isinstance(reading, NoAnswer):
        return reading.detail
    board = gold.placed.board
    match found.question:
        case "board.pieces":
            return None if reading.pieces == name_pieces(board) else "not the pieces on the board"
        case "board.check":
            return None if reading.check == board.is_check() else "not whether there is a check"
        case "board.after":
            return _wrong_position(reading, gold)
        case "board.themes":
            return _wrong_themes(reading, gold.placed.sample.themes)
        case "board.moves" | "board.captures":
            return _wrong_set(found.question, reading, gold)
        case _:
            return _wrong_line(reading, board)


def _wrong_line(reading: Reading, board: chess.Board) -> str | None:
    board = board.copy(stack=False)
    for text in reading.items:
        played = read_move(text, board, reading.notation)
        if played.move is None:
            return f"{shown(text)} is {played.outcome} in {board.fen()}"
        board.push(played.move)
    return None if reading.items else "there is no move"


def _wrong_set(question: str, reading: Reading, gold: Gold) -> str | None:
    board = gold.placed.board
    moves = [read_move(text, board, reading.notation).move for text in reading.items]
    if None in moves:
        return f"{shown(reading.items[moves.index(None)])} is not legal in {board.fen()}"
    if question == "board.captures":
        wanted = set(board.generate_legal_captures())
    elif "square" not in gold.more:
        return "no square of a piece is asked about"
    else:
        origin = chess.BB_SQUARES[chess.parse_square(gold.more["square"])]
        wanted = set(board.generate_legal_moves(origin))
    return (
        None if set(moves) == wanted else f"not all {question.partition('.')[2]}, or others, in {board.fen()}"
    )


def _wrong_position(reading: Reading, gold: Gold) -> str | None:
    if "moves" not in gold.more:
        return "no moves are shown that lead to the position"
    board = gold.placed.board.copy(stack=False)
    for uci in gold.more["moves"].split():
        board.push_uci(uci)
    try:
        same = chess.Board(reading.position.strip()).epd(en_passant="legal") == board.epd(en_passant="legal")
    except ValueError:
        return f"{shown(reading.position)} is not a FEN"
    return None if same else f"not the position after {gold.more['moves']}"


def _wrong_themes(reading: Reading, themes: Sequence[str]) -> str | None:
    if not reading.items:
        return "there is no theme"
    if themes:
        score = score_themes(reading.items, themes)
        return None if score is None or score.jaccard == 1.0 else "not the row's themes"
    unknown = [name for name in reading.items if not is_theme(name)]
    return f"{shown(unknown[0])} is no theme of Lichess" if unknown else None


# --- what to say where none fits ---


def _none_fits(golds: Sequence[Gold], best: _Tried | None, hints: Hints) -> str:
    if best is None:
        of_task = f" of {hints.task}" if hints.task else ""
        return (
            f"no answer shape{of_task} fits answers such as {shown(golds[0].text, 160)}; say with --task "
            "what was asked, or with --cue what stands before the move"
        )
    gold, why = best.wrong[0]
    count = f"{len(best.wrong)} of {len(golds)} gold answers"
    where = f"row {gold.placed.sample.row}: {shown(gold.text, 160)}: {why}"
    if len(best.wrong) * 2 > len(golds) and not _before(golds):
        shape = f"{best.found.shape.shape!r} of {best.found.question}"
        return f"no answer shape fits: the nearest, {shape}, does not read {count}; first: {where}"
    return f"{count} are not right, or not legal in their position; first: {where}{_before(golds)}"


def _before(golds: Sequence[Gold]) -> str:
    """A hint where most answers are legal once the row's first move is played."""
    after = sum(_is_legal_after_first(gold) for gold in golds)
    if after * 2 <= len(golds):
        return ""
    return (
        f". {after} of them are legal after the first of the row's moves: the prompt shows the position "
        "before the opponent's move"
    )


def _is_legal_after_first(gold: Gold) -> bool:
    board, moves = gold.placed.board.copy(stack=False), gold.placed.sample.moves
    try:
        board.push_uci(moves[0])
    except (ValueError, IndexError):
        return False
    return any(read_move(gold.text, board, notation).move is not None for notation in NOTATIONS)
