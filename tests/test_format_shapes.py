"""Every shape in which real adapters answer: always right is 100%, always wrong 0%."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import chess
import pytest

from evals.formats.file import load_format
from evals.formats.reader import read
from evals.formats.shapes import AnswerShape
from evals.formats.writer import Right, write, write_trace
from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import NoAnswer
from evals.reading.movetext import write_movetext
from evals.tasks import TaskSettings, build_tasks
from evals.tasks.gold import GoldError, check_gold
from evals.words import Case, Completion, Outcome, Task, Verdict
from tests.asking import cases_of
from tests.positions import random_puzzles
from tests.shapes import BARE_MOVE, BOARD_AS_TEXT, CUE, FORMATS, TRACE_THEN_PGN, write_format

PUZZLES = [
    dataclasses.replace(puzzle, themes=("fork", "mateIn2", "short"))
    for puzzle in random_puzzles(seed=11, count=40)
]


def settings_of(tmp_path: Path, text: str) -> TaskSettings:
    return TaskSettings(load_format(write_format(tmp_path, text)).questions, board_skills=6)


def asked(settings: TaskSettings, puzzles: Sequence[Puzzle] = PUZZLES) -> list[tuple[Task, Case]]:
    """Every case of every task that the format can ask."""
    names = {name.partition(".")[0] for name in settings.questions} & set(build_tasks(settings))
    tasks = build_tasks(settings)
    return [(tasks[name], case) for name in sorted(names) for case in cases_of(name, puzzles, settings)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_player_that_is_always_right_solves_everything_in_order(name: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, FORMATS[name])
    cases = asked(settings)
    assert len(cases) >= 40
    for task, case in cases:
        verdict = task.judge(case, task.right_answers(case))  # type: ignore[attr-defined]
        assert verdict.outcome is Outcome.SOLVED, (case.key, verdict)
        assert verdict.checks.get("sections_in_order", True) is True
        assert verdict.checks.get("faithful", True) is True
        assert verdict.checks.get("exact", True) is True
    for task in {id(task): task for task, _ in cases}.values():
        of_task = [case for other, case in cases if other is task]
        assert check_gold(task, of_task, name) == len(of_task)


def wrong_puzzle(puzzle: Puzzle, rng: random.Random) -> Puzzle:
    """The puzzle as one who is always wrong sees it: another legal move, no mate, is best."""
    board = puzzle.board()
    legal = [
        move for move in board.legal_moves if move.uci() != puzzle.solution[0] and not mates(board, move)
    ]
    return dataclasses.replace(puzzle, moves=(puzzle.moves[0], rng.choice(legal).uci()), themes=("skewer",))


def mates(board: chess.Board, move: chess.Move) -> bool:
    after = board.copy(stack=False)
    after.push(move)
    return after.is_checkmate()


@pytest.mark.parametrize("name", FORMATS)
def test_a_player_that_is_always_wrong_solves_nothing(name: str, tmp_path: Path) -> None:
    settings, rng = settings_of(tmp_path, FORMATS[name]), random.Random(2)
    for task, case in asked(settings):
        puzzle = wrong_puzzle(case.puzzle, rng)
        if task.name == "board":  # of another puzzle's position
            puzzle = dataclasses.replace(
                PUZZLES[(PUZZLES.index(case.puzzle) + 7) % len(PUZZLES)], themes=("skewer",)
            )
        said = task.right_answers(dataclasses.replace(case, puzzle=puzzle))  # type: ignore[attr-defined]
        verdict = task.judge(case, said)
        same = task.name == "board" and said == task.right_answers(case)  # type: ignore[attr-defined]
        assert same or verdict.outcome is not Outcome.SOLVED, (case.key, said, verdict)
        if task.name != "board":
            assert verdict.outcome is Outcome.MISSED


def judge_pgn(tmp_path: Path, puzzle: Puzzle, movetext: str, finish: str = "stop") -> Verdict:
    settings = settings_of(tmp_path, TRACE_THEN_PGN)
    right = Right(puzzle.board(), [chess.Move.from_uci(uci) for uci in puzzle.solution])
    completion = Completion(
        content=movetext,
        reasoning=write_trace(settings.questions["reasoning"], right),
        finish_reason=finish,
    )
    return build_tasks(settings)["reasoning"].judge(Case("reasoning", puzzle), [completion])


QUEEN = Puzzle("q", "6k1/5ppp/8/8/8/1q6/5PPP/R2R2K1 b - - 0 30", ("b3c3", "d1d8"), 900)
"""White mates by Rd8#; Ra8+ is legal and does not."""


