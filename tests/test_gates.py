"""Gates: what passes, what fails, and what is not enough evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from evals.results.gates import (
    GateResult,
    Incidents,
    Planned,
    judge_gate,
    judge_gates,
    overall,
)
from evals.results.gates_file import Gate, GatesFile, Where
from evals.statistics.rates import Decision, lower_bound
from evals.words import Outcome, Record
from tests.records import case_of, planned, record

PASS, FAIL, INCONCLUSIVE = Decision.PASS, Decision.FAIL, Decision.INCONCLUSIVE
SOLVED = Gate(name="solved", task="move", rate="solved", at_least=0.4)
CLOSED = Gate(name="closed", task="reasoning", rate="checks.closed", at_least=0.9)


def gate(**more: Any) -> Gate:
    return Gate.model_validate({"name": "g", "task": "move", "rate": "solved"} | more)


def records(solved: int, missed: int, sample: int = 0) -> list[Record]:
    return [
        record(Outcome.SOLVED if n < solved else Outcome.MISSED, n, sample=sample)
        for n in range(solved + missed)
    ]


def judge(
    gates: list[Gate], found: list[Record], plan: Planned | None = None, happened: Incidents | None = None
) -> list[GateResult]:
    file = GatesFile(Path("my.toml"), "digest", tuple(gates))
    return judge_gates(file, found, plan or planned(found), happened or Incidents())


def verdicts(results: list[GateResult]) -> dict[str, Decision]:
    return {result.name: result.verdict for result in results}


# --- one gate ---


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.01, 0.99), st.booleans())
def test_the_verdict_follows_the_exact_bounds_that_statsmodels_gives(
    solved: int, missed: int, share: float, most: bool
) -> None:
    """Audit 5: Wilson's bound passed wrongly in up to 10.4% of runs."""
    n = solved + missed
    one = gate(at_most=share) if most else gate(at_least=share)
    verdict = judge_gate(one, records(solved, missed)).verdict
    if not n:
        assert verdict is INCONCLUSIVE
        return
    # A two-sided interval at 90% has the one-sided bounds at 95%.
    low, high = (float(bound) for bound in proportion_confint(solved, n, alpha=0.1, method="beta"))  # type: ignore[arg-type]
    if min(abs(low - share), abs(high - share)) < 1e-9:
        return
    above, below = low >= share, high <= share
    assert verdict is {
        (True, False): FAIL if most else PASS,
        (False, True): PASS if most else FAIL,
    }.get((above, below), INCONCLUSIVE)


def test_all_right_on_few_puzzles_is_not_enough_for_a_high_threshold() -> None:
    assert judge_gate(gate(at_least=0.99), records(20, 0)).verdict is INCONCLUSIVE


def test_the_sentence_says_what_was_needed_what_was_seen_and_on_how_many() -> None:
    assert judge_gate(SOLVED, records(10, 90)).sentence == (
        "solved: move solved must be at least 40.0%; seen 10.0% (10 of 100 cases), "
        "so at most 16.4% at 95% confidence"
    )
    assert judge_gate(gate(at_most=0.5, confidence=0.975), records(10, 90)).sentence == (
        "g: move solved must be at most 50.0%; seen 10.0% (10 of 100 cases), "
        "so at most 17.7% at 97.5% confidence"
    )


def test_a_threshold_is_printed_as_it_was_given() -> None:
    shares = (0.4, 0.995, 0.0005, 0.33333, 1, 0)
    said = [gate(at_most=share).threshold.removeprefix("at most ") for share in shares]
    assert said == ["40.0%", "99.5%", "0.05%", "33.333%", "100.0%", "0.0%"]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_the_bound_that_is_printed_is_never_better_than_the_threshold_it_missed(
    solved: int, missed: int, least: float
) -> None:
    result = judge_gate(gate(at_least=round(least, 3)), records(solved, missed))
    if result.verdict is INCONCLUSIVE:
        printed = float(result.sentence.partition("so at least ")[2].partition("%")[0]) / 100
        assert printed < round(least, 3)
        exact = lower_bound(solved, solved + missed, 0.95)
        assert exact - 0.001 <= printed <= exact


def test_where_chooses_by_set_theme_rating_and_variant() -> None:
    where = Where(sets=("s",), themes=("fork", "pin"), ratings=(1000, 1600), variants=("",))
    assert where.holds(record(themes=("pin", "short")))
    assert where.holds(record(themes=("pin",), rating=1000))
    assert where.holds(record(themes=("pin",), rating=1600))
    assert not where.holds(record(themes=("short",)))
    assert not where.holds(record(themes=("pin",), rating=1700))
    assert not where.holds(record(themes=("pin",), rating=900))
    assert not where.holds(record(themes=("pin",), set="t"))
    assert not where.holds(record(themes=("pin",), variant="check"))


