"""Puzzles that a model was trained on: which they are, and what sessions make of them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.files import PuzzleFileError
from evals.puzzles.loading import SelectionError, load
from evals.puzzles.puzzle import Puzzle, mirror
from evals.puzzles.split import held_out
from evals.puzzles.trained import after_move, mark_trained, read_training_file, written_out
from evals.results.gates import Incidents, Planned, judge_gates
from evals.results.gates_file import Gate, GatesFile
from tests.commands import run_module
from tests.loopback import Loopback
from tests.mates import mate, solver_fen, write_mates
from tests.puzzle_files import PUZZLES, compress, ids, write_csv, write_parquet
from tests.records import planned, record
from tests.sessions import WORKERS, Ended, Evaluate, N, Player
from tests.test_baselines import BETTER, WRONG, Two, line, not_worse

pytestmark = pytest.mark.slow  # whole sessions by the dozen

ASKED = PUZZLES[:20]
KNOWN = PUZZLES[10:30]
"""What the model was trained on: half of them are asked."""


def seen(puzzles: Sequence[Puzzle], *files: str, **columns: str) -> list[str]:
    """The ids of those that a file has."""
    marked, _ = mark_trained(puzzles, [read_training_file(file, tuple(columns.items())) for file in files])
    return [each.id for each in marked if each.seen]


def write_columns(path: Path, **columns: Sequence[str]) -> str:
    """A CSV of any columns."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


# --- which they are ---


def test_a_position_is_found_in_every_kind_of_file(tmp_path: Path) -> None:
    plain, parquet = write_csv(tmp_path / "a.csv", KNOWN), write_parquet(tmp_path / "b.parquet", KNOWN)
    packed = compress(write_csv(tmp_path / "c.csv", KNOWN))
    for file in (plain, parquet, packed):
        assert seen(ASKED, str(file)) == ids(ASKED[10:])


def test_mirror_images_of_a_position_are_the_position(tmp_path: Path) -> None:
    flipped = [chess.Board(puzzle.fen).transform(chess.flip_horizontal) for puzzle in KNOWN]
    assert seen(ASKED, str(write_csv(tmp_path / "a.csv", [mirror(each) for each in KNOWN]))) == ids(
        ASKED[10:]
    )
    free = {each.id for each, board in zip(KNOWN, flipped, strict=True) if not board.castling_rights}
    fens = [puzzle.board().transform(chess.flip_horizontal).fen() for puzzle in KNOWN if puzzle.id in free]
    expected = [each.id for each in ASKED[10:] if not each.board().castling_rights and each.id in free]
    assert seen(ASKED, write_columns(tmp_path / "b.csv", FEN=fens)) == expected


@pytest.mark.parametrize("moves", ["uci", "san", "list", "none"])
def test_both_conventions_are_matched_whatever_notation_the_moves_are_in(tmp_path: Path, moves: str) -> None:
    rows: dict[str, list[str]] = {"before": [], "solver": [], "first": [], "answer": []}
    for puzzle in KNOWN:
        before, solver = chess.Board(puzzle.fen), puzzle.board()
        rows["before"].append(before.fen())
        rows["solver"].append(solver.fen())
        for name, board, uci in (("first", before, puzzle.moves[0]), ("answer", solver, puzzle.moves[1])):
            text = board.san(chess.Move.from_uci(uci)) if moves == "san" else uci
            rows[name].append({"list": f"['{uci}', 'e2e4']", "none": ""}.get(moves, text))
    lichess = write_columns(tmp_path / "a.csv", FEN=rows["before"], Moves=rows["first"])
    own = write_columns(tmp_path / "b.csv", question=rows["solver"], best=rows["answer"])
    assert seen(ASKED, lichess) == ids(ASKED[10:])
    assert seen(ASKED, f"{own}:question", moves="best") == ids(ASKED[10:])
    assert seen(ASKED, own, fen="question") == ids(ASKED[10:])


def test_another_move_from_the_position_before_leads_to_another_position(tmp_path: Path) -> None:
    """The FEN of a row with moves is not what the solver sees, and only that is asked."""
    others: list[str] = []
    for puzzle in KNOWN:
        board = chess.Board(puzzle.fen)
        others.append(next(m.uci() for m in board.legal_moves if m.uci() != puzzle.moves[0]))
    file = write_columns(tmp_path / "a.csv", FEN=[each.fen for each in KNOWN], Moves=others)
    assert seen(ASKED, file) == []


