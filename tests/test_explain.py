"""A mistake as a chess player reads it."""

from __future__ import annotations

from dataclasses import replace

from evals.puzzles.puzzle import Puzzle
from evals.results.explain import explain
from evals.tasks.grading import judge_move
from evals.words import Case, Outcome, Verdict
from tests.positions import BACK_RANK


def test_the_first_line_says_what_was_played_and_what_was_best() -> None:
    """Audit 19: `--cases strict` printed lines like `Failed: 8 ♜ · · ·`."""
    puzzle = replace(BACK_RANK, game_url="https://example.org/1#2")
    lines = explain(Case("move", puzzle), judge_move(puzzle.board(), "d1d8", "d1d7", "uci")).splitlines()
    assert lines[0] == "played Rd7 (d1d7), best Rd8# (d1d8)"
    assert lines[1] == "8 · · · · · · ♚ ·"
    assert lines[8] == "1 · · · ♖ · · ♔ ·"
    assert lines[9] == "  a b c d e f g h"
    assert lines[10] == "missed; White to move: 6k1/5ppp/8/8/8/8/r4PPP/3R2K1 w - - 1 31"
    assert lines[11:] == ["rating 800, mateIn1", "https://example.org/1#2"]


def test_without_a_detail_the_first_line_is_the_outcome() -> None:
    assert explain(Case("move", BACK_RANK), Verdict(Outcome.UNANSWERED)).startswith("unanswered\n8 ·")


def test_the_board_is_turned_to_the_solver() -> None:
    puzzle = Puzzle("black", "4r1k1/5ppp/8/8/8/8/4RPPP/6K1 w - - 0 1", ("e2a2", "e8e1"), 800)
    rows = explain(Case("move", puzzle), Verdict(Outcome.MISSED, detail="x")).splitlines()
    assert rows[1].startswith("1 · ♔")
    assert rows[9] == "  h g f e d c b a"
    assert "; Black to move: " in rows[10]
    assert rows[11] == "rating 800, no themes"


def test_the_board_is_the_one_in_front_of_the_move_that_decided() -> None:
    puzzle = Puzzle("line", BACK_RANK.fen, ("a3a2", "h2h3", "h7h6", "d1d8"), 800)
    verdict = Verdict(Outcome.MISSED, detail="x", checks={"ply": 2})
    assert puzzle.board(2).fen() in explain(Case("line", puzzle), verdict)
    for ply in (3, 4, -1, True, 1.5, None):
        text = explain(Case("line", puzzle), replace(verdict, checks={"ply": ply}))
        assert puzzle.board(1 if ply is True else 0).fen() in text


def test_no_line_holds_what_a_terminal_obeys() -> None:
    """Audit 26: themes and addresses of puzzle files, and what a model said."""
    hostile = "\x1b[2J\u202e\n::error::x"
    puzzle = replace(BACK_RANK, themes=(hostile,), game_url=hostile)
    lines = explain(Case("move", puzzle), Verdict(Outcome.MISSED, detail=hostile)).split("\n")
    assert len(lines) == 13
    assert all(line.isprintable() and not line.startswith("::") for line in lines)
    shown = explain(Case("move", replace(BACK_RANK, themes=("t" * 5000,))), Verdict(Outcome.MISSED))
    assert len(shown) < 1000