def test_a_gate_looks_at_its_own_task_and_slice_only() -> None:
    found = [record(number=1), record(number=2, task="line"), record(number=3, set="other")]
    assert judge_gate(gate(at_least=0.1, where={"sets": ["s"]}), found).cases == 1


@pytest.mark.parametrize(
    ("rate", "counted"),
    [
        ("solved", {Outcome.SOLVED}),
        ("legal", {Outcome.SOLVED, Outcome.MISSED}),
        ("well_formed", {Outcome.SOLVED, Outcome.MISSED, Outcome.ILLEGAL, Outcome.AMBIGUOUS}),
    ],
)
def test_a_rate_counts_the_outcomes_that_it_is_called_after(rate: str, counted: set[Outcome]) -> None:
    one = gate(rate=rate, at_least=0.5)
    assert {outcome for outcome in Outcome if one.has(record(outcome))} == counted


def test_a_named_check_can_be_a_rate() -> None:
    cases = [record(number=n, checks={"closed": n != 0}) for n in range(50)]
    result = judge_gate(gate(rate="checks.closed", at_least=0.5), cases)
    assert (result.seen, result.cases, result.verdict) == (49, 50, PASS)


@pytest.mark.parametrize("value", [False, 1, "True"])
def test_only_true_counts_as_a_check_that_holds(value: Any) -> None:
    cases = [record(number=n, checks={"closed": value}) for n in range(50)]
    assert judge_gate(gate(rate="checks.closed", at_least=0.5), cases).verdict is FAIL


@pytest.mark.parametrize("checks", [{"closed": None}, {}])
@pytest.mark.parametrize("limit", ["at_least", "at_most"])
@pytest.mark.parametrize(("unknown", "decided"), [(0, True), (3, True), (30, False), (60, False)])
def test_a_check_that_says_nothing_about_a_case_decides_nothing(
    checks: dict[str, None], limit: str, unknown: int, decided: bool
) -> None:
    """A model that says nothing does not pass a limit on what it must not say, nor fail for what it did not.

    60 cases, all False where the check says something, against a limit of 20%.
    """
    cases = [record(number=n, checks=checks if n < unknown else {"closed": False}) for n in range(60)]
    result = judge_gate(gate(rate="checks.closed", **{limit: 0.2}), cases)
    verdict = PASS if limit == "at_most" else FAIL
    assert result.verdict is (verdict if decided else INCONCLUSIVE)
    assert result.sentence.endswith("the check says nothing about too many of them") is not decided


def test_a_case_without_an_answer_is_no_evidence() -> None:
    answered, plan = records(60, 40), records(60, 140)
    unanswered = [record(Outcome.UNANSWERED, n) for n in range(100, 200)]
    *_, result = judge([SOLVED], answered + unanswered, planned(plan))
    assert (result.seen, result.cases) == (60, 100)


# --- the unit is the position ---


