"""Puzzle files of other people: named columns, SAN, the solver's own position."""

from __future__ import annotations

import argparse
import csv
import pickle
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.harness.options import Options, conflict
from evals.harness.values import column_names
from evals.puzzles.dialect import Dialect
from evals.puzzles.loading import Loaded, PuzzleFileError, SelectionError, load
from evals.puzzles.puzzle import COLUMNS, UNRATED, Convention, Puzzle, PuzzleError, mirror, same_solution
from evals.results.explain import explain
from evals.results.gates_file import Where
from evals.results.report import strength_lines
from evals.words import Case, Outcome, Record, Verdict
from tests.positions import random_puzzle
from tests.puzzle_files import PUZZLES, compress, write_csv, write_parquet

NAMED = Dialect((("fen", "question_fen"), ("moves", "solution")))
OF_SOLVER = replace(NAMED, convention="solver")


def san(puzzle: Puzzle, convention: Convention) -> list[str]:
    """The line of a puzzle in SAN, from where its FEN is in this convention."""
    board = puzzle.board() if convention == "solver" else chess.Board(puzzle.fen)
    moves = puzzle.solution if convention == "solver" else puzzle.moves
    return [board.san_and_push(chess.Move.from_uci(uci)) for uci in moves]


def write(path: Path, rows: Sequence[Sequence[Any]], header: str = "question_fen,solution") -> Path:
    """A CSV of these rows."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def asked(loaded: Loaded) -> list[tuple[str, tuple[str, ...]]]:
    """What is asked and what is right."""
    return [(puzzle.board().fen(), puzzle.solution) for puzzle in loaded.puzzles]


EXPECTED = [(puzzle.board().fen(), puzzle.solution) for puzzle in PUZZLES]


# --- columns ---


@pytest.mark.parametrize("separator", [" ", ", ", ","])
@pytest.mark.parametrize("notation", ["uci", "san"])
@pytest.mark.parametrize("convention", ["before", "solver"])
def test_a_file_with_other_names_holds_the_same_puzzles(
    tmp_path: Path, separator: str, notation: str, convention: Convention
) -> None:
    rows: list[list[str]] = []
    for puzzle in PUZZLES:
        fen = puzzle.fen if convention == "before" else puzzle.board().fen()
        uci = puzzle.moves if convention == "before" else puzzle.solution
        rows.append([fen, separator.join(san(puzzle, convention) if notation == "san" else uci)])
    path = write(tmp_path / "mine.csv", rows)
    assert asked(load([path], dialect=replace(NAMED, convention=convention))) == EXPECTED


def test_compressed_files_parquet_files_and_lists_hold_the_same(tmp_path: Path) -> None:
    rows = [[p.fen, str(list(p.moves))] for p in PUZZLES]
    plain = load([write(tmp_path / "a.csv", rows)], dialect=NAMED)
    packed = load([compress(tmp_path / "a.csv")], dialect=NAMED)
    path = write_parquet(
        tmp_path / "a.parquet",
        question_fen=[p.fen for p in PUZZLES],
        solution=[list(p.moves) for p in PUZZLES],
        trace=["x" * 50_000 for _ in PUZZLES],
    )
    table = load([path], dialect=NAMED)
    assert asked(plain) == asked(packed) == asked(table) == EXPECTED
    assert [p.id for p in plain.puzzles] == [p.id for p in packed.puzzles]
    assert [p.id for p in table.puzzles] == [p.id for p in PUZZLES]  # Lichess's column is there


def test_rows_without_an_id_get_one_of_their_own_that_lasts(tmp_path: Path) -> None:
    rows = [[p.fen, " ".join(p.moves)] for p in PUZZLES]
    first = load([write(tmp_path / "a.csv", rows)], dialect=NAMED).puzzles
    ids = {puzzle.position_key: puzzle.id for puzzle in first}
    assert len(set(ids.values())) == len(PUZZLES)
    again = load([write(tmp_path / "a.csv", rows[::-1])], dialect=NAMED, limit=20, seed=2).puzzles
    assert all(ids[puzzle.position_key] == puzzle.id for puzzle in again)


def test_a_row_that_is_there_twice_is_left_out_and_counted_where_it_has_no_id(tmp_path: Path) -> None:
    rows = [[p.fen, " ".join(p.moves)] for p in PUZZLES[:5]]
    loaded = load([write(tmp_path / "a.csv", [*rows, rows[0]])], dialect=NAMED)
    assert (len(loaded.puzzles), loaded.sets[0].duplicates, loaded.sets[0].bad) == (5, 1, 0)
    with_id = [["a", *rows[0]], ["a", *rows[1]]]
    path = write(tmp_path / "b.csv", with_id, "PuzzleId,question_fen,solution")
    with pytest.raises(PuzzleFileError, match="is there twice"):
        load([path], dialect=NAMED)


def test_themes_ratings_and_ids_are_read_where_they_are_named(tmp_path: Path) -> None:
    dialect = Dialect((*NAMED.columns, ("id", "key"), ("rating", "elo"), ("themes", "tags")))
    texts = ["fork, back rank", "['fork', 'back rank']", "fork back_rank", ""]
    ratings = ["1200", "1300.0", "nan", ""]
    path = write(
        tmp_path / "a.csv",
        [
            [f"k{i}", p.fen, " ".join(p.moves), ratings[i], texts[i]]
            for i, p in enumerate(PUZZLES[: len(texts)])
        ],
        "key,question_fen,solution,elo,tags",
    )
    loaded = load([path], dialect=dialect)
    assert [p.id for p in loaded.puzzles] == ["k0", "k1", "k2", "k3"]
    assert [p.rating for p in loaded.puzzles] == [1200, 1300, UNRATED, UNRATED]
    assert [p.themes for p in loaded.puzzles] == [("fork", "back_rank")] * 3 + [()]
    assert loaded.sets[0].unrated == 2
    assert "2 puzzles of a have no rating" in " ".join(loaded.notes)
    assert [p.id for p in load([path], dialect=dialect, themes=["fork"], ratings=(0, 4000)).puzzles] == [
        "k0",
        "k1",
    ]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            (("fen", "question_fn"), ("moves", "solution")),
            r"no column 'question_fn'; did you mean 'question_fen'",
        ),
        ((("fen", "QUESTION_FEN"), ("moves", "solution")), r"did you mean 'question_fen'"),
        ((("fen", "xyz"), ("moves", "solution")), r"no column 'xyz'; there are 'question_fen', 'solution'"),
        ((("fen", "question_fen"),), r"no Moves;.*there are 'question_fen', 'solution'"),
        ((), r"no PuzzleId, FEN, Moves, Rating;.*--columns fen=NAME,moves=NAME"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, columns: tuple[tuple[str, str], ...], says: str
) -> None:
    path = write(tmp_path / "a.csv", [[PUZZLES[0].fen, "e2e4"]])
    with pytest.raises(PuzzleFileError, match=says):
        load([path], dialect=Dialect(columns))


# --- whose position ---


def test_a_puzzle_of_the_solvers_position_is_the_puzzle_but_for_the_move_before(tmp_path: Path) -> None:
    rows = [[p.board().fen(), " ".join(p.solution)] for p in PUZZLES]
    for puzzle, lichess in zip(
        load([write(tmp_path / "a.csv", rows)], dialect=OF_SOLVER).puzzles, PUZZLES, strict=True
    ):
        assert puzzle.solution == lichess.solution
        assert puzzle.solver_moves == lichess.solver_moves
        assert puzzle.position_key == lichess.position_key
        assert not puzzle.board().move_stack  # no move is made up
        for ply in range(len(puzzle.solution) + 1):
            assert puzzle.board(ply).fen() == lichess.board(ply).fen()
        assert same_solution(puzzle, lichess)
        image = mirror(puzzle)
        assert image.position_key == puzzle.position_key
        assert image.board().turn != puzzle.board().turn
        assert pickle.loads(pickle.dumps(puzzle)) == puzzle


@given(st.randoms(use_true_random=False))
def test_a_row_under_the_wrong_convention_is_always_refused(rng: Any) -> None:
    """A gold line of the solver's under `before`, or a Lichess one under `solver`, would ask the raw FEN."""
    puzzle = random_puzzle(rng)
    lichess = {"PuzzleId": "a", "FEN": puzzle.fen, "Moves": " ".join(puzzle.moves)}
    with pytest.raises(PuzzleError, match="--position before"):
        OF_SOLVER.parse(lichess, "")
    own = {"PuzzleId": "a", "FEN": puzzle.board().fen(), "Moves": " ".join(puzzle.solution)}
    for dialect in (NAMED, Dialect()):
        with pytest.raises(PuzzleError, match="--position solver"):
            dialect.parse(own | {"Rating": "1500"}, "")
    played = own | {"Moves": " ".join(puzzle.moves)}
    with pytest.raises(PuzzleError, match="--position"):
        OF_SOLVER.parse(played, "")
    with pytest.raises(PuzzleError, match=r"leave out the first and give --position solver|illegal uci"):
        NAMED.parse(played, "")


