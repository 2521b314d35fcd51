"""Judging takes time in proportion to the text: no model that repeats itself, or means harm, stops a run.

Every function that meets a model's text is given texts that repeat one piece, between a head and a tail that
make a backtracking regular expression start over at every place. What is measured is how the cost grows
(`tests.growth`), not what it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.reading.answers import last_move, objects_in
from evals.reading.completions import split_trace
from evals.reading.lines import read_rows, replay
from evals.reading.lists import read_list
from evals.reading.moves import read_move
from evals.reading.movetext import read_movetext
from evals.reading.pieces import read_ascii, read_pieces
from evals.reading.themes import read_themes
from evals.reading.traces import is_looping, read_candidates, read_conclusion, read_sections
from evals.tasks import build_tasks
from evals.words import Case, Completion
from tests.asking import SECTIONS, asking
from tests.growth import LIMIT, growth
from tests.positions import BACK_RANK
from tests.traces import HEADINGS, write_answer

pytestmark = pytest.mark.slow  # times each reader on texts of growing length

BOARD = BACK_RANK.board()
KNIGHTS = chess.Board()
TASKS = build_tasks(asking())
FREE = build_tasks(asking(constrain="none"))

Shape = tuple[str, str, str]
"""Head, piece and tail: the piece is what is repeated."""


def text_of(shape: Shape) -> Callable[[int], str]:
    head, piece, tail = shape
    return lambda times: head + piece * times + tail


def quoted(text: str) -> object:
    return replay(read_rows(text), KNIGHTS)


READERS: dict[str, tuple[Callable[[str], object], tuple[Shape, ...]]] = {
    "sections": (
        lambda text: read_sections(text, SECTIONS),
        (
            ("# a", " ", "b"),
            ("Step 1: a", "\t", "b"),
            ("**", " ", "Solution"),
            ("Step", " ", ":"),
            ("Step 1", ":", "a b"),
            ("", "# a\n", ""),
            ("", "**Solution**\n", ""),
            ("## Solution", " ", "x"),
            ("## ", "9", "x"),
            ("## e4", "+", "x"),
        ),
    ),
    "a move in SAN": (
        lambda text: read_move(text, BOARD, "san"),
        (("Rd8", "+", "x"), ("Rd8", "!", "x"), ("", "+#!?", "x"), ("Rd8", "?", "+"), ("", "--", "")),
    ),
    "a move in UCI": (
        lambda text: read_move(text, BOARD, "uci"),
        (("d1d8", "+", "x"), ("", "d1d8", ""), ("", "0", "!")),
    ),
    "an answer in free text": (
        lambda text: list(objects_in(text)),
        (
            ("", "{", ""),
            ("", "{ and ", ""),
            ("", '{"', ""),
            ("", '{"a":', ""),
            ("", '{"a":[', ""),
            ("", '{"a":{"b":1},', ""),
            ('{"a":[', "{},", ""),
            ('{"a":{"a":{"a":{"a":{"a":[', "1,", ""),
            ("", '{"move":"a","move":"b"}', ""),
            ('{"a":"', '\\"{', ""),
            ("{", " ", "}"),
            ('{"a":', "9", "}"),
            ('{"a":0.', "9", "}"),
        ),
    ),
    "the last move of free text": (
        lambda text: last_move(text, "uci"),
        (("", "d1d8", ""), ("", "d1d8 ", ""), ("", "O-", ""), ("", "Rd8+", "x")),
    ),
    "quoted lines": (
        quoted,
        (
            ("", "(", ""),
            ("e4 ", "( ", ""),
            ("", "{", ""),
            ("e4 ", "(d4) ", ""),
            ("", "Nf3 Nf6 Ng1 Ng8 ", ""),
            ("", "1. ", ""),
            ("e4", "+", "x"),
            ("e4 ", "e5 (e6 ", ""),
            ("e4 (", " ", "e4"),
            ("1", ".", ""),
            ("", "$1", ""),
            ("", "e4-", ""),
        ),
    ),
    "the conclusion": (
        lambda text: read_conclusion(text, BOARD),
        (
            ("best move is", " ", "x"),
            ("", "best move is ", "x"),
            ("answer", ":", "x"),
            ("play: ", "*", "x"),
            ("play: 1", ".", "x"),
            ("", "Ra8 ", ""),
            ("play: Rd8", "+", "x"),
            ("answer ", "answer", ": x"),
        ),
    ),
    "the candidates": (
        read_candidates,
        (
            ("-", " ", "x"),
            ("", "- Rd8\n", ""),
            ("Rd8", " ", "x"),
            ("Rd8", ", Rd8", " x"),
            ("Rd8", ", ", "x"),
            ("", "abc ", ": Rd8"),
            ("", "*`_ ", "x"),
            ("", "\n", ""),
            ("", "[", ""),
            ("", "['Rd8', ", ""),
            ("", ": ", "["),
            ("candidates ", "candidates ", "are Rd8"),
            ("candidates are ", "Rd8, and ", "x"),
            ("", "24... ", "x"),
        ),
    ),
    "movetext": (
        read_movetext,
        (
            ("", "(", ""),
            ("", "{", ""),
            ("(", "{} ", ""),
            ("", "(e4) ", ""),
            ("", "1.", ""),
            ("", ".", "x"),
            ("..", " ", "x"),
            ("", "e4 ", ""),
            ("e4", "+", "x"),
            ("", '[A "', ""),
            ('[A "', "\\a", ""),
            ("[A", " ", "x"),
            ("", "[%", ""),
            ("", "; ", ""),
            ("", ")", ""),
            ("", "-", ""),
        ),
    ),
    "lists": (
        read_list,
        (("", "Rd8, ", ""), ("", "'", ""), ("", "[", "x"), ("", "1", "."), ("", ".", "x"), ("", "*", "x")),
    ),
    "a drawn board": (
        read_ascii,
        (
            ("", "| ", ""),
            ("", "-", "x"),
            ("", "........\n", ""),
            ("", "\n", ""),
            ("8", ".", "8x"),
            ("", "|\n", ""),
        ),
    ),
    "themes": (
        read_themes,
        (("", "mate in ", "2"), ("", "x ", ""), ("", "fork, ", ""), ("", "'- _", ""), ("themes", " ", "x")),
    ),
    "pieces": (
        read_pieces,
        (
            ("White: ", "Ke1", ""),
            ("White: ", "Ke1, ", ""),
            ("", "pawn", ""),
            ("", "white ", ""),
            ("", "a", ""),
        ),
    ),
    "loops": (
        is_looping,
        (
            ("", "a", "b"),
            ("", "ab" * 15 + "c", ""),
            ("", "a b c d e f g h ", "i"),
            ("x ", "a " * 19 + "b ", ""),
        ),
    ),
    "the two halves of a completion": (
        lambda text: split_trace(Completion(content=text)),
        (("<think>", "<think>", ""), ("", "</think>", ""), ("", " ", "x"), ("<think>", " ", "</think>")),
    ),
}


@pytest.mark.parametrize(
    ("reader", "shape"),
    [
        pytest.param(reader, shape, id=f"{reader}: {shape[0][:20]!r} {shape[1][:20]!r} {shape[2][:20]!r}")
        for reader, (_, shapes) in READERS.items()
        for shape in shapes
    ],
)
def test_reading_takes_time_in_proportion_to_the_text(reader: str, shape: Shape) -> None:
    """Audit 25: a heading with 60,000 blanks took 23 s, 40,000 plus signs behind a move 11 s."""
    read, _ = READERS[reader]
    assert growth(read, text_of(shape)) <= LIMIT


def test_many_variations_of_a_long_line_take_time_in_proportion() -> None:
    """Audit 25: each move of a line looked through all of its variations."""
    assert growth(quoted, lambda n: "Nf3 " + "(e4) " * n + "Nf6 Ng1 Ng8 Nf3 " * n, start=512) <= LIMIT


def test_many_lines_that_branch_off_far_into_a_long_one_take_time_in_proportion() -> None:
    """Audit 25: each of them was played again from the start of the long one."""
    assert growth(quoted, lambda n: "Nf3 Nf6 Ng1 Ng8 " * n + "\n999. Nf3 Nf6" * n, start=512) <= LIMIT


pieces = st.lists(
    st.sampled_from(
        [
            *(" ", "\n", "\t", "(", ")", "{", "}", "[", '"', "\\", ":", ",", ".", "1.", "24...", "999. "),
            *(
                "Rd8#",
                "e4",
                "Nf3 ",
                "Ng1 ",
                "+",
                "#",
                "!",
                "?",
                "-",
                "*",
                "**",
                "_",
                "`",
                "# ",
                "Step 1",
                "is",
            ),
            *(
                "best move",
                "answer",
                "=",
                ";",
                " and ",
                "pawn",
                "white",
                "$1",
                "9",
                "a",
                "</think>",
                "<think>",
            ),
            *('{"a":[', '{"a":', '"best_move"', "O-O", "…", "--"),
        ]
    ),
    max_size=4,
).map("".join)


def in_every_section(text: str) -> Completion:
    trace = "\n".join(f"{heading}\n{text}" for heading in HEADINGS)
    return Completion(content=write_answer(BACK_RANK), reasoning=trace)


def in_every_field(text: str) -> Completion:
    fields = dict.fromkeys(("piece_positions", "themes", "solution", "best_move"), text)
    return Completion(content=json.dumps({"candidate_moves": [text], **fields}), reasoning=text)


@pytest.mark.slow  # every example is judged at several lengths, each several times
@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.tuples(pieces, pieces.filter(bool), pieces))
def test_judging_takes_time_in_proportion_to_any_repeated_text(shape: Shape) -> None:
    """Audit 25: the whole way of an answer, in the tasks that read most: as free text, and in a trace."""

    def judge_text(text: str) -> None:
        FREE["move"].judge(Case("move", BACK_RANK), [Completion(content=text)])
        FREE["board"].judge(Case("board", BACK_RANK, variant="after"), [Completion(content=text)])

    def judge_trace(text: str) -> None:
        for completion in (in_every_section(text), in_every_field(text)):
            TASKS["reasoning"].judge(Case("reasoning", BACK_RANK), [completion])

    assert growth(judge_text, text_of(shape)) <= LIMIT
    assert growth(judge_trace, text_of(shape)) <= LIMIT