@pytest.mark.parametrize(
    ("movetext", "outcome"),
    [
        ("31. Rd8#", Outcome.SOLVED),
        ("31.Rd8# {a comment with Ra8} 1-0", Outcome.SOLVED),
        ("31. Rd8#! (31. Ra8+? Qxa1) $1 *", Outcome.SOLVED),
        ("1. Rd8#", Outcome.SOLVED),
        ("31... Rd8#", Outcome.SOLVED),
        ("31. Rd8# {an unclosed comment (31. Ra8", Outcome.SOLVED),
        ("{[%clk 0:01:02]} 31. Rd8# (31. Ra8+ (31. Rac1 Qxc1)) 1-0", Outcome.SOLVED),
        ("31. Rac1! (31. Rd8#) Qxc1", Outcome.MISSED),
        ("31. Rac1 Qxc1 32. Rd8#", Outcome.MISSED),
        ("31. Qxf7#", Outcome.ILLEGAL),
        ("31. O-O", Outcome.ILLEGAL),
        ("I think that Rd8# mates.", Outcome.UNPARSEABLE),
        ('{"best_move": "Rd8#"}', Outcome.UNPARSEABLE),
        ("", Outcome.MALFORMED),
    ],
)
def test_only_the_first_move_of_the_main_line_is_played(
    tmp_path: Path, movetext: str, outcome: Outcome
) -> None:
    assert judge_pgn(tmp_path, QUEEN, movetext).outcome is outcome


def test_the_last_move_of_the_right_line_and_the_first_of_a_variation_are_missed(tmp_path: Path) -> None:
    puzzle = Puzzle(
        "line", "2r3k1/5ppp/8/8/8/8/1q3PPP/R2R2K1 w - - 0 1", ("h2h3", "b2a1", "d1a1", "c8c1"), 900
    )
    board = puzzle.board()
    line = [chess.Move.from_uci(uci) for uci in puzzle.solution]
    right = write_movetext(board, line)
    assert judge_pgn(tmp_path, puzzle, right).outcome is Outcome.SOLVED
    wrong = board.san(chess.Move.from_uci("g8f8"))
    assert judge_pgn(tmp_path, puzzle, f"1... {wrong} ({right})").outcome is Outcome.MISSED
    assert judge_pgn(tmp_path, puzzle, f"1... {wrong} 2. Rxa1 Rc1+").outcome is Outcome.MISSED


def test_movetext_that_was_cut_off_counts_as_far_as_it_is_whole(tmp_path: Path) -> None:
    assert judge_pgn(tmp_path, QUEEN, "31. Rd8", "length").outcome is Outcome.TRUNCATED
    assert judge_pgn(tmp_path, QUEEN, "31. Rd8# Kxd8", "length").outcome is Outcome.SOLVED


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ("d1d8", Outcome.SOLVED),
        (" d1d8\n", Outcome.SOLVED),
        ("d1d8 is mate", Outcome.UNPARSEABLE),
        ('{"move": "d1d8"}', Outcome.UNPARSEABLE),
        ("Rd8#", Outcome.UNPARSEABLE),
        ("D1D8", Outcome.UNPARSEABLE),
        ("d1d8.", Outcome.UNPARSEABLE),
        ("a1a8", Outcome.MISSED),
        ("d1d9", Outcome.UNPARSEABLE),
        ("d8d1", Outcome.ILLEGAL),
    ],
)
def test_a_bare_move_is_the_whole_answer(tmp_path: Path, content: str, outcome: Outcome) -> None:
    task = build_tasks(settings_of(tmp_path, BARE_MOVE))["move"]
    assert task.judge(Case("move", QUEEN), [Completion(content=content)]).outcome is outcome


