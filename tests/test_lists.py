"""Lists as text: every way of writing one has the same items, and prose is no list of moves."""

from __future__ import annotations

import random

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reading.lists import read_list, write_list
from tests.positions import random_board


@pytest.mark.parametrize(
    "text",
    [
        "Qxh7, Nf3, e4",
        "Qxh7, Nf3, e4.",
        "Qxh7,Nf3,e4",
        "Qxh7; Nf3; e4",
        "Qxh7 Nf3 e4",
        "Qxh7\nNf3\r\ne4\n",
        "- Qxh7\n- Nf3\n- e4",
        "* Qxh7\n• Nf3\n* e4",
        "1) Qxh7\n2) Nf3\n3) e4",
        "1. Qxh7 Nf3 2. e4",
        "24...Qxh7 25.Nf3 25… e4",
        "['Qxh7', \"Nf3\", 'e4']",
        '["Qxh7","Nf3","e4"]',
        "[Qxh7, Nf3, e4].",
        "'Qxh7', 'Nf3', 'e4'",
        "['Qxh7', 'Nf3', 'e4",
        '"Qxh7, Nf3, e4"',
        "**Qxh7**, `Nf3`, e4",
        "Qxh7, Nf3 and e4",
        ", Qxh7,, Nf3, e4,",
    ],
)
def test_a_list_is_read_however_it_is_written(text: str) -> None:
    assert read_list(text) == ["Qxh7", "Nf3", "e4"]


@pytest.mark.parametrize(
    "text", ["", "  \n", "none", "None.", "NONE", "-", "–", "[]", "[ ]", "['none']", "['']", "`none`", ","]
)
def test_an_empty_list(text: str) -> None:
    assert read_list(text) == []


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("none, Qxh7", ["none", "Qxh7"]),
        ("There are none", ["There", "are", "none"]),
        ("--", ["--"]),
        ("e4, e4", ["e4", "e4"]),
        ("0-0, 0-0-0, 0000", ["0-0", "0-0-0", "0000"]),
        ("e8=Q+, exd8=N#", ["e8=Q+", "exd8=N#"]),
        ("e4, d4..", ["e4", "d4."]),
        ("Bxc3, bxc3", ["Bxc3", "bxc3"]),
        ("no, Qxh7 (mate)", ["no", "Qxh7", "(mate)"]),
        ("3", ["3"]),
    ],
)
def test_what_is_no_move_stays_an_item_that_is_wrong(text: str, items: list[str]) -> None:
    """Else a list with one right item among others would be read as right."""
    assert read_list(text) == items


@given(st.integers(0, 2**32), st.booleans())
def test_legal_moves_read_back_as_they_are_written(seed: int, uci: bool) -> None:
    board = random_board(random.Random(seed))
    moves = [move.uci() if uci else board.san(move) for move in board.legal_moves]
    written = write_list(moves)
    for text in (written, f"{written}.", repr(moves), "\n".join(moves), " ".join(moves), ";".join(moves)):
        assert read_list(text) == moves


@given(st.sets(st.sampled_from(chess.SQUARE_NAMES)))
def test_squares_read_back_and_no_square_is_none(squares: set[str]) -> None:
    assert set(read_list(write_list(sorted(squares)))) == squares
    assert (write_list(sorted(squares)) == "none") == (not squares)


@given(st.text() | st.text("[]'\",;.-* 1e4none\n\ud800"))
def test_no_item_of_any_text_is_empty_or_has_blanks_in_it(text: str) -> None:
    assert all(item and len(item.split()) == 1 for item in read_list(text))
