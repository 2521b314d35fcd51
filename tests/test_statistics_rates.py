"""Exact bounds of one proportion, against statsmodels and by enumeration of every possible count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evals.statistics.clustered import rate_bounds
from evals.statistics.rates import Decision, RateBounds, interval, lower_bound, upper_bound

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.floats(0.55, 0.999)


def bounds(successes: int, n: int) -> RateBounds:
    """The bounds that a gate uses, from cases that do not belong together."""
    return rate_bounds([(1, 1)] * successes + [(0, 1)] * (n - successes), 0.95)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (7, 10), (10, 10), (312, 1000), (1, 1)])
def test_bounds_agree_with_statsmodels(successes: int, n: int) -> None:
    low, high = proportion_confint(successes, n, alpha=0.10, method="beta")
    assert lower_bound(successes, n, 0.95) == pytest.approx(low, abs=1e-9)
    assert upper_bound(successes, n, 0.95) == pytest.approx(high, abs=1e-9)
    assert interval(successes, n, 0.90) == pytest.approx((low, high), abs=1e-9)


@given(counts, confidences)
def test_bounds_enclose_the_rate_and_never_have_zero_width(count: tuple[int, int], confidence: float) -> None:
    successes, n = count
    low, high = lower_bound(successes, n, confidence), upper_bound(successes, n, confidence)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


@given(counts, confidences)
def test_bounds_are_mirror_images_and_grow_with_successes(count: tuple[int, int], confidence: float) -> None:
    successes, n = count
    low = lower_bound(successes, n, confidence)
    assert low == pytest.approx(1 - upper_bound(n - successes, n, confidence), abs=1e-12)
    if successes:
        assert lower_bound(successes - 1, n, confidence) <= low
        assert lower_bound(successes - 0.5, n, confidence) <= low
    assert lower_bound(successes, n, (1 + confidence) / 2) <= low


@pytest.mark.parametrize("n", [*range(1, 61), 100, 400])
def test_a_false_pass_or_fail_is_never_more_likely_than_five_percent(n: int) -> None:
    """Audit 5: with Wilson's bound the chance of a false PASS was 10.4% at 36 cases."""
    every = [bounds(k, n) for k in range(n + 1)]
    # The chance jumps where a bound meets the threshold, so the thresholds at the bounds are the worst.
    thresholds = np.array([*np.linspace(0.001, 0.999, 200), *(each.low for each in every[1:])])
    chances = stats.binom.pmf(np.arange(n + 1)[:, None], n, thresholds)
    for threshold, chance in zip(thresholds, chances.T, strict=True):
        for claim in (RateBounds.at_least, RateBounds.at_most):
            said = [claim(each, threshold) for each in every]
            # At the threshold either claim is true, and just beside it false: both errors are at their worst.
            for decision in (Decision.PASS, Decision.FAIL):
                assert chance[[each is decision for each in said]].sum() <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("successes", "at_least", "at_most"),
    [
        (99, Decision.PASS, Decision.FAIL),
        (92, *[Decision.INCONCLUSIVE] * 2),
        (70, Decision.FAIL, Decision.PASS),
    ],
)
def test_a_rate_is_decided_by_its_bounds(successes: int, at_least: Decision, at_most: Decision) -> None:
    assert bounds(successes, 100).at_least(0.9) is at_least
    assert bounds(successes, 100).at_most(0.9) is at_most


def test_a_bound_that_meets_the_threshold_decides() -> None:
    found = RateBounds(rate=0.5, low=0.4, high=0.6, effective=70)
    assert (found.at_least(0.4), found.at_least(0.6)) == (Decision.PASS, Decision.INCONCLUSIVE)
    assert (found.at_most(0.6), found.at_most(0.4)) == (Decision.PASS, Decision.INCONCLUSIVE)


def test_nothing_tried_bounds_nothing_and_decides_nothing() -> None:
    assert interval(0, 0, 0.95) == (0, 1)
    for share in (0.0, 0.5, 1.0):
        assert bounds(0, 0).at_least(share) is Decision.INCONCLUSIVE
        assert bounds(0, 0).at_most(share) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(("successes", "confidence"), [(-1, 0.9), (6, 0.9), (1, 1.0), (1, 0.0)])
def test_impossible_counts_are_refused(successes: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="between"):
        lower_bound(successes, 5, confidence)