def test_samples_that_agree_count_as_one_case() -> None:
    """Audit 5: ten samples of 20 puzzles are not 200 puzzles."""
    one = gate(at_least=0.9)
    samples = [record(number=n // 10, sample=n % 10) for n in range(200)]
    assert judge_gate(one, samples).verdict is INCONCLUSIVE
    assert judge_gate(one, samples).sentence.endswith("so at least 86.0% at 95% confidence")
    assert judge_gate(one, records(200, 0)).verdict is PASS


def test_samples_of_one_puzzle_decide_as_little_as_one_case() -> None:
    """Audit 4: the design effect of one puzzle with many samples cannot be seen from within."""
    for solved in range(0, 101, 10):
        samples = [record("solved" if n < solved else "missed", 0, sample=n) for n in range(100)]
        assert judge_gate(gate(at_least=0.5), samples).verdict is INCONCLUSIVE


def test_samples_that_agree_no_more_than_by_chance_count_nearly_each() -> None:
    found = [
        record("solved" if (n * 7919) % 101 < 60 else "missed", n // 2, sample=n % 2) for n in range(1000)
    ]
    # 1,000 independent cases would be at least 56.8%, 500 of them 55.7%.
    assert judge_gate(gate(at_least=0.562), found).verdict is PASS


def test_mirrored_copies_and_other_puzzles_of_a_position_belong_to_it() -> None:
    """Audit 4: two sets that overlap, and mirrored copies, counted a position several times."""
    twice = [record(number=n, mirrored=m, set=s) for n in range(20) for m in (False, True) for s in "st"]
    assert judge_gate(gate(at_least=0.87), twice).verdict is INCONCLUSIVE
    assert "(80 of 80 cases on 20 positions)" in judge_gate(gate(at_least=0.87), twice).sentence


# --- a run that is not whole ---


@pytest.mark.parametrize(
    ("more", "extra", "reason"),
    [
        (
            {"happened": Incidents(flaws=["the session was stopped early"])},
            [],
            "the session was stopped early",
        ),
        ({"plan": planned(records(101, 0))}, [], "1 not judged"),
        ({}, [record(Outcome.UNANSWERED, 100)], "1 unanswered"),
        ({"plan": planned(records(100, 0), deselected={"move": 3})}, [], "3 move cases left out"),
        ({"plan": planned(records(99, 0))}, [], "1 judged without being planned"),
        # As many as were planned, but not the same.
        ({"plan": planned([*records(99, 0), record(number=200)])}, [], "1 not judged; 1 judged without"),
    ],
)
def test_a_run_that_is_not_whole_passes_nothing(
    more: dict[str, Any], extra: list[Record], reason: str
) -> None:
    complete, solved = judge([SOLVED], records(100, 0) + extra, **more)
    assert (complete.name, complete.verdict) == ("complete", INCONCLUSIVE)
    assert reason in complete.sentence
    assert complete.sentence.endswith("so nothing can pass")
    assert solved.verdict is INCONCLUSIVE
    assert solved.sentence.endswith("; the run is not complete")


def test_a_whole_run_is_complete() -> None:
    complete, solved = judge([SOLVED], records(100, 0), planned(records(100, 0), deselected={"move": 0}))
    assert complete.sentence == "complete: 100 of 100 cases answered and judged"
    assert (complete.verdict, solved.verdict) == (PASS, PASS)


@pytest.mark.parametrize(
    ("missing", "verdict"), [(10, FAIL), (30, FAIL), (60, INCONCLUSIVE), (100, INCONCLUSIVE)]
)
@pytest.mark.parametrize("how", ["not judged", "unanswered", "deselected"])
def test_a_partial_run_fails_only_what_the_missing_cases_cannot_turn(
    missing: int, verdict: Decision, how: str
) -> None:
    """Audit 3: 0 of 100 solved is a FAIL at 40%, but not where 60 more could be solved."""
    judged, plan = records(0, 100), planned(records(0, 100 + missing))
    if how == "unanswered":
        judged = judged + [record(Outcome.UNANSWERED, n) for n in range(100, 100 + missing)]
    if how == "deselected":
        plan = planned(judged, deselected={"move": missing, "line": 1000})
    complete, solved = judge([SOLVED], judged, plan)
    assert complete.verdict is INCONCLUSIVE
    assert solved.verdict is verdict
    if verdict is INCONCLUSIVE:
        assert solved.sentence.endswith("; the cases that are missing could turn it")


def test_missing_cases_that_the_gate_does_not_look_at_cannot_turn_it() -> None:
    """Audit 3: 100 missing cases of a slice or task that the gate is not about."""
    one = gate(at_least=0.4, where={"ratings": [1600, 2000]})
    judged = [record("missed", n, rating=1800) for n in range(50)]
    plan = planned(
        [record(number=n) for n in range(150)] + [record(number=n, task="line") for n in range(99)]
    )
    assert judge([one], judged, plan)[-1].verdict is FAIL


def test_checks_that_say_nothing_and_missing_cases_count_for_the_model_together() -> None:
    """Audit 3: 20 missing of 90 could not turn it, nor the 10 without the check; both could."""
    one = gate(rate="checks.closed", at_least=0.4)
    judged = [record(number=n, checks={"closed": False if n < 60 else None}) for n in range(70)]
    assert judge([one], judged)[-1].verdict is FAIL
    assert judge([one], judged[:60], planned(records(80, 0)))[-1].verdict is FAIL
    assert judge([one], judged, planned(records(90, 0)))[-1].verdict is INCONCLUSIVE


def test_an_upper_limit_fails_on_a_partial_run_only_where_the_missing_cases_cannot_turn_it() -> None:
    """Audit 3: counted in the model's favour, a missing case does not have what must be rare."""
    one = gate(rate="checks.looping", at_most=0.5)
    judged = [record(number=n, checks={"looping": True}) for n in range(100)]
    assert judge([one], judged, planned(records(110, 0)))[-1].verdict is FAIL
    assert judge([one], judged, planned(records(200, 0)))[-1].verdict is INCONCLUSIVE


@pytest.mark.slow  # many examples
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["solved", "missed", "unanswered", "unjudged"]))),
    st.floats(0.05, 0.95),
)
def test_what_fails_in_part_fails_as_a_whole(asked: list[tuple[int, str]], least: float) -> None:
    """Audit 3: whatever is missing, in whatever position, may turn out solved."""
    cases = [(number, outcome, sample) for sample, (number, outcome) in enumerate(asked)]
    judged = [record(o, n, sample=k) for n, o, k in cases if o != "unjudged"]
    whole = [record("missed" if o == "missed" else "solved", n, sample=k) for n, o, k in cases]
    one = gate(at_least=least)
    if judge([one], judged, planned(whole))[-1].verdict is FAIL:
        assert judge([one], whole)[-1].verdict is FAIL


