"""Gates: statements about a run that pass, fail, or are inconclusive, and what they are read from.

A gate on a rate passes when the one-sided lower bound of the rate, at the gate's confidence, reaches its
threshold, fails when the upper bound stays below it, and is inconclusive between the two. A run with an
unanswered or unjudged case, or with part of its cases left out, passes nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.statistics.clustered import rate_bounds
from evals.statistics.rates import Decision
from evals.words import Outcome, Record

READ = {Outcome.SOLVED, Outcome.MISSED, Outcome.ILLEGAL, Outcome.AMBIGUOUS}
LEGAL = {Outcome.SOLVED, Outcome.MISSED}

RATES: Mapping[str, Callable[[Record], bool]] = {
    "well_formed": lambda record: record.outcome in READ,
    "legal": lambda record: record.outcome in LEGAL,
    "solved": lambda record: record.outcome == Outcome.SOLVED,
}
"""Rates by outcome. `checks.<name>` is the share of cases where a named check is true."""


class GateError(Exception):
    """A gates file that cannot be used; the message says where and why."""


class Where(BaseModel):
    """Which of the task's cases a gate looks at; empty means all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sets: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    ratings: tuple[int, int] | None = None

    def holds(self, record: Record) -> bool:
        """True where the judged case belongs to the gate."""
        return (
            (not self.sets or record.set in self.sets)
            and (not self.themes or not set(self.themes).isdisjoint(record.themes))
            and (not self.variants or record.variant in self.variants)
            and (self.ratings is None or self.ratings[0] <= record.rating <= self.ratings[1])
        )


class Gate(BaseModel):
    """One gate: this rate of this task's cases is at least so high, at this confidence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    task: str
    rate: str
    at_least: float = Field(ge=0, le=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    where: Where = Where()


class Gates(BaseModel):
    """A gates file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class GateResult:
    """A judged gate. `seen` of `cases` had the property; `sentence` says it all."""

    name: str
    verdict: Decision
    sentence: str
    seen: int = 0
    cases: int = 0


def load_gates(path: Path) -> tuple[Gate, ...]:
    """Read a gates file.

    :raises GateError: missing, not TOML, an unknown key or rate, a bad number, or two gates of one name.
    """
    try:
        gates = Gates.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).gate
    except OSError as error:
        raise GateError(f"gates file {str(path)!r} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"gates file {str(path)!r} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GateError(f"gates file {str(path)!r}: {where}: {first['msg']}") from error
    names = [gate.name for gate in gates]
    for gate in gates:
        if names.count(gate.name) > 1:
            raise GateError(f"gates file {str(path)!r}: two gates are called {gate.name!r}")
        if gate.rate not in RATES and not gate.rate.startswith("checks."):
            known = ", ".join(RATES)
            raise GateError(
                f"gates file {str(path)!r}: gate {gate.name!r} has rate {gate.rate!r}; use one of {known}, "
                "or checks.<name of a check>"
            )
    return gates


def judge_gates(
    gates: Sequence[Gate],
    records: Sequence[Record],
    planned: Mapping[str, int],
    flaws: Sequence[str],
    failed: Sequence[str] = (),
) -> list[GateResult]:
    """Judge every gate whose task was asked, after the gates `complete` and `tests` on the run itself.

    :param planned: how many cases of each task the session set out to judge.
    :param flaws: why the run as a whole can pass nothing (cut short, or part of the cases left out).
    :param failed: tests that failed by themselves: a format that differs, a mistake under `--cases strict`.
    """
    complete = judge_complete(records, planned, flaws)
    results = [complete]
    if failed:
        sentence = f"tests: {len(failed)} failed, the first {failed[0]}"
        results.append(GateResult("tests", Decision.FAIL, sentence))
    for gate in gates:
        if planned.get(gate.task):
            results.append(judge_gate(gate, records, whole=complete.verdict is Decision.PASS))
    return results


def judge_complete(records: Sequence[Record], planned: Mapping[str, int], flaws: Sequence[str]) -> GateResult:
    """The gate every run has: each planned case was answered and judged, and none was left out."""
    wanted = sum(planned.values())
    answered = sum(record.outcome != Outcome.UNANSWERED for record in records)
    reasons = list(flaws)
    if not wanted:
        reasons.append("no case was asked")
    if unanswered := len(records) - answered:
        reasons.append(f"{unanswered} unanswered")
    if unjudged := wanted - len(records):
        reasons.append(f"{unjudged} not judged")
    sentence = f"complete: {answered} of {wanted} cases answered and judged"
    if reasons:
        sentence += f"; {'; '.join(reasons)}, so nothing can pass"
    verdict = Decision.INCONCLUSIVE if reasons else Decision.PASS
    return GateResult("complete", verdict, sentence, answered, wanted)


def judge_gate(gate: Gate, records: Sequence[Record], *, whole: bool) -> GateResult:
    """Judge one gate on a run's verdicts; `whole` False turns a PASS into INCONCLUSIVE."""
    cases = [
        record
        for record in records
        if record.task == gate.task and record.outcome != Outcome.UNANSWERED and gate.where.holds(record)
    ]
    has = _property(gate.rate)
    seen, n = sum(map(has, cases)), len(cases)
    title = f"{gate.name}: {gate.task} {gate.rate}"
    if not n:
        return GateResult(gate.name, Decision.INCONCLUSIVE, f"{title}: no case to look at")
    bounds = rate_bounds(by_position(cases, has), gate.confidence)
    verdict = bounds.at_least(gate.at_least)
    bound = f"at most {bounds.high:.1%}" if verdict is Decision.FAIL else f"at least {bounds.low:.1%}"
    sentence = (
        f"{title} must be at least {gate.at_least:.1%}; seen {seen / n:.1%} ({seen} of {n} cases), "
        f"so {bound} at {gate.confidence:.0%} confidence"
    )
    if verdict is Decision.PASS and not whole:
        verdict = Decision.INCONCLUSIVE
        sentence += "; the run is not complete"
    return GateResult(gate.name, verdict, sentence, seen, n)


def by_position(cases: Sequence[Record], has: Callable[[Record], bool]) -> list[tuple[int, int]]:
    """Successes and cases of each puzzle: its samples, mirrored copies and board skills belong together."""
    clusters: dict[str, list[bool]] = {}
    for record in cases:
        clusters.setdefault(record.position, []).append(has(record))
    return [(sum(members), len(members)) for members in clusters.values()]


def _property(rate: str) -> Callable[[Record], bool]:
    if rate in RATES:
        return RATES[rate]
    name = rate.removeprefix("checks.")

    def holds(record: Record) -> bool:
        checks: Mapping[str, Any] = record.checks
        return checks.get(name) is True

    return holds


def overall(results: Sequence[GateResult]) -> Decision:
    """The run's verdict: the worst of its gates, where failing is worse than inconclusive."""
    verdicts = {result.verdict for result in results}
    for verdict in (Decision.FAIL, Decision.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Decision.PASS
