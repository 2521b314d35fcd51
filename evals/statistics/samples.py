"""Several samples of one case: how often one of k would do, and how often two agree. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence


def pass_at_k(samples: int, solved: int, k: int) -> float:
    """The chance that at least one of k samples solves the case, without bias, from at least k samples.

    1 - C(samples - solved, k) / C(samples, k): Chen et al., "Evaluating Large Language Models Trained on
    Code", arXiv:2107.03374.

    :raises ValueError: `k` is not in 1..samples, or `solved` not in 0..samples.
    """
    if not 0 <= solved <= samples:
        raise ValueError(f"solved lies between 0 and the number of samples, {samples}, got {solved!r}")
    if not 1 <= k <= samples:
        raise ValueError(f"k lies between 1 and the number of samples, {samples}, got {k!r}")
    return 1 - math.comb(samples - solved, k) / math.comb(samples, k)


def consistency(answers: Sequence[Hashable]) -> float:
    """The chance that two samples of one case, drawn without replacement, give the same answer; in [0, 1].

    1 minus Simpson's index of diversity (Nature 163:688, 1949), in its unbiased form.

    :raises ValueError: fewer than two answers.
    """
    n = len(answers)
    if n < 2:
        raise ValueError(f"consistency needs two answers, got {n}")
    return sum(count * (count - 1) for count in Counter(answers).values()) / (n * (n - 1))
