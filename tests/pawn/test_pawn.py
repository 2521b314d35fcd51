"""The embedded model: its tokenizer, the split of its data, its training stages, the weights that ship."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from evals.making.mates import mating_moves
from evals.pawn import questions, recipes
from evals.pawn.__main__ import main
from evals.pawn.batches import FACTS, Encoder, batches, facts
from evals.pawn.model import new_model
from evals.pawn.positions import (
    Position,
    Source,
    mate_in_two,
    read_lines,
    read_puzzles,
    solver_lines,
)
from evals.pawn.questions import OWN_PROMPTS, Example
from evals.pawn.recipes import move
from evals.pawn.tokenizer import BOARD, HEADINGS, build_tokenizer
from evals.pawn.traces import trace
from evals.pawn.training import Sight, read
from evals.puzzles.puzzle import parse_row
from evals.puzzles.split import canonical, held_out

ROOT = Path(__file__).parents[2]
PAWN = ROOT / "serve" / "pawn"
TRAINED = recipes.ADAPTERS
ADAPTERS = ("move-v1", "move-v2", "blunder", "reasoning", "reasoning-drift", "uci", "pgn")
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(OWN_PROMPTS.values())


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of games of our own, as the first stage writes them."""
    path = tmp_path_factory.mktemp("pawn") / "lines.txt"
    main(["positions", "--count", "80", "--out", str(path)])
    return path


def tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    return [str(tokenizer.decode([token])) for token in tokenizer.encode(text, add_special_tokens=False)]


def random_board(seed: int, plies: int) -> chess.Board:
    rng = random.Random(seed)
    board = chess.Board()
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(rng.choice(moves))
    return board


boards = st.builds(random_board, st.integers(0, 10_000), st.integers(0, 120))


@given(board=boards)
@settings(max_examples=60, deadline=None)
def test_the_placement_of_any_fen_is_32_tokens(
    tokenizer: PreTrainedTokenizerFast, board: chess.Board
) -> None:
    placement = tokens(tokenizer, f"FEN: {board.fen()}")[2 : 2 + BOARD]
    assert all(len(pair) == 2 for pair in placement)
    symbols = {square: piece.symbol() for square, piece in board.piece_map().items()}
    assert "".join(placement) == "".join(symbols.get(square ^ 56, ".") for square in chess.SQUARES)


