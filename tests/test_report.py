"""The summary's text."""

from __future__ import annotations

import pytest

from evals.results.gates import GateResult, Planned
from evals.results.report import (
    conclusion,
    extra_lines,
    gate_lines,
    mistakes_to_show,
    model_lines,
    outcome_table,
    solved_share,
)
from evals.statistics.rates import Decision
from evals.tasks import task_names
from evals.words import Record
from tests.records import case_of, record

HOSTILE = "\x1b]52;c;eA==\x07\ud800\n::error::x"


def line_of(name: str, records: list[Record]) -> str:
    (line,) = [line for line in extra_lines(records) if line.startswith(name)]
    return line


# --- the table ---


def test_the_table_counts_every_outcome_that_occurred_and_no_other() -> None:
    header, row = outcome_table([record("solved", 1), record("missed", 2), record("unanswered", 3)])
    assert header.split()[:6] == ["task", "set", "cases", "solved", "missed", "unanswered"]
    assert row.split()[:6] == ["move", "s", "3", "1", "1", "1"]
    # The unanswered case is not in the share.
    assert "50.0%" in row


def test_the_columns_of_a_table_are_straight() -> None:
    rows = outcome_table(
        [record(set="a-long-name", number=n) for n in range(10)] + [record("missed", task="line")]
    )
    assert [row[:33] for row in rows] == [
        "task  set          cases  solved ",
        "line  s                1       0 ",
        "move  a-long-name     10      10 ",
    ]


def test_mirrored_copies_and_skills_have_rows_of_their_own() -> None:
    rows = outcome_table(
        [record(), record("missed", mirrored=True), record(task="board", variant="pieces"), record(set="r")]
    )
    assert [row.split("  ")[:2] for row in rows[1:3]] == [["board", "pieces"], ["move", " r"]]
    assert rows[4].split()[:4] == ["move", "s", "mirrored", "1"]
    assert "0.0%" in rows[4]


def test_a_share_of_nothing_is_no_number() -> None:
    assert solved_share([]) == "-"
    assert solved_share([record("unanswered")]) == "-"


def test_all_solved_still_has_an_interval() -> None:
    # The exact lower bound of 20 of 20 is 0.025 ** (1/20).
    assert solved_share([record(number=n) for n in range(20)]) == "100.0% (83.2% to 100.0%)"


def test_samples_do_not_narrow_the_interval_of_a_share() -> None:
    """Audit 4: five samples of each of 20 puzzles are 20 positions."""
    samples = [record(number=n, sample=s) for n in range(20) for s in range(5)]
    assert solved_share(samples) == "100.0% (83.2% to 100.0%)"


def test_the_table_has_one_line_for_each_row_whatever_sets_are_called() -> None:
    """Audit 26."""
    rows = outcome_table([record(set=HOSTILE), record(set=HOSTILE, mirrored=True)])
    assert len(rows) == 3
    assert all(row.isprintable() for row in rows)


def test_missed_moves_are_shown_first() -> None:
    shown = mistakes_to_show(
        [record("missed", 1, task="board"), record("illegal", 2), record("missed", 3), record("solved", 4)], 2
    )
    assert [each.puzzle for each in shown] == ["3", "2"]
    assert mistakes_to_show([record("unanswered")], 1) == []


# --- strength ---


def test_strength_is_where_half_would_be_solved_and_belongs_to_the_mix_of_puzzles() -> None:
    """Audit 6."""
    rated = [record("solved" if n % 2 else "missed", n, rating=1200 + n) for n in range(100)]
    line = line_of("strength", rated)
    assert line.startswith("strength 1250 (1")
    assert line.endswith("): performance rating of 100 move cases; it belongs to this mix of puzzles")


@pytest.mark.parametrize(("outcome", "side"), [("solved", "above"), ("missed", "below")])
def test_strength_at_the_ends_is_a_bound(outcome: str, side: str) -> None:
    """Audit 6: at 0% and 100% it was `inf`."""
    line = line_of("strength", [record(outcome, n, rating=1500) for n in range(40)])
    assert line.startswith(f"strength {side} 1")
    assert "inf" not in line


def test_samples_do_not_narrow_the_interval_of_strength() -> None:
    """Audit 4: ten samples of 40 puzzles that always agree."""
    once = [record("solved" if n % 2 else "missed", n) for n in range(40)]
    ten = [record("solved" if n % 2 else "missed", n, sample=s) for n in range(40) for s in range(10)]
    figure = line_of("strength", once).partition(":")[0]
    assert line_of("strength", ten).partition(":")[0] == figure


