"""Reasoning traces: what is read from them, and which check notices what."""

from __future__ import annotations

import random

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.puzzle import Puzzle
from evals.reading.lines import read_rows, replay
from evals.reading.pieces import name_pieces, read_pieces
from evals.reading.traces import is_looping, read_candidates, read_conclusion, read_sections
from evals.tasks import TaskSettings, build_tasks
from evals.words import Case, Completion, Outcome, Verdict
from tests.asking import SECTIONS, asking
from tests.positions import BACK_RANK, random_board, random_puzzles
from tests.traces import write_answer, write_trace

GOOD = ("closed", "sections_in_order", "lines_legal", "answer_in_candidates", "faithful", "free_of_loops")
GREEK_GIFT = chess.Board("r1bq1rk1/pp3ppp/2n5/3p4/3P4/3B1N2/PPQ2PPP/R3R1K1 w - - 0 20")
CASE = Case("reasoning", BACK_RANK)


def judge(
    trace: str | None, content: str | None = None, finish_reason: str = "stop", puzzle: Puzzle = BACK_RANK
) -> Verdict:
    """Judge a trace with the right answer behind it, or with `content`."""
    completion = Completion(
        content=write_answer(puzzle) if content is None else content,
        reasoning=trace,
        finish_reason=finish_reason,
        completion_tokens=321,
    )
    return build_tasks(asking())["reasoning"].judge(Case("reasoning", puzzle), [completion])


def test_the_trained_format_passes_every_check() -> None:
    for puzzle in random_puzzles(seed=3, count=100):
        verdict = judge(write_trace(puzzle), puzzle=puzzle)
        assert verdict.outcome is Outcome.SOLVED
        assert all(verdict.checks[name] is True for name in GOOD), (puzzle.fen, verdict.checks)
        assert verdict.checks["piece_precision"] == verdict.checks["piece_recall"] == 1.0
        assert verdict.checks["illegal_moves"] == verdict.checks["illegal_candidates"] == 0
        assert (verdict.checks["sections"], verdict.checks["missing_section"]) == (6, None)
        assert verdict.checks["tokens"] == 321


def test_a_trace_in_the_content_is_the_same_as_one_apart() -> None:
    trace, answer = write_trace(BACK_RANK), write_answer(BACK_RANK)
    apart = judge(trace)
    assert judge(None, f"<think>\n{trace}\n</think>\n\n{answer}") == apart
    assert judge(None, f"{trace}\n</think>\n\n{answer}") == apart


def test_an_answer_without_a_trace() -> None:
    verdict = judge(None)
    assert verdict.outcome is Outcome.SOLVED
    assert verdict.checks["reasoning_present"] is False
    assert verdict.checks["closed"] is False
    assert verdict.checks["faithful"] is None


def test_a_trace_that_never_closes() -> None:
    text = f"<think>\n{write_trace(BACK_RANK)}"
    cut, stopped = judge(None, text, "length"), judge(None, text)
    assert (cut.outcome, cut.checks["unclosed_by_length"]) == (Outcome.TRUNCATED, True)
    assert (stopped.outcome, stopped.checks["unclosed_by_length"]) == (Outcome.MALFORMED, False)
    assert cut.checks["closed"] is stopped.checks["closed"] is False


def test_an_answer_inside_the_trace_is_noticed() -> None:
    verdict = judge(f"{write_trace(BACK_RANK)}\n{write_answer(BACK_RANK)}", "")
    assert (verdict.outcome, verdict.checks["answer_in_trace"]) == (Outcome.MALFORMED, True)


