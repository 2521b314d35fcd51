"""Several gates at once: when one of them may fail, and how likely all of them pass.

A run is promoted where every gate passes, so a PASS needs no correction: a false one does not promote alone.
But one false FAIL stops a good candidate, and six gates whose claims are just true give one in 26% of runs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from math import prod
from typing import NamedTuple, TypeVar

from evals.statistics.rates import Decision

Name = TypeVar("Name", bound=Hashable)


class Decided(NamedTuple):
    """What one gate says by itself, and how likely so bad evidence is where its claim is true."""

    decision: Decision
    p_fail: float
    confidence: float


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Adjusted p-values of several claims made at once (Holm, Scand. J. Stat. 6, 1979), in the order given.

    Each may be compared with the error rate as if it stood alone: the chance of even one false rejection
    among all of them then stays within that rate, however the claims depend on each other.
    """
    adjusted: dict[Name, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def hold_failures(gates: Mapping[Name, Decided]) -> dict[Name, Decision]:
    """The gates' decisions; a FAIL that does not stand up to their number is INCONCLUSIVE (Holm's method)."""
    adjusted = holm({name: gate.p_fail for name, gate in gates.items()})
    return {
        name: Decision.INCONCLUSIVE
        if gate.decision is Decision.FAIL and adjusted[name] > 1 - gate.confidence
        else gate.decision
        for name, gate in gates.items()
    }


class JointPower(NamedTuple):
    """The chance that every gate passes."""

    at_least: float
    """However the gates depend on each other (Bonferroni's inequality)."""
    independent: float
    """If they do not; gates on the same answers tend to pass together, which makes it higher."""


def joint_power(powers: Iterable[float]) -> JointPower:
    """The power of all gates together, from the power of each."""
    each = list(powers)
    return JointPower(max(0.0, 1 - sum(1 - power for power in each)), prod(each))
