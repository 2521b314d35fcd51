"""Tactics made with Stockfish for pawn's training: they are tactics, and none of them is held out."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from pathlib import Path

import chess.engine
import pytest

from evals.making.games import MATE
from evals.making.mates import mating_moves
from evals.making.themes import is_plain_capture
from evals.pawn.__main__ import main
from evals.pawn.positions import Line, read_lines, solver_lines, trainable, write_lines
from evals.pawn.tactics import LONGEST, is_tactic, tactics
from evals.puzzles.split import canonical
from evals.results.engine import start_uci
from tests.stockfish import find_stockfish

SIZE = 12


@pytest.fixture(scope="module")
def engine() -> Generator[chess.engine.SimpleEngine]:
    with start_uci(find_stockfish()) as started:
        yield started


@pytest.fixture(scope="module")
def lines(engine: chess.engine.SimpleEngine) -> list[Line]:
    return list(islice(tactics(engine, seed=3), SIZE))


def _positions(line: Line) -> list[chess.Board]:
    """All that a line is trained on: the position before the blunder, and each of the solver's turns."""
    assert line.before is not None
    return [line.before, *(later.board for later in solver_lines(line))]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([200, 0], True),
        ([199, -900], False),
        ([340, 150], False),
        ([350, 150], True),
        ([900, 151], False),
        ([900], False),
        ([MATE - 1, -900], False),
        ([MATE - 2, 900], True),
        ([MATE - 2, MATE - 3], True),
        ([MATE - 3, MATE - 3], False),
        ([MATE - 4, 900], False),
        ([MATE - 4, 0], True),
    ],
)
def test_one_move_wins_or_mates_soonest(scores: list[int], expected: bool) -> None:
    assert is_tactic(scores) == expected


def test_a_tactic_follows_a_blunder_and_ends_on_the_solvers_move(lines: list[Line]) -> None:
    for line in lines:
        assert line.before is not None
        assert line.blunder is not None
        board = line.before.copy()
        for move in (line.blunder, *line.moves):
            assert move in board.legal_moves
            board.push(move)
        assert len(line.moves) % 2 == 1
        assert len(line.moves) <= LONGEST
        assert not mating_moves(line.board)
        taken = line.moves[0].to_square == line.blunder.to_square
        assert not (taken and is_plain_capture(line.board, line.moves[0]))


def test_stockfish_agrees_when_it_looks_longer(engine: chess.engine.SimpleEngine, lines: list[Line]) -> None:
    agreed = 0
    for line in lines:
        found = engine.play(line.board, chess.engine.Limit(nodes=50_000), game=object()).move
        agreed += found == line.moves[0]
    assert agreed >= 0.8 * len(lines)


def test_no_position_of_a_tactic_is_held_out(
    engine: chess.engine.SimpleEngine, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(trainable(board) for line in lines for board in _positions(line))
    # One position in sixteen is missed easily, one in two is not.
    monkeypatch.setattr("evals.puzzles.split.EVALUATION_SHARE", 2)
    assert not all(trainable(board) for line in lines for board in _positions(line))
    found = list(islice(tactics(engine, 3, lines), SIZE))
    assert all(trainable(board) for line in found for board in _positions(line))


def test_no_two_tactics_are_of_one_position(lines: list[Line]) -> None:
    assert len({canonical(line.board) for line in lines}) == SIZE


def test_a_seed_gives_the_same_tactics_again(lines: list[Line]) -> None:
    with start_uci("stockfish") as another:
        again = list(islice(tactics(another, seed=3), SIZE))
    assert again == lines


def test_lines_are_appended_as_the_first_stage_writes_them(lines: list[Line], tmp_path: Path) -> None:
    written, appended = tmp_path / "written.txt", tmp_path / "appended.txt"
    assert write_lines(lines, written) == SIZE
    assert write_lines(lines[:5], appended) + write_lines(lines[5:], appended, append=True) == SIZE
    assert appended.read_bytes() == written.read_bytes()
    assert read_lines(appended) == lines


def test_what_was_made_outlives_an_interrupt(lines: list[Line], tmp_path: Path) -> None:
    path = tmp_path / "tactics.txt"

    def interrupted() -> Generator[Line]:
        yield from lines[:2]
        assert len(read_lines(path)) == 2  # not in a buffer
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(interrupted(), path, append=True)


def test_the_stage_starts_games_from_puzzles_and_appends(
    lines: list[Line], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    puzzles, out = tmp_path / "lines.txt", tmp_path / "new" / "tactics.txt"
    write_lines(lines, puzzles)
    stage = ["tactics", "--puzzles", str(puzzles), "--out", str(out)]
    main([*stage, "--count", "3", "--seed", "1"])
    main([*stage, "--count", "3", "--seed", "2"])
    main([*stage, "--seconds", "0"])
    assert len({line.board.fen() for line in read_lines(out)}) == 6
    assert "3 tactics appended" in capsys.readouterr().out


def test_without_stockfish_the_stage_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(command: str, path: str | None = None) -> None:
        """No command is found."""

    monkeypatch.setattr("evals.results.engine.shutil.which", nowhere)
    with pytest.raises(SystemExit, match=r"engine 'stockfish' is not there: install it"):
        main(["tactics", "--out", str(tmp_path / "tactics.txt")])