@pytest.mark.parametrize("convention", ["before", "solver"])
def test_a_set_of_the_other_convention_is_refused_as_a_whole(tmp_path: Path, convention: Convention) -> None:
    other: Convention = "solver" if convention == "before" else "before"
    rows = [
        [p.fen, " ".join(p.moves)] if other == "before" else [p.board().fen(), " ".join(p.solution)]
        for p in PUZZLES
    ]
    path = write(tmp_path / "a.csv", rows)
    dialect = replace(NAMED, convention=convention)
    with pytest.raises(PuzzleFileError, match=rf"a\.csv:2: .*--position {other}"):
        load([path], dialect=dialect)
    with pytest.raises(
        SelectionError, match=rf"all 60 that were tried are bad.*a\.csv:2.*--position {other}"
    ):
        load([path], dialect=dialect, skip_bad=True)


def test_a_first_move_that_is_played_already_is_said_to_be(tmp_path: Path) -> None:
    after = "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"
    for moves in ("e7e5 g1f3", "e5 Nf3"):
        path = write(tmp_path / "a.csv", [[after, moves]])
        for dialect in (NAMED, OF_SOLVER):
            with pytest.raises(PuzzleFileError, match=r"a\.csv:2: .*--position (solver|before)"):
                load([path], dialect=dialect)
        with pytest.raises(PuzzleFileError, match="leave out the first and give --position solver"):
            load([path], dialect=NAMED)


