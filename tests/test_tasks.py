"""The tasks: what they ask, and which outcome every kind of completion ends in."""

from __future__ import annotations

import dataclasses
import json
import pickle
import random
import re
from collections.abc import Generator, Sequence
from typing import Any

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.formats.reader import Reading
from evals.formats.schemas import SAN_PATTERN
from evals.formats.shapes import AnswerShape
from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import NoAnswer, last_move, objects_in
from evals.reading.completions import split_trace
from evals.reading.trace_format import CHECKS, TRACE
from evals.tasks import TaskSettings, build_tasks, task_names
from evals.tasks.board import SKILLS, asked_square, skills_for
from evals.words import Case, Completion, Notation, Outcome, Request
from tests.asking import asking, cases_of
from tests.positions import BACK_RANK, random_board, random_puzzles
from tests.traces import write_answer, write_trace

SETTINGS = asking()
FREE = asking(constrain="none")
TWO_MOVES = Puzzle("two", "2r3k1/5ppp/8/8/8/8/1q3PPP/R2R2K1 w - - 0 1", ("h2h3", "b2a1", "d1a1", "c8c1"), 900)
"""Black to move; the line is only as long as it has to be for the tests: nothing says that it is best."""


def say(value: object, finish_reason: str = "stop") -> Completion:
    """A completion that says this, as JSON where it is not a text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Completion(content=text, finish_reason=finish_reason)


def requests(turns: Generator[Request, Completion, None], answers: Sequence[Completion]) -> list[Request]:
    """Drive the turns of a case with these completions, as the broker does."""
    asked = [next(turns)]
    try:
        for completion in answers:
            asked.append(turns.send(completion))
    except StopIteration:
        pass
    return asked


BACK = Case("move", BACK_RANK)
CUT_OFF = Completion(content='{"move": "d1', finish_reason="length")


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (say({"move": "d1d8"}), Outcome.SOLVED),
        (say('\n {"move": "d1d8"}  '), Outcome.SOLVED),
        (say({"move": "d1d8"}, finish_reason="length"), Outcome.SOLVED),
        (say('<think>\n\n</think>\n{"move": "d1d8"}'), Outcome.SOLVED),
        (say('Rook up.</think>{"move": "d1d8"}'), Outcome.SOLVED),
        (say({"move": "d1d7"}), Outcome.MISSED),
        (say({"move": "d8d1"}), Outcome.ILLEGAL),
        (say({"move": "the rook"}), Outcome.UNPARSEABLE),
        (say({"move": ""}), Outcome.UNPARSEABLE),
        (say({"move": None}), Outcome.MALFORMED),
        (say({"move": ["d1d8"]}), Outcome.MALFORMED),
        (say({"best": "d1d8"}), Outcome.MALFORMED),
        (say({"move": "d1d8", "why": "mate"}), Outcome.MALFORMED),
        (say('{"move": "d1d7", "move": "d1d8"}'), Outcome.MALFORMED),
        (say('{"move": "d1d8"} mates'), Outcome.MALFORMED),
        (say('```json\n{"move": "d1d8"}\n```'), Outcome.MALFORMED),
        (say("d1d8"), Outcome.MALFORMED),
        (say('"d1d8"'), Outcome.MALFORMED),
        (say('{"move": "\\ud800"}'), Outcome.UNPARSEABLE),
        (say("[" * 100_000), Outcome.MALFORMED),
        (say(""), Outcome.MALFORMED),
        (Completion(content=None, finish_reason="stop"), Outcome.MALFORMED),
        (Completion(content=None, reasoning="d1d8", finish_reason="stop"), Outcome.MALFORMED),
        (Completion(refusal="I can not play chess."), Outcome.MALFORMED),
        (CUT_OFF, Outcome.TRUNCATED),
        (Completion(content=None, reasoning="The rook", finish_reason="length"), Outcome.TRUNCATED),
        (Completion(content="<think>The rook", finish_reason="length"), Outcome.TRUNCATED),
        (Completion(error="connection reset", content='{"move": "d1d8"}'), Outcome.UNANSWERED),
    ],
)
def test_every_kind_of_completion_has_its_outcome(completion: Completion, outcome: Outcome) -> None:
    verdict = build_tasks(SETTINGS)["move"].judge(BACK, [completion])
    assert verdict.outcome is outcome
    assert verdict.solution == "d1d8"
    assert "\n" not in verdict.detail
    assert verdict.detail or outcome is Outcome.SOLVED
    assert json.dumps([verdict.move, verdict.detail], ensure_ascii=False).encode("utf-8")


def test_two_knights_without_a_file_are_ambiguous() -> None:
    puzzle = Puzzle("n", "4k3/8/8/8/8/1N6/8/K4N2 b - - 0 1", ("e8e7", "b3d2"), 900)
    task = build_tasks(asking("san"))["move"]
    assert task.judge(Case("move", puzzle), [say({"move": "Nd2"})]).outcome is Outcome.AMBIGUOUS


def test_a_case_that_was_never_sent_is_unanswered() -> None:
    for task in build_tasks(SETTINGS).values():
        case = Case(task.name, BACK_RANK, variant="pieces" if task.name == "board" else "")
        assert task.judge(case, []).outcome is Outcome.UNANSWERED


def test_a_reasoning_parser_that_swallows_the_answer_is_named() -> None:
    completion = Completion(content=None, reasoning='{"move": "d1d8"}', finish_reason="stop")
    assert "reasoning parser" in build_tasks(SETTINGS)["move"].judge(BACK, [completion]).detail


@pytest.mark.parametrize(
    ("text", "outcome", "lenient"),
    [
        ('{"move": "d1d8"}', Outcome.SOLVED, False),
        ('Not {"move": "d1d7"} but {"move": "d1d8"}, of course. Not d1d2.', Outcome.SOLVED, True),
        ('```json\n{"move": "d1d8"}\n```', Outcome.SOLVED, True),
        ('{"why": {"move": "d1d7"}} d1d8', Outcome.SOLVED, True),
        ("First d1d7, but d1d8 mates.", Outcome.SOLVED, True),
        ("**Rd8#**", Outcome.SOLVED, True),
        ('{"move": "rook"} d1d8', Outcome.UNPARSEABLE, True),
        ("I would resign.", Outcome.UNPARSEABLE, True),
        ("d8d1", Outcome.ILLEGAL, True),
    ],
)
def test_free_text_is_read_leniently_and_says_so(text: str, outcome: Outcome, lenient: bool) -> None:
    verdict = build_tasks(FREE)["move"].judge(BACK, [say(text)])
    assert (verdict.outcome, verdict.checks["lenient"]) == (outcome, lenient)


def test_free_text_that_was_cut_off_is_truncated() -> None:
    completion = say("Perhaps d1d7, but then", finish_reason="length")
    assert build_tasks(FREE)["move"].judge(BACK, [completion]).outcome is Outcome.TRUNCATED


def test_the_constraint_decides_on_the_schema() -> None:
    case = Case("move", BACK_RANK)

    def item(settings: TaskSettings) -> Any:
        (request,) = build_tasks(settings)["move"].turns(case)
        return request.schema and request.schema["properties"]["move"]

    assert item(SETTINGS) == {"type": "string", "pattern": "^[a-h][1-8][a-h][1-8][qrbn]?$"}
    legal = item(asking(constrain="legal"))["enum"]
    assert sorted(legal) == sorted(move.uci() for move in BACK_RANK.board().legal_moves)
    assert "Rd8#" in item(asking("san", constrain="legal"))["enum"]
    assert item(FREE) is None


@given(st.integers(0, 2**32))
def test_the_san_pattern_has_every_legal_move(seed: int) -> None:
    board = random_board(random.Random(seed))
    assert all(re.match(SAN_PATTERN, board.san(move)) for move in board.legal_moves)


def line(*moves: str, notation: Notation = "uci", puzzle: Puzzle = TWO_MOVES) -> Any:
    task = build_tasks(asking("san" if notation == "san" else "default"))["line"]
    return task.judge(Case("line", puzzle), [say({"line": moves})])


def test_a_line_is_judged_move_by_move() -> None:
    solved = line("b2a1", "d1a1", "c8c1")
    assert (solved.outcome, solved.checks["moves_solved"], solved.checks["moves_total"]) == ("solved", 2, 2)
    assert line("Qxa1", "Rxa1", "Rc1+", notation="san").outcome is Outcome.SOLVED
    assert line("b2a1", "d1a1", "c8c1", "what", "ever").outcome is Outcome.SOLVED


@pytest.mark.parametrize(
    ("moves", "outcome", "checks"),
    [
        (["b2b1"], Outcome.MISSED, {"ply": 0, "moves_solved": 0, "first_move": False}),
        (["b2a1"], Outcome.MISSED, {"ply": 1, "moves_solved": 1, "first_move": True, "replies": True}),
        (["b2a1", "g1h2"], Outcome.MISSED, {"ply": 1, "moves_solved": 1, "replies": False}),
        (["b2a1", "a1a2"], Outcome.ILLEGAL, {"ply": 1, "moves_solved": 1, "replies": False}),
        (["b2a1", "d1a1", "c8c9"], Outcome.UNPARSEABLE, {"ply": 2, "moves_solved": 1, "replies": True}),
        (["b2b9", "d1a1", "c8c1"], Outcome.UNPARSEABLE, {"ply": 0, "moves_solved": 0}),
        (["a1b1", "d1a1", "c8c1"], Outcome.ILLEGAL, {"ply": 0, "moves_solved": 0}),
    ],
)
def test_the_first_mistake_ends_a_line(moves: list[str], outcome: Outcome, checks: dict[str, object]) -> None:
    verdict = line(*moves)
    assert verdict.outcome is outcome
    assert checks.items() <= verdict.checks.items()


def test_a_checkmate_before_the_end_solves_the_line() -> None:
    quicker = Puzzle("q", "6k1/5ppp/8/8/8/r7/5PPP/R2R2K1 b - - 0 1", ("a3b3", "a1a8", "b3b8", "a8b8"), 900)
    verdict = line("d1d8", puzzle=quicker)
    assert (verdict.outcome, verdict.move, verdict.checks["moves_solved"]) == ("solved", "d1d8", 2)


def play(*answers: Completion) -> tuple[int, Any]:
    """How often the play task asked, and its verdict."""
    task, case = build_tasks(SETTINGS)["play"], Case("play", TWO_MOVES)
    asked = requests(task.turns(case), answers)
    return len(asked), task.judge(case, answers[: len(asked)])


def test_play_asks_on_while_the_moves_are_right() -> None:
    count, verdict = play(say({"move": "b2a1"}), say({"move": "c8c1"}))
    assert (count, verdict.outcome, verdict.checks["moves_solved"]) == (2, "solved", 2)
    count, verdict = play(say({"move": "b2b1"}), say({"move": "c8c1"}))
    assert (count, verdict.outcome, verdict.checks["moves_solved"]) == (1, "missed", 0)
    count, verdict = play(say({"move": "b2a1"}), Completion(error="timed out"))
    assert (count, verdict.outcome, verdict.checks["moves_solved"]) == (2, "unanswered", 1)
    assert verdict.checks["ply"] == 2


def test_play_shows_the_position_behind_the_opponent_s_reply() -> None:
    task = build_tasks(SETTINGS)["play"]
    first, second = requests(task.turns(Case("play", TWO_MOVES)), [say({"move": "b2a1"})])
    assert TWO_MOVES.board(0).fen() in first.messages[-1]["content"]
    assert TWO_MOVES.board(2).fen() in second.messages[-1]["content"]
    assert first.messages[:-1] == second.messages[:-1]


def right_answer(case: Case) -> dict[str, Any]:
    """The right answer to a board question, from python-chess and without the code under test."""
    puzzle, board = case.puzzle, case.puzzle.board()
    match case.variant:
        case "pieces":
            pieces = [(square, board.piece_at(square)) for square in chess.SQUARES]
            return {"pieces": [f"{piece}{chess.square_name(square)}" for square, piece in pieces if piece]}
        case "moves":
            square = asked_square(puzzle)
            return {"moves": [move.uci() for move in board.legal_moves if move.from_square == square]}
        case "captures":
            return {"moves": [move.uci() for move in board.legal_moves if board.is_capture(move)]}
        case "check":
            return {"check": board.is_check()}
        case _:
            for uci in puzzle.solution[:4]:
                board.push_uci(uci)
            return {"fen": board.fen()}


def board_cases() -> list[Case]:
    wanted = asking(board_skills=len(SKILLS))
    return cases_of("board", random_puzzles(seed=5, count=60), wanted)


def test_every_board_question_is_solved_by_the_right_answer_in_any_order() -> None:
    task, rng = build_tasks(SETTINGS)["board"], random.Random(1)
    for case in board_cases():
        answer = right_answer(case)
        for value in answer.values():
            if isinstance(value, list):
                rng.shuffle(value)
        verdict = task.judge(case, [say(answer)])
        assert verdict.outcome is Outcome.SOLVED, (case.key, verdict)
        assert verdict.checks["exact"] is True


def test_a_board_question_with_one_thing_missing_is_missed() -> None:
    task = build_tasks(SETTINGS)["board"]
    for case in board_cases():
        answer = right_answer(case)
        name, value = next(iter(answer.items()))
        if isinstance(value, list) and value:
            total = len(value)
            verdict = task.judge(case, [say({name: [*value[1:], "a1a1"]})])
            assert verdict.outcome is Outcome.MISSED
            assert verdict.checks["recall"] == pytest.approx((total - 1) / total, abs=1e-4)
            assert verdict.checks["precision"] == pytest.approx((total - 1) / total, abs=1e-4)
        elif case.variant == "check":
            assert task.judge(case, [say({"check": not value})]).outcome is Outcome.MISSED
        elif case.variant == "after":
            other = case.puzzle.board().fen()
            assert task.judge(case, [say({"fen": other})]).outcome is Outcome.MISSED
            assert task.judge(case, [say({"fen": "8/8"})]).outcome is Outcome.UNPARSEABLE


def test_a_position_may_name_the_en_passant_square_as_fen_has_it() -> None:
    puzzle = Puzzle("ep", chess.STARTING_FEN, ("e2e4", "e7e5"), 900)
    task, case = build_tasks(SETTINGS)["board"], Case("board", puzzle, variant="after")
    fen = "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq {} 2"
    for rest, counters in (("e6 0", True), ("- 0", True), ("- 3", False)):
        verdict = task.judge(case, [say({"fen": fen.format(rest)})])
        assert (verdict.outcome, verdict.checks["counters"]) == (Outcome.SOLVED, counters)


def test_a_mirrored_puzzle_is_asked_for_the_mirrored_thing() -> None:
    for puzzle in random_puzzles(seed=9, count=50):
        board = chess.Board(puzzle.fen).mirror()
        turned = Puzzle(puzzle.id, board.fen(), tuple(mirror_uci(uci) for uci in puzzle.moves), 900)
        assert skills_for(turned, 2, SKILLS) == skills_for(puzzle, 2, SKILLS)
        assert asked_square(turned) == chess.square_mirror(asked_square(puzzle))


def mirror_uci(uci: str) -> str:
    flip = str.maketrans("12345678", "87654321")
    return uci[:4].translate(flip) + uci[4:]


def test_cases_of_a_task() -> None:
    puzzles = list(random_puzzles(seed=1, count=20))
    assert [case.puzzle for case in cases_of("move", puzzles, SETTINGS)] == puzzles
    cases = cases_of("board", puzzles, asking(board_skills=2), mirrored=True)
    assert len({case.key for case in cases}) == 40
    assert {case.variant for case in cases} == {*SKILLS} - {"themes"}
    assert all(case.mirrored for case in cases)


def test_tasks_and_settings_travel_to_another_process() -> None:
    tasks = build_tasks(pickle.loads(pickle.dumps(SETTINGS)))
    assert tuple(tasks) == task_names()
    assert next(tasks["move"].turns(BACK)) == next(build_tasks(SETTINGS)["move"].turns(BACK))


DECIDED = {
    "move": [say({"move": "d1d7"}), say("d1d8")],
    "play": [say({"move": "d1d7"}), say("d1d8")],
    "line": [say({"line": ["d1d8"]}), say("nothing")],
    "reasoning": [
        Completion(content=write_answer(BACK_RANK), reasoning=write_trace(BACK_RANK), completion_tokens=9),
        Completion(content=write_answer(BACK_RANK), reasoning="# Solution\nRd8#"),
    ],
    "diagnosis": [say({"move": "d1d8"}), say("d1d8")],
    "board": [say({"pieces": ["Kg1"]}), say({"fen": chess.STARTING_FEN}), say("fork, mateIn1")],
}


@pytest.mark.parametrize("name", task_names())
def test_a_task_declares_the_checks_that_its_verdicts_have_and_their_types(name: str) -> None:
    """A gate on a check that no verdict has would fail every model, so each declared one has to turn up."""
    seen: dict[str, type] = {}
    themes = SETTINGS.questions["board.pieces"].model_copy(
        update={"answer": AnswerShape(shape="list", of=None)}
    )
    questions = {**SETTINGS.questions, "board.themes": themes}
    puzzle = dataclasses.replace(BACK_RANK, themes=("mateIn1", "endgame"))
    for constrain in (None, "none"):
        every = TaskSettings(questions, constrain, board_skills=len(SKILLS))
        tasks = build_tasks(every)
        for case in cases_of(name, [puzzle], every):
            for completion in DECIDED[name]:
                checks = tasks[name].judge(case, [completion] * 3).checks
                seen |= {name: type(value) for name, value in checks.items() if value is not None}
    assert seen == build_tasks(SETTINGS)[name].checks
    assert set(seen.values()) <= {bool, int, float, str}


def test_the_checks_of_the_format_are_checks_of_the_reasoning_task() -> None:
    assert {*CHECKS, *TRACE.values()} <= build_tasks(SETTINGS)["reasoning"].checks.keys()


@pytest.mark.parametrize("name", task_names())
@pytest.mark.parametrize("settings", [FREE, asking("san", constrain="none"), asking("text")])
def test_a_request_says_that_no_schema_is_sent(name: str, settings: TaskSettings) -> None:
    """Audit 14: preflight can see on the request whether the server has to enforce one."""
    free = settings.constrain == "none" or name == "reasoning"
    for case in cases_of(name, [BACK_RANK], asking(board_skills=len(SKILLS))):
        request = next(build_tasks(settings)[name].turns(case))
        assert (request.schema is None, request.schema_name == "") == (free, free)
        assert next(build_tasks(SETTINGS)[name].turns(case)).schema is not None


def test_a_mirrored_case_is_another_case_and_says_so() -> None:
    """A mutant that lost the label: the copy would be judged on the answer to the original."""
    case, copy = BACK, dataclasses.replace(BACK, mirrored=True)
    assert "mirrored" in copy.id
    assert "mirrored" not in case.id
    assert case.key != copy.key


@pytest.mark.parametrize("quoted", ["</think>", "<think></think>", "a </think> b"])
def test_json_that_quotes_the_end_of_a_trace_is_no_trace(quoted: str) -> None:
    """A mutant that cut such an answer in two: a model may well quote the tag in a string."""
    for space in ("", "\n  "):
        content = space + json.dumps({"move": quoted})
        parts = split_trace(Completion(content=content))
        assert (parts.trace, parts.content, parts.closed) == (None, content.strip(), True)
        reading = SETTINGS.read("move", Completion(content=content))
        assert isinstance(reading, Reading)
        assert reading.items == (quoted,)


texts = st.text() | st.from_regex(
    r'(<think>)?[a-h1-8 {}":,]{0,30}(</think>)?\{"move": ?"\w*"[}]?', fullmatch=True
)


@given(texts, texts, st.sampled_from(["stop", "length", None]), st.sampled_from([SETTINGS, FREE]))
def test_no_text_of_a_server_breaks_a_task(
    content: str, reasoning: str, finish_reason: str | None, asked: TaskSettings
) -> None:
    completion = Completion(content=content, reasoning=reasoning, finish_reason=finish_reason)
    for task in build_tasks(asked).values():
        for case in cases_of(task.name, [BACK_RANK], asking(board_skills=5)):
            verdict = task.judge(case, [completion])
            assert verdict.outcome is not Outcome.UNANSWERED
            assert "\n" not in verdict.detail


@given(texts)
def test_the_trace_and_the_answer_are_split_without_loss(text: str) -> None:
    parts = split_trace(Completion(content=text))
    kept, given = (parts.trace or "") + parts.content, text.lstrip().removeprefix("<think>")
    left = {"".join(each.split()) for each in (text, given, given.replace("</think>", "", 1))}
    assert "".join(kept.split()) in left
    assert parts.closed or not parts.content


def test_json_is_found_wherever_it_stands() -> None:
    assert list(objects_in('a {"b": 1} {"move": "e2e4"} {')) == [{"b": 1}, {"move": "e2e4"}]
    assert list(objects_in("{" * 2000)) == []
    assert last_move("e4 or d2d4?", "uci") == ("d2d4", "uci")
    assert last_move("e4 or d4?", "uci") == ("d4", "san")
    assert last_move("none", "san") is None


def test_the_reason_for_a_refused_answer_is_one_line() -> None:
    refused = SETTINGS.read("move", say('{"move": 3}'))
    assert isinstance(refused, NoAnswer)
    assert re.match(r"not the schema: move: [^\n]*$", refused.detail)
