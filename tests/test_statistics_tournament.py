"""Several runs on the same positions: intervals that hold together, and what a winner owes to luck."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evals.statistics.paired import Paired, difference_interval
from evals.statistics.tournament import all_pairs, position_rates, simultaneous_quantile, winner
from tests.simulation import all_covered, related_runs


@pytest.mark.parametrize("runs", [2, 5, 10])
def test_unrelated_runs_need_tukeys_quantile(runs: int) -> None:
    rates = (np.random.default_rng(1).random((3_000, runs)) < 0.5).astype(float)
    expected = stats.studentized_range.ppf(0.95, runs, 2_999) / np.sqrt(2)
    assert simultaneous_quantile(rates, 0.95) == pytest.approx(expected, abs=0.04)


def test_few_positions_need_students_quantile() -> None:
    rates = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.0], [0.0, 0.0], [1.0, 0.5]])
    assert simultaneous_quantile(rates, 0.95) == pytest.approx(stats.t.ppf(0.975, 5), abs=0.08)


def test_runs_that_answer_alike_count_as_one() -> None:
    rates = (np.random.default_rng(1).random((1_000, 2)) < 0.5).astype(float)
    several = simultaneous_quantile(rates[:, [0, 0, 0, 1, 1]], 0.95)
    assert several == pytest.approx(simultaneous_quantile(rates, 0.95), abs=0.03)


@pytest.mark.slow  # a simulation
@pytest.mark.parametrize("runs", [3, 6])
def test_the_intervals_of_all_pairs_hold_together_as_often_as_they_say(runs: int) -> None:
    """600 tournaments: the measured share has a standard error of 0.9 points; two of them are allowed for."""
    rng = np.random.default_rng(9)
    held = [all_covered(*related_runs(rng, runs, 250, 0.03), seed=n, draws=4_000) for n in range(600)]
    assert 0.94 - 0.018 <= np.mean(held) <= 0.97 + 0.018


def test_the_intervals_of_two_runs_are_those_of_a_comparison() -> None:
    one, other = ([bool(n % k) for n in range(200)] for k in (3, 5))
    found = all_pairs({"one": one, "other": other}, range(200))
    expected = difference_interval(Paired.of(zip(one, other, strict=True)), 0.95)
    assert found["one", "other"] == pytest.approx(expected, abs=0.003)
    more = all_pairs({"one": one, "other": other, "third": [n % 7 > 2 for n in range(200)]}, range(200))
    assert list(more) == [("one", "other"), ("one", "third"), ("other", "third")]
    assert more["one", "other"].low < expected.low - 0.005
    assert more["one", "other"].high > expected.high + 0.005


def test_samples_of_a_position_are_not_positions() -> None:
    """Audit 4: five samples that agree are one position."""
    one, other, third = ([n % k > 0 for n in range(60)] for k in (3, 4, 5))
    once = all_pairs({1: one, 2: other, 3: third}, range(60))
    often = all_pairs({1: one * 5, 2: other * 5, 3: third * 5}, list(range(60)) * 5)
    assert often[1, 2] == pytest.approx(once[1, 2], abs=0.01)
    assert position_rates({1: [True, False, True]}, ["a", "a", "b"]).tolist() == [[0.5], [1.0]]


def test_runs_that_do_not_differ_have_an_interval_all_the_same() -> None:
    found = all_pairs({"a": [True] * 40, "b": [True] * 40, "c": [True] * 40}, range(40))
    assert all(low < 0 < high for low, high in found.values())


@pytest.mark.parametrize(("runs", "spread"), [(8, 0.0), (8, 0.03), (3, 0.0)])
def test_a_winner_is_expected_to_be_as_good_as_it_turns_out(runs: int, spread: float) -> None:
    rng = np.random.default_rng(9)
    seen: list[float] = []
    expected: list[float] = []
    for _ in range(400):
        solved, truth = related_runs(rng, runs, 250, spread)
        best = winner({n: column.tolist() for n, column in enumerate(solved.T)}, range(250))
        seen.append(best.rate - truth[int(str(best.name))])
        expected.append(best.expected - truth[int(str(best.name))])
    assert np.mean(seen) > 0.01
    assert abs(np.mean(expected)) < 0.4 * np.mean(seen)


def test_the_winner_of_one_is_itself() -> None:
    only = winner({"v1": [True, False, True, True]}, range(4))
    assert (only.name, only.rate, only.expected) == ("v1", 0.75, 0.75)
    assert winner({"a": [True, False], "b": [True, False]}, range(2)).expected == 0.5


def test_runs_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="run 'b' has 1 cases, but 2 positions"):
        all_pairs({"a": [True, False], "b": [True]}, range(2))