# --- moves ---


BACK_RANK = "6k1/5ppp/8/8/8/8/5PPP/3RR1K1 w - - 0 1"


@pytest.mark.parametrize(
    ("moves", "says", "fen"),
    [
        ("Re8", "ambiguous SAN", "3R3R/8/8/8/8/8/8/k1K5 w - - 0 1"),
        ("Re9+", "neither UCI nor SAN", BACK_RANK),
        ("Qd8#", "illegal", BACK_RANK),
        ("1. Re8#", "neither UCI nor SAN", BACK_RANK),
        ("e1e8 Kh8 e8e7", "'e1e8' is UCI, and other moves of the row are not", BACK_RANK),
        ("--", "null move", BACK_RANK),
        ("0000", "null move", BACK_RANK),
        ("e1e9", "neither UCI nor SAN", BACK_RANK),
        ("e1d8", "illegal uci: 'e1d8'", BACK_RANK),
        ("", r"0 move\(s\)", BACK_RANK),
        ("Re8#" * 400, "has 1,600 characters", BACK_RANK),
        ("Re8#\x1b[2J", "neither UCI nor SAN", BACK_RANK),
        ("Re8#", "illegal FEN", "8/8/8 w - - 0 1"),
    ],
)
def test_moves_that_cannot_be_read_are_refused_with_their_row(
    tmp_path: Path, moves: str, says: str, fen: str
) -> None:
    path = write(tmp_path / "a.csv", [[fen, moves]])
    with pytest.raises(PuzzleFileError) as caught:
        load([path], dialect=OF_SOLVER)
    assert re.search(says, str(caught.value)), str(caught.value)
    assert "a.csv:2" in str(caught.value)
    assert str(caught.value).isprintable()


def test_moves_with_marks_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [[BACK_RANK, "Re8+!?"], [BACK_RANK.replace("0 1", "0 9"), "e1e8"]])
    loaded = load([path], dialect=OF_SOLVER)
    assert loaded.puzzles[0].solution == ("e1e8",)
    assert loaded.sets[0].duplicates == 1
    assert loaded.sets[0].contradictions == 0