# --- which gates are judged ---


def test_a_gate_of_a_task_that_was_not_asked_is_inconclusive_and_named() -> None:
    """Audit 1: `-m board` with gates on other tasks judged none of them and said promote."""
    results = judge([CLOSED, SOLVED], records(100, 0))
    assert verdicts(results) == {"complete": PASS, "closed": INCONCLUSIVE, "solved": PASS}
    assert results[1].sentence == "closed: no reasoning case was asked, so this gate is not judged"
    assert [result.judged for result in results] == [True, False, True]
    assert overall(results) is INCONCLUSIVE


def test_a_gate_says_why_its_task_was_not_asked() -> None:
    """Audit 1, 13: the model cannot be asked some tasks."""
    plan = planned(records(100, 0), not_asked={"reasoning": "m does not think"})
    sentence = judge([CLOSED], records(100, 0), plan)[-1].sentence
    assert sentence == "closed: no reasoning case was asked (m does not think), so this gate is not judged"


def test_a_gates_file_without_a_gate_promotes_nothing() -> None:
    """Audit 1: `gate = []` said "promote: every gate passed"."""
    results = judge([], records(100, 0))
    assert overall(results) is INCONCLUSIVE
    assert results[-1].name == "gates"
    assert results[-1].sentence == "gates: my.toml has no gate, so there is nothing to promote on"


def test_a_gate_whose_slice_is_empty_is_inconclusive() -> None:
    result = judge([gate(at_least=0.1, where={"sets": ["elsewhere"]})], records(100, 0))[-1]
    assert (result.verdict, result.sentence) == (INCONCLUSIVE, "g: move solved: no case to look at")


def test_nothing_asked_passes_nothing() -> None:
    assert overall(judge([SOLVED], [], Planned([]))) is INCONCLUSIVE
    assert "no case was asked" in judge([SOLVED], [], Planned([]))[0].sentence


def test_no_gate_at_all_is_no_pass() -> None:
    assert overall([]) is INCONCLUSIVE


def test_gates_on_the_tasks_that_were_asked_are_enough() -> None:
    """Audit 1: `-m move` with gates on `move` alone is a whole run."""
    assert overall(judge([SOLVED], records(100, 0))) is PASS


def test_the_plan_counts_each_case_of_each_task_once() -> None:
    cases = [case_of(1, "line"), case_of(1), case_of(2), case_of(1)]
    assert Planned(cases).counts() == {"line": 1, "move": 2}
    assert Planned(cases).tasks == ("line", "move")


# --- what happened beside the verdicts ---


@pytest.mark.parametrize(
    ("kind", "verdict"), [("failed", FAIL), ("errors", INCONCLUSIVE), ("undecided", INCONCLUSIVE)]
)
def test_what_happened_beside_the_verdicts_keeps_a_run_from_promoting(kind: str, verdict: Decision) -> None:
    """Audit 2: a teardown error and a crashed worker left the run at "promote"."""
    happened = Incidents(**{kind: ["::first", "b::second"]})
    results = judge([SOLVED], records(100, 0), happened=happened)
    assert overall(results) is verdict
    (named,) = [result for result in results if result.verdict is not PASS]
    assert named.sentence.endswith(" ::first")
    assert "2" in named.sentence
    assert (named.seen, named.cases) == (0, 0)


def test_what_failed_is_worse_than_what_is_not_decided() -> None:
    happened = Incidents(flaws=["x"], failed=["f"], errors=["e"], undecided=["u"])
    results = judge([SOLVED], records(100, 0), happened=happened)
    assert overall(results) is FAIL
    assert list(verdicts(results)) == ["complete", "tests", "errors", "undecided", "solved"]


def test_what_a_sentence_quotes_is_printable() -> None:
    """Audit 24, 26: node ids, reasons and paths may hold text of a model, a server or a file."""
    hostile = "\x1b[2J\ud800\n::error::x"
    plan = planned(records(1, 0), not_asked={"reasoning": hostile})
    file = GatesFile(Path(hostile), "digest", ())
    results = judge_gates(file, records(1, 0), plan, Incidents([hostile], [hostile], [hostile], [hostile]))
    results += judge([CLOSED], records(1, 0), plan)
    assert len(results) == 7
    assert all(result.sentence.isprintable() for result in results)
