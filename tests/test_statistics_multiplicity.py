"""Several claims at once, against statsmodels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evals.statistics.multiplicity import holm


@settings(max_examples=10)  # statsmodels takes 0.1 s for each
@given(st.dictionaries(st.integers(), st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: dict[int, float]):
    expected: Any = multipletests(list(p_values.values()), method="holm")[1]
    assert list(holm(p_values).values()) == pytest.approx(list(expected))
    assert list(holm(p_values)) == list(p_values)