@pytest.mark.parametrize(
    ("old", "new", "check", "value"),
    [
        ("## Step 3: Position Summary", "## Step 3: Assessment", "missing_section", "Position summary"),
        ("## Step 3: Position Summary\n", "", "sections_in_order", False),
        ("Step 2: Piece Positions", "Step 2: Candidate Moves", "sections_in_order", False),
        ("Rd1", "Rd2", "piece_precision", 0.9),
        (", Rd1", "", "piece_recall", 0.9),
        ("31. Rd8#", "31. Ra8#", "lines_legal", False),
        ("31. Rd8#", "31. Ra8#", "illegal_moves", 1),
        ("**Rd8#**", "**Rd7**", "faithful", False),
        ("**Rd8#**", "rook to the eighth rank", "faithful", None),
    ],
)
def test_each_check_notices_what_it_is_for(old: str, new: str, check: str, value: object) -> None:
    trace = write_trace(BACK_RANK)
    assert old in trace
    assert judge(trace).checks[check] != value
    assert judge(trace.replace(old, new)).checks[check] == value


def test_an_answer_that_was_no_candidate_and_no_line_of_its_own() -> None:
    answer = write_answer(BACK_RANK)
    other = answer.replace('"candidate_moves": ["Rd8#", ', '"candidate_moves": [').replace(
        '"solution": ["Rd8#"', '"solution": ["Ra8#"'
    )
    verdict = judge(write_trace(BACK_RANK), other)
    assert verdict.checks["answer_in_candidates"] is False
    assert verdict.checks["solution_legal"] is False
    assert verdict.checks["solution_starts_with_answer"] is False


def test_the_sections_are_configurable() -> None:
    question = asking().questions["reasoning"]
    trace = question.trace.model_copy(update={"sections": ("Threats", "Solution")})
    questions = {"reasoning": question.model_copy(update={"trace": trace})}
    task = build_tasks(TaskSettings(questions))["reasoning"]
    completion = Completion(content=write_answer(BACK_RANK), reasoning="# Threats\nmate\n# Solution\nRd8#")
    checks = task.judge(CASE, [completion]).checks
    assert (checks["sections_in_order"], checks["faithful"]) == (True, True)


@pytest.mark.parametrize(
    ("content", "outcome", "lenient"),
    [
        ("Rd8#", Outcome.SOLVED, False),
        ("Rd8", Outcome.SOLVED, False),
        ("The best move is Rd8#.", Outcome.SOLVED, True),
        ("Rd7", Outcome.MISSED, False),
        ("I give up", Outcome.UNPARSEABLE, True),
        ("", Outcome.MALFORMED, False),
    ],
)
def test_the_plain_text_variant(content: str, outcome: Outcome, lenient: bool) -> None:
    task = build_tasks(asking("text"))["reasoning"]
    (request,) = task.turns(CASE)
    assert (request.schema, request.thinking) == (None, True)
    completion = Completion(content=content, reasoning=write_trace(BACK_RANK), finish_reason="stop")
    verdict = task.judge(CASE, [completion])
    assert (verdict.outcome, verdict.checks["lenient"]) == (outcome, lenient)


@pytest.mark.parametrize(
    "heading",
    [
        "## Step 4: Candidate Moves",
        "### step 4 - candidate moves:",
        "**Step 4: Candidate Moves**",
        "**Candidate Moves**",
        "Step 4: Candidate moves",
        "# Candidate moves",
        "Step 4. Candidate Moves: the checks first",
    ],
)
def test_a_heading_is_read_in_any_markup(heading: str) -> None:
    (section,) = read_sections(f"{heading}\n- Qe2", SECTIONS)
    assert section.title.casefold() == "candidate moves"
    assert section.body.endswith("- Qe2")


@pytest.mark.parametrize("row", ["1. Qe2 is a candidate", "**Qe2**", "Candidate moves", "- Candidate moves"])
def test_other_rows_are_no_headings(row: str) -> None:
    assert read_sections(row, SECTIONS) == []