def test_strength_leaves_out_mirrored_copies_unanswered_cases_and_other_tasks() -> None:
    rated = [record("solved" if n % 2 else "missed", n, rating=1200 + n) for n in range(100)]
    others = [record(number=n, mirrored=True) for n in range(100)]
    others += [record("unanswered", n) for n in range(100, 200)]
    others += [record(number=n, task="line") for n in range(100)]
    assert line_of("strength", rated + others) == line_of("strength", rated)


@pytest.mark.parametrize("rating", [0, -1, 10**6, -(10**20), 10**400])
def test_a_rating_that_is_none_is_left_out_and_said(rating: int) -> None:
    """Audit 6, 29: one ended the session without a verdict line."""
    rated = [record("solved" if n % 2 else "missed", n) for n in range(10)]
    line = line_of("strength", [*rated, record(number=10, rating=rating)])
    assert "10 move cases (1 left out, whose puzzles have no usable rating)" in line
    only = line_of("strength", [record(number=n, rating=rating) for n in range(3)])
    assert only.startswith("strength unknown: performance rating of 0 move cases (3 left out")


def test_without_move_cases_there_is_no_strength() -> None:
    assert extra_lines([record(task="line", number=n) for n in range(9)]) == []


# --- samples and mirrored copies ---


def test_samples_give_pass_at_k_and_consistency() -> None:
    asked = [
        record("solved" if (number + sample) % 2 else "missed", number, sample=sample, move=f"m{sample}")
        for number in range(10)
        for sample in range(2)
    ]
    line = line_of("samples", asked)
    assert "pass@1 50.0%, pass@2 100.0%, consistency 0.0%" in line
    assert "10 puzzles, 2 samples each" in line


def test_mirrored_copies_give_a_paired_difference() -> None:
    asked = [record("solved", number) for number in range(10)]
    asked += [record("missed" if number < 4 else "solved", number, mirrored=True) for number in range(10)]
    line = line_of("mirrored", asked)
    assert "-40.0%" in line
    assert "0 gained, 4 lost of 10, p = 0.12" in line


def test_samples_do_not_make_a_mirrored_difference_surer() -> None:
    """Audit 4: eight samples of 10 puzzles, four of which the mirrored copy loses."""
    asked = [record("solved", n, sample=s) for n in range(10) for s in range(8)]
    asked += [
        record("missed" if n < 4 else "solved", n, sample=s, mirrored=True)
        for n in range(10)
        for s in range(8)
    ]
    line = line_of("mirrored", asked)
    assert "0 gained, 32 lost of 80" in line
    assert float(line.rpartition("p = ")[2]) > 0.02


# --- gates and the verdict ---


def test_a_gate_is_one_line() -> None:
    """Audit 19: every gate was printed up to three times."""
    lines = gate_lines([GateResult("a", Decision.PASS, "a: fine"), GateResult("b", Decision.FAIL, "b: not")])
    assert lines == [("PASS          a: fine", Decision.PASS), ("FAIL          b: not", Decision.FAIL)]


def result(name: str, verdict: Decision) -> GateResult:
    return GateResult(name, verdict, "")


def plan(*tasks: str) -> Planned:
    return Planned([case_of(1, task) for task in tasks])


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (["move"], "promote, on move alone"),
        (["line", "move"], "promote, on move and line"),
        (["board", "move", "line"], "promote, on move, line and board"),
        (task_names(), "promote: every gate passed"),
    ],
)
def test_a_promotion_names_the_tasks_that_it_is_about(tasks: list[str], said: str) -> None:
    """Audit 1: what was not asked was not said."""
    assert conclusion([result("complete", Decision.PASS)], plan(*tasks)) == said


def test_the_verdict_is_that_of_the_worst_gate_and_names_it() -> None:
    passed, failed = result("p", Decision.PASS), result("f", Decision.FAIL)
    unsure = result("i", Decision.INCONCLUSIVE)
    assert conclusion([passed, unsure], plan("move")) == "not enough evidence: i"
    assert conclusion([passed, unsure, failed, failed], plan("move")) == "do not promote: f, f"


def test_without_a_gate_nothing_is_promoted() -> None:
    """Audit 1."""
    assert conclusion([], plan(*task_names())) == "not enough evidence: no gate was judged"


# --- who answered ---


def test_answers_of_another_model_are_said() -> None:
    """Audit 30: a gateway that falls back to another model."""
    assert model_lines({}) == []
    (line,) = model_lines({"mine": {"other": 3}})
    assert line == "model    3 completions came from 'other' where 'mine' was asked"
    (line,) = model_lines({HOSTILE: {HOSTILE: 3}})
    assert line.isprintable()
