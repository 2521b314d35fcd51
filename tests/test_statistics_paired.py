"""Two models on the same positions: counts, tests, intervals, against statsmodels and published figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from evals.statistics.paired import Paired, difference_interval, mcnemar, score
from evals.statistics.rates import quantile
from evals.statistics.score import likeliest_variance, score_statistic, tango

confidences = st.floats(0.55, 0.999)
tables = st.builds(Paired.table, *[st.integers(0, 60)] * 4).filter(lambda pairs: pairs.n > 0)
clustered = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 12)), min_size=2, max_size=80
).map(lambda cases: Paired.of([case[:2] for case in cases], [case[2] for case in cases]))


def test_pairs_are_counted_candidate_first() -> None:
    pairs = [(True, False), (True, True), (False, True), (True, False), (False, False)]
    assert Paired.of(pairs) == Paired(1, 2, 1, 1, (1.0, 0.0, -1.0, 1.0, 0.0))


def test_cases_of_one_position_are_one_value() -> None:
    """Audit 4: five samples of a position were five pairs."""
    pairs = Paired.of([(True, False), (True, True), (False, True), (True, False)], ["a", "a", "b", "a"])
    assert pairs.values == pytest.approx((2 / 3, -1))
    assert (pairs.n, pairs.cases, pairs.single) == (2, 4, False)
    assert pairs.difference == pytest.approx(-1 / 6)
    assert pairs.discordance == 0.75


def test_a_position_for_each_pair_is_needed() -> None:
    with pytest.raises(ValueError, match="longer"):
        Paired.of([(True, True), (True, False)], ["a"])


@given(tables)
def test_mcnemar_agrees_with_statsmodels(pairs: Paired) -> None:
    table = [[pairs.both, pairs.gained], [pairs.lost, pairs.neither]]
    if pairs.gained + pairs.lost:
        reference: Any = reference_mcnemar(table, exact=True)
        assert mcnemar(pairs).exact == pytest.approx(reference.pvalue)
    assert mcnemar(pairs).mid_p <= mcnemar(pairs).exact


def test_mcnemar_refuses_several_cases_of_one_position() -> None:
    """Audit 4: it would take them for independent ones."""
    with pytest.raises(ValueError, match="one case for each position, got 3 for 2"):
        mcnemar(Paired.of([(True, False)] * 3, [1, 1, 2]))


def test_the_figures_of_fagerland_lydersen_and_laake() -> None:
    """Their example of airway hyper-responsiveness (Stat. Med. 33, 2014): 1, 1, 7, 12 of 21 patients."""
    pairs = Paired.table(1, 1, 7, 12)
    assert mcnemar(pairs).exact == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(pairs).mid_p == pytest.approx(0.0391, abs=5e-5)
    assert difference_interval(pairs, 0.95) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(tables, st.floats(-0.9, 0.9))
def test_the_score_is_tangos_with_the_likeliest_rate_found_without_its_formula(
    pairs: Paired, difference: float
) -> None:
    same = pairs.n - pairs.gained - pairs.lost

    def unlikely(losses: float) -> float:
        rates = (losses + difference, losses, 1 - 2 * losses - difference)
        counts = (pairs.gained, pairs.lost, same)
        return -sum(n * math.log(max(rate, 1e-300)) for n, rate in zip(counts, rates, strict=True) if n)

    low, high = max(0.0, -difference), (1 - difference) / 2
    found: Any = optimize.minimize_scalar(unlikely, bounds=(low, high), options={"xatol": 1e-12})
    losses = min((float(found.x), low), key=unlikely)
    variance = (2 * losses + difference - difference**2) / pairs.n
    if variance > 1e-6:
        expected = (pairs.difference - difference) / math.sqrt(variance)
        assert score(pairs, difference) == pytest.approx(expected, rel=2e-3, abs=1e-3)


@given(tables, st.floats(-0.9, 0.9))
def test_the_score_of_values_is_tangos_where_each_is_a_gain_a_loss_or_none(
    pairs: Paired, difference: float
) -> None:
    general = score_statistic(np.array(pairs.values), difference)
    closed = tango(pairs.gained, pairs.lost, pairs.n, difference)
    assert float(general) == pytest.approx(float(closed), rel=1e-6, abs=1e-6)


def test_the_score_of_values_maximises_their_likelihood() -> None:
    """Against a general optimiser over the weights of the values seen, and of -1, where none was seen."""
    values, difference = np.array([0.5, 0.25, 0.0, 0.0, -0.25, 0.125, 0.0, 0.5]), -0.1
    support = np.append(values, -1.0)

    def unlikely(weights: Any) -> float:
        return -float(np.log(np.maximum(weights[:-1], 1e-12)).sum())

    def total(weights: Any) -> float:
        return float(weights.sum() - 1)

    def mean(weights: Any) -> float:
        return float(weights @ support - difference)

    found: Any = optimize.minimize(
        unlikely,
        np.full(9, 1 / 9),
        bounds=[(0, 1)] * 9,
        constraints=[
            {"type": "eq", "fun": total},
            {"type": "eq", "fun": mean},
        ],
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    variance = found.x @ (support - difference) ** 2
    expected = (values.mean() - difference) / math.sqrt(variance / 8)
    assert float(score_statistic(values, difference)) == pytest.approx(expected, rel=1e-3)


@given(st.lists(st.floats(-0.9, 1.04), min_size=2, max_size=40), st.integers(0, 5), st.integers(0, 5))
def test_the_tilt_of_the_weights_is_the_root_that_a_general_solver_finds(
    inner: list[float], lowest: int, highest: int
) -> None:
    away = np.array([*inner, *[-0.95] * lowest, *[1.05] * highest]) + 1e-3
    low, high = -1 / 1.051, 1 / 0.949

    def mean(tilt: float) -> float:
        return float((away / (1 + tilt * away)).sum())

    ends = [end for end in (low, high) if mean(end * (1 - 1e-12)) * end > 0]
    found: Any = ends[0] if ends else optimize.brentq(mean, low * (1 - 1e-12), high * (1 - 1e-12), xtol=1e-14)
    weights = 1 / (len(away) * (1 + float(found) * away))
    rest = max(0.0, 1 - weights.sum()) * (-0.949 if float(found) > 0 else 1.051) ** 2
    expected = (weights * away**2).sum() + rest
    assert float(likeliest_variance(away, -0.949, 1.051)) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@given(tables, confidences)
def test_tangos_interval_ends_where_the_score_is_the_quantile(pairs: Paired, confidence: float) -> None:
    z = quantile((1 + confidence) / 2)
    for bound in difference_interval(pairs, confidence):
        if -1 + 1e-6 < bound < 1 - 1e-6:
            assert abs(score(pairs, bound)) == pytest.approx(z, rel=2e-3, abs=1e-3)


@pytest.mark.slow  # many tables
@settings(deadline=None)
@given(st.one_of(tables, clustered), confidences)
def test_intervals_of_a_difference(pairs: Paired, confidence: float) -> None:
    low, high = difference_interval(pairs, confidence)
    assert -1 <= low <= pairs.difference + 1e-6
    assert pairs.difference - 1e-6 <= high <= 1
    assert low < high
    assert difference_interval(pairs.swapped(), confidence) == pytest.approx((-high, -low), abs=1e-6)
    wider = difference_interval(pairs, (1 + confidence) / 2)
    assert wider.low <= low + 1e-6
    assert wider.high >= high - 1e-6


def test_samples_that_agree_tell_as_much_as_one() -> None:
    """Audit 4: type I errors were 20 to 32% at five samples."""
    cases = [(n % 10 < 4, n % 10 < 3) for n in range(200)]
    once = difference_interval(Paired.of(cases), 0.95)
    often = difference_interval(Paired.of(cases * 5, [n % 200 for n in range(1000)]), 0.95)
    assert often == pytest.approx(once, abs=0.002)


def test_samples_that_differ_tell_more_than_one_and_less_than_as_many_positions() -> None:
    rng = np.random.default_rng(4)
    cases = [(bool(a), bool(b)) for a, b in rng.random((800, 2)) < rng.beta(1, 1, (200, 1)).repeat(4, 0)]
    together = Paired.of(cases, np.arange(200).repeat(4).tolist())
    low, high = difference_interval(together, 0.95)
    as_many = difference_interval(Paired.of(cases), 0.95)
    once = difference_interval(Paired.of(cases[::4]), 0.95)
    assert as_many.high - as_many.low < 1.1 * (high - low)
    assert high - low < 0.8 * (once.high - once.low)


def test_the_design_effect_lies_between_samples_that_agree_and_samples_that_do_not() -> None:
    cases, positions = [(n % 10 < 4, n % 10 < 3) for n in range(200)], [n % 200 for n in range(800)]
    assert Paired.of(cases).design == 1
    assert Paired.of(cases * 4, positions).design == pytest.approx(1)
    tosses = [(bool(a), bool(b)) for a, b in np.random.default_rng(4).random((800, 2)) < 0.5]
    assert Paired.of(tosses, positions).design == pytest.approx(0.25, abs=0.04)
    assert Paired.of([(True, True)] * 8, [1, 2] * 4).design == 1
    balanced = [(True, False), (False, True)] * 20
    assert Paired.of(balanced, [n // 2 for n in range(40)]).design == 0.5


def test_nothing_compared_bounds_nothing() -> None:
    assert difference_interval(Paired.of([]), 0.95) == (-1, 1)
    assert difference_interval(Paired.of([(True, False)] * 8, [1] * 8), 0.95) == (-1, 1)