def test_the_side_to_move_tells_two_positions_apart(tmp_path: Path) -> None:
    boards = [puzzle.board() for puzzle in KNOWN]
    for board in boards:
        board.turn, board.ep_square = not board.turn, None
    assert seen(ASKED, write_columns(tmp_path / "a.csv", FEN=[board.fen() for board in boards])) == []


@given(st.integers(0, 10_000))
def test_a_move_on_text_is_the_move_on_the_board(seed: int) -> None:
    rng, board = random.Random(seed), chess.Board()
    for _ in range(60):
        moves = list(board.legal_moves)
        if not moves:
            break
        move = rng.choice(moves)
        before = written_out(board.board_fen())
        board.push(move)
        assert after_move(before, move.uci()) == written_out(board.board_fen())


@pytest.mark.parametrize(
    ("fen", "uci"),
    [
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1g1"),
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "e1c1"),
        ("r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1", "e8c8"),
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "e5d6"),
        ("4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 2", "d4e3"),
        ("3rk3/4P3/8/8/8/8/8/4K3 w - - 0 2", "e7d8n"),
        ("4k3/8/8/8/8/8/4p3/3RK3 b - - 0 2", "e2d1q"),
    ],
)
def test_castling_en_passant_and_promotion_are_played_on_text(fen: str, uci: str) -> None:
    board = chess.Board(fen)
    before = written_out(board.board_fen())
    board.push_uci(uci)
    assert after_move(before, uci) == written_out(board.board_fen())


def test_rows_without_a_legal_position_are_skipped_and_counted(tmp_path: Path) -> None:
    fens = ["nonsense", "8/8/8/8/8/8/8/8 w - - 0 1", "k7/9/8/8/8/8/8/K7 w - - 0 1", *(p.fen for p in KNOWN)]
    file = read_training_file(write_columns(tmp_path / "a.csv", FEN=fens), ())
    marked, (trained,) = mark_trained(ASKED, [file])
    assert (trained.rows, trained.bad, trained.matched) == (23, 3, 10)
    assert trained.problem.endswith("a.csv:2: no legal position: 'nonsense'")
    assert sum(each.seen for each in marked) == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such puzzle file"),
        ("fen,moves\nx,y\n", "no column 'FEN': --trained-on FILE:COLUMN says which one"),
        ("fen,moves\nx,y\n", "did you mean 'fen'?"),
        ("FEN\nx\ny\n", "no row has a legal position; the first: "),
        ("FEN\n", "no row has a legal position: there is a header, but no row"),
        ("", "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "train.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PuzzleFileError, match=r"train\.csv") as error:
        seen(ASKED, str(path))
    assert message in str(error.value)


def test_a_column_is_named_after_the_file() -> None:
    assert read_training_file("a.csv", ()).columns == ()
    assert read_training_file("a.csv:q", (("moves", "m"),)).columns == (("fen", "q"), ("moves", "m"))
    assert read_training_file("hf://datasets/o/n", ()).source == "hf://datasets/o/n"
    named = read_training_file("hf://datasets/o/n:q", ())
    assert (named.source, named.columns) == ("hf://datasets/o/n", (("fen", "q"),))


# --- the held-out split ---


@pytest.mark.parametrize("limit", [None, 2])
def test_held_out_asks_only_what_the_split_kept_out_of_training(tmp_path: Path, limit: int | None) -> None:
    file = write_mates(tmp_path / "mates.csv", 120)
    kept = [each.id for each in load([file]).puzzles if held_out(each.board())]
    loaded = load([file], limit=limit, held_out=True)
    assert len(kept) > 2
    assert set(ids(loaded.puzzles)) <= set(kept)
    assert len(loaded.puzzles) == (limit or len(kept))
    assert "of mates left out: the split has them for training (--held-out)" in loaded.notes[0]


def test_nothing_held_out_is_an_error(tmp_path: Path) -> None:
    puzzles = [each for each in PUZZLES if not held_out(each.board())][:5]
    with pytest.raises(
        SelectionError, match="no puzzle is left of 5: --held-out, and the split has 5 of them"
    ):
        load([write_csv(tmp_path / "a.csv", puzzles)], held_out=True)


