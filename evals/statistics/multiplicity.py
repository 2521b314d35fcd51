"""Several claims made at once: what each p-value is worth then. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


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