@pytest.mark.parametrize(
    "text",
    [
        "White: Kg1, Rd1, Pf2, Pg2\nBlack: Kg8, Ra3, Pf7",
        "White: Kg1, Rd1, f2, g2. Black: Kg8, Ra3, f7",
        "White: King g1, Rook d1, pawns f2, g2. Black: King g8, Rook a3, pawn f7",
        "- White king on g1, rook on d1, pawns on f2 and g2\n- Black king on g8, rook on a3, pawn on f7",
        "Kg1, Rd1, Pf2, Pg2, kg8, ra3, pf7",
        "White: Kg1 Rd1 Pf2 Pg2 Black: kg8 ra3 pf7",
    ],
)
def test_a_piece_list_is_read_in_any_style(text: str) -> None:
    assert read_pieces(text) == {"Kg1", "Rd1", "Pf2", "Pg2", "kg8", "ra3", "pf7"}


@given(st.integers(0, 2**32))
def test_a_whole_board_is_read_back(seed: int) -> None:
    board = random_board(random.Random(seed))
    assert read_pieces(", ".join(sorted(name_pieces(board)))) == name_pieces(board)


@pytest.mark.parametrize(
    ("text", "lines", "moves", "illegal"),
    [
        ("20. Bxh7+ Kh8 21. Ng5", 1, 3, ()),
        ("20.Bxh7+ Kh8 21.Ng5 g6", 1, 4, ()),
        ("1. Bxh7+ Kh8 2. Ng5", 1, 3, ()),
        ("Bxh7+ Kh8 Ng5", 1, 3, ()),
        ("**20. Bxh7+!** Kh8?? 21. Ng5 $1 +-", 1, 3, ()),
        ("20. Bxh7+ {a sacrifice (20. Qh8#)} Kh8 21. Ng5", 1, 3, ()),
        ("20. Bxh7+ (20. Re8 {loses} Qxe8) 20... Kh8", 2, 4, ()),
        ("20. Bxh7+ Kh8 (20... Kxh7 21. Qxh7#) 21. Ng5", 2, 3, ("Kxh7",)),
        ("20. Bxh7+ Kh8 (20... Kf8", 2, 2, ("Kf8",)),
        ("20. Bxh7+ Kh8 (20... Kg7 is illegal, 21. Ng5) 21. Ng5", 2, 3, ("Kg7",)),
        ("20. Bxh7+ (winning a pawn, with Ng5 next) Kh8", 1, 2, ()),
        ("20. Bxh7+ Kg7 21. Ng5 Qxg5", 1, 1, ("Kg7",)),
        ("20. Bxh7+ Kh8\n20. Qb3 Nb4\n20. Qa8", 3, 4, ("Qa8",)),
        ("20. Bxh7+ Kh8 21. Ng5 g6\n21. Ne5 is slower", 2, 5, ()),
        ("20. Bxh7+ Kh8\n20... Kh8 21. Ng5", 2, 4, ()),
        ("20. Bxh7+ Kh8 21. Ng5 g6\n21... f6", 2, 5, ()),
        ("20. Bxh7+ Kh8 21. Ng5 g6\n22... f6", 2, 4, ("f6",)),
        ("1. Bxh7+\n2. Qb3", 2, 2, ()),
        ("The knight on f3 sees e5, and Qxh7 mates.", 0, 0, ()),
        ("I like 3 moves. e4 is a square.", 0, 0, ()),
        ("", 0, 0, ()),
    ],
)
def test_quoted_lines(text: str, lines: int, moves: int, illegal: tuple[str, ...]) -> None:
    done = replay(read_rows(text), GREEK_GIFT)
    assert (done.lines, done.moves, done.illegal) == (lines, moves, illegal)


