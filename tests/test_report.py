"""The summary's text."""

from __future__ import annotations

from evals.results.gates import GateResult
from evals.results.report import conclusion, extra_lines, mistakes_to_show, outcome_table, solved_share
from evals.statistics.rates import Decision
from tests.records import record


def test_the_table_counts_every_outcome_that_occurred_and_no_other() -> None:
    header, row = outcome_table([record("solved", 1), record("missed", 2), record("unanswered", 3)])
    assert header.split()[:6] == ["task", "set", "cases", "solved", "missed", "unanswered"]
    assert row.split()[:6] == ["move", "s", "3", "1", "1", "1"]
    # The unanswered case is not in the share.
    assert "50.0%" in row


def test_a_share_of_nothing_is_no_number() -> None:
    assert solved_share(0, 0) == "-"


def test_all_solved_still_has_an_interval() -> None:
    assert solved_share(20, 20) == "100.0% (83.2% to 100.0%)"


def test_missed_moves_are_shown_first() -> None:
    shown = mistakes_to_show(
        [record("missed", 1, task="board"), record("illegal", 2), record("missed", 3), record("solved", 4)], 2
    )
    assert [each.puzzle for each in shown] == ["3", "2"]


def test_samples_give_pass_at_k_and_consistency() -> None:
    asked = [
        record("solved" if (number + sample) % 2 else "missed", number, sample=sample, move=f"m{sample}")
        for number in range(10)
        for sample in range(2)
    ]
    (line,) = [line for line in extra_lines(asked) if line.startswith("samples")]
    assert "pass@1 50.0%, pass@2 100.0%" in line
    assert "10 puzzles, 2 samples each" in line


def test_mirrored_copies_give_a_paired_difference() -> None:
    asked = [record("solved", number) for number in range(10)]
    asked += [record("missed" if number < 4 else "solved", number, mirrored=True) for number in range(10)]
    (line,) = [line for line in extra_lines(asked) if line.startswith("mirrored")]
    assert "-40.0%" in line
    assert "0 gained, 4 lost of 10, p = 0.12" in line


def test_the_verdict_is_the_worst_gate_and_names_it() -> None:
    def result(name: str, verdict: Decision) -> GateResult:
        return GateResult(name, verdict, "")

    passed, unsure, failed = (
        result(v.name.lower(), v) for v in (Decision.PASS, Decision.INCONCLUSIVE, Decision.FAIL)
    )
    assert conclusion([passed]) == "promote: every gate passed"
    assert conclusion([passed, unsure]) == "not enough evidence: inconclusive"
    assert conclusion([passed, unsure, failed]) == "do not promote: fail"