@given(board=boards, thinking=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_training_sees_what_the_server_makes_of_a_prompt(
    tokenizer: PreTrainedTokenizerFast, board: chess.Board, thinking: bool, seed: int
) -> None:
    rng = random.Random(seed)
    assume(any(board.legal_moves))
    for example in questions.rules(Position(board), rng):
        served = tokenizer.apply_chat_template(
            questions.messages(example.system, example.user),
            add_generation_prompt=True,
            enable_thinking=thinking,
            return_dict=False,
        )
        encoded = Encoder(tokenizer)(example, rng, thinking)
        assert encoded.prompt == served
        read_again = [encoded.prompt[i] for i in encoded.board_at]
        assert tokenizer.decode(read_again) == "".join(tokens(tokenizer, f"FEN: {board.fen()}")[2:34])


def test_every_right_answer_counts_at_each_of_its_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    board = chess.Board("8/8/8/8/8/8/k6P/7K w - - 0 1")  # h3, h4, Kg1 and Kg2
    position = Position(board)
    example = questions.any_of("move-uci", position, position.moves)
    encoded = Encoder(tokenizer)(example, random.Random(1), thinking=False)
    from_square, to_square = 3, 4
    assert sorted(tokenizer.convert_ids_to_tokens(encoded.choices[from_square])) == ["h1", "h1", "h2", "h2"]
    start = str(tokenizer.convert_ids_to_tokens(encoded.answer[from_square]))
    ends = {move.uci()[2:] for move in position.moves if move.uci().startswith(start)}
    assert set(tokenizer.convert_ids_to_tokens(encoded.choices[to_square])) == ends

    def recipe(source: Source, rng: random.Random) -> Iterator[Example]:
        del source, rng
        yield example

    batch = next(batches(tokenizer, recipe, Source(1), tokens=1024))
    totals = np.bincount(batch.choice_of, batch.weights)
    assert totals == pytest.approx(np.ones(len(batch.targets)))


@given(board=boards)
@settings(max_examples=60, deadline=None)
def test_checks_are_found_as_python_chess_finds_them(board: chess.Board) -> None:
    position = Position(board)
    assert position.checks == [move for move in board.legal_moves if board.gives_check(move)]
    for legal in board.legal_moves:
        after = board.copy(stack=False)
        after.push(legal)
        assert (legal in position.mates) == after.is_checkmate()


def test_what_is_seen_is_learned_by_binary_cross_entropy() -> None:
    """A promotion has four moves and is one fact: counted four times it has no lowest loss."""
    boards = [chess.Board("7k/P7/8/8/8/8/8/K7 w - - 0 1"), chess.Board()]
    seen = torch.tensor(
        [row * FACTS + fact for row, each in enumerate(boards) for fact in facts(Position(each))]
    )
    assert len(set(seen.tolist())) == len(seen)
    sight = Sight(features=16)
    states = torch.randn(len(boards), BOARD, 16)
    truth = torch.zeros(len(boards) * FACTS)
    truth[seen] = 1
    logits = sight.head(sight.norm(states)).flatten()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
    assert sight.loss(states, seen).item() == pytest.approx(entropy.item() / (64 * len(boards)), rel=1e-5)


def test_training_reads_like_the_model(tokenizer: PreTrainedTokenizerFast) -> None:
    model = new_model(tokenizer, tiny=True)
    ids = torch.randint(0, 1000, (2, 40))
    with torch.no_grad():
        states, _ = read(model, ids)
        assert torch.equal(states, model.model(ids, use_cache=False).last_hidden_state)


@given(board=boards)
@settings(max_examples=60, deadline=None)
def test_what_pawn_writes_comes_back_as_it_was(
    tokenizer: PreTrainedTokenizerFast, board: chess.Board
) -> None:
    sans = [board.san(move) for move in board.legal_moves]
    text = (
        json.dumps({"moves": [move.uci() for move in board.legal_moves], "solution": sans})
        + "\n\n"
        + ", ".join(sans)
    )
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_move_is_two_squares_and_a_placement_holds_none(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokens(tokenizer, '{"move": "b1c3"}') == ['{"', "move", '": "', "b1", "c3", '"}']
    assert tokens(tokenizer, "Nbd7 R1e2 e8=Q+") == ["Nb", "d7", " R", "1", "e2", " ", "e8", "=", "Q", "+"]
    assert "b1" not in tokens(tokenizer, "FEN: 4kb1r/8/8/8/8/8/8/4K3 w - - 0 1")


@given(text=st.text())
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_asked(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    plain = text.replace("<", "(")  # what looks like a control token is one
    assert tokenizer.decode(tokenizer.encode(plain)) == plain


def test_the_chat_template_has_a_switch_for_thinking(tokenizer: PreTrainedTokenizerFast) -> None:
    def prompt(**options: Any) -> str:
        messages = [{"role": "user", "content": "FEN: ..."}]
        return str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
        )

    # The question is read twice.
    asked = "<|im_start|>user\nFEN: ...\n\nFEN: ...<|im_end|>\n<|im_start|>assistant\n"
    assert prompt() == prompt(enable_thinking=True) == asked
    assert prompt(enable_thinking=False) == prompt() + "<think>\n\n</think>\n\n"


def test_mates_are_mates() -> None:
    fools_mate = chess.Board("rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2")
    assert [move.uci() for move in mating_moves(fools_mate)] == ["d8h4"]
    ladder = chess.Board("7k/8/8/8/8/8/R7/1R4K1 w - - 0 1")
    assert mate_in_two(ladder) is None  # no check leads to mate: 1. Rb7 does, quietly
    smothered = chess.Board("5r1k/6pp/7N/8/2Q5/8/8/6K1 w - - 0 1")
    line = mate_in_two(smothered)
    assert line is not None
    assert [move.uci() for move in line] == ["c4g8", "f8g8", "h6f7"]


def test_nothing_that_is_trained_on_is_held_out(lines: Path) -> None:
    trained = {canonical(later.board) for line in read_lines(lines) for later in solver_lines(line)}
    source = Source(7, read_lines(lines))
    for _ in range(50):
        trained |= {canonical(source.position()), canonical(source.mate_or_near_miss())}
    for example in (example for _ in range(8) for example in move(source, source.rng)):
        trained.add(canonical(chess.Board(example.user.removeprefix("FEN: "))))
    assert len(trained) > 150
    assert not any(held_out(chess.Board(f"{key} 0 1")) for key in trained)


def test_a_puzzle_file_is_split_without_overlap(tmp_path: Path) -> None:
    shipped = ROOT / "evals" / "sets" / "mate-in-1.csv"
    trained = tmp_path / "trained.csv"
    rows = shipped.read_text(encoding="utf-8").splitlines(keepends=True)
    fool = (
        "fool,rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq - 0 2,g2g4 d8h4,400,75,100,1,mateIn1,,\n"
    )
    trained.write_text("".join([*rows[:20], fool]), encoding="utf-8")
    main(["held-out", "--puzzles", str(trained), "--out", str(tmp_path / "held.csv")])
    with (tmp_path / "held.csv").open(encoding="utf-8", newline="") as file:
        held = [parse_row(row) for row in csv.DictReader(file)]
    assert len(held) + len(list(read_puzzles(trained))) == 20
    assert all(held_out(puzzle.board()) for puzzle in held)


def test_the_shipped_puzzles_are_held_out() -> None:
    for path in (ROOT / "evals" / "sets").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            assert all(held_out(parse_row(row).board()) for row in csv.DictReader(file)), path.name


def test_a_trace_says_what_is_on_the_board(lines: Path) -> None:
    for line in read_lines(lines)[:20]:
        thought, answer = trace(line)
        assert [row for row in thought.splitlines() if row.startswith("#")] == list(HEADINGS)
        best = json.loads(answer)["best_move"]
        assert line.board.parse_san(best) == line.moves[0]
        listed = chess.Board(None)
        for color, row in zip((chess.WHITE, chess.BLACK), thought.splitlines()[4:6], strict=True):
            for piece in row.partition(": ")[2].split(", "):
                kind = chess.PIECE_SYMBOLS.index(piece[0].lower())
                listed.set_piece_at(chess.parse_square(piece[1:]), chess.Piece(kind, color))
        assert listed.board_fen() == line.board.board_fen()


def test_every_stage_runs(lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, adapters = str(tmp_path / "base"), str(tmp_path / "adapters")
    main(["tokenizer", "--out", base])
    main(["pretrain", "--tiny", "--lines", str(lines), "--out", base])
    for name in TRAINED:
        main(["finetune", name, "--tiny", "--base", base, "--lines", str(lines), "--out", adapters])
        config = json.loads(
            (tmp_path / "adapters" / name / "adapter_config.json").read_text(encoding="utf-8")
        )
        assert config["base_model_name_or_path"] == "eighth-rank/pawn"
    exam = tmp_path / "exam.csv"
    shipped = (
        (ROOT / "evals" / "sets" / "mate-in-1.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    )
    exam.write_text("".join(shipped[:9]), encoding="utf-8")
    main(["pretrain", "--tiny", "--lines", str(lines), "--out", base, "--start", base, "--exam", str(exam)])
    assert "asked to win: mateIn1: 0.0% legal, 0.0% solved of 8" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for stage in ("held-out", "positions", "tactics"):
        with pytest.raises(SystemExit, match=r"lost\.csv"):
            main([stage, "--puzzles", str(tmp_path / "lost.csv"), "--out", str(tmp_path / "out")])


def test_the_weights_are_small_enough_for_git() -> None:
    files = [PAWN / "base" / "model.safetensors"]
    files += [PAWN / "adapters" / name / "adapter_model.safetensors" for name in ADAPTERS]
    assert sum(path.stat().st_size for path in files) <= 24 * MEGABYTE


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_names_its_base_and_fits_the_server(name: str) -> None:
    config = json.loads((PAWN / "adapters" / name / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "eighth-rank/pawn"
    assert config["r"] <= 8
    assert config["target_modules"] == ["o_proj"]


def test_the_shipped_tokenizer_is_the_one_that_the_code_makes(tokenizer: PreTrainedTokenizerFast) -> None:
    shipped = AutoTokenizer.from_pretrained(str(PAWN / "base"))
    assert shipped.get_vocab() == tokenizer.get_vocab()
    assert shipped.chat_template == tokenizer.chat_template