@given(st.integers(0, 2**32))
def test_a_line_that_python_chess_writes_is_legal_and_a_broken_one_is_not(seed: int) -> None:
    rng = random.Random(seed)
    root = random_board(rng)
    board, moves = root.copy(stack=False), list[chess.Move]()
    while len(moves) < 6 and not board.is_game_over():
        moves.append(rng.choice(list(board.legal_moves)))
        board.push(moves[-1])
    text = root.variation_san(moves)
    done = replay(read_rows(text), root)
    assert (done.lines, done.moves, done.illegal) == (1, len(moves), ())
    number = "1." if root.turn else "1..."
    assert replay(read_rows(f"{number} Ka9 Kz1 {text}"), root).illegal == ()
    impossible = "Kh8" if root.king(root.turn) not in (chess.H8, chess.G8, chess.G7, chess.H7) else "Ka1"
    assert replay(read_rows(f"{number} {impossible} {text}"), root).illegal == (impossible,)


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("The best move is **Bxh7+**, not Qb3.", "Bxh7+"),
        ("Best move: 20. Bxh7+", "Bxh7+"),
        ("20. Bxh7+ Kh8 21. Ng5", "Bxh7+"),
        ("With the king on g8, Bxh7+ wins.", "Bxh7+"),
        ("I play: Bxh7+", "Bxh7+"),
        ("There is nothing.", None),
    ],
)
def test_the_conclusion_of_a_trace(text: str, move: str | None) -> None:
    assert read_conclusion(text, GREEK_GIFT) == move


@pytest.mark.parametrize(
    "text",
    [
        "- Bxh7+: a sacrifice\n- Qb3 (attacks d5)\n- Ne5",
        "1. Bxh7+\n2. Qb3\n3. Ne5",
        "Bxh7+, Qb3, Ne5",
        "Candidates: Bxh7+, Qb3 and Ne5",
        "* **Bxh7+** is forcing, as Kxh7 loses\n* **Qb3**\n* **Ne5**",
        "Bxh7+, Qb3, and Ne5.",
        "The candidate moves are Bxh7+, Qb3 and Ne5.",
        "White has a square on h7. Candidate moves here are: Bxh7+, Qb3, and Ne5.",
        "I see the candidates `Bxh7+`.\nMoves to consider: Bxh7+, Qb3 or Ne5, but not e4",
        "Candidates: ['Bxh7+', 'Qb3', 'Ne5']",
        'candidates = ["Bxh7+", "Qb3", "Ne5"]',
        "Candidate moves (in SAN): [Bxh7+, Qb3, Ne5]",
        "So the list is ['Bxh7+',\n 'Qb3',\n 'Ne5'] here.",
        "The candidate moves are Bxh7+, Qb3 and Ne5.\nCandidates: ['Bxh7+', 'Qb3', 'Ne5']",
        "- Bxh7+!\n- Qb3\n- Ne5\n['Bxh7', 'Qb3', 'Ne5']",
        "20. Bxh7+, 20. Qb3, 20. Ne5",
    ],
)
def test_the_candidates_of_a_trace(text: str) -> None:
    assert [move.rstrip("!") for move in read_candidates(text)] == ["Bxh7+", "Qb3", "Ne5"]


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("The knights on e4, f3 and d5 are strong.", []),
        ("The candidate squares are e4 and d5.", []),
        ("The candidate moves are on e4 and d5.", []),
        ("The candidate moves: see below. Qb3 is none.", []),
        ("The rook sees [d8] and [e1, e8].", []),
        ("White: ['Ke1', 'e4', 'a piece']", []),
        ("Candidates: ['e4', 'd4']", ["e4", "d4"]),
        ("Candidates: [e4, d4]", ["e4", "d4"]),
        ("- Bxh7+, and e4 falls", ["Bxh7+"]),
        ("The candidate moves are Bxh7+, which looks at h7, and then d5 falls.", ["Bxh7+"]),
        ("Candidates: []", []),
        ("Candidates: ['Bxh7+', 'Qb3'", []),
    ],
)
def test_squares_in_prose_are_no_candidates(text: str, moves: list[str]) -> None:
    assert read_candidates(text) == moves


@given(st.integers(0, 2**32))
def test_candidates_are_read_from_a_list_and_from_prose(seed: int) -> None:
    board = random_board(random.Random(seed))
    moves = [board.san(move) for move in board.legal_moves][:8]
    prose = f"The candidate moves are {', '.join(moves[:-1])} and {moves[-1]}." if moves[1:] else moves[0]
    for text in (f"Candidates: {moves}", f"It is a choice of {moves!r}.", prose, f"{prose}\n{moves}"):
        assert read_candidates(text) == moves


