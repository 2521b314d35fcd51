"""The engine's second opinion: beside the outcome, the same every time, and asked for only once."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.results.engine import (
    CAP,
    START_LIMIT,
    Engine,
    EngineError,
    open_engine,
    start_uci,
)
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


# --- an engine of our own, for what Stockfish does not do ---

SCRIPTED = """#!{python}
import sys
for line in sys.stdin:
    words = line.split()
    if words == ["uci"]:
        print("id name scripted\\nuciok", flush=True)
    elif words == ["isready"]:
        print("readyok", flush=True)
    elif words[:1] == ["position"]:
        position = words[1:]
    elif words[:1] == ["go"]:
        move = words[words.index("searchmoves") + 1]
        score = {scores}.get(move, 0)
        print("info depth 1 score cp", score, "pv", move, "\\nbestmove", move, flush=True)
    elif words == ["quit"]:
        break
"""


def scripted(path: Path, **scores: int) -> str:
    """The path of a UCI engine without options that says these centipawns of these moves."""
    path.write_text(SCRIPTED.format(python=sys.executable, scores=scores), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


MATE_IN_TWO = Puzzle("two", "6k1/5ppp/8/8/8/8/r4PPP/3RR1K1 b - - 0 1", ("a2b2", "e1e8", "g8f8", "e8f8"), 900)


def test_an_engine_without_options_can_be_asked(tmp_path: Path) -> None:
    with open_engine(scripted(tmp_path / "engine", e1e2=-300, d1d5=250)) as engine:
        case, verdict = missed(QUEEN_HANGS, "e1e2")
        assert engine.annotate(case, verdict).checks == {
            **verdict.checks,
            "centipawn_loss": 550,
            "equally_good": False,
        }


@pytest.mark.parametrize(("ply", "asked"), [(0, True), (1, False), (2, True), (3, False)])
def test_only_the_solvers_moves_of_a_line_are_looked_at(tmp_path: Path, ply: int, asked: bool) -> None:
    """At an odd ply a line goes wrong in the opponent's reply, which says nothing of the solver's moves."""
    line = Puzzle(
        "l", "4k3/8/8/8/8/8/P7/4K3 b - - 0 1", ("e8e7", "a2a3", "e7e6", "a3a4", "e6e5", "a4a5"), 900
    )
    board = line.board(ply)
    expected = chess.Move.from_uci(line.solution[ply])
    other = next(move for move in board.legal_moves if move != expected)
    verdict = Verdict(Outcome.MISSED, other.uci(), expected.uci(), checks={"ply": ply})
    with open_engine(scripted(tmp_path / "engine", **{expected.uci(): 40})) as engine:
        checks = engine.annotate(Case("line", line), verdict).checks
    assert checks == {"ply": ply} | ({"centipawn_loss": 40, "equally_good": False} if asked else {})


def test_no_other_mistake_and_no_question_about_the_board_is_looked_at(tmp_path: Path) -> None:
    with open_engine(scripted(tmp_path / "engine")) as engine:
        case, verdict = missed(QUEEN_HANGS, "e1e2")
        illegal = dataclasses.replace(verdict, outcome=Outcome.ILLEGAL)
        assert engine.annotate(case, illegal) is illegal
        board = dataclasses.replace(case, task="board")
        assert engine.annotate(board, verdict) is verdict


# --- engines that cannot be used ---


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="engine 'stokfish' is not there: install it"):
        open_engine("stokfish")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\nexit 3\n", r"does not answer as a UCI engine: .*exit code: 3"),
        ("#!/bin/sh\nexec cat\n", r"does not answer as a UCI engine: no answer in 0.2 s"),
        (
            "#!/bin/sh\nread uci; echo uciok; exec cat\n",
            r"does not answer as a UCI engine: no answer in 0.2 s",
        ),
        ("#!/no/such/shell\n", r"does not answer as a UCI engine: .*No such file"),
        (None, r"is no program that can be run"),
    ],
)
def test_a_program_that_is_no_engine_is_named_with_the_reason(
    tmp_path: Path, script: str | None, reason: str
) -> None:
    """Audit 16: `--engine /bin/cat` waits for 30 s and then gives no reason."""
    program = tmp_path / "program"
    program.write_text(script or "not a program", encoding="utf-8")
    program.chmod(0o755 if script else 0o644)
    with pytest.raises(EngineError, match=f"^engine '{program}' {reason}"):
        start_uci(str(program), limit=0.2)


def test_an_engine_is_not_waited_for_long() -> None:
    """Audit 16."""
    assert START_LIMIT <= 10
