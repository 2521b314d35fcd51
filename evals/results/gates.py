"""Gates: statements about a run that pass, fail, or are inconclusive.

A gate on a rate passes when the rate's confidence bounds are on the right side of its threshold, fails
when they are on the wrong side, and is inconclusive where the threshold lies between them. Cases of one
position (samples, mirrored copies, board skills) are weighed together (`evals.statistics.clustered`).

Gates against a baseline are in `relative_gates`. Where several gates are judged at once, a FAIL has to stand
up to their number (Holm's method); a PASS needs no correction, because only all of them promote.

Positions that the model was trained on are evidence for none of them.

A run that is not complete passes nothing, and fails only what the missing cases could not turn. A gate whose
task was not asked is inconclusive. So a run that judged no gate never promotes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from evals.results.gates_file import Gate, GatesFile
from evals.results.relative_gates import Baseline, Judged, judge_against, judge_slices
from evals.statistics.clustered import p_above, p_below, rate_bounds
from evals.statistics.multiplicity import Decided, hold_failures
from evals.statistics.rates import Decision, RateBounds, lower_bound, upper_bound
from evals.words import Case, Outcome, Record, Verdict
from serve.printable import printable


@dataclass(frozen=True, slots=True)
class Planned:
    """What a session set out to judge."""

    cases: Sequence[Case]
    deselected: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many cases of a task were collected but not selected, where only some were."""
    not_asked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a task was left out as a whole, by task."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that are asked, in the order of their first case."""
        return tuple(self.counts())

    def counts(self) -> dict[str, int]:
        """Planned cases by task."""
        return dict(Counter(case.task for case in {case.key: case for case in self.cases}.values()))


@dataclass(frozen=True, slots=True)
class Incidents:
    """What happened in a session beside the verdicts."""

    flaws: Sequence[str] = ()
    """Why the run as a whole can pass nothing: it was interrupted, or stopped early."""
    failed: Sequence[str] = ()
    """Node ids of tests that failed by themselves: a format that differs, a mistake under `--cases strict`.
    """
    errors: Sequence[str] = ()
    """Node ids whose setup or teardown failed, or whose worker crashed: no evidence about the model."""
    undecided: Sequence[str] = ()
    """Sentences about what could not be decided, and what to do."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """A judged gate. `seen` of `cases` had the property; `sentence` says it all."""

    name: str
    verdict: Decision
    sentence: str
    seen: int = 0
    cases: int = 0
    judged: bool = True
    """False where the gate's task was not asked."""
    p_fail: float | None = None
    """How likely evidence so bad is where the gate's claim is true; None where there is none."""


NO_ANSWER = Verdict(Outcome.UNANSWERED)


def judge_gates(
    gates: GatesFile,
    records: Sequence[Record],
    planned: Planned,
    incidents: Incidents,
    baselines: Sequence[Baseline] = (),
) -> list[GateResult]:
    """Judge the run itself (`complete`, and what happened), then every gate of the file.

    :param baselines: the first is the one that gates mean which name none; its slices are watched as well.
    """
    judged = {record.case: record for record in records}
    complete = judge_complete(judged, planned, incidents.flaws)
    results = [complete, *judge_incidents(incidents)]
    if not gates.gates:
        sentence = f"gates: {printable(str(gates.path))} has no gate, so there is nothing to promote on"
        results.append(GateResult("gates", Decision.INCONCLUSIVE, sentence))

    @cache
    def every_case() -> Sequence[Record]:
        cases = {case.key: case for case in planned.cases}
        known = [judged.get(key) or Record.of(case, NO_ANSWER) for key, case in cases.items()]
        return [record for record in known if not record.seen]

    answered = [record for record in judged.values() if record.answered and not record.seen]
    own: list[GateResult] = []
    for gate in gates.gates:
        if gate.task not in planned.tasks:
            own.append(_not_asked(gate, planned))
            continue
        if gate.relative:
            result = result_of(gate.name, judge_against(gate, baselines, answered))
        else:
            result = judge_gate(gate, answered)
        if complete.verdict is Decision.PASS or result.verdict is Decision.INCONCLUSIVE:
            own.append(result)
        elif result.verdict is Decision.PASS:
            own.append(_undecided(result, "the run is not complete"))
        elif not gate.relative and fails_anyway(gate, every_case(), planned.deselected.get(gate.task, 0)):
            own.append(result)
        else:
            own.append(_undecided(result, "the cases that are missing could turn it"))
    results += hold(own, {gate.name: gate.confidence for gate in gates.gates})
    if baselines:
        slices = result_of("slices", judge_slices(baselines[0], answered))
        whole = complete.verdict is Decision.PASS or slices.verdict is Decision.INCONCLUSIVE
        results.append(slices if whole else _undecided(slices, "the run is not complete"))
    return results