# --- whole sessions ---

LEARNT = range(0, N, 2)
BAD_ON_THE_REST = {solver_fen(number): WRONG for number in range(N) if number not in LEARNT}


@pytest.fixture
def training(tmp_path: Path) -> str:
    """Every second position of the set, as a chat data set may have it, and one that is none."""
    fens = [solver_fen(number) for number in LEARNT]
    return write_columns(tmp_path / "train.csv", question=["?", *fens]) + ":question"


@pytest.mark.parametrize("workers", WORKERS)
def test_a_model_that_memorised_passes_no_gate_on_what_it_was_trained_on(
    evaluate: Evaluate, training: str, workers: str
) -> None:
    with Loopback(Player(BAD_ON_THE_REST)) as server:
        fooled = evaluate(server, "-n", workers, least=0.3)
        told = evaluate(server, "-n", workers, "--trained-on", training, least=0.3)
    assert fooled.status == 0
    assert told.status == 1, told.output
    assert "seen 0.0% (0 of 12 cases)" in line(told, "solved")
    assert "24 of 24 cases answered and judged, 12 of them on positions" in line(told, "complete")
    both = next(each for each in told.output.splitlines() if each.startswith("trained  move: "))
    assert both.startswith("trained  move: 100.0% (73.5% to 100.0%) solved of 12 cases it was")
    assert "0.0% (0.0% to 26.5%) of 12 others" in both
    assert "puzzles  12 of 24 positions are in" in told.output
    assert "(13 rows); 1 of them skipped" in told.output
    described = told.manifest["puzzles"]["trained_on"]
    assert [(each["rows"], each["bad"], each["matched"]) for each in described] == [(13, 1, 12)]
    assert len(described[0]["digest"]) == 64
    assert sum(each["seen"] for each in told.lines("verdicts.jsonl")) == 12


def test_a_gate_that_fails_on_what_was_trained_on_alone_passes(evaluate: Evaluate, training: str) -> None:
    with Loopback(Player({solver_fen(number): WRONG for number in LEARNT})) as server:
        ended = evaluate(server, "--trained-on", training, least=0.7)
    assert ended.status == 0, ended.output


