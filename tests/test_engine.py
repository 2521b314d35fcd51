"""The engine's second opinion: beside the outcome, the same every time, and asked for only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.results.engine import CAP, Engine, EngineError, open_engine
from evals.tasks.grading import judge_move
from evals.words import Case, Outcome, Verdict
from tests.positions import BACK_RANK
from tests.stockfish import find_stockfish

QUEEN_HANGS = Puzzle("q", "4k3/8/8/3q4/8/8/8/3QK3 b - - 0 1", ("e8f8", "d1d5"), 900)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "scores.sqlite"


@pytest.fixture(scope="module")
def engine(cache: Path) -> Iterator[Engine]:
    with open_engine(find_stockfish(), depth=8, cache=cache) as engine:
        yield engine


def missed(puzzle: Puzzle, move: str) -> tuple[Case, Verdict]:
    verdict = judge_move(puzzle.board(), puzzle.solution[0], move, "uci")
    assert verdict.outcome is Outcome.MISSED
    return Case("move", puzzle), verdict


def test_a_bad_move_loses_much_and_stays_missed(engine: Engine) -> None:
    verdict = engine.annotate(*missed(QUEEN_HANGS, "e1e2"))
    assert verdict.outcome is Outcome.MISSED
    assert verdict.checks["centipawn_loss"] in range(300, CAP + 1)
    assert verdict.checks["equally_good"] is False


def test_two_ways_to_mate_are_equally_good(engine: Engine) -> None:
    puzzle = Puzzle("m", "7k/8/5K2/8/8/8/8/R5R1 b - - 0 1", ("h8h7", "a1h1"), 900)
    board = puzzle.board()
    other = next(m for m in board.legal_moves if m.uci() == "g1g2")
    verdict = engine.annotate(*missed(puzzle, other.uci()))
    assert verdict.checks["equally_good"] is True


def test_a_solved_case_is_not_touched(engine: Engine) -> None:
    verdict = judge_move(BACK_RANK.board(), "d1d8", "d1d8", "uci")
    assert engine.annotate(Case("move", BACK_RANK), verdict) is verdict


def test_an_opinion_is_kept_for_the_next_session(engine: Engine, cache: Path) -> None:
    board, move = QUEEN_HANGS.board(), chess.Move.from_uci("d1d5")
    first = engine.score(board, move)
    with open_engine("stockfish", depth=8, cache=cache) as again:
        again._engine.close()  # pyright: ignore[reportPrivateUsage]  # it can not be asked any more
        assert again.score(board, move) == first


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="engine 'stokfish' is not there"), open_engine("stokfish"):
        pass


def test_a_program_that_is_no_engine_is_named(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="does not answer as a UCI engine"), open_engine(str(program)):
        pass
