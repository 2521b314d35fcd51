"""Gates on two models: is the candidate better, is it not worse by more than a margin, is the baseline stale.

Every answer comes with both p-values, because failures of several gates are corrected for their number
(`multiplicity`) and looks at a run that goes on are held to stricter levels (`sequential`).
"""

from __future__ import annotations

from dataclasses import dataclass

from evals.statistics.paired import Paired, mcnemar, score
from evals.statistics.rates import Decision, check_confidence
from evals.statistics.unconditional import p_value

STALE = 0.01
"""Flips between two runs of one adapter that are less likely than this are no chance."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says about a claim on two models."""

    decision: Decision
    p_pass: float
    """How likely evidence so good is where the claim is false; small where it is shown to be true."""
    p_fail: float
    """How likely evidence so bad is where the claim is true; small where it is shown to be false."""


def decide_better(pairs: Paired, confidence: float) -> Judgement:
    """Is the candidate better than the baseline?

    PASS by McNemar's exact test, one-sided. FAIL where the upper bound of the difference is below 0, by
    Tango's score statistic, whose distribution is exact for up to 2,000 positions. Where positions have
    several cases both are by the score statistic of d.

    :param confidence: one-sided; one error in 1 - confidence, either way.
    :raises ValueError: `confidence` is not in (0, 1).
    """
    better = mcnemar(pairs).better if pairs.single else _p_above(pairs, 0.0)
    return _judged(better, _p_above(pairs.swapped(), 0.0), confidence)


def decide_not_worse(pairs: Paired, margin: float, confidence: float) -> Judgement:
    """Is the candidate not worse than the baseline by `margin` or more? Non-inferiority, one-sided.

    By Tango's score statistic at -margin (Stat. Med. 17, 1998): PASS where it shows the difference above
    -margin, FAIL where it shows it below. Its distribution is exact for up to 2,000 positions.

    :param margin: in (0, 1), for example 0.05 for five points.
    :param confidence: one-sided; one error in 1 - confidence, either way.
    :raises ValueError: `margin` or `confidence` is not in (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"a margin lies between 0 and 1, got {margin!r}")
    return _judged(_p_above(pairs, -margin), _p_above(pairs.swapped(), margin), confidence)


def stale(again: Paired) -> bool:
    """Did the baseline's adapter, asked again, answer differently by more than chance?

    Gains and losses that balance are the server's own noise, which every comparison's discordance contains
    already.

    :param again: the new answers as the candidate, the stored ones as the baseline.
    """
    return two_sided(again) < STALE


def two_sided(pairs: Paired) -> float:
    """The p-value of "the two are equally good": McNemar's exact test.

    By the score statistic where positions have several cases.
    """
    if pairs.single:
        return mcnemar(pairs).exact
    return min(1.0, 2 * _p_above(pairs, 0.0), 2 * _p_above(pairs.swapped(), 0.0))


def _p_above(pairs: Paired, difference: float) -> float:
    """The p-value of "the true difference is at most `difference`"."""
    return p_value(pairs.n, difference, score(pairs, difference)) if pairs.n else 1.0


def _judged(p_pass: float, p_fail: float, confidence: float) -> Judgement:
    check_confidence(confidence)
    error = 1 - confidence
    if p_pass <= error:
        return Judgement(Decision.PASS, p_pass, p_fail)
    return Judgement(Decision.FAIL if p_fail <= error else Decision.INCONCLUSIVE, p_pass, p_fail)