def test_nothing_unseen_is_a_usage_error(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--trained-on", str(evaluate.puzzles))
    assert ended.status == 4
    assert "all 24 positions are in the files of --trained-on" in ended.output
    assert not server.bodies


def test_a_training_file_that_is_not_there_is_a_usage_error(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--trained-on", "nowhere.csv")
    assert ended.status == 4
    assert "nowhere.csv: no such puzzle file" in ended.output
    assert "Traceback" not in ended.output


def test_held_out_and_columns_are_options_of_a_session(evaluate: Evaluate, server: Loopback) -> None:
    many = write_mates(evaluate.tmp_path / "mates.csv", 60)
    ended = evaluate(server, "--held-out", "--puzzles", str(many), least=0.0)
    expected = [n for n in range(60) if held_out(chess.Board(solver_fen(n)))]
    assert sorted(ended.outcomes) == [f"move:mates/p{n:03}" for n in expected]
    assert ended.manifest["puzzles"]["held_out"] is True
    alone = evaluate(server, "--trained-columns", "fen=question")
    assert alone.status == 4
    assert "--trained-columns says how files of --trained-on are read" in alone.output


def test_a_replay_knows_what_was_trained_on_and_can_be_told(
    evaluate: Evaluate, training: str, tmp_path: Path
) -> None:
    with Loopback(Player(BAD_ON_THE_REST)) as server:
        told = evaluate(server, "--trained-on", training, least=0.3)
        untold = evaluate(server, least=0.3)
    (tmp_path / "train.csv").rename(tmp_path / "gone.csv")
    again = run_module("evals", "replay", str(told.folder))
    assert again.returncode == 1, again.stdout + again.stderr
    assert "trained  move: 100.0%" in again.stdout
    now = run_module(
        "evals", "replay", str(untold.folder), "--trained-on", str(tmp_path / "gone.csv:question")
    )
    assert now.returncode == 1
    assert "changed  gate solved: PASS -> FAIL" in now.stdout
    missing = run_module("evals", "replay", str(untold.folder), "--trained-on", "nowhere.csv")
    assert missing.returncode == 2
    assert "nowhere.csv: no such puzzle file" in missing.stderr


def test_runs_with_other_training_files_are_not_compared(
    evaluate: Evaluate, training: str, tmp_path: Path
) -> None:
    path = tmp_path / "v1.jsonl"
    with Loopback(Player()) as server:
        assert evaluate(server, "--trained-on", training, "--bless", str(path)).status == 0
        told = evaluate(
            server, "--trained-on", training, "--baseline", str(path), "--recheck", "0", gates=not_worse(0.3)
        )
        untold = evaluate(server, "--baseline", str(path), "--recheck", "0", gates=not_worse(0.3))
    assert told.status == 0, told.output
    assert "0 lost of 12 cases" in line(told, "not-worse")
    assert "by 30 points on 12 positions" in told.output  # the plan, before anything is spent
    assert untold.status == 6
    assert "differ in which positions were trained on (12 cases)" in line(untold, "not-worse")


def test_a_baseline_that_is_asked_in_the_session_is_judged_on_the_same_positions(
    evaluate: Evaluate, training: str
) -> None:
    """The candidate is better on what it was trained on, and as good on the rest."""
    learnt = {solver_fen(number): WRONG for number in LEARNT}
    two = Two(small=Player(), mates=Player(learnt))
    with Loopback(two, models=("small", "mates")) as server:
        asked = ["--model", "small", "--baseline-model", "mates"]
        fooled = evaluate(server, *asked, gates=BETTER)
        told = evaluate(server, *asked, "--trained-on", training, gates=BETTER)
    assert line(fooled, "better").startswith("PASS")
    assert line(told, "better").startswith("INCONCLUSIVE")
    assert "0 gained, 0 lost of 12 cases" in line(told, "better")


def test_a_case_that_is_missing_on_a_trained_position_cannot_turn_a_gate() -> None:
    """Its run passes nothing, being incomplete; but it fails what the unseen cases alone fail."""
    gates = GatesFile(Path("g.toml"), "d", (Gate(name="solved", task="move", rate="solved", at_least=0.5),))
    missed = [record("missed", number) for number in range(20)]
    lost = [record("unanswered", number, seen=True) for number in range(20, 60)]
    plan = planned([*missed, *lost])
    marked = [
        replace(case, puzzle=replace(case.puzzle, seen=True)) if int(case.puzzle.id) >= 20 else case
        for case in plan.cases
    ]
    for records in ([*missed, *lost], missed):
        results = judge_gates(gates, records, Planned(marked), Incidents())
        assert {each.name: each.verdict.value for each in results}["solved"] == "FAIL"
    unseen = [replace(each, seen=False) for each in lost]
    results = judge_gates(gates, [*missed, *unseen], plan, Incidents())
    assert {each.name: each.verdict.value for each in results}["solved"] == "INCONCLUSIVE"


def test_a_folder_of_training_files_is_read_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    for number in range(3):
        write_csv(folder / f"part{number}.csv", KNOWN[5 * number : 5 * number + 5])
    marked, trained = mark_trained(ASKED, [read_training_file(str(folder), ())])
    assert [each.matched for each in trained] == [5, 5, 0]
    assert [each.id for each in marked if each.seen] == ids(ASKED[10:])


def compare(baseline: Ended, candidate: Ended) -> str:
    return run_module("evals", "compare", str(baseline.folder), str(candidate.folder)).stdout


def test_a_comparison_decides_on_what_was_not_trained_on(evaluate: Evaluate, training: str) -> None:
    with Loopback(Player()) as strong, Loopback(Player(BAD_ON_THE_REST)) as weak:
        before, after = (evaluate(each, "--trained-on", training) for each in (strong, weak))
    shown = compare(before, after)
    assert "note       trained  move: 100.0%" in shown
    assert "seen 0.0% against 100.0%, -100.0 points" in shown
    assert "0 gained, 12 lost of 12 cases" in shown
    with Loopback(Player({solver_fen(number): WRONG for number in LEARNT})) as forgetful:
        other = evaluate(forgetful, "--trained-on", training)
    shown = compare(before, other)
    assert "slices: none of" in shown
    assert not [each for each in shown.splitlines() if each.startswith("lost ")]
    assert json.loads((before.folder / "verdicts.jsonl").read_text().splitlines()[0])["seen"] in (True, False)
    assert mate(0)[0] in (before.folder / "puzzles.csv").read_text()