@pytest.mark.parametrize(
    ("heading", "body"),
    [
        ("## Step 6: Solution - 24. Rd8#", "- 24. Rd8#"),
        ("## Step 6: Solution (one move)", "(one move)"),
        ("## Step 6: Solution: Rd8#", "Rd8#"),
        ("## Solution** Rd8#", "Rd8#"),
        ("Step 6: SOLUTION, in short", ", in short"),
        ("## Step 6: Solution:", ""),
    ],
)
def test_text_behind_an_expected_title_belongs_to_the_body(heading: str, body: str) -> None:
    (section,) = read_sections(f"{heading}\nend", SECTIONS)
    assert section.title.casefold() == "solution"
    assert section.body == f"{body}\nend".strip()
    assert heading.startswith(section.heading)


@pytest.mark.parametrize(
    "heading", ["## Solution space", "## Solutions", "## Solution-space", "## The solution"]
)
def test_another_title_is_not_taken_for_an_expected_one(heading: str) -> None:
    (section,) = read_sections(heading, SECTIONS)
    assert section.title == heading.removeprefix("## ")


def test_the_longest_expected_title_counts() -> None:
    expected = ("Candidate", "Candidate moves", "Lines: main")
    sections = read_sections("## Candidate moves - a\n## Candidate - b\n## Lines: main\nc", expected)
    assert [section.title for section in sections] == ["Candidate moves", "Candidate", "Lines: main"]


@pytest.mark.parametrize("count", [5, 6])
def test_five_or_six_sections_of_any_title(count: int) -> None:
    titles = ["FEN parsing", "Piece map", "Tactical motifs", "Candidate moves", "Analysis", "Final answer"][
        :count
    ]
    trace = "\n\n".join(f"## Step {n}: {title}\ntext {n}" for n, title in enumerate(titles, 1))
    assert [(each.title, each.body) for each in read_sections(trace, titles)] == [
        (title, f"text {n}") for n, title in enumerate(titles, 1)
    ]


def test_movetext_in_a_section_is_no_heading() -> None:
    """Also where its marks look like those of a heading."""
    movetext = (
        '[Event "Step 6: Solution"]\n\n20. Bxh7+ Kh8 {# not mate} (20... Kf8 21. Qh8#)\n21. Ng5\n'
        "# 1-0\n#1: Rd8\n**20. Bxh7+** Kh8\n### 20. Qb3\n### Ne5 wins\nStep 1: Bxh7+\nStep 2. 21... Kh8\n#"
    )
    (lines, solution) = read_sections(
        f"## Step 5: Candidate Lines Analysis\n{movetext}\n## Step 6: Solution\n{movetext}", SECTIONS
    )
    assert lines.body == solution.body == movetext


def test_loops() -> None:
    assert is_looping("The rook takes the pawn and then the king moves. " * 10)
    assert is_looping("So: " + "Rd8 " * 60)
    assert is_looping("!" * 100)
    assert not is_looping(write_trace(BACK_RANK))
    assert not is_looping("Rd8 Kh7 " * 4)
    assert not is_looping("")


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "(",
                ")",
                "{",
                "}",
                "\n",
                "1.",
                "24...",
                "Rd8#",
                "e4",
                "White:",
                "##",
                "Step 6: Solution",
                "**",
                " ",
            ]
        ),
        max_size=60,
    ).map(" ".join)
)
def test_no_trace_breaks_a_check(text: str) -> None:
    assert judge("\n".join(f"# {title}\n{text}" for title in SECTIONS)).outcome is Outcome.SOLVED


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text", ["(" * 20_000, "{" * 20_000, "1. e4 (" * 3_000 + ")" * 3_000, "a1 " * 8_000, "# " * 10_000]
)
def test_a_long_trace_of_nonsense_does_not_hang_a_session(text: str) -> None:
    assert judge("\n".join(f"# {title}\n{text}" for title in SECTIONS)).outcome is Outcome.SOLVED