def test_illegal_gold_moves_are_counted_and_the_first_is_shown(tmp_path: Path) -> None:
    rows = [[p.board().fen(), " ".join(san(p, "solver"))] for p in PUZZLES]
    rows[3][1] = rows[7][1] = "Qa1xh8"
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(PuzzleFileError, match=r"a\.csv:5: .*Qa1xh8"):
        load([path], dialect=OF_SOLVER)
    loaded = load([path], dialect=OF_SOLVER, skip_bad=True)
    assert loaded.sets[0].bad == 2
    assert re.search(r"2 bad rows skipped, the first: .*a\.csv:5: .*Qa1xh8", loaded.notes[0])


@given(
    fen=st.text(max_size=90) | st.sampled_from([p.fen for p in PUZZLES]),
    moves=st.text(max_size=40) | st.sampled_from([" ".join(san(p, "before")) for p in PUZZLES]),
    convention=st.sampled_from(["before", "solver"]),
)
def test_whatever_a_row_holds_it_is_a_puzzle_or_refused(fen: str, moves: str, convention: Convention) -> None:
    dialect = replace(NAMED, convention=convention)
    row: dict[str, str] = dict(zip(COLUMNS, dialect.cells(["", fen, moves, *[""] * 7]), strict=True))
    said = ""
    try:
        puzzle = dialect.parse(row, "")
    except PuzzleError as error:
        said = str(error)
    else:
        assert puzzle.board().is_legal(chess.Move.from_uci(puzzle.solution[0]))
    assert said.isprintable()


# --- ratings ---


def test_a_puzzle_without_a_rating_is_in_no_band_and_in_no_figure_of_strength(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [[p.fen, " ".join(p.moves)] for p in PUZZLES])
    loaded = load([path], dialect=NAMED, limit=20, stratify=True)
    assert len(loaded.puzzles) == 20
    cases = [Case("move", puzzle) for puzzle in loaded.puzzles]
    records = [Record.of(case, Verdict(Outcome.SOLVED)) for case in cases]
    assert not any(Where(ratings=(0, 9999)).holds(record) for record in records)
    assert Where().holds(records[0])
    assert "20 left out, whose puzzles have no usable rating" in strength_lines(records)[0]
    assert "rating unknown" in explain(cases[0], Verdict(Outcome.MISSED))
    with pytest.raises(SelectionError, match=r"none has a rating.*--columns rating=NAME"):
        load([path], dialect=NAMED, ratings=(0, 4000))


def test_a_lichess_file_still_needs_its_ratings(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [replace(PUZZLES[0], rating=UNRATED)])
    with pytest.raises(PuzzleFileError, match="'Rating' is missing"):
        load([path])


# --- what is kept, and the options ---


def test_what_was_read_how_is_among_the_facts_of_the_set(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [[p.board().fen(), " ".join(p.solution)] for p in PUZZLES])
    (found,) = load([path], dialect=OF_SOLVER).sets
    assert found.columns == {"fen": "question_fen", "moves": "solution"}
    assert found.convention == "solver"
    (lichess,) = load([write_csv(tmp_path / "b.csv")]).sets
    assert (lichess.columns, lichess.convention) == ({}, "before")


def test_columns_on_the_command_line_are_pairs() -> None:
    assert column_names("fen=question_fen, moves=a=b") == (("fen", "question_fen"), ("moves", "a=b"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "give FIELD=NAME"),
        ("fen", "give FIELD=NAME"),
        ("fen=", "give FIELD=NAME"),
        ("fen=a,", "give FIELD=NAME"),
        ("move=a", "did you mean moves=a?"),
        ("xyz=a", "there are id, fen, moves, rating, themes, url"),
        ("fen=a,fen=b", "given twice"),
    ],
)
def test_columns_that_cannot_be_read_are_refused(text: str, says: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(says)):
        column_names(text)


def test_the_shipped_sets_are_read_in_their_own_way() -> None:
    columns = (("fen", "a"),)
    assert "give --puzzles with it" in (conflict(Options(columns=columns)) or "")
    assert "--position solver" in (conflict(Options(position="solver")) or "")
    assert conflict(Options(columns=columns, position="solver", puzzles=("a.csv",))) is None
