"""What a mutation run over the pure rooms found untested, and what matters of it: one test for each survivor
or for a few of the same kind.
"""

from __future__ import annotations

import dataclasses

import chess
import pytest

from evals.puzzles.draw import COLUMNS, Draw, Filter, Row, band, goal
from evals.puzzles.puzzle import Puzzle
from evals.reading.completions import split_trace
from evals.reading.lines import read_rows, replay
from evals.reading.trace_checks import Expected, Given, check_reasoning
from evals.reading.traces import is_looping, read_conclusion, read_sections
from evals.statistics.multiplicity import holm
from evals.tasks.grading import LONGEST_MOVE, judge_move
from evals.words import Case, Completion, Outcome, Record, Verdict
from tests.positions import BACK_RANK

BOARD = BACK_RANK.board()
SECTIONS = ("Pieces", "Candidate lines", "Candidate moves", "Solution")


def checks(trace: str, given: Given = Given(move="Rd8#")) -> dict[str, object]:  # noqa: B008
    completion = Completion(content="Rd8#", reasoning=trace)
    return dict(check_reasoning(BOARD, completion, given, Expected(SECTIONS)))


def test_holm_goes_by_the_p_values_and_not_by_the_names() -> None:
    assert holm({"z": 0.01, "a": 0.04}) == {"z": 0.02, "a": 0.04}
    assert holm({"a": 0.04, "z": 0.01}) == {"a": 0.04, "z": 0.02}


def test_a_record_has_all_that_was_known_of_its_case_and_verdict() -> None:
    puzzle = dataclasses.replace(BACK_RANK, set="mates", themes=("mate",))
    case = Case("board", puzzle, variant="moves", mirrored=True, sample=3)
    verdict = Verdict(Outcome.MISSED, "d1d2", "d1d8", "why", {"exact": False})
    record = Record.of(case, verdict, "adapter")
    assert (record.variant, record.mirrored, record.sample, record.model) == ("moves", True, 3, "adapter")
    assert (record.set, record.puzzle, record.themes) == ("mates", puzzle.id, ("mate",))
    assert (record.rating, record.position) == (puzzle.rating, puzzle.position_key)
    assert record.verdict == verdict
    assert Record.from_json(record.to_json()) == record
    assert '"missed"' in record.to_json()
    assert Record.of(case, dataclasses.replace(verdict, move=None, solution=None)).model == ""


def test_rating_bands_are_named_by_both_ends() -> None:
    assert [band(rating) for rating in (0, 199, 200, 1599, 1600)] == [
        "0-199",
        "0-199",
        "200-399",
        "1400-1599",
        "1600-1799",
    ]


def test_the_goal_of_a_puzzle_is_its_most_telling_theme() -> None:
    assert goal(["short", "mate", "mateIn2"], ()) == "mateIn2"
    assert goal(["short", "mate", "mateIn2"], ("short",)) == "short"
    assert goal(["short"], ()) == ""


def row(rating: str, themes: str = "mate", number: int = 2) -> Row:
    cells = [""] * len(COLUMNS)
    cells[COLUMNS.index("PuzzleId")] = f"p{number}"
    cells[COLUMNS.index("Rating")], cells[COLUMNS.index("Themes")] = rating, themes
    return Row("set", "file.csv", number, cells)


def test_both_ends_of_a_rating_range_are_in_it_and_the_parser_complains_of_what_is_no_number() -> None:
    wanted = Filter(ratings=(1000, 1200))
    ratings = ("999", "1000", "1200", "1201", "many")
    assert [wanted(row(rating)) for rating in ratings] == [False, True, True, False, True]


def test_a_draw_of_many_strata_takes_from_each_the_same_whatever_the_order() -> None:
    rows = [row("1500", number=number) for number in range(3000)]
    drawn: list[set[int]] = []
    for order in (rows, rows[::-1]):
        draw = Draw(90, seed=5)
        for each in order:
            draw.offer(each, f"stratum {each.line % 3}")
        drawn.append({each.line for each in draw.rows()})
    assert drawn[0] == drawn[1]
    assert [sum(line % 3 == rest for line in drawn[0]) for rest in range(3)] == [30, 30, 30]


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        ("Rd9", Outcome.UNPARSEABLE, "can not be read as a move"),
        ("Ra8", Outcome.ILLEGAL, "is not legal here"),
    ],
)
def test_a_verdict_says_why_a_text_is_no_move(text: str, outcome: Outcome, why: str) -> None:
    verdict = judge_move(BOARD, "d1d8", text, "san")
    assert (verdict.outcome, verdict.move) == (outcome, text)
    assert why in verdict.detail
    long = judge_move(BOARD, "d1d8", "x" * 500, "san").move
    assert long is not None
    assert len(long) <= LONGEST_MOVE


def test_a_move_that_fits_two_pieces_is_said_to() -> None:
    board = chess.Board("4k3/8/8/8/8/1N6/8/4KN2 w - - 0 1")
    assert "fits more than one legal move" in judge_move(board, "b3d2", "Nd2", "san").detail


def test_what_is_not_there_is_not_checked() -> None:
    empty = checks("")
    assert empty["free_of_loops"] is None
    assert (empty["piece_precision"], empty["piece_recall"]) == (None, None)
    assert (empty["lines_legal"], empty["answer_in_candidates"]) == (None, None)
    without = checks("# Pieces\nnone at all\n# Solution\nthe rook wins")
    assert (without["piece_precision"], without["piece_recall"]) == (None, 0.0)
    assert without["reasoning_present"] is True


