"""Two runs on the same puzzles: counts, tests and intervals, against statsmodels and published figures."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.power import NormalIndPower

from evals.statistics.paired import (
    Paired,
    decide_not_worse,
    difference_interval,
    mcnemar,
    noticeable_difference,
    noticeable_margin,
    noticeable_unpaired,
)
from evals.statistics.rates import Decision, quantile

confidences = st.floats(0.55, 0.999)
tables = st.builds(Paired, *[st.integers(0, 60)] * 4).filter(lambda pairs: pairs.n > 0)


@given(tables)
def test_mcnemar_agrees_with_statsmodels(pairs: Paired):
    table = [[pairs.both, pairs.gained], [pairs.lost, pairs.neither]]
    if pairs.discordant:
        reference: Any = reference_mcnemar(table, exact=True)
        assert mcnemar(pairs).exact == pytest.approx(reference.pvalue)
    assert mcnemar(pairs).mid_p <= mcnemar(pairs).exact


def test_the_figures_of_fagerland_lydersen_and_laake():
    """Their example of airway hyper-responsiveness (Stat. Med. 33, 2014): 1, 1, 7, 12 of 21 patients."""
    pairs = Paired(1, 1, 7, 12)
    assert mcnemar(pairs).exact == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(pairs).mid_p == pytest.approx(0.0391, abs=5e-5)
    assert difference_interval(pairs, 0.95) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(tables, confidences)
def test_tango_inverts_the_score_test(pairs: Paired, confidence: float):
    """At each end of the interval the score statistic is the quantile."""
    z = quantile((1 + confidence) / 2)
    for bound in difference_interval(pairs, confidence):
        if -1 + 1e-6 < bound < 1 - 1e-6:
            assert abs(_score(pairs, bound)) == pytest.approx(z, rel=2e-3, abs=1e-3)


def _score(pairs: Paired, difference: float) -> float:
    """Score statistic with the rate of losses that makes the counts likeliest, found without its formula."""
    same = pairs.n - pairs.discordant

    def unlikely(losses: float) -> float:
        rates = (losses + difference, losses, 1 - 2 * losses - difference)
        counts = (pairs.gained, pairs.lost, same)
        return -sum(n * math.log(max(rate, 1e-300)) for n, rate in zip(counts, rates, strict=True) if n)

    low, high = max(0.0, -difference), (1 - difference) / 2
    losses = optimize.minimize_scalar(unlikely, bounds=(low, high), options={"xatol": 1e-12}).x
    if unlikely(low) <= unlikely(losses):
        losses = low
    variance = (2 * losses + difference - difference**2) / pairs.n
    return (pairs.difference - difference) / math.sqrt(variance)


@given(tables, confidences)
def test_intervals_of_a_difference(pairs: Paired, confidence: float):
    low, high = difference_interval(pairs, confidence)
    assert -1 <= low <= pairs.difference + 1e-6
    assert pairs.difference - 1e-6 <= high <= 1
    assert low < high
    swapped = Paired(pairs.both, pairs.lost, pairs.gained, pairs.neither)
    assert difference_interval(swapped, confidence) == pytest.approx((-high, -low), abs=1e-6)
    wider = difference_interval(pairs, (1 + confidence) / 2)
    assert wider.low <= low + 1e-6
    assert wider.high >= high - 1e-6


@pytest.mark.parametrize(
    ("pairs", "decision"),
    [
        (Paired(300, 20, 18, 62), Decision.PASS),
        (Paired(20, 3, 2, 5), Decision.INCONCLUSIVE),
        (Paired(200, 5, 90, 105), Decision.FAIL),
        (Paired(0, 0, 0, 0), Decision.INCONCLUSIVE),
    ],
)
def test_not_worse_by_more_than_five_points(pairs: Paired, decision: Decision):
    assert decide_not_worse(pairs, 0.05, 0.95) is decision


def test_pairs_are_counted_candidate_first():
    pairs = [(True, False), (True, True), (False, True), (True, False), (False, False)]
    assert Paired.of(pairs) == Paired(both=1, gained=2, lost=1, neither=1)


# --- what a run could have noticed ---


@pytest.mark.parametrize(("n", "discordant"), [(100, 0.3), (400, 0.2), (2000, 0.5)])
def test_the_noticeable_difference_is_noticed_as_often_as_it_says(n: int, discordant: float):
    """By simulation: McNemar's statistic at the difference that was promised."""
    difference = noticeable_difference(n, discordant, confidence=0.95, power=0.8)
    rates = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    draws = numpy.random.default_rng(1).multinomial(n, rates, size=20_000)
    gained, lost = draws[:, 0], draws[:, 1]
    noticed = (gained - lost) / numpy.sqrt(numpy.maximum(gained + lost, 1)) > quantile(0.95)
    assert noticed.mean() == pytest.approx(0.8, abs=0.03)


def test_a_candidate_as_good_as_the_baseline_passes_the_noticeable_margin():
    n, discordant = 400, 0.2
    margin = noticeable_margin(n, discordant, confidence=0.95, power=0.8)
    rates = [discordant / 2, discordant / 2, 1 - discordant]
    draws = numpy.random.default_rng(1).multinomial(n, rates, size=500)
    passed = [
        decide_not_worse(Paired(int(same), int(gained), int(lost), 0), margin, 0.95) is Decision.PASS
        for gained, lost, same in draws
    ]
    assert numpy.mean(passed) == pytest.approx(0.8, abs=0.05)


def test_different_puzzles_need_a_larger_difference():
    unpaired = noticeable_unpaired(400, rate=0.4, confidence=0.95)
    effect = 2 * (math.asin(math.sqrt(0.4 + unpaired)) - math.asin(math.sqrt(0.4)))
    power = NormalIndPower().power(effect, 400, alpha=0.05, alternative="larger")
    assert power == pytest.approx(0.8, abs=0.01)
    assert unpaired > noticeable_difference(400, 0.2, 0.95)


@given(st.integers(10, 5000), st.floats(0.01, 1))
def test_more_pairs_notice_more(n: int, discordant: float):
    assert (
        noticeable_difference(2 * n, discordant, 0.95) <= noticeable_difference(n, discordant, 0.95) + 1e-12
    )
    assert 0 < noticeable_difference(n, discordant, 0.95) <= discordant
    assert noticeable_margin(2 * n, discordant, 0.95) <= noticeable_margin(n, discordant, 0.95)


def test_the_shipped_sets_can_notice_eight_points():
    """400 mates in one, two of ten of which go differently: 8 points at p < 0.01, as they were sized for."""
    assert noticeable_difference(400, 0.2, confidence=0.99) < 0.08
