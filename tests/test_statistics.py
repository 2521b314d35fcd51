"""The statistics, against statsmodels, scipy, published figures, and what must hold for any counts."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy
import pytest
import statsmodels.api
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint

from evals.statistics.paired import (
    Paired,
    decide_not_worse,
    difference_interval,
    mcnemar,
    noticeable_difference,
    noticeable_margin,
    noticeable_unpaired,
)
from evals.statistics.rates import (
    BoundMethod,
    Decision,
    clustered_error,
    consistency,
    decide_rate,
    holm,
    interval,
    lower_bound,
    pass_at_k,
    quantile,
    upper_bound,
)
from evals.statistics.strength import SCALE, performance

METHODS: tuple[BoundMethod, ...] = ("wilson", "exact")

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.floats(0.55, 0.999)
tables = st.builds(Paired, *[st.integers(0, 60)] * 4).filter(lambda pairs: pairs.n > 0)


# --- one proportion ---


@pytest.mark.parametrize(("method", "name"), [("wilson", "wilson"), ("exact", "beta")])
@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (7, 10), (10, 10), (312, 1000), (1, 1)])
def test_bounds_agree_with_statsmodels(method: BoundMethod, name: str, successes: int, n: int):
    low, high = proportion_confint(successes, n, alpha=0.10, method=name)
    assert lower_bound(successes, n, 0.95, method) == pytest.approx(low, abs=1e-9)
    assert upper_bound(successes, n, 0.95, method) == pytest.approx(high, abs=1e-9)
    assert interval(successes, n, 0.90, method) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(counts, confidences)
def test_bounds_enclose_the_rate_and_never_have_zero_width(
    method: BoundMethod, count: tuple[int, int], confidence: float
):
    successes, n = count
    low, high = lower_bound(successes, n, confidence, method), upper_bound(successes, n, confidence, method)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@pytest.mark.parametrize("method", METHODS)
@given(counts, confidences)
def test_bounds_are_mirror_images_and_grow_with_successes(
    method: BoundMethod, count: tuple[int, int], confidence: float
):
    successes, n = count
    low = lower_bound(successes, n, confidence, method)
    assert low == pytest.approx(1 - upper_bound(n - successes, n, confidence, method), abs=1e-12)
    if successes:
        assert lower_bound(successes - 1, n, confidence, method) <= low
    assert lower_bound(successes, n, (1 + confidence) / 2, method) <= low


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_exact_bound_holds_as_often_as_it_says(n: int, truth: float):
    wrong = [k for k in range(n + 1) if lower_bound(k, n, 0.95, "exact") > truth]
    assert stats.binom.pmf(wrong, n, truth).sum() <= 0.05 + 1e-9


def test_nothing_tried_bounds_nothing():
    assert interval(0, 0, 0.95) == (0, 1)
    assert decide_rate(0, 0, 0.5, 0.95) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("successes", "decision"), [(99, Decision.PASS), (92, Decision.INCONCLUSIVE), (70, Decision.FAIL)]
)
def test_a_rate_is_decided_by_its_bounds(successes: int, decision: Decision):
    assert decide_rate(successes, 100, 0.9, 0.95) is decision


@pytest.mark.parametrize(("successes", "confidence"), [(-1, 0.9), (6, 0.9), (1, 1.0), (1, 0.0)])
def test_impossible_counts_are_refused(successes: int, confidence: float):
    with pytest.raises(ValueError, match="between"):
        lower_bound(successes, 5, confidence)


@given(st.lists(st.integers(1, 5).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2))
def test_the_clustered_error_agrees_with_statsmodels(clusters: list[tuple[int, int]]):
    outcomes = [[1] * successes + [0] * (cases - successes) for successes, cases in clusters]
    flat = list(itertools.chain(*outcomes))
    groups = [index for index, cluster in enumerate(outcomes) for _ in cluster]
    model = statsmodels.api.OLS(flat, numpy.ones(len(flat)))
    fit: Any = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert clustered_error(clusters) == pytest.approx(fit.bse[0], abs=1e-9)


# --- pairs ---


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
    assert difference_interval(pairs, 0.95, "tango") == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert difference_interval(pairs, 0.95, "newcombe") == pytest.approx((-0.507, -0.026), abs=5e-4)


def test_the_figures_of_newcombe():
    """The first example of Newcombe, Stat. Med. 17, 1998: 36, 12, 2, 0 of 50; method 10."""
    pairs = Paired(36, 12, 2, 0)
    assert difference_interval(pairs, 0.95, "newcombe") == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(tables, confidences)
def test_tango_inverts_the_score_test(pairs: Paired, confidence: float):
    """At each end of the interval the score statistic is the quantile."""
    z = quantile((1 + confidence) / 2)
    for bound in difference_interval(pairs, confidence, "tango"):
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


@pytest.mark.parametrize("method", ["tango", "newcombe", "exact"])
@given(tables, confidences)
def test_intervals_of_a_difference(method: Any, pairs: Paired, confidence: float):
    low, high = difference_interval(pairs, confidence, method)
    assert -1 <= low <= pairs.difference + 1e-6
    assert pairs.difference - 1e-6 <= high <= 1
    assert low < high
    swapped = Paired(pairs.both, pairs.lost, pairs.gained, pairs.neither)
    assert difference_interval(swapped, confidence, method) == pytest.approx((-high, -low), abs=1e-6)
    wider = difference_interval(pairs, (1 + confidence) / 2, method)
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


@settings(max_examples=10)  # statsmodels takes 0.1 s for each
@given(st.dictionaries(st.integers(), st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: dict[int, float]):
    expected: Any = multipletests(list(p_values.values()), method="holm")[1]
    assert list(holm(p_values).values()) == pytest.approx(list(expected))
    assert list(holm(p_values)) == list(p_values)


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


# --- strength ---


def test_half_solved_against_equals_is_their_rating():
    strength = performance([(1500, True), (1500, False)] * 50)
    assert strength.rating == pytest.approx(1500)
    assert 1500 - strength.low == pytest.approx(strength.high - 1500)
    assert 50 < strength.high - 1500 < 100


def test_three_of_four_against_equals_is_191_points_more():
    assert performance([(1200, True)] * 75 + [(1200, False)] * 25).rating == pytest.approx(1390.85, abs=0.01)


@given(
    st.lists(st.tuples(st.integers(400, 3000), st.booleans()), min_size=2, max_size=60).filter(
        lambda results: len({solved for _, solved in results}) == 2
    ),
    st.randoms(),
)
def test_performance_agrees_with_logistic_regression(results: list[tuple[int, bool]], random: Any):
    strength = performance(results)
    expected = sum(1 / (1 + 10 ** ((rating - strength.rating) / 400)) for rating, _ in results)
    assert expected == pytest.approx(sum(solved for _, solved in results), abs=1e-6)
    assert strength.low < strength.rating < strength.high

    def log_likelihood(level: float) -> float:
        gaps = ((rating - level) / SCALE * (1 if solved else -1) for rating, solved in results)
        return -sum(math.log1p(math.exp(gap)) for gap in gaps)

    for end in strength[1:]:
        drop = 2 * (log_likelihood(strength.rating) - log_likelihood(end))
        assert stats.chi2.sf(drop, 1) == pytest.approx(0.05, abs=1e-6)
    random.shuffle(results)
    assert performance(results) == pytest.approx(strength)


@pytest.mark.parametrize("n", [1, 10, 200])
def test_all_or_none_solved_bounds_one_side(n: int):
    best, worst = performance([(1500, True)] * n), performance([(1500, False)] * n)
    assert best.rating == best.high == math.inf
    assert worst.rating == worst.low == -math.inf
    assert 1500 - best.low == pytest.approx(worst.high - 1500)
    chance = 1 / (1 + 10 ** ((1500 - best.low) / 400))
    assert chance**n == pytest.approx(0.025)


def test_no_result_has_no_strength():
    with pytest.raises(ValueError, match="at least one"):
        performance([])


# --- samples ---


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_solved_sample(case: tuple[int, int, int]):
    n, solved, k = case
    subsets = list(itertools.combinations([True] * solved + [False] * (n - solved), k))
    assert pass_at_k(n, solved, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12))
def test_consistency_is_the_share_of_equal_pairs(answers: list[str]):
    pairs = list(itertools.combinations(answers, 2))
    assert consistency(answers) == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="between 1 and"):
        pass_at_k(3, 1, 4)
    with pytest.raises(ValueError, match="two answers"):
        consistency(["a"])
