"""Several samples of one case, by counting every subset."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.statistics.samples import consistency, pass_at_k


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