def hold(results: Sequence[GateResult], confidences: Mapping[str, float]) -> list[GateResult]:
    """The results, where a FAIL that does not stand up to the number of gates is inconclusive.

    :param confidences: of each gate, by its name.
    """
    known = {
        each.name: Decided(each.verdict, each.p_fail, confidences[each.name])
        for each in results
        if each.p_fail is not None
    }
    held = hold_failures(known)
    return [
        result
        if held.get(result.name, result.verdict) is result.verdict
        else _undecided(
            result, f"as one of {len(known)} gates it may have failed by chance (Holm's correction)"
        )
        for result in results
    ]


def result_of(name: str, found: Judged) -> GateResult:
    """What a gate against a baseline found, under its name."""
    return GateResult(name, found.verdict, found.sentence, found.seen, found.cases, p_fail=found.p_fail)


def judge_complete(judged: Mapping[str, Record], planned: Planned, flaws: Sequence[str] = ()) -> GateResult:
    """The gate every run has: each planned case was answered and judged, and none was left out.

    :param judged: the records by case.
    """
    wanted = {case.key for case in planned.cases}
    known = [judged[key] for key in wanted if key in judged]
    answered = sum(record.answered for record in known)
    reasons = [printable(flaw) for flaw in flaws]
    if not wanted:
        reasons.append("no case was asked")
    for number, what in (
        *((number, f"{task} cases left out") for task, number in planned.deselected.items()),
        (len(known) - answered, "unanswered"),
        (len(wanted) - len(known), "not judged"),
        (len(judged) - len(known), "judged without being planned"),
    ):
        if number:
            reasons.append(f"{number} {what}")
    sentence = f"complete: {answered} of {len(wanted)} cases answered and judged"
    if trained := sum(record.seen for record in known):
        sentence += f", {trained} of them on positions the model was trained on, which count for no gate"
    if reasons:
        sentence += f"; {'; '.join(reasons)}, so nothing can pass"
    verdict = Decision.INCONCLUSIVE if reasons else Decision.PASS
    return GateResult("complete", verdict, sentence, answered, len(wanted))


def judge_incidents(incidents: Incidents) -> list[GateResult]:
    """A gate for each kind of thing that happened; none where nothing did."""
    kinds = (
        ("tests", Decision.FAIL, incidents.failed, "failed, the first"),
        ("errors", Decision.INCONCLUSIVE, incidents.errors, "in setup, teardown or a worker, the first"),
        ("undecided", Decision.INCONCLUSIVE, incidents.undecided, "cannot be decided, the first:"),
    )
    return [
        GateResult(name, verdict, printable(f"{name}: {len(things)} {what} {things[0]}", 400))
        for name, verdict, things, what in kinds
        if things
    ]