def test_a_bare_move_that_was_cut_off_is_truncated(tmp_path: Path) -> None:
    task = build_tasks(settings_of(tmp_path, BARE_MOVE))["move"]
    completion = Completion(content="d1d8", finish_reason="length")
    assert task.judge(Case("move", QUEEN), [completion]).outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ("Best move: Rd8#", Outcome.SOLVED),
        ("Best move: Ra8+ no: Best move: Rd8#", Outcome.SOLVED),
        ("Best move: Rd8# no: Best move: Ra8+", Outcome.MISSED),
        ("best move: Rd8#", Outcome.MALFORMED),
        ("Rd8#", Outcome.MALFORMED),
        ("Best move: rd8", Outcome.UNPARSEABLE),
    ],
)
def test_a_cue_is_taken_as_it_was_declared(tmp_path: Path, content: str, outcome: Outcome) -> None:
    task = build_tasks(settings_of(tmp_path, CUE))["move"]
    assert task.judge(Case("move", QUEEN), [Completion(content=content)]).outcome is outcome


def test_themes_are_scored_against_those_that_count(tmp_path: Path) -> None:
    task = build_tasks(settings_of(tmp_path, BOARD_AS_TEXT))["board"]
    case = Case("board", PUZZLES[0], variant="themes")
    half = task.judge(case, [Completion(content="Fork, endgame, pin")])
    assert half.outcome is Outcome.MISSED
    assert half.checks == {"precision": 0.5, "recall": 0.5, "jaccard": 0.3333, "exact": False}
    assert task.judge(case, [Completion(content="mate in 2, fork")]).outcome is Outcome.SOLVED


def test_a_puzzle_without_a_theme_that_counts_is_not_asked_for_themes(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, BOARD_AS_TEXT)
    plain = dataclasses.replace(PUZZLES[0], themes=("short", "middlegame"))
    assert "themes" not in {case.variant for case in cases_of("board", [plain], settings)}
    assert "themes" in {case.variant for case in cases_of("board", [PUZZLES[0]], settings)}


@pytest.mark.parametrize(
    "broken",
    [
        CUE.replace(
            'template = "I looked at e4 and Nf3.\\nBest move: {answer}"', 'template = "Move: {answer}"'
        ),
        CUE.replace('notation = "san"', 'notation = "uci"\nof = "san"').replace("(\\S+)", "(.)\\S*"),
    ],
)
def test_a_format_that_cannot_score_its_own_answers_is_refused(tmp_path: Path, broken: str) -> None:
    settings = settings_of(tmp_path, broken)
    name, *_ = settings.questions
    with pytest.raises(GoldError, match=r"cannot score its own right answers: \d+ of 40 of .*; first"):
        check_gold(build_tasks(settings)[name], cases_of(name, PUZZLES, settings), "mine")


def test_an_answer_of_100_kilobytes_is_read_all_the_same(tmp_path: Path) -> None:
    filler = "x" * 100_000
    for text in FORMATS.values():
        for name, question in settings_of(tmp_path, text).questions.items():
            want = {"board.pieces": "pieces", "line": "line"}.get(name, "move")
            if name.startswith("board.") and want == "move":
                continue
            reading = read(question.answer, want, Completion(content=filler))  # type: ignore[arg-type]
            assert isinstance(reading, NoAnswer) or reading.items == (filler,)


def test_a_json_answer_in_a_text_holds_any_bare_shape() -> None:
    shape = AnswerShape(shape="json", field="solution", of="pgn")
    completion = Completion(content='{"solution": "31. Rd8# {mate} (31. Ra8+)"}')
    reading = read(shape, "move", completion)
    assert not isinstance(reading, NoAnswer)
    assert (reading.items, reading.notation) == (("Rd8#",), "san")


def test_what_a_perfect_player_writes_is_spaced_as_the_format_says(tmp_path: Path) -> None:
    text = 'json_spacing = [",", ":"]\n[move]\nuser = "{fen}"\n'
    text += 'answer = { shape = "json", notation = "uci", field = "move", fields = { move = "move" } }\n'
    question = load_format(write_format(tmp_path, text)).questions["move"]
    right = Right(QUEEN.board(), [chess.Move.from_uci("d1d8")])
    assert write(question, "move", right).content == '{"move":"d1d8"}'
    assert question.request("move", QUEEN.board()).separators == (",", ":")
