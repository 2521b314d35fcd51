"""Formats made from training rows: in every shape, byte for byte, and what is broken is shown."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from evals.__main__ import main
from evals.adopting.positions import retract
from evals.adopting.toml import string
from evals.formats.file import load_format
from evals.formats.format import FILE_NAME, Format
from evals.puzzles.puzzle import Puzzle
from evals.reading.lists import write_list
from evals.reading.movetext import write_movetext
from evals.tasks import TaskSettings, build_tasks, cases_for
from evals.words import Outcome
from tests.mates import mate
from tests.positions import random_puzzles
from tests.puzzle_files import write_csv
from tests.shapes import FORMATS, write_format
from tests.training_rows import (
    PUZZLES,
    SHAPES,
    Row,
    bare_move,
    best,
    chat,
    last_san,
    rows_of,
    san,
    trace,
    write_rows,
)

pytestmark = pytest.mark.slow  # rows of every shape, adopted from the first to the last step


@dataclasses.dataclass(frozen=True)
class Done:
    """What the command did."""

    status: int
    out: str
    err: str
    file: Path

    @property
    def format(self) -> Format:
        """The file that it wrote, read again."""
        return load_format(self.file)


Adopt = Callable[..., Done]


@pytest.fixture
def adopt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Adopt:
    """Run the command on rows."""

    def run(rows: Sequence[Row], *options: str, name: str = "rows.jsonl") -> Done:
        file = tmp_path / "eighth-rank.toml"
        source = write_rows(tmp_path / name, rows)
        capsys.readouterr()
        status = main(["adopt", str(source), "--out", str(file), *options])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Done(status, said.out, said.err, file)

    return run


def asked_of(row: Row) -> list[dict[str, str]]:
    """The chat of a row without its answer."""
    if "messages" in row:
        return row["messages"][:-1]
    if "conversations" in row:
        return [{"role": "user", "content": row["conversations"][0]["value"]}]
    text = row.get("prompt") or row.get("question") or f"{row['instruction']}\n{row['input']}"
    return [{"role": "user", "content": text}]


# --- every shape ---


@pytest.mark.parametrize("name", SHAPES)
def test_rows_of_each_shape_give_their_format(name: str, adopt: Adopt) -> None:
    rows = rows_of(name)
    done = adopt(rows)
    assert done.status == 0, done.err
    _, asks, shape = SHAPES[name]
    question = done.format.questions[asks]
    assert list(done.format.questions) == [asks, *(["play"] if asks == "move" else [])]
    assert question.answer.shape == shape
    assert "prompts: 40 of 40 byte for byte equal" in done.out
    assert "gold answers: 40 of 40 read back right" in done.out
    for puzzle, row in zip(PUZZLES, rows, strict=True):
        board = puzzle.board()
        more = {"square": chess.square_name(best(puzzle).from_square), "moves": " ".join(puzzle.solution[:2])}
        assert list(question.messages(board, more)) == asked_of(row)


@pytest.mark.parametrize("adapter", ["uci", "pgn"])
def test_rows_as_pawn_was_trained_on_give_the_prompts_of_its_adapters(adapter: str, adopt: Adopt) -> None:
    theirs = load_format(Path(__file__).parents[1] / "serve" / "pawn" / "adapters" / adapter / FILE_NAME)
    asks, *_ = theirs.questions
    done = adopt(written(theirs, asks, PUZZLES))
    assert done.status == 0, done.err
    for name in ("system", "user", "answer", "thinking"):
        assert getattr(done.format.questions[asks], name) == getattr(theirs.questions[asks], name)
    assert done.format.questions[asks].trace.sections == theirs.questions[asks].trace.sections


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "board skills as text"])
def test_rows_written_in_a_format_give_that_format_back(name: str, adopt: Adopt, tmp_path: Path) -> None:
    theirs = load_format(write_format(tmp_path, FORMATS[name], "theirs.toml"))
    asks, *_ = theirs.questions
    puzzles = [dataclasses.replace(puzzle, themes=("fork",)) for puzzle in PUZZLES]
    done = adopt(
        list(written(theirs, asks, puzzles)), "--task", asks, "--cue", "Best move: " if name == "cue" else ""
    )
    assert done.status == 0, done.err
    ours = done.format.questions[asks]
    assert ours.answer.shape == theirs.questions[asks].answer.shape
    for puzzle in random_puzzles(99, 20):
        board = puzzle.board()
        assert ours.messages(board, {}) == theirs.questions[asks].messages(board, {})
    if asks == "reasoning":
        assert ours.trace == theirs.questions[asks].trace


def written(format: Format, asks: str, puzzles: Sequence[Puzzle]) -> Sequence[Row]:
    """Rows as a format asks, and a perfect player answers."""
    task: Any = build_tasks(TaskSettings(format.questions))[asks.partition(".")[0]]
    rows: list[Row] = []
    for case in cases_for(task, puzzles):
        (said,) = task.right_answers(case)
        (*system, user) = format.questions[asks].messages(case.puzzle.board(), {})
        thought = f"<think>\n{said.reasoning}\n</think>\n\n" if said.reasoning else ""
        columns = {} if case.puzzle.board().fen() in user["content"] else {"FEN": case.puzzle.board().fen()}
        answer = {"role": "assistant", "content": f"{thought}{said.content}"}
        rows.append({"messages": [*system, user, answer], **columns})
    return rows


@pytest.mark.parametrize("name", SHAPES)
def test_an_adopted_format_scores_right_answers_and_no_others(name: str, adopt: Adopt) -> None:
    asks = SHAPES[name][1]
    settings = TaskSettings(adopt(rows_of(name)).format.questions)
    task: Any = build_tasks(settings)[asks.partition(".")[0]]
    puzzles = [dataclasses.replace(puzzle, themes=("fork",)) for puzzle in random_puzzles(5, 20)]
    for case in cases_for(task, puzzles):
        assert task.judge(case, task.right_answers(case)).outcome is Outcome.SOLVED
        other = next(each for each in puzzles if each.position_key != case.puzzle.position_key)
        stranger = dataclasses.replace(case, puzzle=dataclasses.replace(other, themes=("pin",)))
        verdict = task.judge(case, task.right_answers(stranger))
        # Another position's move may be right here by chance.
        assert (
            verdict.outcome is not Outcome.SOLVED
            or verdict.move == verdict.solution
            or "check" in verdict.detail
        )


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
@pytest.mark.parametrize("shape", ["bare move", "structured", "line"])
def test_rows_may_be_json_lines_csv_and_parquet(name: str, shape: str, adopt: Adopt) -> None:
    done = adopt(rows_of(shape), name=name)
    assert done.status == 0, done.err
    assert done.format.questions[SHAPES[shape][1]].answer.shape == SHAPES[shape][2]


def test_a_board_without_a_fen_is_found_by_the_columns(adopt: Adopt) -> None:
    rows = [
        chat(f"{p.board()}\n\n{last_san(p)} was played.", san(p), FEN=p.fen, Moves=" ".join(p.moves))
        for p in PUZZLES
    ]
    done = adopt(rows)
    assert done.status == 0, done.err
    assert done.format.questions["move"].user == "{board}\n\n{last_move} was played."


def test_a_row_may_be_about_the_position_of_a_worked_example(adopt: Adopt) -> None:
    example = Puzzle("x", "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 31", ("d1d8",), 1500, convention="solver")
    done = adopt([bare_move(p) for p in (PUZZLES[0], example, *PUZZLES[1:])])
    assert done.status == 0, done.err
    assert done.format.questions["move"].user.count("{fen}") == 1


def test_a_bare_move_may_come_behind_a_trace(adopt: Adopt) -> None:
    question = adopt([chat(fen(p), trace(p) + best(p).uci()) for p in PUZZLES]).format.questions["reasoning"]
    assert question.thinking
    assert question.answer.shape == "uci"
    assert question.trace.candidates == "Ideas"


def test_columns_that_are_named_are_used(adopt: Adopt) -> None:
    rows = [{"q": f"{p.board()}", "a": san(p), "f": p.fen, "m": " ".join(p.moves)} for p in PUZZLES]
    named = ["--question", "q", "--answer", "a", "--fen-column", "f", "--moves-column", "m"]
    done = adopt(rows, *named, "--rows", "20")
    assert done.status == 0, done.err
    assert "prompts: 20 of 20" in done.out
    assert done.format.questions["move"].user == "{board}"
    wrong = adopt(rows, *named[:-1], "n")
    assert "row 1 has no column 'n'; there are q, a, f, m" in wrong.err


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_second_fen_that_varies_is_no_placeholder(which: str, adopt: Adopt) -> None:
    done = adopt(BAD["two varying FENs"][0], "--fen", which)
    assert done.status == 2
    assert "nothing that a placeholder shows" in done.err or "not legal" in done.err


def test_a_second_question_is_added_to_the_file(adopt: Adopt) -> None:
    assert adopt(rows_of("bare move")).status == 0
    assert adopt(rows_of("trace, then PGN")).status == 0
    done = adopt(rows_of("captures"))
    assert list(done.format.questions) == ["move", "play", "reasoning", "board.captures"]
    assert done.format.questions["reasoning"].thinking
    assert not done.format.questions["move"].thinking
    again = adopt(rows_of("bare move"))
    assert again.status == 2
    assert "has a [move] already" in again.err


def test_json_is_spaced_as_in_the_rows_or_not_held_at_all(adopt: Adopt, tmp_path: Path) -> None:
    def rows(**how: Any) -> list[Row]:
        return [chat(p.board().fen(), json.dumps({"best": san(p), "eval": "±"}, **how)) for p in PUZZLES]

    question = adopt(rows(separators=(",", ":"), ensure_ascii=False)).format.questions["move"]
    assert question.json_spacing == (",", ":")
    (tmp_path / "eighth-rank.toml").unlink()
    done = adopt(rows(indent=2))
    assert done.format.questions["move"].constrain == "none"
    assert "held to no schema" in done.out


@pytest.mark.parametrize(("separator", "ordered"), [("; ", True), ("\n- ", False), (", ", True)])
def test_the_list_of_legal_moves_is_found_out(separator: str, ordered: bool, adopt: Adopt) -> None:
    rows: list[Row] = []
    for puzzle in PUZZLES:
        board = puzzle.board()
        moves = [move.uci() for move in board.legal_moves]
        rows.append(
            chat(f"{board.fen()} [{separator.join(sorted(moves) if ordered else moves)}]", san(puzzle))
        )
    listed = adopt(rows).format.questions["move"].legal_moves
    assert (listed.separator, listed.order) == (separator, "sorted" if ordered else "generated")


@pytest.mark.parametrize("seed", range(40))
def test_the_move_before_is_taken_back_from_its_san_alone(seed: int) -> None:
    for puzzle in random_puzzles(seed, 5):
        board = puzzle.board()
        led = retract(chess.Board(board.fen()), last_san(puzzle))
        assert led is not None, (puzzle.fen, puzzle.moves[0])
        assert led.fen() == board.fen()
        before = led.copy()
        assert before.san(before.pop()) == last_san(puzzle)


def test_a_move_that_cannot_have_led_there_is_not_taken_back() -> None:
    board = chess.Board("6k1/5ppp/8/8/8/8/5PPP/3R2K1 b - - 0 1")
    assert retract(board, "Rd1") is not None
    for text in ("Rd1+", "Qd1", "O-O", "Rd2", "e4", "xd1", ""):
        assert retract(board, text) is None


@pytest.mark.parametrize("text", ["e4", "O-O", "exd6", "Rd1", "axb8=Q+"])
def test_rows_that_show_last_moves_of_other_games_are_refused(text: str, adopt: Adopt) -> None:
    rows = [chat(f"{p.board().fen()} after {last_san(p)}", san(p)) for p in PUZZLES]
    rows[9]["messages"][0]["content"] = f"{PUZZLES[9].board().fen()} after {text}?!"
    done = adopt(rows)
    assert done.status == 2
    assert not done.file.exists()


@given(st.text(max_size=40))
def test_every_text_is_written_as_toml_that_reads_back(text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    assert tomllib.loads(f"a = {string(text)}")["a"] == text


# --- training on the opponent's move ---


def raw(puzzle: Puzzle, answer: Callable[[Puzzle], str] = lambda p: p.moves[0], **columns: Any) -> Row:
    """A row of the wrong kind: the FEN of the file and the first of its moves."""
    return {"prompt": f"Best move in {puzzle.fen}?", "completion": answer(puzzle), **columns}


def test_the_opponents_move_as_answer_is_said_with_the_column_of_moves(adopt: Adopt) -> None:
    done = adopt([raw(p, FEN=p.fen, Moves=" ".join(p.moves)) for p in PUZZLES])
    assert done.status == 1
    assert "40 of 40 gold answers are Moves[0] of the row's own puzzle, the opponent's move" in done.out
    assert not done.file.exists()


def test_the_opponents_move_as_answer_is_said_with_the_puzzle_file(adopt: Adopt, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "puzzles.csv", PUZZLES)
    rows = [raw(p, PuzzleId=p.id) for p in PUZZLES]
    done = adopt(rows, "--puzzles", str(file))
    assert done.status == 1
    assert "40 of 40 gold answers are the puzzle's Moves[0]" in done.out
    by_fen = adopt([raw(p) for p in PUZZLES], "--puzzles", str(file))
    assert by_fen.status == 1
    right = adopt([{**bare_move(p), "PuzzleId": p.id} for p in PUZZLES], "--puzzles", str(file))
    assert right.status == 0, right.out + right.err
    assert "note" not in right.out
    (tmp_path / "eighth-rank.toml").unlink()
    strange = adopt(rows_of("bare move"), "--puzzles", str(file))
    assert "note: no row has the id of a puzzle of --puzzles" in strange.out


def test_answers_that_are_not_the_solution_are_counted(adopt: Adopt, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "puzzles.csv", PUZZLES)
    rows = [{**bare_move(p), "PuzzleId": p.id} for p in PUZZLES]
    board = PUZZLES[6].board()
    rows[6]["completion"] = next(move.uci() for move in board.legal_moves if move != best(PUZZLES[6]))
    done = adopt(rows, "--puzzles", str(file))
    assert done.status == 0
    assert "1 of 40 gold answers are legal but not the solution's first move; first row 7" in done.out


def test_an_answer_behind_one_of_two_cues_is_the_puzzles_solution(adopt: Adopt, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "puzzles.csv", PUZZLES)
    rows = [{**row, "PuzzleId": p.id} for p, row in zip(PUZZLES, BAD["two cues"][0], strict=True)]
    done = adopt(rows, "--puzzles", str(file))
    assert done.format.questions["move"].answer.template.startswith("but {answer}")


def test_lines_that_end_with_the_other_side_are_said_without_columns(adopt: Adopt) -> None:
    puzzles = [p for p in PUZZLES if len(p.moves) >= 2]
    done = adopt([raw(p, lambda p: " ".join(p.moves)) for p in puzzles])
    assert done.status == 1
    assert "they seem to start with the opponent's move (FEN + Moves[0])" in done.out


def test_answers_after_which_one_is_mated_are_said_without_columns(adopt: Adopt) -> None:
    mates = [mate(number) for number in range(40)]
    wrong = [{"prompt": f"Best move in {fen}?", "completion": moves.split()[0]} for fen, moves in mates]
    done = adopt(wrong)
    assert done.status == 1
    assert "after 40 of 40 gold answers the other side mates at once" in done.out
    assert "--puzzles FILE" in done.out


def test_a_few_answers_of_the_wrong_side_are_counted(adopt: Adopt) -> None:
    good = [
        {
            "prompt": f"Best move in {p.board().fen()}?",
            "completion": best(p).uci(),
            "FEN": p.fen,
            "Moves": " ".join(p.moves),
        }
        for p in PUZZLES[:37]
    ]
    done = adopt([*good, *(raw(p, FEN=p.fen, Moves=" ".join(p.moves)) for p in PUZZLES[37:])])
    assert done.status == 1
    assert "3 of 40" in done.out


def test_a_solution_column_that_starts_with_the_solver_is_no_fault(adopt: Adopt) -> None:
    rows = [
        {
            "prompt": f"Best move in {p.board().fen()}?",
            "completion": best(p).uci(),
            "solution": " ".join(p.solution),
        }
        for p in PUZZLES
    ]
    assert adopt(rows).status == 0


def test_anyway_writes_the_file_and_says_it_all_the_same(adopt: Adopt) -> None:
    done = adopt([raw(p, FEN=p.fen, Moves=" ".join(p.moves)) for p in PUZZLES], "--anyway")
    assert done.status == 0
    assert "BUT 40 of 40 gold answers are" in done.out
    assert done.format.questions["move"].answer.shape == "uci"


def test_a_position_before_the_opponents_move_with_the_solvers_answer_is_said(adopt: Adopt) -> None:
    rows = [
        {
            "prompt": f"Best move in {p.fen}?",
            "completion": best(p).uci(),
            "FEN": p.fen,
            "Moves": " ".join(p.moves),
        }
        for p in PUZZLES
    ]
    done = adopt(rows)
    assert done.status == 2
    assert "the prompt shows the position before the opponent's move" in done.err


# --- rows that cannot be used ---


def changed(name: str, at: int, change: Callable[[Row], Row]) -> list[Row]:
    rows = rows_of(name)
    rows[at] = change(rows[at])
    return rows


def fen(puzzle: Puzzle) -> str:
    return puzzle.board().fen()


def captured(puzzle: Puzzle) -> list[chess.Move]:
    return list(puzzle.board().generate_legal_captures())


def numbered(row: Row, text: str) -> Row:
    return {**row, "prompt": row["prompt"] + text}


def completed(row: Row, text: str) -> Row:
    return {**row, "completion": text}


P, Q = PUZZLES[0], PUZZLES[1]
BAD: dict[str, tuple[list[Row], str]] = {
    "two rows that differ": (
        [numbered(row, f" (rated {n})") for n, row in enumerate(rows_of("bare move"))],
        r"is nothing that a placeholder shows: behind '.*\(rated ?' row 1 has '0\)' and row 2 has '1\)'",
    ),
    "one row that differs": (
        changed("bare move", 5, lambda row: {**row, "prompt": row["prompt"].replace("wins", "draws")}),
        "row 1 has 'wins.*' and row 6 has 'draws",
    ),
    "no FEN": (
        [{"prompt": f"Puzzle {n}", "completion": "e2e4"} for n in range(40)],
        "row 1 has no FEN, neither in the question nor in a column: say with --fen-column",
    ),
    "one row without FEN": (
        changed("bare move", 3, lambda row: {**row, "prompt": "Move?"}),
        "row 4 shows no FEN, and other rows do",
    ),
    "two varying FENs": (
        [{"prompt": f"From {p.fen} to {fen(p)}", "completion": best(p).uci()} for p in PUZZLES],
        "two FENs vary: row 1 has '.*' and '.*'; say with --fen first or --fen last",
    ),
    "an impossible FEN": (
        [{"prompt": f"{n}k7/8/8/8/8/8/8/K7 w - - 0 1", "completion": "a1a2"} for n in range(1, 9)],
        "row 1 has the illegal FEN",
    ),
    "illegal gold answers": (
        [
            completed(row, "e2e9" if n == 3 else "a1a1") if n in (3, 7) else row
            for n, row in enumerate(rows_of("bare move"))
        ],
        "2 of 40 gold answers are not right, or not legal in their position; first: row 4: 'e2e9'",
    ),
    "an illegal move in JSON": (
        [chat(fen(p), json.dumps({"move": "Kh9" if n == 4 else san(p)})) for n, p in enumerate(PUZZLES)],
        "1 of 40 gold answers are not right.*first: row 5",
    ),
    "an illegal PGN": (
        [
            chat(fen(p), trace(p) + ("1. Kh9" if n == 4 else write_movetext(p.board(), [best(p)])))
            for n, p in enumerate(PUZZLES)
        ],
        "1 of 40 gold answers are not right.*first: row 5",
    ),
    "a trace in some rows": (
        [chat(fen(p), (trace(p) if n else "") + san(p)) for n, p in enumerate(PUZZLES)],
        "39 of 40 answers start with a <think> trace and the others do not: row 2 has one, row 1 starts",
    ),
    "a trace without an end": ([chat(fen(p), "<think>\nhm") for p in PUZZLES], "row 1 is never closed"),
    "answers of no kind": ([chat(fen(p), "Who knows?") for p in PUZZLES], "Who knows"),
    "two cues": (
        [
            chat(fen(p), f"Not {p.board().san(next(iter(p.board().legal_moves)))} but {san(p)}!")
            for p in PUZZLES
        ],
        "the move may stand behind 'but ' or 'Not ': say with --cue",
    ),
    "two fields": (
        [
            chat(fen(p), json.dumps({"a": san(p), "b": p.board().san(next(iter(p.board().legal_moves)))}))
            for p in PUZZLES
        ],
        "the answer may stand in 'a' or 'b': say with --field",
    ),
    "a placeholder of their own": (
        [chat(f"{fen(p)} Answer as {{move}}.", san(p)) for p in PUZZLES],
        "move.user has {move}",
    ),
    "a text that a format would fill in": (
        [chat(f"{fen(p)} Answer for {{side}}.", san(p)) for p in PUZZLES],
        "the prompt is not byte for byte that of row 1: .* the format has 'White.*' and the row '{side}",
    ),
    "a list that is not whole": (
        [
            {**row, "answer": row["answer"].rpartition(", ")[0] or row["answer"]} if n == 5 else row
            for n, row in enumerate(rows_of("captures", [p for p in PUZZLES if len(captured(p)) > 1]))
        ],
        "1 of .* gold answers are not right.*first: row 6: .*not all captures",
    ),
    "FENs that are written otherwise": (
        [
            chat(re.sub(r" (\S+ \d+ \d+)$", r" e3 0 1", fen(p)), san(p))
            for p in PUZZLES
            if p.board().turn == chess.BLACK
        ],
        "FENs are written otherwise than {fen} is; first row 1",
    ),
    "examples that change": (
        changed("examples as turns", 2, lambda row: {"messages": [row["messages"][0], *row["messages"][3:]]}),
        "the turns before the question are not the same in rows 1 and 3",
    ),
    "a chat without an answer": (
        [{"messages": [{"role": "user", "content": fen(p)}]} for p in PUZZLES],
        "row 1 is no chat",
    ),
    "columns of other names": (
        [{"q": fen(p), "a": san(p)} for p in PUZZLES],
        "say with --question which column it is; there are q, a",
    ),
    "no answers": ([{"prompt": fen(p)} for p in PUZZLES], "say with --answer which column"),
    "messages of no kind": (
        [{"messages": [1, 2]} for _ in PUZZLES],
        "row 1 has a message without a role and a text",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_rows_that_make_no_format_are_shown_in_one_sentence(name: str, adopt: Adopt) -> None:
    rows, message = BAD[name]
    done = adopt(rows)
    assert done.status == 2
    assert re.search(message, done.err), done.err
    assert done.err.count("\n") == 1
    assert not done.file.exists()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("two cues", ["--cue", "but "]),
        ("two fields", ["--field", "a"]),
        ("columns of other names", ["--question", "q", "--answer", "a"]),
        ("FENs that are written otherwise", ["--anyway"]),
    ],
)
def test_what_is_asked_for_by_an_option_is_done_with_it(name: str, options: list[str], adopt: Adopt) -> None:
    done = adopt(BAD[name][0], *options)
    assert done.status == 0, done.err
    assert "move" in done.format.questions
    assert ("equal to the rows', but for how FENs are written" in done.out) == (options == ["--anyway"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "has no row"),
        ("a.jsonl", b"{]\n", "a.jsonl:1: not JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: not an object"),
        ("a.jsonl", b"{" + b" " * (1 << 20) + b"}\n", "a line of more than 1,048,576 bytes"),
        ("a.jsonl", b"\xff\xfe\n", "a.jsonl:1: not JSON"),
        ("a.csv", b"prompt,completion\na\n", "not as many cells"),
        ("a.csv", b"prompt,completion\n\xff,b\n", "not a sound CSV file"),
        ("a.parquet", b"PAR1 no table PAR1", "not a sound Parquet file"),
        ("a.txt", b"x", "training rows are read from .parquet, .jsonl, .csv"),
        ("gone.jsonl", None, "cannot be read: No such file"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    name: str, content: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    assert main(["adopt", str(path), "--out", str(tmp_path / "f.toml")]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert str(path) in err
    assert err.count("\n") == 1


def test_no_row_of_any_content_is_a_traceback(adopt: Adopt) -> None:
    rng = random.Random(4)
    values = [None, 1, "", "x", [], {}, [{"role": "user", "content": None}], fen(P), write_list(["e4"]), True]
    names = ["messages", "prompt", "completion", "FEN", "Moves", "Themes", "conversations", "input"]
    for _ in range(150):
        rows = [{name: rng.choice(values) for name in rng.sample(names, 4)} for _ in range(3)]
        assert adopt(rows).status == 2


def test_many_rows_that_have_nothing_in_common_are_refused_at_once(adopt: Adopt) -> None:
    rng = random.Random(1)
    words = [" ".join(rng.choices("abcdefgh ", k=1000)) for _ in range(60)]
    done = adopt([chat(f"{text} {fen(p)}", san(p)) for p, text in zip(PUZZLES, words, strict=False)])
    assert done.status == 2
    assert done.err.count("\n") == 1


# --- the Hub ---


PUSH = "import sys; from evals.__main__ import main; sys.exit(main(sys.argv[1:]))"


def push(
    url: str, tmp_path: Path, repo: str = "someone/adapter", **environment: str
) -> subprocess.CompletedProcess[str]:
    """In a process of its own, because huggingface_hub reads its environment once."""
    rows = write_rows(tmp_path / "rows.jsonl", rows_of("tag"))
    settings = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_TOKEN": "hf_x",
        "HF_HUB_DISABLE_XET": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", PUSH, "adopt", str(rows), "--out", str(tmp_path / "f.toml"), "--push", repo],
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def hub(commits: list[str]) -> Callable[[Request], Response]:
    """As much of a Hub as a commit needs: `someone/adapter` takes pull requests."""

    def answer(request: Request) -> Response:
        status = next((code for code in (401, 403, 503) if f"/{code}-" in request.path), None)
        if status is not None and (status != 403 or "upload" in request.path):
            return Response("{}", status, content_type="application/json")
        if (
            "/403-" not in request.path
            and "someone/adapter" not in request.path
            and "validate-yaml" not in request.path
        ):
            return Response("{}", 404, {"X-Error-Code": "RepoNotFound"}, content_type="application/json")
        if "/preupload/" in request.path:
            files = [{"path": "eighth-rank.toml", "uploadMode": "regular", "shouldIgnore": False}]
            return Response(json.dumps({"files": files}), content_type="application/json")
        if "/commit/" in request.path:
            commits.append(f"{request.query_string.decode()}\n{request.get_data(as_text=True)}")
            done = {
                "commitOid": "0" * 40,
                "pullRequestUrl": f"{request.host_url}someone/adapter/discussions/1",
            }
            return Response(
                json.dumps({**done, "commitUrl": f"{request.host_url}someone/adapter/commit/0"}),
                content_type="application/json",
            )
        return Response('{"id": "someone/adapter"}', content_type="application/json")

    return answer


@pytest.mark.slow  # a process of its own, as huggingface_hub reads its address once
def test_the_file_is_pushed_as_a_pull_request(httpserver: HTTPServer, tmp_path: Path) -> None:
    commits: list[str] = []
    httpserver.expect_request(re.compile("")).respond_with_handler(hub(commits))
    done = push(httpserver.url_for("").rstrip("/"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pull request: " in done.stdout
    assert "/someone/adapter/discussions/1" in done.stdout
    (commit,) = commits
    assert "create_pr=1" in commit
    assert '"path": "eighth-rank.toml"' in commit


@pytest.mark.slow  # processes of their own, as huggingface_hub reads its address once
@pytest.mark.parametrize(
    ("repo", "environment", "message"),
    [
        ("some/401-adapter", {}, "set HF_TOKEN to a token that may write"),
        ("some/403-adapter", {}, "the token in HF_TOKEN may not open pull requests there"),
        ("no/such", {}, "there is no such repository, or it is private"),
        ("some/503-adapter", {}, "it says 503; try again later"),
        ("someone/adapter", {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ("someone/adapter", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "does not answer"),
        ("adapter", {}, "give the adapter's repository as owner/name"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence_and_the_file_is_kept(
    repo: str, environment: dict[str, str], message: str, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request(re.compile("")).respond_with_handler(hub([]))
    done = push(httpserver.url_for("").rstrip("/"), tmp_path, repo, **environment)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "f.toml").exists()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.slow  # a process of its own, as huggingface_hub reads its address once
def test_rows_are_read_from_a_dataset_of_the_hub(httpserver: HTTPServer, tmp_path: Path) -> None:
    content = write_rows(tmp_path / "rows.jsonl", rows_of("tag")).read_bytes()

    def dataset(request: Request) -> Response:
        if "/someone/rows/" not in request.path:
            return Response("{}", 404, {"X-Error-Code": "RepoNotFound"}, content_type="application/json")
        if "/revision/" in request.path:
            said = json.dumps({"id": "someone/rows", "sha": COMMIT, "siblings": []})
            return Response(said, content_type="application/json")
        if "/tree/" in request.path:
            file = {"type": "file", "path": "data/train.jsonl", "size": len(content), "oid": "0" * 40}
            return Response(json.dumps([file]), content_type="application/json")
        return Response(content, headers={"ETag": '"x"', "X-Repo-Commit": COMMIT})

    httpserver.expect_request(re.compile("")).respond_with_handler(dataset)
    url, out = httpserver.url_for("").rstrip("/"), tmp_path / "f.toml"
    settings = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    for address, status in (("hf://datasets/someone/rows@main", 0), ("hf://datasets/no/such", 2)):
        done = subprocess.run(
            [sys.executable, "-c", PUSH, "adopt", address, "--out", str(out)],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
    assert "cannot be had from the Hub" in done.stderr
    assert f"hf://datasets/someone/rows@{COMMIT}" in out.read_text()
