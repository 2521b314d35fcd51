"""Gates that hold the candidate against a baseline, on the same cases; and alarms over slices of them.

What cannot be compared (other puzzles, asking, sampling or grading; half of a run; a baseline that went
stale) is inconclusive with the reason, never a PASS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evals.puzzles.draw import band
from evals.puzzles.puzzle import UNRATED
from evals.results.gates_file import Gate
from evals.statistics.paired import Paired, difference_interval
from evals.statistics.power import cases_needed, guess_not_worse, power_better
from evals.statistics.rates import Decision, quantile
from evals.statistics.relative import Judgement, decide_better, decide_not_worse
from evals.statistics.slices import Slice, find_worse
from evals.words import Record
from serve.printable import printable

GAIN = 0.05
"""The gain for which `better` is planned: what the shipped sets can show."""
HOW = (
    "give one with --baseline NAME (a run that --bless stored, a file or a run's folder) or "
    "--baseline-model ID (asked on the same server)"
)
Pairs = Sequence[tuple[Record, Record]]
"""The candidate's record and the baseline's of each case."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline as gates read it."""

    name: str
    records: Mapping[str, Record]
    unfit: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why the cases of a task cannot be compared, by task; under "" why none can."""

    def why_unfit(self, task: str) -> str | None:
        """Why the cases of this task cannot be compared; None where they can."""
        return self.unfit.get("") or self.unfit.get(task)

    def pairs(self, records: Sequence[Record], looks_at: Callable[[Record], bool]) -> Pairs:
        """The chosen cases of the candidate, each with the baseline's."""
        return [(each, self.records[each.case]) for each in records if looks_at(each)]


class Judged(NamedTuple):
    """What a gate found: its verdict, in words, and how likely so bad evidence is where the claim is true."""

    verdict: Decision
    sentence: str
    p_fail: float | None = None
    seen: int = 0
    """How many cases the candidate got right."""
    cases: int = 0


def judge_against(gate: Gate, baselines: Sequence[Baseline], records: Sequence[Record]) -> Judged:
    """Judge a gate on the candidate's cases, all of them answered, against the baseline that it names."""
    baseline = choose(gate, baselines)
    if baseline is None:
        which = f"no baseline called '{printable(gate.baseline, 80)}'" if gate.baseline else "no baseline"
        return Judged(Decision.INCONCLUSIVE, f"{gate.name}: this session has {which}: {HOW}")
    title = f"{gate.name}: {gate.task} {gate.rate} must be {claim_of(gate, baseline.name)}"
    if (why := baseline.why_unfit(gate.task)) is not None:
        return Judged(Decision.INCONCLUSIVE, f"{title}; they cannot be compared: {why}")
    both = baseline.pairs(records, gate.looks_at)
    if not both:
        return Judged(Decision.INCONCLUSIVE, f"{title}; no case to look at")
    pairs = _paired(both, gate.has, gate.has)
    judged = decide(gate, pairs)
    sentence = f"{title}; {_seen(pairs, gate.confidence)}, {_strength(judged, gate.confidence)}"
    # Where a check says nothing about a case, the verdict has to be the same whatever it might have said.
    others = {
        decide(gate, _paired(both, ours, theirs)).decision
        for ours, theirs in ((gate.has, gate.may_have), (gate.may_have, gate.has))
    }
    verdict = judged.decision
    if verdict is not Decision.INCONCLUSIVE and others != {verdict}:
        verdict = Decision.INCONCLUSIVE
        sentence += "; the check says nothing about too many of them"
    elif verdict is Decision.INCONCLUSIVE:
        needed = needed_for(gate, pairs.discordance, pairs.design)
        if needed is not None and needed > pairs.n:
            what = "do, were it as good" if gate.better is None else f"show a gain of {100 * GAIN:g} points"
            sentence += f"; about {needed:,} puzzles would {what} ({pairs.discordance:.0%} went differently)"
    return Judged(verdict, sentence, judged.p_fail, pairs.both + pairs.gained, pairs.cases)


def choose(gate: Gate, baselines: Sequence[Baseline]) -> Baseline | None:
    """The baseline that a gate names, or the first; None where there is no such one."""
    return next((each for each in baselines if gate.baseline in (None, each.name)), None)


def claim_of(gate: Gate, baseline: str) -> str:
    """What a gate claims, in words."""
    name = printable(baseline, 80)
    if gate.not_worse_than is None:
        return f"better than that of {name}"
    return f"not worse than that of {name} by {100 * gate.not_worse_than:g} points"


def decide(gate: Gate, pairs: Paired) -> Judgement:
    """What the pairs say about the gate's claim."""
    if gate.not_worse_than is None:
        return decide_better(pairs, gate.confidence)
    return decide_not_worse(pairs, gate.not_worse_than, gate.confidence)


