"""Power: what a design decides, against statsmodels and simulation of the decisions themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import normal_sample_size_one_tail

from evals.statistics.clustered import rate_bounds
from evals.statistics.paired import Paired
from evals.statistics.power import (
    cases_needed,
    expected_discordance,
    guess_not_worse,
    power_at_least,
    power_at_most,
    power_better,
    power_not_worse,
    power_worse,
    smallest_effect,
)
from evals.statistics.rates import Decision
from evals.statistics.relative import decide_better, decide_not_worse


@pytest.mark.parametrize(("n", "rate", "at_least"), [(100, 0.95, 0.9), (37, 0.5, 0.4), (12, 0.99, 0.5)])
def test_the_power_of_an_absolute_claim_is_the_chance_of_a_count_that_passes(
    n: int, rate: float, at_least: float
) -> None:
    passes = [
        rate_bounds([(1, 1)] * k + [(0, 1)] * (n - k), 0.95).at_least(at_least) is Decision.PASS
        for k in range(n + 1)
    ]
    expected = stats.binom.pmf(np.arange(n + 1)[passes], n, rate).sum()
    assert power_at_least(n, rate, at_least, 0.95) == pytest.approx(expected)
    assert power_at_most(n, 1 - rate, 1 - at_least, 0.95) == pytest.approx(expected)


def test_claims_at_the_ends() -> None:
    assert power_at_least(10, 0.5, 1.0, 0.95) == 0
    assert power_at_least(10, 0.5, 0.0, 0.95) == 1
    assert power_at_least(5, 1.0, 0.9, 0.95) == 0


N = 24
TABLES = [(g, lost, N - g - lost) for g in range(N + 1) for lost in range(N + 1 - g)]


@pytest.mark.slow  # a simulation
@pytest.mark.parametrize(("difference", "discordance"), [(0.0, 0.3), (0.1, 0.4), (-0.1, 0.25)])
def test_the_power_of_a_relative_claim_is_the_chance_of_a_table_that_passes(
    difference: float, discordance: float
) -> None:
    rates = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    chances = stats.multinomial.pmf(np.array(TABLES), N, rates)
    pairs = [Paired.table(same, gained, lost, 0) for gained, lost, same in TABLES]
    not_worse = [decide_not_worse(each, 0.15, 0.95).decision is Decision.PASS for each in pairs]
    better = [decide_better(each, 0.95).decision is Decision.PASS for each in pairs]
    assert power_not_worse(N, 0.15, discordance, 0.95, difference) == pytest.approx(chances[not_worse].sum())
    assert power_better(N, difference, discordance, 0.95) == pytest.approx(chances[better].sum())
    assert power_worse(N, difference, discordance, 0.05) == pytest.approx(chances[better].sum())


@pytest.mark.parametrize(("margin", "discordance"), [(0.03, 0.3), (0.05, 0.15), (0.1, 0.25)])
def test_the_puzzles_needed_have_about_the_power_they_were_chosen_for(
    margin: float, discordance: float
) -> None:
    guess = guess_not_worse(margin, discordance, 0.95)
    n = cases_needed(lambda n: power_not_worse(n, margin, discordance, 0.95), guess)
    assert n is not None
    assert 0.78 <= power_not_worse(n, margin, discordance, 0.95) <= 0.82
    reference = normal_sample_size_one_tail(margin, 0.8, 0.05, math.sqrt(discordance))
    assert guess == pytest.approx(reference, abs=1.0)
    assert n == pytest.approx(guess, rel=0.08)


def test_three_points_at_the_measured_discordance_want_about_two_thousand_puzzles() -> None:
    """The discordance of the shipped adapters is 0.30."""
    n = cases_needed(lambda n: power_not_worse(n, 0.03, 0.3, 0.95), 2061)
    assert n == pytest.approx(2070, abs=20)


@pytest.mark.parametrize("guess", [1, 100, 900, 50_000])
def test_the_search_ends_at_the_same_design_wherever_it_starts(guess: int) -> None:
    assert cases_needed(lambda n: n / 1000, guess) == 800


def test_a_design_that_cannot_be_is_none() -> None:
    assert cases_needed(lambda n: power_at_least(n, 0.9, 0.9, 0.95)) is None
    assert cases_needed(lambda _: 1.0) == 1


def test_the_smallest_effect_has_the_wanted_power() -> None:
    def power(drop: float) -> float:
        return power_worse(100, drop, max(0.2, drop), 0.01)

    assert power(smallest_effect(power, 1.0)) == pytest.approx(0.8, abs=0.01)
    assert smallest_effect(lambda _: 0.0, 0.7) == 0.7


def test_a_discordance_below_the_difference_is_refused() -> None:
    with pytest.raises(ValueError, match="a discordance lies between"):
        power_better(100, 0.2, 0.1, 0.95)


def test_models_that_err_independently_differ_most_at_one_half() -> None:
    assert expected_discordance(0.5) == 0.5
    assert expected_discordance(0.9) == pytest.approx(0.18)
