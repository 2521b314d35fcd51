"""Themes: read under any spelling, and scored by those that a solver can see."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.sets import SETS
from evals.reading.themes import COUNTED, ThemeScore, read_themes, score_themes

counted = st.sets(st.sampled_from(sorted(COUNTED)))
UNSEEN = [
    *("oneMove", "short", "long", "veryLong", "master", "masterVsMaster", "superGM"),
    *("opening", "middlegame", "endgame", "rookEndgame", "crushing", "advantage", "equality", "mate"),
]


def test_what_a_solver_can_not_see_does_not_count() -> None:
    assert COUNTED.isdisjoint(UNSEEN)
    assert {"fork", "pin", "skewer", "deflection", "backRankMate", "mateIn2", "underPromotion"} <= COUNTED


def test_every_theme_of_the_shipped_puzzles_is_known() -> None:
    """Else a model that repeats it would be marked down for a name that Lichess does not have."""
    shipped = set[str]()
    for path in SETS.glob("*.csv"):
        with path.open(newline="") as rows:
            shipped |= {theme for row in csv.DictReader(rows) for theme in row["Themes"].split()}
    assert shipped > {"mate", "mateIn2", "backRankMate", "fork", "hangingPiece", "short"}
    for theme in shipped:
        assert read_themes(theme.upper()) == {theme}


@pytest.mark.parametrize(
    "given_themes",
    [
        "mateIn2, backRankMate, xRayAttack",
        "Mate in 2, Back rank mate, X-Ray attack.",
        "mate_in_2; back-rank mate; x ray attack",
        "mateIn2 backRankMate xRayAttack",
        "mate in 2 back rank mate x-ray attack",
        "Themes: MATEIN2\nBACKRANKMATE\nXRAYATTACK",
        "['mateIn2', \"Back Rank Mate\", 'xRayAttack']",
        "mateIn2, mate in 2, backRankMate backRankMate, xRayAttack",
        ["mateIn2", "back_rank_mate", "X-ray attack"],
        ("mateIn2 backRankMate", " xRayAttack "),
    ],
)
def test_names_are_read_in_any_spelling(given_themes: str | list[str]) -> None:
    assert read_themes(given_themes) == {"mateIn2", "backRankMate", "xRayAttack"}


@pytest.mark.parametrize(
    "text", ["", " ", "none", "None.", "-", "[]", "themes:", "Theme: none", [], [""], ["none"]]
)
def test_no_themes(text: str | list[str]) -> None:
    assert read_themes(text) == frozenset()


@pytest.mark.parametrize(
    ("text", "themes"),
    [
        ("Super Tactic", {"Super Tactic"}),
        ("Super Tactic, fork", {"Super Tactic", "fork"}),
        ("royal fork, pin", {"royal fork", "pin"}),
        ("fork newTheme pin", {"fork", "newTheme", "pin"}),
        ("forks", {"forks"}),
        ("mateIn12", {"mateIn12"}),
        ("mate in 6", {"mate", "in", "6"}),
        ("Super Tactic, super_tactic", {"Super Tactic"}),
        (["mate in 6"], {"mate in 6"}),
        ("not a fork", {"not", "a", "fork"}),
    ],
)
def test_a_name_that_is_none_of_them_stays_as_it_is_written(text: str | list[str], themes: set[str]) -> None:
    assert read_themes(text) == themes


@pytest.mark.parametrize(
    ("given_themes", "wanted", "score"),
    [
        (["fork", "mateIn2"], ["fork", "mateIn2", "short", "mate"], (1, 1, 1)),
        (["fork", "mateIn2", "short", "mate", "endgame"], ["fork", "mateIn2"], (1, 1, 1)),
        (["Mate in 2", "FORK"], ["fork", "mateIn2"], (1, 1, 1)),
        (["fork"], ["fork", "mateIn2"], (0.5, 1, 0.5)),
        (["fork", "pin", "skewer"], ["fork", "mateIn2"], (0.25, 0.3333, 0.5)),
        (["fork", "wonder"], ["fork"], (0.5, 0.5, 1)),
        (["pin"], ["fork"], (0, 0, 0)),
        ([], ["fork"], (0, 1, 0)),
        (["short", "mate"], ["fork"], (0, 1, 0)),
        (sorted(COUNTED), ["fork"], (round(1 / len(COUNTED), 4), round(1 / len(COUNTED), 4), 1)),
    ],
)
def test_themes_are_scored_by_what_counts(
    given_themes: list[str], wanted: list[str], score: tuple[float, float, float]
) -> None:
    assert score_themes(given_themes, wanted) == ThemeScore(*score)


@pytest.mark.parametrize("wanted", [[], ["short", "endgame"], ["mate"], ["crushing", "veryLong"]])
def test_a_puzzle_without_a_theme_that_counts_has_no_score(wanted: list[str]) -> None:
    assert score_themes(["fork"], wanted) is None


@given(counted, counted.filter(bool), st.sets(st.sampled_from(UNSEEN)), st.sets(st.sampled_from(UNSEEN)))
def test_the_score_is_the_jaccard_index_of_what_counts(
    ours: set[str], theirs: set[str], more: set[str], others: set[str]
) -> None:
    score = score_themes(ours | more, theirs | others)
    assert score is not None
    assert score.jaccard == pytest.approx(len(ours & theirs) / len(ours | theirs), abs=1e-4)
    assert score.jaccard <= min(score.precision, score.recall) + 1e-4
    assert (score.jaccard == 1) == (ours == theirs)
    assert score_themes(theirs, theirs) == ThemeScore(1, 1, 1)


@given(counted)
def test_names_of_lichess_read_as_themselves(themes: set[str]) -> None:
    for text in (", ".join(sorted(themes)), " ".join(sorted(themes)), repr(sorted(themes))):
        assert read_themes(text) == themes


@given(st.text())
def test_reading_twice_is_reading_once(text: str) -> None:
    themes = read_themes(text)
    assert read_themes(sorted(themes)) == themes