def needed_for(gate: Gate, discordance: float, design: float = 1.0) -> int | None:
    """About how many positions show the claim in four of five runs; None where no number would.

    For `not_worse_than` of a candidate as good as the baseline, for `better` of one that gains `GAIN`.

    :param design: see `Paired.design`.
    """
    if gate.not_worse_than is None:
        share = max(discordance, GAIN)
        single = cases_needed(lambda n: power_better(n, GAIN, share, gate.confidence), 500)
    else:
        margin = gate.not_worse_than
        # Without any flip at all Tango's statistic at the margin is sqrt(n * margin / (1 - margin)).
        least = quantile(gate.confidence) ** 2 * (1 - margin) / margin
        single = max(guess_not_worse(margin, discordance, gate.confidence), math.ceil(least))
    return None if single is None else math.ceil(single * design)


def judge_slices(baseline: Baseline, records: Sequence[Record]) -> Judged:
    """Look for sets, themes and rating bands that are shown to be solved worse, over all of them jointly.

    An alarm: FAIL where one is shown to be worse, else PASS, with what could have been noticed.
    """
    tasks = {record.task for record in records}
    fit = {task for task in tasks if baseline.why_unfit(task) is None}
    if not fit:
        why = next(
            (why for task in sorted(tasks) if (why := baseline.why_unfit(task))), "no case was answered"
        )
        return Judged(Decision.INCONCLUSIVE, f"slices: they cannot be compared: {why}")
    found = slices_of(baseline.pairs(records, lambda record: record.task in fit))
    against = f"against {printable(baseline.name, 80)}"
    worse = {name: each for name, each in found.items() if each.worse}
    if worse:
        shown = "; ".join(
            f"{printable(name, 80)} {points(each.difference)} on {each.positions} (p = {each.p:.2g})"
            for name, each in sorted(worse.items(), key=lambda item: item[1].p)
        )
        return Judged(
            Decision.FAIL, f"slices: {len(worse)} of {len(found)} shown to be worse {against}: {shown}"
        )
    name, lowest = min(found.items(), key=lambda item: item[1].difference)
    drops = sorted({f"{100 * each.noticeable:.0f}" for each in found.values()}, key=int)
    return Judged(
        Decision.PASS,
        f"slices: none of {len(found)} shown to be worse {against}; could have noticed drops of "
        f"{' to '.join(drops[:: max(1, len(drops) - 1)])} points; "
        f"the lowest is {printable(name, 80)} {points(lowest.difference)}",
    )


def slices_of(both: Pairs, error: float = 0.05) -> dict[str, Slice]:
    """Every set, theme and rating band of each task, and whether it is shown to be worse.

    The unit is a task's position. A position that two tasks ask counts as two; that makes the joint p-values
    larger than they need be, never smaller.
    """
    units: dict[tuple[str, str], int] = {}
    sums: list[list[int]] = []
    members: dict[str, set[int]] = {}
    for ours, theirs in both:
        unit = units.setdefault((ours.task, ours.position), len(units))
        if unit == len(sums):
            sums.append([])
        sums[unit].append(ours.solved - theirs.solved)
        for name in slice_names(ours):
            members.setdefault(f"{ours.task} {name}", set()).add(unit)
    return find_worse([sum(each) / len(each) for each in sums], members, error)


def slice_names(record: Record) -> list[str]:
    """The slices that a case belongs to."""
    rating = "rating unknown" if record.rating == UNRATED else f"rating {band(record.rating)}"
    own = [f"skill {record.variant}"] if record.variant else []
    return [
        f"set {record.set}",
        rating,
        *own,
        *(f"theme {t}" for t in record.themes),
    ]


def discordance_by_task(baseline: Baseline, records: Sequence[Record]) -> dict[str, float]:
    """The share of each task's cases that went differently for the candidate: what the next plan starts from.

    Tasks that cannot be compared are left out.
    """
    tasks = {record.task for record in records if baseline.why_unfit(record.task) is None}
    return {
        task: _paired(
            baseline.pairs(records, lambda record, task=task: record.task == task), _solved, _solved
        ).discordance
        for task in sorted(tasks)
    }


def points(difference: float) -> str:
    """A difference in percentage points, as `-2.0 points`."""
    return f"{100 * difference:+.1f} points"


def _solved(record: Record) -> bool:
    return record.solved


def _paired(both: Pairs, ours: Callable[[Record], bool], theirs: Callable[[Record], bool]) -> Paired:
    return Paired.of([(ours(one), theirs(other)) for one, other in both], [one.position for one, _ in both])


def _seen(pairs: Paired, confidence: float) -> str:
    low, high = difference_interval(pairs, 2 * confidence - 1)
    rates = (pairs.both + pairs.gained) / pairs.cases, (pairs.both + pairs.lost) / pairs.cases
    on = f"{pairs.cases} cases" + ("" if pairs.single else f" on {pairs.n} positions")
    return (
        f"seen {rates[0]:.1%} against {rates[1]:.1%}, {points(pairs.difference)} "
        f"({100 * low:+.1f} to {100 * high:+.1f}; {pairs.gained} gained, {pairs.lost} lost of {on})"
    )


def _strength(judged: Judgement, confidence: float) -> str:
    p = judged.p_fail if judged.decision is Decision.FAIL else judged.p_pass
    shown = {
        Decision.PASS: "shown",
        Decision.FAIL: "shown to be false",
        Decision.INCONCLUSIVE: "not shown",
    }[judged.decision]
    return f"{shown} at {100 * confidence:g}% confidence (p = {p:.2g})"