def test_the_answers_own_line_is_held_against_its_move() -> None:
    for line, legal, starts in (
        (["Rd8#"], True, True),
        (["Rd7", "Kf8"], True, False),
        (["Rd9"], False, False),
        ([], None, False),
    ):
        found = checks("# Solution\nRd8#", Given(move="Rd8#", line=line))
        assert (found["solution_legal"], found["solution_starts_with_answer"]) == (legal, starts)


@pytest.mark.parametrize(
    ("conclusion", "move", "faithful"),
    [
        ("Rd8", "Rd8#", True),
        ("R1d8#", "Rd8", True),
        ("Rd7", "Rd8", False),
        ("Rh8", "Rh8+", True),  # not legal, but the same text
        ("Rh8", "Ra8", False),
        ("Rd8", "Ra8", False),
    ],
)
def test_a_conclusion_is_the_answer_where_both_mean_one_move(
    conclusion: str, move: str, faithful: bool
) -> None:
    assert checks(f"# Solution\n{conclusion}", Given(move=move))["faithful"] is faithful


def test_candidates_stand_in_the_section_of_candidate_moves() -> None:
    trace = "# Candidate lines\nRd7, Kf1\n# Candidate moves\n{}\n# Solution\nRd8#"
    assert checks(trace.format("Rd8#, Rd7"))["answer_in_candidates"] is True
    assert checks(trace.format("Kf1, Rd7"))["answer_in_candidates"] is False
    assert checks(trace.format("Ke8, Rd8#"))["illegal_candidates"] == 1


def test_lines_of_the_solution_count_as_quoted() -> None:
    assert checks("# Solution\n31. Rd8#")["quoted_lines"] == 1
    assert checks("# Solution\n31. Ra8#")["lines_legal"] is False


def test_a_section_starts_and_ends_where_its_headings_stand() -> None:
    trace = "# Pieces\n* Kg1 *\n# Solution: Rd8#\n"
    assert [(each.title, each.body, each.heading) for each in read_sections(trace, SECTIONS)] == [
        ("Pieces", "Kg1", "# Pieces"),
        ("Solution", "Rd8#", "# Solution"),
    ]
    assert [each.title for each in read_sections("# Anything at all\nx", SECTIONS)] == ["Anything at all"]


def test_a_conclusion_without_a_legal_move_is_the_first_that_is_written() -> None:
    assert read_conclusion("Ra8+ Kh8", BOARD) == "Ra8+"
    assert read_conclusion("Ra8+ or Rd7", BOARD) == "Rd7"


def words(count: int, of: int) -> str:
    return " ".join(f"w{number % of}" for number in range(count))


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        (words(40, 10), True),  # four times ten words
        (words(39, 10), False),
        (words(24, 2), True),
        (words(21, 1) + " end of it", True),
        (words(20, 1), False),
        (" ".join(words(13, 13).split() + words(13, 13).split()[::-1]) * 1, False),
        ((words(9, 9) + " a " + words(9, 9) + " b ") * 2, False),
    ],
)
def test_a_loop_is_four_times_the_same_and_more_than_twenty_words(text: str, loops: bool) -> None:
    assert is_looping(text) is loops


def quoted(text: str, board: chess.Board) -> tuple[int, int, tuple[str, ...]]:
    done = replay(read_rows(text), board)
    return done.lines, done.moves, done.illegal


def test_a_quoted_line_starts_where_its_number_says() -> None:
    board = chess.Board()
    board.push_san("e4")
    board.push_san("e5")  # White's second move is next
    assert quoted("2. Nf3 Nc6 3. Bb5\n2... Nf6 3. Nxe5", board) == (2, 5, ())
    assert quoted("1. Nf3 Nc6 2. Bb5\n1... Nf6 2. Nxe5", board) == (2, 5, ())
    assert quoted("2. Nf3 Nc6\n3... a6", board)[2] == ("a6",)
    assert quoted("2. Nf3 Nc6\n3. Bb5 a6", board) == (2, 4, ())


def test_of_two_ways_to_read_a_line_the_more_legal_one_counts() -> None:
    board = chess.Board()
    # As a continuation `2. Nf3` is not legal (it was played), from the start it is.
    assert quoted("1. Nf3 d5 2. d4\n2. Nc3 Nf6", board) == (2, 5, ())


def test_prose_in_nested_parentheses_is_passed_by() -> None:
    text = "1. e4 (a better (or so they say (really)) try) e5 2. Nf3"
    assert quoted(text, chess.Board()) == (1, 3, ())
    text = "1. e4 (1. d4 d5 and (as (we) know) so on) e5"
    assert quoted(text, chess.Board()) == (2, 4, ())


def test_the_tag_is_no_part_of_a_trace() -> None:
    parts = split_trace(Completion(content="Rd8#", reasoning="<think>the rook <think>"))
    assert parts.trace == "the rook <think>"


def test_a_puzzle_keeps_what_its_row_says() -> None:
    puzzle = Puzzle("p", BACK_RANK.fen, BACK_RANK.moves, 900)
    assert puzzle.solver_moves == ("d1d8",)
