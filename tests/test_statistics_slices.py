"""Slices: false alarms over all of them, by simulation, and alarms that are due."""

from __future__ import annotations

import numpy as np
import pytest

from evals.statistics.paired import Paired, mcnemar
from evals.statistics.slices import adjusted, find_worse, random_signs
from tests.simulation import overlapping_slices

DROP = [-1.0] * 20 + [1.0] * 4 + [0.0] * 26


@pytest.mark.slow  # a simulation
@pytest.mark.parametrize(("flipping", "slices"), [(0.3, 12), (0.1, 6)])
def test_a_false_alarm_in_any_slice_is_as_rare_as_it_says(flipping: float, slices: int) -> None:
    """2,000 runs: the measured share has a standard error of 0.5 points; two of them are allowed for."""
    rng = np.random.default_rng(8)
    members, signs = overlapping_slices(rng, slices, 250), random_signs(399, 250, 1)
    draw = rng.choice([-1.0, 0.0, 1.0], (2_000, 250), p=[flipping / 2, 1 - flipping, flipping / 2])
    alarms = [adjusted(values, members, signs, 0.05)[0].min() <= 0.05 for values in draw]
    assert 0.03 - 0.010 <= np.mean(alarms) <= 0.055 + 0.010


def test_the_slice_that_dropped_is_found_among_many_that_did_not() -> None:
    rng = np.random.default_rng(8)
    values = [*DROP, *rng.choice([-1.0, 0.0, 1.0], 450, p=[0.1, 0.8, 0.1])]
    slices = {f"theme {k}": set(range(50 + 30 * k, 80 + 30 * k)) for k in range(15)}
    found = find_worse(values, {"fork": set(range(50)), **slices, "mate": set(range(40, 200))})
    assert [name for name, each in found.items() if each.worse] == ["fork"]
    assert found["fork"].difference == pytest.approx(-16 / 50)
    assert found["fork"].positions == 50


def test_one_slice_alone_is_mcnemars_test() -> None:
    found = find_worse([-1.0] * 12 + [1.0] * 5 + [0.0] * 60, {"all": set(range(77))})
    assert found["all"].p == pytest.approx(mcnemar(Paired.table(60, 5, 12, 0)).worse, abs=0.01)


def test_a_slice_said_twice_costs_nothing() -> None:
    """Holm's method would double the p-value."""
    values, half = [-1.0] * 12 + [1.0] * 5 + [0.0] * 60, set(range(77))
    once = find_worse(values, {"a": half})["a"].p
    assert find_worse(values, {"a": half, "b": half})["a"].p == pytest.approx(once, abs=1e-12)


def test_thirds_are_compared_as_exactly_as_fourths() -> None:
    """Sums that are equal but for the order of adding are ties."""
    whole = [-3.0] * 9 + [-1.0] * 7 + [2.0] * 6 + [1.0] * 5
    slices = {"all": set(range(27)), "some": set(range(4, 20))}
    found = (find_worse([value / parts for value in whole], slices) for parts in (4, 3))
    fourths, thirds = ([each.p for each in every.values()] for every in found)
    assert thirds == fourths


def test_slices_without_a_flip_cost_nothing() -> None:
    values = [-1.0] * 12 + [1.0] * 5 + [0.0] * 60
    once = find_worse(values, {"a": set(range(17))})["a"].p
    quiet = {f"quiet {k}": set(range(17 + k, 77)) for k in range(20)}
    assert find_worse(values, {"a": set(range(17)), **quiet})["a"].p == pytest.approx(once, abs=1e-12)


def test_the_p_values_of_more_slices_are_no_smaller_and_keep_their_order() -> None:
    rng = np.random.default_rng(3)
    values = rng.choice([-1.0, 0.0, 0.5, 1.0], 120, p=[0.2, 0.6, 0.1, 0.1])
    members, signs = overlapping_slices(rng, 6, 120), random_signs(999, 120, 0)
    several, _ = adjusted(values, members, signs, 0.05)
    alone = np.array([adjusted(values, row[None], signs, 0.05)[0][0] for row in members])
    assert (several >= alone - 1e-12).all()
    assert (np.diff(several[np.argsort(alone, kind="stable")]) >= 0).all()


def test_the_drop_that_would_have_shown_is_smaller_in_a_larger_slice() -> None:
    values = [-1.0] * 30 + [1.0] * 30 + [0.0] * 240
    found = find_worse(
        values, {"large": set(range(300)), "small": set(range(0, 300, 10)), "none": set[int]()}
    )
    assert 0.05 < found["large"].noticeable < 0.15
    assert found["large"].noticeable < found["small"].noticeable < 0.6
    assert (found["none"].noticeable, found["none"].worse, found["none"].positions) == (1.0, False, 0)


def test_the_same_seed_gives_the_same_answer() -> None:
    values = [-1.0, 0.25, -0.5, 1.0, -1.0] * 20
    slices = {"a": set(range(50)), "b": set(range(30, 100))}
    assert find_worse(values, slices, seed=3) == find_worse(values, slices, seed=3)
    assert find_worse(values, slices, seed=3) != find_worse(values, slices, seed=4)
    assert find_worse(values, {}) == {}
    assert not find_worse([], {"a": set[int]()})["a"].worse
