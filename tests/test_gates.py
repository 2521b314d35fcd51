"""Gates: what passes, what fails, what is not enough evidence, and what a gates file may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from evals.harness.controller import gate_reports
from evals.results.gates import (
    Gate,
    GateError,
    Where,
    by_position,
    judge_gate,
    judge_gates,
    load_gates,
    overall,
)
from evals.statistics.clustered import rate_bounds
from evals.statistics.rates import Decision
from evals.words import Outcome, Record
from tests.records import record

SOLVED = Gate(name="solved", task="move", rate="solved", at_least=0.4)


def records(solved: int, missed: int) -> list[Record]:
    return [record(Outcome.SOLVED, n) for n in range(solved)] + [
        record(Outcome.MISSED, n) for n in range(solved, solved + missed)
    ]


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 0.99))
def test_the_verdict_follows_the_bounds_that_statsmodels_gives(
    solved: int, missed: int, least: float
) -> None:
    n = solved + missed
    gate = SOLVED.model_copy(update={"at_least": least})
    verdict = judge_gate(gate, records(solved, missed), whole=True).verdict
    if not n:
        assert verdict is Decision.INCONCLUSIVE
        return
    # A two-sided interval at 90% has the one-sided bounds at 95%.
    low, high = (float(bound) for bound in proportion_confint(solved, n, alpha=0.1, method="beta"))  # type: ignore[arg-type]
    if abs(low - least) < 1e-9 or abs(high - least) < 1e-9:
        return
    expected = Decision.PASS if low >= least else Decision.FAIL if high < least else Decision.INCONCLUSIVE
    assert verdict is expected


def test_all_right_on_few_puzzles_is_not_enough_for_a_high_threshold() -> None:
    gate = SOLVED.model_copy(update={"at_least": 0.99})
    assert judge_gate(gate, records(20, 0), whole=True).verdict is Decision.INCONCLUSIVE


def test_the_sentence_says_what_was_needed_what_was_seen_and_on_how_many() -> None:
    sentence = judge_gate(SOLVED, records(10, 90), whole=True).sentence
    assert sentence == (
        "solved: move solved must be at least 40.0%; seen 10.0% (10 of 100 cases), "
        "so at most 16.4% at 95% confidence"
    )


@pytest.mark.parametrize(
    ("flaws", "planned", "extra"),
    [
        (["the session was stopped early"], 100, []),
        ([], 101, []),
        ([], 101, [record(Outcome.UNANSWERED, 100)]),
    ],
    ids=["stopped", "not judged", "unanswered"],
)
def test_a_run_that_is_not_whole_passes_nothing(flaws: list[str], planned: int, extra: list[Record]) -> None:
    results = judge_gates([SOLVED], records(100, 0) + extra, {"move": planned}, flaws)
    assert [result.verdict for result in results] == [Decision.INCONCLUSIVE] * 2


def test_a_model_that_is_surely_bad_fails_even_where_the_run_is_not_whole() -> None:
    results = judge_gates([SOLVED], records(0, 100), {"move": 200}, [])
    assert overall(results) is Decision.FAIL


def test_unanswered_cases_are_not_wrong_answers() -> None:
    answered = records(60, 40)
    unanswered = [record(Outcome.UNANSWERED, n) for n in range(100, 200)]
    with_them = judge_gate(SOLVED, answered + unanswered, whole=False)
    assert (with_them.seen, with_them.cases) == (60, 100)


def test_nothing_asked_passes_nothing() -> None:
    results = judge_gates([SOLVED], [], {}, [])
    assert overall(results) is Decision.INCONCLUSIVE


def test_gates_of_tasks_that_were_not_asked_are_left_out() -> None:
    board = Gate(name="pieces", task="board", rate="solved", at_least=0.5)
    results = judge_gates([SOLVED, board], records(100, 0), {"move": 100}, [])
    assert [result.name for result in results] == ["complete", "solved"]


def test_where_chooses_by_set_theme_rating_and_variant() -> None:
    where = Where(sets=("s",), themes=("fork", "pin"), ratings=(1000, 1600), variants=("",))
    assert where.holds(record(themes=("pin", "short")))
    assert not where.holds(record(themes=("short",)))
    assert not where.holds(record(themes=("pin",), rating=1700))
    assert not where.holds(record(themes=("pin",), set="t"))
    assert not where.holds(record(themes=("pin",), variant="check"))


def test_samples_of_one_puzzle_count_as_one_puzzle_where_they_agree() -> None:
    repeated = [record(number=n, puzzle=str(n // 10)) for n in range(200)]
    few = judge_gate(SOLVED.model_copy(update={"at_least": 0.9}), repeated, whole=True)
    many = judge_gate(SOLVED.model_copy(update={"at_least": 0.9}), records(200, 0), whole=True)
    assert (few.verdict, many.verdict) == (Decision.INCONCLUSIVE, Decision.PASS)


def test_samples_that_do_not_agree_more_than_chance_count_each() -> None:
    scattered = [
        record(Outcome.SOLVED if (n * 7919) % 101 < 50 else Outcome.MISSED, n, puzzle=str(n // 2))
        for n in range(1000)
    ]
    bounds = rate_bounds(by_position(scattered, lambda each: each.solved), 0.95)
    assert bounds.effective > 800
    assert abs(bounds.rate - 0.5) < 0.05


def test_a_named_check_can_be_a_rate() -> None:
    gate = Gate(name="closed", task="move", rate="checks.closed", at_least=0.5)
    cases = [record(number=n, checks={"closed": n != 0}) for n in range(50)]
    assert judge_gate(gate, cases, whole=True).seen == 49


def test_the_shipped_gates_load() -> None:
    names = {gate.name for gate in load_gates(Path(__file__).parents[1] / "evals" / "gates.toml")}
    assert {"well_formed", "legal", "solved"} <= names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[gate]\n", "is not TOML"),
        ("[[gate]]\nname='a'\ntask='move'\nrate='solved'\nat_least=1.5\n", "gate.0.at_least"),
        ("[[gate]]\nname='a'\ntask='move'\nrate='solved'\natleast=0.5\n", "gate.0.at"),
        ("[[gate]]\nname='a'\ntask='move'\nrate='brilliant'\nat_least=0.5\n", "rate 'brilliant'"),
        ("[[gate]]\nname='a'\ntask='move'\nrate='solved'\nat_least=0.5\n" * 2, "two gates are called 'a'"),
    ],
)
def test_a_bad_gates_file_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(GateError, match=r"gates file .*gates\.toml") as caught:
        load_gates(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_gates_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GateError, match="cannot be read: No such file"):
        load_gates(tmp_path / "none.toml")


def test_an_inconclusive_gate_is_a_failed_item() -> None:
    result = judge_gate(SOLVED, records(41, 59), whole=True)
    setup, call, teardown = gate_reports(result)
    assert result.verdict is Decision.INCONCLUSIVE
    assert (setup.outcome, call.outcome, teardown.outcome) == ("passed", "failed", "passed")
