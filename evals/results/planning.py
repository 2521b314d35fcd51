"""What the gates of a session can decide, before anything is spent: exact power with the planned puzzles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evals.results.gates import NO_ANSWER, Planned
from evals.results.gates_file import Gate
from evals.results.relative_gates import GAIN, HOW, needed_for
from evals.results.stored_run import StoredRun, mapping_of
from evals.statistics.multiplicity import joint_power
from evals.statistics.power import (
    WANTED,
    expected_discordance,
    power_at_least,
    power_at_most,
    power_better,
    power_not_worse,
)
from evals.words import Record
from serve.printable import printable

UNKNOWN = 0.5
"""The rate that is planned with where nothing is known of the baseline: two models differ most there."""


class Rival(NamedTuple):
    """A baseline as it is known before the first case."""

    name: str
    run: StoredRun | None
    """None where it is going to be asked in this session."""


class Discordances(NamedTuple):
    """Which share of the pairs may go differently."""

    last: float | None
    """In the baseline's own comparison with its predecessor."""
    independent: float
    """2p(1 - p)."""
    rate: float | None
    """p: the share of the baseline's cases that have the gate's property."""

    @property
    def likely(self) -> float:
        """The one to plan with."""
        return self.independent if self.last is None else self.last


def plan_lines(gates: Sequence[Gate], planned: Planned, rivals: Sequence[Rival]) -> list[str]:
    """A line for each gate against a baseline, and one for all gates together; none where there is none."""
    if not any(gate.relative for gate in gates):
        return []
    records = [Record.of(case, NO_ANSWER) for case in planned.cases if not case.puzzle.seen]
    lines: list[str] = []
    powers: list[float] = []
    for gate in gates:
        if gate.task not in planned.tasks:
            continue
        n = len({record.position for record in records if gate.looks_at(record)})
        rival = next((each for each in rivals if gate.baseline in (None, each.name)), None)
        if not gate.relative:
            rate = rate_of(gate, rivals[0].run) if rivals else None
            if rate is not None:
                powers.append(_absolute_power(gate, n, rate))
        elif rival is None:
            which = f" called '{printable(gate.baseline, 80)}'" if gate.baseline else ""
            lines.append(f"{gate.name}: no baseline{which}, so this gate cannot be decided: {HOW}")
        elif n:
            found = discordances(gate, rival.run)
            powers.append(power_of(gate, n, found.likely))
            lines.append(_line(gate, n, rival.name, found))
    if len(powers) > 1:
        joint = joint_power(powers)
        lines.append(
            f"all {len(powers)} gates together: power at least {joint.at_least:.0%} "
            f"({joint.independent:.0%} if they were independent)"
        )
    return lines


def power_of(gate: Gate, n: int, discordance: float) -> float:
    """The chance that a gate against a baseline passes n positions.

    For `not_worse_than` with a candidate as good as the baseline, for `better` with one that gains `GAIN`.
    """
    if gate.not_worse_than is None:
        return power_better(n, GAIN, max(discordance, GAIN), gate.confidence)
    return power_not_worse(n, gate.not_worse_than, discordance, gate.confidence)


def rate_of(gate: Gate, run: StoredRun | None) -> float | None:
    """The share of a stored baseline's cases that have the gate's property; None without any."""
    cases = [gate.has(each) for each in run.records.values() if gate.looks_at(each)] if run else []
    return sum(cases) / len(cases) if cases else None


def discordances(gate: Gate, run: StoredRun | None) -> Discordances:
    """What is known of the discordance that a gate's pairs will have."""
    rate = rate_of(gate, run)
    last = mapping_of(run.manifest.get("compared")).get(gate.task) if run else None
    usable = isinstance(last, float) and 0 <= last <= 1 and gate.rate == "solved"
    return Discordances(
        last if usable else None, expected_discordance(UNKNOWN if rate is None else rate), rate
    )


def _absolute_power(gate: Gate, n: int, rate: float) -> float:
    if gate.at_most is not None:
        return power_at_most(n, rate, gate.at_most, gate.confidence)
    assert gate.at_least is not None
    return power_at_least(n, rate, gate.at_least, gate.confidence)


def _line(gate: Gate, n: int, baseline: str, found: Discordances) -> str:
    effect = (
        f"a gain of {100 * GAIN:g} points"
        if gate.not_worse_than is None
        else f"not worse by {100 * gate.not_worse_than:g} points"
    )
    whose = f"2p(1-p) of a rate of {UNKNOWN:.0%}, as nothing is known yet"
    if found.rate is not None:
        whose = f"2p(1-p) of {printable(baseline, 80)}'s {found.rate:.1%}"
    power = f"{power_of(gate, n, found.independent):.0%} if {found.independent:.2f} go differently ({whose})"
    if found.last is not None:
        power = (
            f"{power_of(gate, n, found.last):.0%} if {found.last:.2f} go differently (as last time), {power}"
        )
    line = f"{gate.name}: power to show {effect} on {n} positions: {power}"
    if power_of(gate, n, found.likely) >= WANTED:
        return line
    needed = needed_for(gate, found.likely)
    return line if needed is None else f"{line}; about {needed:,} puzzles would have {WANTED:.0%}"
