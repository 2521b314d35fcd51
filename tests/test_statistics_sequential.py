"""Looks at a run that goes on: boundaries against published ones, and errors by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from evals.statistics.power import power_not_worse
from evals.statistics.sequential import conditional_power, confidences, plan_looks
from tests.simulation import sequential


def test_the_boundaries_are_those_of_lan_and_demets() -> None:
    """Five looks at equal distances, one-sided 2.5%, as in the tables of group sequential software."""
    levels = confidences((0.2, 0.4, 0.6, 0.8, 1.0), 0.975)
    assert ndtri(levels) == pytest.approx([4.8769, 3.3570, 2.6803, 2.2898, 2.0310], abs=2e-4)


@given(st.integers(1, 3000), st.integers(1, 8), st.floats(0.8, 0.99))
def test_looks_are_few_and_grow_less_strict_and_end_with_the_run(
    n: int, most: int, confidence: float
) -> None:
    looks = plan_looks(n, confidence, most)
    assert len(looks) <= most
    assert looks[-1].positions == n
    assert [look.positions for look in looks] == sorted({look.positions for look in looks})
    assert [look.confidence for look in looks] == sorted((look.confidence for look in looks), reverse=True)
    assert looks[-1].confidence >= confidence - 1e-6
    assert n < 40 or all(b.positions - a.positions >= 19 for a, b in itertools.pairwise(looks))


def test_a_single_look_is_the_gate_itself() -> None:
    (only,) = plan_looks(15, 0.95)
    assert only == (15, pytest.approx(0.95))


@pytest.mark.parametrize(("n", "looks"), [(0, 8), (100, 0)])
def test_a_plan_without_positions_or_looks_is_refused(n: int, looks: int) -> None:
    with pytest.raises(ValueError, match="at least one position and one look"):
        plan_looks(n, 0.95, looks)


@pytest.mark.slow  # a simulation
@pytest.mark.parametrize(
    ("n", "margin", "flipping"), [(200, 0.07, 0.15), (500, 0.05, 0.2), (2400, 0.03, 0.36)]
)
def test_looks_keep_both_errors_and_the_power_and_save_cases(n: int, margin: float, flipping: float) -> None:
    """4,000 runs: 5% has a standard error of 0.34 points, 80% one of 0.63; two are allowed for."""
    rng, looks = np.random.default_rng(12), plan_looks(n, 0.95)

    def at(difference: float) -> tuple[float, float, float]:
        return sequential(
            rng, 4_000, looks, margin, ((flipping + difference) / 2, (flipping - difference) / 2)
        )

    worse, equal, better = at(-margin), at(0.0), at(margin)
    assert max(worse[:2]) <= 0.055 + 0.007
    assert equal[0] >= power_not_worse(n, margin, flipping, 0.95) - 0.025 - 0.013
    assert equal[2] <= 0.8
    assert better[2] <= 0.5


def test_looks_at_whether_the_candidate_is_better_err_no_more() -> None:
    rng = np.random.default_rng(12)
    assert max(sequential(rng, 4_000, plan_looks(400, 0.95), 0.0, (0.1, 0.1))[:2]) <= 0.055 + 0.007


def test_stopping_where_a_pass_is_out_of_reach_costs_a_point_of_power_at_most() -> None:
    looks, rates = plan_looks(500, 0.95), (0.1, 0.1)
    on = sequential(np.random.default_rng(12), 2_000, looks, 0.05, rates)
    off = sequential(np.random.default_rng(12), 2_000, looks, 0.05, rates, power=0.8)
    assert on.passed - 0.015 <= off.passed <= on.passed
    assert off.asked < on.asked


def test_conditional_power_is_what_the_rest_of_the_run_gives() -> None:
    """Against simulated paths: half of a run planned for 80% power, one standard error above the margin."""
    drift = ndtri(0.95) + ndtri(0.8)
    rest = np.random.default_rng(1).normal(drift * 0.5, np.sqrt(0.5), 200_000)
    expected = (1.0 * np.sqrt(0.5) + rest > ndtri(0.95)).mean()
    assert conditional_power(1 - 0.8413447, 0.5, 0.95, 0.8) == pytest.approx(expected, abs=0.004)
    assert conditional_power(1.0, 0.9, 0.95, 0.8) < 1e-9
    assert conditional_power(0.0, 0.5, 0.95, 0.8) == pytest.approx(1)
