"""Gates against a baseline, and alarms over slices: what passes, what fails, and what cannot be decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.results.gates import GateResult, Incidents, Planned, judge_gates, overall
from evals.results.gates_file import Gate, GatesFile
from evals.results.planning import Rival, plan_lines
from evals.results.relative_gates import Baseline, judge_against, judge_slices, needed_for, slice_names
from evals.results.stored_run import StoredRun
from evals.statistics.paired import Paired
from evals.statistics.power import power_better, power_not_worse
from evals.statistics.rates import Decision
from evals.statistics.relative import decide_better, decide_not_worse
from evals.words import Outcome, Record
from tests.records import planned, record

PASS, FAIL, INCONCLUSIVE = Decision.PASS, Decision.FAIL, Decision.INCONCLUSIVE


def gate(**more: Any) -> Gate:
    claim = {} if {"better", "at_least", "at_most"} & more.keys() else {"not_worse_than": 0.05}
    return Gate.model_validate({"name": "g", "task": "move"} | claim | more)


def played(solved: set[int], n: int, **more: Any) -> list[Record]:
    return [record(Outcome.SOLVED if i in solved else Outcome.MISSED, i, **more) for i in range(n)]


def baseline(records: list[Record], name: str = "v1", **unfit: str) -> Baseline:
    return Baseline(name, {each.case: each for each in records}, unfit)


def pair(both: int, gained: int, lost: int, neither: int) -> tuple[list[Record], list[Record]]:
    """The candidate's cases and the baseline's, by how they went."""
    n = both + gained + lost + neither
    ours = set(range(both + gained))
    theirs = set(range(both)) | set(range(both + gained, both + gained + lost))
    return played(ours, n), played(theirs, n)


@given(
    st.tuples(st.integers(0, 40), st.integers(0, 30), st.integers(0, 30), st.integers(0, 40)),
    st.sampled_from([0.02, 0.05, 0.2]),
    st.sampled_from([0.9, 0.95]),
)
def test_the_verdict_is_that_of_the_statistics(
    table: tuple[int, int, int, int], margin: float, confidence: float
) -> None:
    ours, theirs = pair(*table)
    pairs = Paired.table(*table)
    for one, wanted in (
        (gate(not_worse_than=margin, confidence=confidence), decide_not_worse(pairs, margin, confidence)),
        (gate(better=True, confidence=confidence), decide_better(pairs, confidence)),
    ):
        found = judge_against(one, [baseline(theirs)], ours)
        assert found.verdict is (wanted.decision if ours else INCONCLUSIVE)
        assert found.p_fail == (wanted.p_fail if ours else None)


def test_the_sentence_says_what_was_claimed_seen_and_shown() -> None:
    ours, theirs = pair(80, 30, 20, 170)
    assert judge_against(gate(), [baseline(theirs)], ours).sentence == (
        "g: move solved must be not worse than that of v1 by 5 points; seen 36.7% against 33.3%, +3.3 points "
        "(-0.6 to +7.3; 30 gained, 20 lost of 300 cases), shown at 95% confidence (p = 0.00037)"
    )
    ours, theirs = pair(80, 20, 25, 175)
    sentence = judge_against(gate(better=True), [baseline(theirs)], ours).sentence
    assert "must be better than that of v1; seen 33.3% against 35.0%, -1.7 points" in sentence
    assert sentence.endswith(
        "not shown at 95% confidence (p = 0.81); about 398 puzzles would show a gain of 5 points "
        "(15% went differently)"
    )


def test_samples_of_one_position_are_one_unit() -> None:
    """A hundred gains on five positions are five gains."""
    ours = [record(Outcome.SOLVED, n // 20, sample=n % 20) for n in range(100)]
    theirs = [record(Outcome.MISSED, n // 20, sample=n % 20) for n in range(100)]
    found = judge_against(gate(better=True), [baseline(theirs)], ours)
    assert "of 100 cases on 5 positions" in found.sentence
    few = judge_against(gate(better=True), [baseline(theirs[::20])], ours[::20])
    assert found.p_fail == pytest.approx(few.p_fail, abs=0.05)


def test_a_gate_looks_at_its_slice_and_its_rate_only() -> None:
    ours = [record(Outcome.MISSED, n, themes=("fork" if n < 50 else "pin",)) for n in range(100)]
    theirs = [record("illegal" if n < 50 else Outcome.MISSED, n) for n in range(100)]
    legal = gate(better=True, rate="legal", where={"themes": ["fork"]})
    found = judge_against(legal, [baseline(theirs)], ours)
    assert (found.verdict, found.cases, found.seen) == (PASS, 50, 50)
    assert judge_against(gate(better=True, rate="solved"), [baseline(theirs)], ours).verdict is INCONCLUSIVE


@pytest.mark.parametrize("silent", ["ours", "theirs"])
def test_a_check_that_says_nothing_about_many_cases_decides_nothing(silent: str) -> None:
    """None of a check counts as not true: silence of the baseline would make the candidate look better."""
    said, nothing = {"closed": True}, {"closed": None}
    checks = [nothing if n < 50 else said for n in range(100)]
    both = [
        [record(number=n, task="reasoning", checks=each[n]) for n in range(100)]
        for each in (checks, [said] * 100)
    ]
    ours, theirs = both if silent == "ours" else reversed(both)
    claim = {} if silent == "ours" else {"better": True}
    found = judge_against(gate(task="reasoning", rate="checks.closed", **claim), [baseline(theirs)], ours)
    assert found.verdict is INCONCLUSIVE
    assert "says nothing about too many" in found.sentence
    heard = gate(task="reasoning", rate="checks.closed")
    assert judge_against(heard, [baseline(both[1])], both[1]).verdict is PASS


def test_an_unfit_baseline_decides_nothing_whatever_the_cases_say() -> None:
    ours, theirs = pair(0, 100, 0, 0)
    for unfit in ({"": "it is stale"}, {"move": "other sampling"}):
        found = judge_against(gate(better=True), [Baseline("v1", baseline(theirs).records, unfit)], ours)
        assert found.verdict is INCONCLUSIVE
        assert next(iter(unfit.values())) in found.sentence
    other = Baseline("v1", baseline(theirs).records, {"line": "other sampling"})
    assert judge_against(gate(better=True), [other], ours).verdict is PASS


# --- with the rest of a run ---


def judge(
    gates: list[Gate], ours: list[Record], *baselines: Baseline, plan: Planned | None = None
) -> dict[str, GateResult]:
    file = GatesFile(Path("my.toml"), "digest", tuple(gates))
    return {
        each.name: each for each in judge_gates(file, ours, plan or planned(ours), Incidents(), baselines)
    }


def test_a_run_that_is_not_whole_passes_and_fails_nothing_against_a_baseline() -> None:
    for solved in (set(range(100)), set[int]()):
        ours = played(solved, 100)
        theirs = baseline(played(set(range(50)), 100), move="the runs differ in 1 cases")
        plan = planned([*ours, record(number=100)])
        assert judge([gate()], ours, theirs, plan=plan)["g"].verdict is INCONCLUSIVE
        fit = baseline(played(set(range(50)), 100))
        found = judge([gate()], ours, fit, plan=plan)
        assert found["g"].verdict is found["slices"].verdict is INCONCLUSIVE


def test_a_run_without_a_baseline_has_no_alarm_over_slices() -> None:
    ours = played(set(range(100)), 100)
    assert "slices" not in judge([gate(at_least=0.1, rate="solved")], ours)
    assert judge([gate()], ours)["g"].verdict is INCONCLUSIVE


def test_a_failure_that_does_not_stand_up_to_the_number_of_gates_is_inconclusive() -> None:
    """Ten gates of which one fails at p = 0.02: alone it is a FAIL, as one of ten it is chance."""
    ours = [record(Outcome.SOLVED if n % 2 else Outcome.MISSED, n, set=f"s{n // 40}") for n in range(400)]
    weak = [record(Outcome.MISSED if n < 12 else r.outcome, n, set=r.set) for n, r in enumerate(ours)]
    gates = [
        gate(name=f"g{k}", rate="solved", at_least=0.5, where={"sets": [f"s{k}"]}, confidence=0.9)
        for k in range(10)
    ]
    alone = judge(gates[:1], weak)["g0"]
    assert alone.verdict is FAIL
    among = judge(gates, weak)["g0"]
    assert among.verdict is INCONCLUSIVE
    assert "as one of 10 gates it may have failed by chance" in among.sentence
    hopeless = judge(gates, played(set(), 400))
    assert overall(list(hopeless.values())) is not PASS


def test_gates_on_the_ends_of_the_range_fail_as_surely_as_any() -> None:
    ours = played(set(range(10)), 100)
    found = judge(
        [gate(name="all", rate="solved", at_least=1.0), gate(name="none", rate="solved", at_most=0.0)], ours
    )
    assert {found["all"].verdict, found["none"].verdict} == {FAIL}
    assert found["all"].p_fail == found["none"].p_fail == 0


# --- slices ---


def test_a_slice_that_is_worse_fails_though_the_whole_is_not() -> None:
    ours = [
        record(Outcome.MISSED if n < 30 else Outcome.SOLVED, n, themes=("fork" if n < 30 else "pin",))
        for n in range(400)
    ]
    theirs = [record(Outcome.SOLVED if n < 370 else Outcome.MISSED, n) for n in range(400)]
    found = judge([gate()], ours, baseline(theirs))
    assert found["g"].verdict is PASS
    assert found["slices"].verdict is FAIL
    assert (
        "1 of 4 shown to be worse against v1: move theme fork -100.0 points on 30 (p = "
        in found["slices"].sentence
    )


def test_slices_that_are_not_worse_say_what_they_could_have_noticed() -> None:
    ours, theirs = pair(100, 10, 10, 180)
    found = judge_slices(baseline(theirs), ours)
    assert found.verdict is PASS
    assert found.sentence.startswith(
        "slices: none of 2 shown to be worse against v1; could have noticed drops of "
    )
    assert "the lowest is move " in found.sentence


def test_a_case_belongs_to_its_set_rating_band_skill_and_themes() -> None:
    one = record(rating=1399, variant="pieces", themes=("fork", "pin"))
    assert slice_names(one) == ["set s", "rating 1200-1399", "skill pieces", "theme fork", "theme pin"]
    assert "rating 1400-1599" in slice_names(record(rating=1400))
    assert "rating unknown" in slice_names(record(rating=0))


def test_slices_of_a_task_that_cannot_be_compared_are_left_out() -> None:
    ours = played(set(), 50) + played(set(), 50, task="line")
    theirs = played(set(), 50) + played(set(range(50)), 50, task="line")
    assert judge_slices(baseline(theirs), ours).verdict is FAIL
    found = judge_slices(baseline(theirs, line="other formats"), ours)
    assert found.verdict is PASS
    assert judge_slices(baseline(theirs, line="a", move="b"), ours).verdict is INCONCLUSIVE


# --- before spending ---


def stored(solved: set[int], n: int, **manifest: Any) -> StoredRun:
    records = {each.case: each for each in played(solved, n)}
    return StoredRun(Path("v1.jsonl"), manifest, records, {"move": n})


def test_the_plan_shows_exact_power_at_both_discordances_and_how_many_would_do() -> None:
    run = stored(set(range(90)), 300, compared={"move": 0.2})
    (line,) = plan_lines([gate()], planned(played(set(), 300)), [Rival("v1", run)])
    last, independent = (power_not_worse(300, 0.05, share, 0.95) for share in (0.2, 0.42))
    assert line == (
        f"g: power to show not worse by 5 points on 300 positions: {last:.0%} if 0.20 go differently "
        f"(as last time), {independent:.0%} if 0.42 go differently (2p(1-p) of v1's 30.0%); "
        "about 495 puzzles would have 80%"
    )


def test_a_plan_of_several_gates_says_how_likely_all_of_them_pass() -> None:
    run = stored(set(range(150)), 300)
    gates = [gate(name="a"), gate(name="b", better=True), gate(name="c", rate="solved", at_least=0.4)]
    *_, last = plan_lines(gates, planned(played(set(), 300)), [Rival("v1", run)])
    powers = power_not_worse(300, 0.05, 0.5, 0.95), power_better(300, 0.05, 0.5, 0.95)
    assert last.startswith("all 3 gates together: power at least ")
    assert f"({powers[0] * powers[1]:.0%} if they were independent)" in last


def test_a_plan_without_relative_gates_says_nothing() -> None:
    plan = planned(played(set(), 300))
    assert plan_lines([gate(rate="solved", at_least=0.4)], plan, [Rival("v1", stored({1}, 300))]) == []
    assert plan_lines([gate(task="line")], plan, []) == []


@pytest.mark.parametrize("compared", [None, 5, {"move": "0.2"}, {"move": 7.0}, {"line": 0.2}])
def test_a_plan_believes_no_discordance_that_is_none(compared: Any) -> None:
    (line,) = plan_lines(
        [gate()], planned(played(set(), 30)), [Rival("v1", stored({1}, 30, compared=compared))]
    )
    assert "as last time" not in line


def test_nothing_is_known_of_a_baseline_that_is_asked_in_this_session() -> None:
    (line,) = plan_lines([gate()], planned(played(set(), 300)), [Rival("v1", None)])
    assert "if 0.50 go differently (2p(1-p) of a rate of 50%, as nothing is known yet)" in line


def test_as_many_puzzles_as_are_named_would_do() -> None:
    for discordance in (0.0, 0.3):
        needed = needed_for(gate(not_worse_than=0.1), discordance)
        assert needed is not None
        assert power_not_worse(needed + 5, 0.1, discordance, 0.95) >= 0.78
    better = needed_for(gate(better=True), 0.3)
    assert better is not None
    assert 0.8 <= power_better(better, 0.05, 0.3, 0.95) < 0.82
    assert needed_for(gate(not_worse_than=0.03), 0.3) == pytest.approx(2070, abs=15)
