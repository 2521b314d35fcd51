"""Better, not worse, stale: how often the decision is wrong, over every table and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evals.statistics.paired import Paired, score
from evals.statistics.power import power_better
from evals.statistics.rates import Decision
from evals.statistics.relative import decide_better, decide_not_worse, stale
from evals.statistics.score import tango
from evals.statistics.unconditional import chance, critical_value, first_gains, p_value
from tests.simulation import KINDS, discordances, paired_values, relative_errors

pytestmark = pytest.mark.slow  # enumerates all tables of many designs

table = Paired.table


@pytest.mark.parametrize(
    ("pairs", "decision"),
    [
        (table(300, 20, 18, 62), Decision.PASS),
        (table(20, 3, 2, 5), Decision.INCONCLUSIVE),
        (table(200, 5, 90, 105), Decision.FAIL),
        (table(120, 30, 35, 15), Decision.INCONCLUSIVE),
        (table(0, 0, 0, 0), Decision.INCONCLUSIVE),
        (table(30, 0, 0, 0), Decision.INCONCLUSIVE),
        (table(60, 0, 0, 0), Decision.PASS),
    ],
)
def test_not_worse_by_more_than_five_points(pairs: Paired, decision: Decision) -> None:
    assert decide_not_worse(pairs, 0.05, 0.95).decision is decision


@pytest.mark.parametrize(
    ("pairs", "decision"),
    [
        (table(100, 5, 0, 95), Decision.PASS),
        (table(100, 4, 0, 96), Decision.INCONCLUSIVE),
        (table(100, 40, 30, 30), Decision.INCONCLUSIVE),
        (table(100, 10, 40, 50), Decision.FAIL),
        (table(100, 0, 0, 0), Decision.INCONCLUSIVE),
        (table(0, 0, 0, 0), Decision.INCONCLUSIVE),
    ],
)
def test_better_than_the_baseline(pairs: Paired, decision: Decision) -> None:
    assert decide_better(pairs, 0.95).decision is decision


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.05, 5.0])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="a margin lies between 0 and 1"):
        decide_not_worse(table(10, 0, 0, 0), margin, 0.95)


@pytest.mark.parametrize("difference", [-0.1, -0.05, -0.03, 0.0, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("n", [30, 47, 100, 333, 1000])
def test_the_score_errs_in_at_most_five_percent_at_discordances(n: int, difference: float) -> None:
    """Difference -m is a false PASS of `not_worse_than`, +m a false FAIL, 0 a false FAIL of `better`."""
    first = first_gains(n, difference, critical_value(n, difference, 0.95))
    assert chance(first, *discordances(difference)).max() <= 0.0505


def test_the_normal_quantile_is_left_to_many_pairs_because_it_errs_on_few() -> None:
    assert chance(first_gains(1000, 0.03, 1.645), *discordances(0.03)).max() > 0.06
    assert chance(first_gains(2001, -0.03, 1.645), *discordances(-0.03)).max() < 0.051


@pytest.mark.parametrize("n", [7, 40])
def test_the_chance_of_a_table_agrees_with_summing_all_of_them(n: int) -> None:
    first = first_gains(n, -0.05, 1.2)
    tables = [(g, lost, n - g - lost) for lost in range(n + 1) for g in range(first[lost], n + 1 - lost)]
    expected = sum(stats.multinomial.pmf(each, n, [0.1, 0.2, 0.7]) for each in tables)
    assert chance(first, np.array([0.1]), np.array([0.2]))[0] == pytest.approx(expected, abs=1e-12)


@given(st.integers(2, 60), st.floats(-0.5, 0.5), st.data())
def test_a_gain_never_lowers_the_score_and_a_loss_never_raises_it(
    n: int, difference: float, data: st.DataObject
) -> None:
    """What `first_gains` builds on (Barnard's convexity)."""
    gained = data.draw(st.integers(0, n - 1))
    lost = data.draw(st.integers(0, n - 1 - gained))
    here, more, worse = (
        tango(g, loss, n, difference) for g, loss in ((gained, lost), (gained + 1, lost), (gained, lost + 1))
    )
    assert worse <= here + 1e-9
    assert here <= more + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 120), st.sampled_from([-0.1, -0.05, 0.0, 0.05]), st.data())
def test_the_p_value_and_the_critical_value_say_the_same(
    n: int, difference: float, data: st.DataObject
) -> None:
    gained = data.draw(st.integers(0, n))
    lost = data.draw(st.integers(0, n - gained))
    found = score(table(n - gained - lost, gained, lost, 0), difference)
    critical = critical_value(n, difference, 0.95)
    if abs(found - critical) > 1e-5:
        assert (p_value(n, difference, found) <= 0.05) == (found > critical)


@pytest.mark.parametrize("n", [10, 30, 100, 1000])
def test_mcnemars_test_passes_an_equal_candidate_at_most_once_in_twenty(n: int) -> None:
    for discordance in np.linspace(0.01, 1, 60):
        assert power_better(n, 0.0, float(discordance), 0.95) <= 0.05 + 1e-12


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("positions", "samples"), [(50, 8), (200, 4)])
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_several_cases_of_a_position_are_decided_wrongly_at_most_five_and_a_half_times_in_a_hundred(
    kind: str, positions: int, samples: int, margin: float
) -> None:
    """Audit 4: a design effect from the spread seen errs in 8% where a few positions are lost altogether.

    2,000 runs: the measured share has a standard error of 0.5 points; two of them are allowed for.
    """
    draw = paired_values(np.random.default_rng(4), kind, 2_000, positions, samples, margin)
    assert max(relative_errors(draw, margin)) <= 0.055 + 0.010


def test_flips_that_balance_are_no_drift_and_flips_one_way_are() -> None:
    assert not stale(table(50, 20, 20, 10))
    assert not stale(table(50, 1, 8, 41))
    assert stale(table(50, 0, 8, 42))
    assert stale(table(50, 8, 0, 42))
    assert not stale(table(0, 0, 0, 0))


def test_samples_of_a_few_positions_are_no_drift() -> None:
    few = Paired.of([(False, True)] * 24 + [(True, True)] * 76, [n // 8 for n in range(100)])
    assert not stale(few)
    # One-sided this one would be below 1%.
    cases = [(False, True)] * 33 + [(True, False)] * 10 + [(True, True)] * 57
    near = Paired.of(cases, [n // 2 for n in range(100)])
    assert 0.005 < decide_better(near, 0.95).p_fail < 0.01
    assert not stale(near)
    assert stale(Paired.of([(False, True)] * 30 + [(True, True)] * 70, [n // 2 for n in range(100)]))
