"""The adapters with a format file of their own: asked as the file says, and every answer taught is right."""

from __future__ import annotations

import ast
import io
import random
import re
import tomllib
from itertools import islice
from pathlib import Path
from typing import Any

import chess
import chess.pgn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from evals.making.mates import mating_moves
from evals.pawn.__main__ import main
from evals.pawn.batches import WIDTHS, Encoder
from evals.pawn.exam import in_pgn, mark_moves
from evals.pawn.model import CONTEXT
from evals.pawn.positions import Line, Source, mirrored, read_lines, with_last_move
from evals.pawn.questions import FORMATS, Example, format_file
from evals.pawn.recipes import ADAPTERS
from evals.pawn.tokenizer import HEADINGS
from evals.pawn.traces import annotated, candidates
from evals.puzzles.puzzle import Puzzle
from evals.puzzles.split import held_out

PAWN = Path(__file__).parents[2] / "serve" / "pawn"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of games of our own, as the first stage writes them."""
    path = tmp_path_factory.mktemp("pawn") / "lines.txt"
    main(["positions", "--count", "60", "--out", str(path)])
    return path


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(str(PAWN / "base"))


def examples(lines: Path, name: str, count: int = 120) -> list[Example]:
    source = Source(5, read_lines(lines))
    made = (example for _ in iter(int, 1) for example in ADAPTERS[name](source, source.rng))
    return list(islice(made, count))


def file_of(name: str) -> dict[str, Any]:
    return tomllib.loads(format_file(name).read_text(encoding="utf-8"))


def best_moves(example: Example) -> list[chess.Move]:
    """The right moves that are known without the line: the mates in one."""
    return mating_moves(example.position.board)


def pgn_game(board: chess.Board, movetext: str) -> chess.pgn.Game:
    game = chess.pgn.read_game(io.StringIO(f'[SetUp "1"]\n[FEN "{board.fen()}"]\n\n{movetext}\n'))
    assert game is not None
    assert not game.errors, (movetext, game.errors)
    return game


@pytest.mark.parametrize("name", FORMATS)
def test_training_asks_what_the_format_file_says(name: str, lines: Path) -> None:
    user = file_of(name)[FORMATS[name]]["user"]
    assert "{fen}" in user
    for example in examples(lines, name, 20):
        assert example.system is None
        filled = re.escape(user.replace("{fen}", example.position.fen))
        assert re.fullmatch(filled.replace(re.escape("{last_move}"), r"[A-Za-z0-9+#=-]+"), example.user)


def test_the_worked_examples_are_right_and_are_not_evaluated_on() -> None:
    shown = re.findall(r"FEN: (.+)\nbest move: (\w+)", file_of("uci")["move"]["user"])
    assert len(shown) == 2
    for fen, answer in shown:
        board = chess.Board(fen)
        assert board.is_valid()
        assert not held_out(board)
        assert [move.uci() for move in mating_moves(board)] == [answer]


def test_a_bare_move_is_a_mate_or_the_first_move_of_a_line(lines: Path) -> None:
    for example in examples(lines, "uci"):
        moves = [example.position.board.parse_uci(answer) for answer in example.answers]
        if best_moves(example):
            assert moves == best_moves(example)
        else:
            assert len(moves) == 1
        assert not example.thinking


def test_the_pgn_taught_is_the_line_of_the_trace(lines: Path) -> None:
    noted = varied = 0
    for example in examples(lines, "pgn"):
        (text,) = example.answers
        thought, _, movetext = text.partition("\n</think>\n\n")
        board = example.position.board
        game = pgn_game(board, movetext)
        first = game.variations[0]
        assert first.nags == {chess.pgn.NAG_GOOD_MOVE}
        solution = thought.rpartition("\n")[2]
        assert board.variation_san(list(game.mainline_moves())) == solution
        listed = thought.split(f"{HEADINGS[3]}\n")[1].splitlines()[0]
        sans: list[str] = ast.literal_eval(listed)
        assert board.parse_san(sans[0]) == first.move
        for other in game.variations[1:]:
            assert other.san() == sans[1]
        noted += bool(first.comment)
        varied += len(game.variations) > 1
        assert [row for row in thought.splitlines() if row.startswith("#")] == list(HEADINGS)
        if mates := best_moves(example):
            assert first.move in mates
    assert 0 < noted < 120
    assert 0 < varied < 120


def test_the_format_file_names_the_sections_that_are_taught() -> None:
    expected = file_of("pgn")["reasoning"]["trace"]
    assert [f"## Step {i}: {title}" for i, title in enumerate(expected["sections"], 1)] == list(HEADINGS)
    assert expected["candidates"] in expected["sections"]


def test_the_last_move_asked_with_leads_to_the_position(lines: Path) -> None:
    source = Source(2, read_lines(lines))
    found = 0
    for _ in range(80):
        line = source.mate()
        told = with_last_move(line, source.rng)
        if told is None:
            continue
        found += 1
        assert told.before is not None
        assert told.blunder is not None
        assert told.before.is_legal(told.blunder)
        told.before.push(told.blunder)
        assert told.before.fen().split()[:4] == line.board.fen().split()[:4]
    assert found > 60


def test_a_puzzle_keeps_its_own_last_move_and_a_mirrored_one_its_image(lines: Path) -> None:
    source = Source(4, read_lines(lines))
    for _ in range(40):
        line = source.tactic()
        assert line.before is not None
        assert line.blunder is not None
        after = line.before.copy(stack=False)
        after.push(line.blunder)
        assert (
            after.fen().split()[:5] == line.board.fen().split()[:5]
        )  # a mirror image has another move number
        assert with_last_move(line, source.rng) is line


@given(seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_any_line_comes_back_from_its_pgn(seed: int) -> None:
    rng = random.Random(seed)
    board = chess.Board()
    for _ in range(rng.randint(0, 90)):
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(rng.choice(moves))
    board = mirrored(board.copy(stack=False), rng)
    after, moves = board.copy(stack=False), list[chess.Move]()
    for _ in range(rng.randint(1, 5)):
        legal = list(after.legal_moves)
        if not legal:
            break
        moves.append(rng.choice(legal))
        after.push(moves[-1])
    if not moves:
        return
    text = annotated(Line(board, tuple(moves)))
    game = pgn_game(board, text)
    assert list(game.mainline_moves()) == moves
    assert in_pgn(board, text) == moves[0]
    assert [each.move for each in game.variations[1:]] in ([], candidates(Line(board, tuple(moves)), 2)[1:])


@pytest.mark.parametrize("name", FORMATS)
def test_prompt_and_answer_fit_where_they_are_trained_and_served(
    name: str, lines: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    encode = Encoder(tokenizer, sight=False)
    limit = file_of(name)["max_tokens"]
    for example in examples(lines, name):
        row = encode(example, random.Random(1), example.thinking)
        assert len(row.prompt) + len(row.answer) <= WIDTHS[-1]
        assert len(row.answer) <= limit
        assert len(row.prompt) + limit <= CONTEXT


@pytest.mark.parametrize("name", FORMATS)
def test_training_sees_what_the_server_makes_of_the_prompt(
    name: str, lines: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    encode = Encoder(tokenizer, sight=False)
    for example in examples(lines, name, 10):
        served = tokenizer.apply_chat_template(
            [{"role": "user", "content": example.user}],
            add_generation_prompt=True,
            enable_thinking=example.thinking,
            return_dict=False,
        )
        assert encode.prompt(example, example.thinking) == served


@pytest.mark.parametrize("text", ["", "1. Ke8", "1. Ke8 (1. d4) e5", "1. Ke8 ) e4", "{e4"])
def test_the_exam_refuses_what_is_no_pgn(text: str) -> None:
    with pytest.raises(ValueError, match="san"):
        in_pgn(chess.Board(), text)


def test_the_exam_reads_the_main_line_and_not_a_variation() -> None:
    fen = "6k1/5ppp/8/8/8/8/r4PPP/3R2K1 b - - 0 1"
    puzzle = Puzzle("a", fen, ("a2a8", "d1d8", "a8d8"), 1500, themes=("mateIn1",))
    texts = ["<think>\n1. h3\n</think>\n\n2. Rd8+! {mate} (2. h3 h6) 2...Rxd8", "2. h3 (2. Rd8+ Rxd8) 2...h6"]
    assert [mark_moves([puzzle], [text], in_pgn).solved.total() for text in texts] == [1, 0]
    marks = mark_moves([puzzle] * 3, ["d1d8", "Rd8+", ""], chess.Board.parse_uci)
    assert (marks.legal.total(), marks.solved.total()) == (1, 1)


def test_an_adapter_is_written_with_its_format_file_and_examined_by_it(
    lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exam = tmp_path / "exam.csv"
    shipped = (PAWN.parents[1] / "evals" / "sets" / "mate-in-1.csv").read_text(encoding="utf-8")
    exam.write_text("".join(shipped.splitlines(keepends=True)[:5]), encoding="utf-8")
    base, adapters = tmp_path / "base", tmp_path / "adapters"
    main(["tokenizer", "--out", str(base)])
    main(["pretrain", "--tiny", "--lines", str(lines), "--out", str(base)])
    for name in FORMATS:
        files = ["--base", str(base), "--out", str(adapters), "--lines", str(lines)]
        main(["finetune", name, "--tiny", *files])
        written = (adapters / name / "eighth-rank.toml").read_text(encoding="utf-8")
        assert written == format_file(name).read_text(encoding="utf-8")
        main(["exam", name, "--base", str(base), "--adapters", str(adapters), "--exam", str(exam)])
    said = capsys.readouterr().out
    assert "bare move: mateIn1: 0.0% legal, 0.0% solved of 4" in said
    assert "thoughts: {'closed': 0.0" in said
