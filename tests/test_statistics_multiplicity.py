"""Several gates at once: Holm's method against statsmodels, and false alarms by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evals.statistics.multiplicity import Decided, hold_failures, holm, joint_power
from evals.statistics.rates import Decision


@pytest.mark.slow  # which takes 0.1 s for each example
@settings(max_examples=10)  # statsmodels takes 0.1 s for each
@given(st.dictionaries(st.integers(), st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: dict[int, float]):
    expected: Any = multipletests(list(p_values.values()), method="holm")[1]
    assert list(holm(p_values).values()) == pytest.approx(list(expected))
    assert list(holm(p_values)) == list(p_values)


def decided(*p_fails: float) -> dict[int, Decision]:
    return hold_failures(
        {n: Decided(Decision.FAIL if p <= 0.05 else Decision.PASS, p, 0.95) for n, p in enumerate(p_fails)}
    )


def test_a_failure_that_any_of_six_gates_shows_by_chance_is_inconclusive() -> None:
    assert decided(0.04)[0] is Decision.FAIL
    assert decided(0.04, *[0.9] * 5)[0] is Decision.INCONCLUSIVE
    assert decided(0.008, *[0.9] * 5)[0] is Decision.FAIL
    assert decided(0.008, 0.0099, *[0.9] * 4)[1] is Decision.FAIL
    assert set(decided(0.9, 0.9).values()) == {Decision.PASS}


def test_six_gates_at_their_threshold_give_no_more_false_alarms_than_one() -> None:
    draw = np.random.default_rng(6).random((4_000, 6))
    assert np.mean([(row <= 0.05).any() for row in draw]) == pytest.approx(0.26, abs=0.02)
    assert np.mean([Decision.FAIL in decided(*row).values() for row in draw]) <= 0.055


def test_the_power_of_all_gates_is_less_than_that_of_any() -> None:
    assert joint_power([0.8, 0.9]) == pytest.approx((0.7, 0.72))
    assert joint_power([0.3, 0.3]) == pytest.approx((0.0, 0.09))
    assert joint_power([]) == (1, 1)