def judge_gate(gate: Gate, records: Sequence[Record]) -> GateResult:
    """Judge one gate on answered cases.

    Where a check says nothing about a case, the verdict has to be the same whatever it might have said.
    """
    cases = [record for record in records if gate.looks_at(record)]
    title = f"{gate.name}: {gate.task} {gate.rate}"
    if not cases:
        return GateResult(gate.name, Decision.INCONCLUSIVE, f"{title}: no case to look at")
    seen, positions = sum(map(gate.has, cases)), by_position(cases, gate.has)
    bounds = rate_bounds(positions, gate.confidence)
    verdict = _decide(gate, bounds)
    # The bound that decided; or the one that would have to move for the gate to pass.
    high = (gate.at_most is not None) != (verdict is Decision.FAIL)
    bound = f"at most {_up(bounds.high):.1%}" if high else f"at least {1 - _up(1 - bounds.low):.1%}"
    on = f"{len(cases)} cases" + (f" on {len(positions)} positions" if len(positions) < len(cases) else "")
    sentence = (
        f"{title} must be {gate.threshold}; seen {seen / len(cases):.1%} ({seen} of {on}), "
        f"so {bound} at {100 * gate.confidence:g}% confidence"
    )
    result = GateResult(gate.name, verdict, sentence, seen, len(cases), p_fail=_p_fail(gate, positions))
    other = _decide(gate, rate_bounds(by_position(cases, gate.may_have), gate.confidence))
    if verdict in (Decision.INCONCLUSIVE, other):
        return result
    return _undecided(result, "the check says nothing about too many of them")


def fails_anyway(gate: Gate, records: Sequence[Record], deselected: int) -> bool:
    """Would the gate fail as well if every missing case had spoken for the model?

    Missing cases can move the rate, but they are no evidence: the bounds stay at least as wide as those of
    the answered cases.

    :param records: of all planned cases; the missing ones are `unanswered`.
    :param deselected: how many cases of the task are missing beside those; each may be on a position of its
        own, and may belong to the gate.
    """
    good = gate.at_most is None
    has = gate.may_have if good else gate.has
    cases = [record for record in records if gate.looks_at(record)]
    answered = by_position([record for record in cases if record.answered], has)
    hoped = by_position(cases, lambda record: has(record) if record.answered else good)
    hoped += [(int(good), 1)] * deselected
    rate = rate_bounds(hoped, gate.confidence).rate
    n = min(rate_bounds(clusters, gate.confidence).effective for clusters in (answered, hoped))
    low, high = (bound(rate * n, n, gate.confidence) for bound in (lower_bound, upper_bound))
    return _decide(gate, RateBounds(rate, low, high, n)) is Decision.FAIL


def by_position(cases: Sequence[Record], has: Callable[[Record], bool]) -> list[tuple[int, int]]:
    """Cases that have the property, and all cases, of each position."""
    clusters: dict[str, list[bool]] = {}
    for record in cases:
        clusters.setdefault(record.position, []).append(has(record))
    return [(sum(members), len(members)) for members in clusters.values()]


def _decide(gate: Gate, bounds: RateBounds) -> Decision:
    if gate.at_most is not None:
        return bounds.at_most(gate.at_most)
    assert gate.at_least is not None
    return bounds.at_least(gate.at_least)


def _p_fail(gate: Gate, positions: Sequence[tuple[int, int]]) -> float:
    """How likely so bad a rate is where the gate's claim is just true."""
    seen, cases = map(sum, zip(*positions, strict=True))
    if gate.at_most is not None:
        if gate.at_most in (0, 1):
            return 1.0 if gate.at_most or not seen else 0.0
        return p_above(positions, gate.at_most, gate.confidence)
    assert gate.at_least is not None
    if gate.at_least in (0, 1):
        return 0.0 if gate.at_least and seen < cases else 1.0
    return p_below(positions, gate.at_least, gate.confidence)


def _not_asked(gate: Gate, planned: Planned) -> GateResult:
    why = planned.not_asked.get(gate.task)
    asked = f"no {gate.task} case was asked" + (f" ({why})" if why else "")
    sentence = printable(f"{gate.name}: {asked}, so this gate is not judged", 400)
    return GateResult(gate.name, Decision.INCONCLUSIVE, sentence, judged=False)


def _undecided(result: GateResult, why: str) -> GateResult:
    return replace(result, verdict=Decision.INCONCLUSIVE, sentence=f"{result.sentence}; {why}")


def _up(share: float) -> float:
    """Rounded up to a tenth of a percent: no bound is printed that is better than the one that decided."""
    return math.ceil(1000 * share) / 1000


def overall(results: Sequence[GateResult]) -> Decision:
    """The run's verdict: that of its worst gate, where failing is worse than inconclusive."""
    verdicts = {result.verdict for result in results}
    for verdict in (Decision.FAIL, Decision.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Decision.PASS if results else Decision.INCONCLUSIVE
