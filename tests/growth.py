"""How the cost of a function grows with its input: the measure behind "judging takes linear time".

CPU time of this process, never the clock on the wall: the ratio of two measurements says how the cost grows,
whatever the machine. Four times the input costs a linear function four times as much and a quadratic one
sixteen times; the limit lies between them, and only the best of several measurements counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

LIMIT = 7.5
"""The most that four times the input may cost: below twice what a linear function takes, half of a quadratic
one."""
LEAST_COST = 0.02
"""Seconds of CPU below which a measurement is noise, and a quadratic part may hide behind a linear one."""
MOST_SIZE = 1 << 17
"""Repetitions at which a function that is still cheaper than `LEAST_COST` counts as linear: a quadratic one
with a step of a nanosecond takes 17 seconds there."""


def cost(work: Callable[[str], object], text: str) -> float:
    """CPU seconds that `work` takes on `text`, without what the collector makes of the objects around it."""
    gc.disable()
    try:
        started = time.process_time()
        work(text)
        return time.process_time() - started
    finally:
        gc.enable()


def growth(
    work: Callable[[str], object], text: Callable[[int], str], start: int = 64, attempts: int = 8
) -> float:
    """What `work` costs on `text(4 * n)` against `text(n)`, at an `n` where the cost can be measured.

    Another attempt is made where noise may have made the ratio too large.

    :param start: the least `n`, where only a long text meets what may be quadratic.
    """
    size = start
    while size < MOST_SIZE and cost(work, text(size)) < LEAST_COST:
        size *= 2
    if size >= MOST_SIZE:
        return 1.0
    small = large = float("inf")
    for _ in range(attempts):
        small = min(small, cost(work, text(size)))
        large = min(large, cost(work, text(4 * size)))
        if large <= LIMIT * small:
            break
    return large / small
