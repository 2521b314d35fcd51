"""Loading puzzles: the seeded draw, filters, no position twice, bad rows, and what is said of all that."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.draw import Draw, Row, band, goal, priority, spread
from evals.puzzles.loading import SETS, PuzzleFileError, SelectionError, load, read_quarantine
from evals.puzzles.puzzle import Puzzle, mirror, same_solution
from tests.positions import random_puzzle
from tests.puzzle_files import (
    HEADER,
    PUZZLES,
    THEMES,
    compress,
    ids,
    row,
    some_puzzles,
    write_csv,
    write_parquet,
)

# --- the draw ---


def test_a_draw_is_the_same_from_any_form_and_order_of_file(tmp_path: Path):
    shuffled = random.Random(3).sample(PUZZLES, len(PUZZLES))
    draws = [
        ids(load([path], limit=20, seed=1).puzzles)
        for path in (
            write_csv(tmp_path / "a.csv"),
            compress(write_csv(tmp_path / "b.csv", shuffled)),
            write_parquet(tmp_path / "c.parquet", shuffled),
        )
    ]
    assert draws[0] == draws[1] == draws[2]
    assert len(set(draws[0])) == 20


def test_a_smaller_draw_is_the_start_of_a_larger_one_and_a_seed_changes_it(tmp_path: Path):
    path = write_csv(tmp_path / "mine.csv")
    larger = ids(load([path], limit=30, seed=1).puzzles)
    assert ids(load([path], limit=10, seed=1).puzzles) == larger[:10]
    assert ids(load([path], limit=30, seed=2).puzzles) != larger
    assert sorted(ids(load([path], limit=1000, seed=1).puzzles)) == [puzzle.id for puzzle in PUZZLES]


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.sampled_from("ABC")), unique_by=lambda each: each[0]),
    st.integers(1, 40),
    st.integers(0, 3),
)
def test_a_draw_in_one_pass_equals_sorting_everything(rows: list[tuple[int, str]], size: int, seed: int):
    draw = Draw(size, seed)
    draw._room = size  # pyright: ignore[reportPrivateUsage]  # prune at every step: the hardest case
    for number, stratum in rows:
        draw.offer(Row("set", "file", number, [f"{number}"]), stratum)

    rank, ranked = Counter[str](), list[tuple[int, int, int]]()
    for number, stratum in sorted(rows, key=lambda row: priority(str(row[0]), seed)):
        ranked.append((rank[stratum], priority(str(number), seed), number))
        rank[stratum] += 1
    assert [row.line for row in draw.rows()] == [number for _, _, number in sorted(ranked)[:size]]


def test_every_puzzle_is_as_likely_to_be_drawn():
    drawn = Counter[int]()
    for seed in range(400):
        draw = Draw(5, seed)
        for number in range(20):
            draw.offer(Row("set", "file", number, [f"id{number}"]))
        drawn.update(row.line for row in draw.rows())
    assert set(drawn) == set(range(20))
    assert all(60 < count < 140 for count in drawn.values())  # 100 expected, standard deviation 9


def test_a_stratified_draw_takes_from_every_band_and_goal(tmp_path: Path):
    loaded = load([write_csv(tmp_path / "mine.csv")], limit=21, seed=1, stratify=True)
    strata = Counter((band(puzzle.rating), goal(puzzle.themes)) for puzzle in loaded.puzzles)
    everything = {(band(puzzle.rating), goal(puzzle.themes)) for puzzle in PUZZLES}
    assert set(strata) == everything
    assert max(strata.values()) - min(strata.values()) <= 1


def test_filters_keep_any_of_the_themes_and_both_ends_of_the_ratings(tmp_path: Path):
    loaded = load([write_csv(tmp_path / "mine.csv")], themes=["fork", "crushing"], ratings=(660, 700))
    assert [(p.rating, p.themes) for p in loaded.puzzles] == [(680, THEMES[1]), (700, THEMES[2])]


def test_quarantined_puzzles_are_never_asked(tmp_path: Path):
    quarantine = tmp_path / "quarantine.txt"
    quarantine.write_text("# wrong\np0003  # two solutions\n\np0007\n")
    wrong = read_quarantine(quarantine)
    assert wrong == {"p0003", "p0007"}
    loaded = load([write_csv(tmp_path / "mine.csv")], quarantine=wrong)
    assert not wrong & set(ids(loaded.puzzles))
    assert len(loaded.puzzles) == 58


def test_the_digest_says_what_is_asked(tmp_path: Path):
    path = write_csv(tmp_path / "mine.csv")
    assert load([path]).digest == load([path], limit=60, seed=9).digest
    assert load([path]).digest != load([path], limit=59).digest


@given(st.integers(1, 60), st.integers(0, 40))
def test_a_share_of_the_puzzles_is_taken_at_even_distances(count: int, n: int):
    """So each of several sets, which stand one after the other, has its share to within one puzzle."""
    sets = [PUZZLES[0], PUZZLES[1], PUZZLES[2]]
    puzzles = [each for each in sets for _ in range(count)]
    chosen = Counter(puzzle.id for puzzle in spread(puzzles, n))
    expected = min(n, 3 * count) / 3
    assert sum(chosen.values()) == min(n, 3 * count)
    assert all(abs(chosen[each.id] - expected) < 1 for each in sets)
    some = spread(PUZZLES, n)
    assert len({puzzle.id for puzzle in some}) == len(some)
    assert list(some) == sorted(some, key=lambda puzzle: puzzle.id)


# --- no position twice ---


def _renamed(puzzles: list[Puzzle], prefix: str = "x") -> list[Puzzle]:
    return [replace(puzzle, id=prefix + puzzle.id) for puzzle in puzzles]


def _mirrored(puzzles: list[Puzzle]) -> list[Puzzle]:
    return [mirror(puzzle) for puzzle in _renamed(puzzles, "m")]


@pytest.mark.parametrize("copies", [PUZZLES, _renamed(PUZZLES), _mirrored(PUZZLES)])
def test_a_position_that_is_in_two_files_is_asked_once(tmp_path: Path, copies: list[Puzzle]):
    """Audit 4: overlapping files count a position twice, and a copy under another id or mirrored, too."""
    loaded = load([write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b.csv", copies)])
    assert list(loaded.puzzles) == PUZZLES
    assert [(each.rows, each.duplicates) for each in loaded.sets] == [(60, 0), (60, 60)]
    assert loaded.notes == (
        "60 puzzles of b left out: their positions are asked already (a mirror image is the same one)",
    )


@pytest.mark.parametrize("stratify", [False, True])
def test_a_draw_from_overlapping_files_has_no_position_twice(tmp_path: Path, stratify: bool):
    """Audit 4: and the next rows of the draw stand in for those that are left out."""
    copies = [each for n in range(8) for each in _renamed(_mirrored(PUZZLES), f"{n}")]
    paths = [write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b.csv", copies)]
    for limit in (20, 60):
        loaded = load(paths, limit=limit, seed=3, stratify=stratify)
        assert len(loaded.puzzles) == len({puzzle.position_key for puzzle in loaded.puzzles}) == limit
    assert len(load(paths, limit=61, seed=3, stratify=stratify).puzzles) == 60


def test_what_was_found_is_counted_once_however_often_the_draw_is_repeated(tmp_path: Path):
    copies = [replace(puzzle, id=f"{n}{puzzle.id}") for n in range(40) for puzzle in PUZZLES[:5]]
    bad = [replace(puzzle, id=f"bad{puzzle.id}", fen="?") for puzzle in PUZZLES[:5]]
    loaded = load([write_csv(tmp_path / "mine.csv", copies + bad)], limit=8, skip_bad=True)
    (found,) = loaded.sets
    assert len(loaded.puzzles) == 5
    assert (found.rows, found.duplicates, found.bad, len(found.problems)) == (205, 195, 5, 5)


def test_a_position_may_not_be_twice_in_one_file_either(tmp_path: Path):
    """Audit 4."""
    loaded = load([write_csv(tmp_path / "mine.csv", PUZZLES + _mirrored(PUZZLES[:5]))])
    assert list(loaded.puzzles) == PUZZLES
    assert loaded.sets[0].duplicates == 5


def test_of_two_solutions_of_a_position_the_first_is_kept_and_that_is_said(tmp_path: Path):
    """Audit 4: the files disagree, and a user has to know."""
    other = next(
        replace(puzzle, id="other", moves=(puzzle.moves[0], move.uci()))
        for puzzle in PUZZLES
        for move in puzzle.board().legal_moves
        if move.uci() != puzzle.solution[0]
    )
    loaded = load(
        [write_csv(tmp_path / "a.csv"), write_csv(tmp_path / "b.csv", [*_mirrored([other]), other])]
    )
    assert list(loaded.puzzles) == PUZZLES
    assert (loaded.sets[1].duplicates, loaded.sets[1].contradictions) == (2, 2)
    assert "2 puzzles of b" in loaded.notes[0]
    assert loaded.notes[0].endswith("; where the solutions differ (2) the one read first counts")


def _wings_swapped(puzzle: Puzzle) -> Puzzle:
    """The puzzle as it looks in a mirror beside the board."""
    files = str.maketrans("abcdefgh", "hgfedcba")
    board = chess.Board(puzzle.fen).transform(chess.flip_horizontal)
    moves = tuple(uci[:4].translate(files) + uci[4:] for uci in puzzle.moves)
    return replace(puzzle, fen=board.fen(), moves=moves)


@given(st.integers(0, 2_000), st.booleans(), st.booleans())
def test_solutions_are_compared_as_their_positions_are_mirrored(seed: int, colours: bool, wings: bool):
    puzzle = random_puzzle(random.Random(seed))
    image = mirror(puzzle) if colours else puzzle
    if wings and not chess.Board(puzzle.fen).castling_rights:
        image = _wings_swapped(image)
    assert image.position_key == puzzle.position_key
    assert same_solution(puzzle, image)
    last = image.board(len(image.solution) - 1)
    for move in last.legal_moves:
        if move.uci() != image.solution[-1]:
            other = replace(image, moves=(*image.moves[:-1], move.uci()))
            assert not same_solution(puzzle, other)
            break


def test_the_shipped_sets_have_nothing_to_say():
    loaded = load([SETS])
    assert loaded.notes == ()
    assert len({puzzle.position_key for puzzle in loaded.puzzles}) == len(loaded.puzzles) == 750


# --- what is said ---


def test_a_limit_above_what_there_is_is_said(tmp_path: Path):
    """Audit 17: the option is silently ignored."""
    path = write_csv(tmp_path / "mine.csv")
    assert load([path], limit=60).notes == ()
    loaded = load([path], limit=61)
    assert loaded.notes == ("--limit 61 asks for more puzzles than there are: 60",)
    assert load([path], limit=9, themes=["fork"], ratings=(600, 700)).notes == (
        "--limit 9 asks for more puzzles than there are: 2",
    )


@pytest.mark.parametrize(
    ("asked", "offer"),
    [
        ("frok", "did you mean fork?"),
        ("Fork", "did you mean fork?"),
        ("matein1", "did you mean mateIn1"),
        ("zugzwang", "there are advantage, crushing, fork, mate, mateIn1"),
    ],
)
def test_a_theme_that_no_puzzle_has_is_refused_with_those_it_may_mean(tmp_path: Path, asked: str, offer: str):
    """Audit 16: `--themes frok` offers no name, and `fork,frok` asks for forks without a word."""
    path = write_csv(tmp_path / "mine.csv")
    for themes in ([asked], ["crushing", asked]):
        for limit in (None, 5):
            with pytest.raises(SelectionError) as caught:
                load([path], themes=themes, limit=limit)
            assert str(caught.value).startswith(f"no puzzle has the theme '{asked}' ({offer}")


def test_a_theme_that_one_puzzle_has_is_known_however_many_others_there_are(tmp_path: Path):
    path = tmp_path / "mine.csv"
    rows = [row(each, Themes=" ".join(f"t{n}x{k}" for k in range(99))) for n, each in enumerate(PUZZLES)]
    path.write_bytes(HEADER + b"".join(rows))
    assert ids(load([path], themes=["t59x98", "t0x0"]).puzzles) == ["p0000", "p0059"]


def test_themes_of_a_file_that_are_not_fit_to_be_shown_are_not_offered(tmp_path: Path):
    """Audit 26: what a file says goes to the terminal."""
    path = tmp_path / "mine.csv"
    path.write_bytes(HEADER + row(PUZZLES[1]) + row(PUZZLES[0], Themes="fr\x1bok frokk frok" + "k" * 99))
    with pytest.raises(SelectionError) as caught:
        load([path], themes=["frok"], skip_bad=True)
    assert str(caught.value) == "no puzzle has the theme 'frok' (did you mean frokk or fork?)"


def test_puzzles_without_themes_are_said_to_have_none(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_bytes(HEADER + row(PUZZLES[0], Themes=""))
    with pytest.raises(SelectionError, match="they have no themes"):
        load([path], themes=["fork"])


def test_filters_that_leave_nothing_are_named(tmp_path: Path):
    path = write_csv(tmp_path / "mine.csv")
    for filters, named in (
        ({"ratings": (3000, 3100)}, "after --ratings: widen them"),
        ({"ratings": (3000, 3100), "themes": ["fork"]}, "after --themes and --ratings: widen them"),
        ({"quarantine": ids(PUZZLES)}, "all of them are in quarantine"),
    ):
        with pytest.raises(SelectionError, match=f"no puzzle is left of 60.*{named}"):
            load([path], **filters)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("limit", [None, 5])
def test_that_every_row_is_bad_is_not_blamed_on_the_filters(tmp_path: Path, limit: int | None):
    """Audit 16: with `--skip-bad-puzzles` the user was told to widen `--themes`."""
    path = write_csv(tmp_path / "mine.csv", [replace(puzzle, fen="?") for puzzle in PUZZLES])
    with pytest.raises(SelectionError) as caught:
        load([path], limit=limit, skip_bad=True, themes=["fork"])
    assert re.fullmatch(
        rf"no puzzle is left of 60: all 20 that were tried are bad, the first: {path}:\d+: "
        r"puzzle 'p\d+': illegal FEN '\?'.*",
        str(caught.value),
    )


# --- bad rows ---


def _spoil(path: Path, line: int, change: Callable[[str], str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[line - 1] = change(lines[line - 1])
    path.write_text("".join(lines))


def _duplicate(row: str) -> str:
    return row.replace("p0005", "p0001", 1)


def _without_number(row: str) -> str:
    return row.replace(",700,", ",strong,", 1)


def _without_last_cell(row: str) -> str:
    return row.rpartition(",")[0] + "\n"


def _without_position(row: str) -> str:
    return row.replace(PUZZLES[5].fen, "not a position")


def _without_legal_moves(row: str) -> str:
    return row.replace(" ".join(PUZZLES[5].moves), "a1a2 a1a2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_position, "illegal FEN 'not a position'"),
        (_duplicate, "'p0001' is there twice, first in"),
        (_without_number, "not a number"),
        (_without_last_cell, "9 cells, but the header has 10"),
        (_without_legal_moves, "illegal uci: 'a1a2'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line_or_passed_over_and_counted(
    tmp_path: Path, change: Callable[[str], str], message: str
):
    path = write_csv(tmp_path / "mine.csv")
    _spoil(path, 7, change)
    with pytest.raises(PuzzleFileError) as caught:
        load([path])
    assert str(caught.value).startswith(f"{path}:7: ")
    assert message in str(caught.value)

    loaded = load([path], skip_bad=True)
    assert (len(loaded.puzzles), loaded.sets[0].bad) == (59, 1)
    assert message in loaded.sets[0].problems[0]


def test_bad_rows_in_a_draw_are_replaced_however_many(tmp_path: Path):
    good = some_puzzles(40)
    wrong = [
        replace(puzzle, id=f"w{index:04}", fen="?") for index, puzzle in enumerate(some_puzzles(40) * 20)
    ]
    path = write_csv(tmp_path / "mine.csv", good + wrong)
    loaded = load([path], limit=30, seed=1, skip_bad=True)
    assert ids(loaded.puzzles) == ids(
        load([write_csv(tmp_path / "good.csv", good)], limit=30, seed=1).puzzles
    )
    assert loaded.sets[0].bad


@pytest.mark.slow  # a hundred thousand rows
def test_rows_that_are_all_bad_are_given_up_in_bounded_memory(tmp_path: Path):
    """Audit 29: a small compressed file can have millions of them."""
    path = tmp_path / "mine.csv"
    path.write_bytes(HEADER + b"x\n" * 50_000)
    with pytest.raises(
        SelectionError, match=r"no puzzle is left of 50000: all 40001 that were tried are bad"
    ):
        load([path], limit=1, skip_bad=True)


def test_of_bad_rows_a_hundred_are_described_and_all_are_counted(tmp_path: Path):
    """Audit 29: they are kept in memory and in the manifest."""
    path = tmp_path / "mine.csv"
    path.write_bytes(HEADER + row(PUZZLES[0]) + b"x\n" * 1000)
    loaded = load([path], skip_bad=True)
    assert (loaded.sets[0].bad, len(loaded.sets[0].problems)) == (1000, 100)
    (note,) = loaded.notes
    assert note == f"1000 bad rows skipped, the first: {path}:3: 1 cells, but the header has 10"


def test_a_limit_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least 1"):
        load([write_csv(tmp_path / "mine.csv")], limit=0)
