"""What a gates file may say, and how it is read.

models = ["pawn*"]              # optional: the models that the thresholds were set for

[[gate]]
name = "solved"
task = "move"
rate = "solved"                 # well_formed, legal, solved, or checks.<a check of the task>
at_least = 0.40                 # or at_most; or, against a baseline, one of the two below
confidence = 0.95               # optional
where = { themes = ["mateIn1"], ratings = [1200, 1600] }      # optional; also sets, variants

[[gate]]
name = "not-worse"
task = "move"                   # its rate is `solved` unless another is given
not_worse_than = 0.05           # not worse than the baseline by five points; or better = true
baseline = "production"         # optional: which one, where several are given (the first)
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, ValidationError

from evals.results.gate_errors import WANTED, WrongError, explain, line_of, meant, not_wanted, one_of, quoted
from evals.words import Outcome, Record
from serve.printable import printable

READ = {Outcome.SOLVED, Outcome.MISSED, Outcome.ILLEGAL, Outcome.AMBIGUOUS}
LEGAL = {Outcome.SOLVED, Outcome.MISSED}

RATES: Mapping[str, Callable[[Record], bool]] = {
    "well_formed": lambda record: record.outcome in READ,
    "legal": lambda record: record.outcome in LEGAL,
    "solved": lambda record: record.solved,
}
"""Rates by outcome. `checks.<name>` is the share of cases where a named check is true."""

OWN_GATES = ("complete", "tests", "errors", "undecided", "gates", "slices")
"""Names of the gates that every run has; a file cannot use them."""

Share = Annotated[StrictFloat, Field(ge=0, le=1)]
Margin = Annotated[StrictFloat, Field(gt=0, lt=1)]
Names = tuple[str, ...]


class GateError(Exception):
    """A gates file that cannot be used; one sentence with the file, the line and what to write."""


class Table(BaseModel):
    """A table of the file: no other keys, no other types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(Table):
    """Which of the task's cases a gate looks at; empty means all."""

    sets: Names = ()
    themes: Names = ()
    variants: Names = ()
    ratings: tuple[StrictInt, StrictInt] | None = None

    def holds(self, record: Record) -> bool:
        """True where the case belongs to the gate."""
        return (
            (not self.sets or record.set in self.sets)
            and (not self.themes or not set(self.themes).isdisjoint(record.themes))
            and (not self.variants or record.variant in self.variants)
            and (self.ratings is None or max(1, self.ratings[0]) <= record.rating <= self.ratings[1])
        )


class Gate(Table):
    """One gate: what is claimed of this rate of this task's cases, and at which confidence.

    Either how high it is, or how it compares with the baseline's on the same cases.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=80)
    task: str
    rate: str = "solved"
    at_least: Share | None = None
    at_most: Share | None = None
    not_worse_than: Margin | None = None
    better: Annotated[bool, Field(strict=True)] | None = None
    baseline: str | None = Field(default=None, min_length=1)
    confidence: StrictFloat = Field(default=0.95, gt=0.5, lt=1)
    where: Where = Where()

    @property
    def relative(self) -> bool:
        """True where the gate compares the candidate with a baseline."""
        return self.not_worse_than is not None or self.better is not None

    @property
    def threshold(self) -> str:
        """`at least 40.0%`, or `at most` so much."""
        side, share = ("at least", self.at_least) if self.at_most is None else ("at most", self.at_most)
        assert share is not None
        return f"{side} {share:.1%}" if round(share, 3) == share else f"{side} {100 * share:g}%"

    def looks_at(self, record: Record) -> bool:
        """True for the cases that the gate is about."""
        return record.task == self.task and self.where.holds(record)

    def has(self, record: Record) -> bool:
        """True where the case has the property that the rate counts."""
        if self.rate in RATES:
            return RATES[self.rate](record)
        return record.checks.get(self._check) is True

    def may_have(self, record: Record) -> bool:
        """True where the case has the property, or where nothing says that it has not."""
        return self.has(record) or (self.rate not in RATES and record.checks.get(self._check) is None)

    @property
    def _check(self) -> str:
        return self.rate.removeprefix("checks.")


class File(Table):
    """The tables of a whole file."""

    models: Names = ()
    gate: tuple[Gate, ...] = ()


CLAIMS = ("at_least", "at_most", "not_worse_than", "better")
"""What a gate can claim; each claims one of these."""
WANTED_CLAIM = f"one of {', '.join(CLAIMS)}"

KEYS = {"": File.model_fields, "gate": Gate.model_fields, "where": Where.model_fields}


@dataclass(frozen=True, slots=True)
class GatesFile:
    """A gates file that was read."""

    path: Path
    digest: str
    """The first 16 hexadecimal digits of the file's SHA-256."""
    gates: tuple[Gate, ...]
    models: tuple[str, ...] = ()
    """Patterns (`fnmatch`) of the model ids that the thresholds were set for; empty: not said."""

    def warnings_for(self, models: Collection[str]) -> list[str]:
        """What to tell a person who judges these models by these gates; mostly nothing."""
        strangers = [m for m in models if not any(fnmatchcase(m, pattern) for pattern in self.models)]
        if not self.models or not strangers:
            return []
        patterns, others = (", ".join(map(quoted, names)) for names in (self.models, strangers))
        return [
            f"the thresholds of {printable(str(self.path))} were set for {patterns}, not for {others}: "
            "give --gates a file of your own"
        ]


def load_gates(path: Path, checks: Mapping[str, Mapping[str, type]]) -> GatesFile:
    """Read a gates file.

    :param checks: the checks of each known task by name, with their types.
    :raises GateError: it cannot be read, is not TOML, or says what a gates file cannot say.
    """
    name = printable(str(path))
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise GateError(f"gates file {name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise GateError(f"{name}:{line}: the file is not UTF-8: save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise GateError(f"gates file {name} is not TOML: {printable(str(error))}") from error
    try:
        if isinstance(data.get("gate"), dict):
            raise WrongError(("gate",), "a file has a list of gates: write [[gate]] instead of [gate]")
        gates = File.model_validate(data)
        _check_gates(gates.gate, checks)
    except ValidationError as error:
        wrong = explain(error, KEYS)
        raise GateError(f"{name}:{line_of(wrong.place, text)}: {wrong}") from error
    except WrongError as wrong:
        raise GateError(f"{name}:{line_of(wrong.place, text)}: {wrong}") from wrong
    return GatesFile(path, hashlib.sha256(content).hexdigest()[:16], gates.gate, gates.models)


def _check_gates(gates: Sequence[Gate], checks: Mapping[str, Mapping[str, type]]) -> None:
    """What one table cannot know alone: which tasks and checks there are, and which names are taken."""
    names = set[str]()
    for number, gate in enumerate(gates):
        place = "gate", number
        if gate.name in OWN_GATES:
            raise WrongError((*place, "name"), f"name = {gate.name!r}: every run has a gate of this name")
        if gate.name in names:
            raise WrongError((*place, "name"), f"two gates are called {gate.name!r}")
        names.add(gate.name)
        if gate.task not in checks:
            raise WrongError((*place, "task"), f"no task {quoted(gate.task)}; {meant(gate.task, checks)}")
        if wrong := _wrong_rate(gate, checks[gate.task]):
            raise WrongError((*place, "rate"), wrong)
        _check_claim(gate, place)
        ratings = gate.where.ratings
        if ratings and ratings[0] > ratings[1]:
            raise WrongError((*place, "where", "ratings"), not_wanted("ratings", list(ratings)))


def _check_claim(gate: Gate, place: tuple[str, int]) -> None:
    claims = [claim for claim in CLAIMS if getattr(gate, claim) is not None]
    if len(claims) != 1:
        made = (
            f"has {' and '.join(claims)}: give one" if claims else f"claims nothing: give it {WANTED_CLAIM}"
        )
        raise WrongError(place, f"gate {gate.name!r} {made}")
    if gate.better is False:
        raise WrongError((*place, "better"), not_wanted("better", False))
    if not gate.relative and "rate" not in gate.model_fields_set:
        raise WrongError(place, f"a gate has no rate: give it {WANTED['rate']}")
    if gate.baseline is not None and not gate.relative:
        only = "only not_worse_than and better compare with one"
        raise WrongError((*place, "baseline"), f"baseline = {quoted(gate.baseline)}: {only}")


def _wrong_rate(gate: Gate, checks: Mapping[str, type]) -> str | None:
    usable = [*RATES, *(f"checks.{name}" for name, kind in checks.items() if kind is bool)]
    if gate.rate in usable:
        return None
    check = gate.rate.removeprefix("checks.")
    if gate.rate.startswith("checks.") and check in checks:
        return (
            f"rate = {quoted(gate.rate)} is not a check that is true or false, so no share of cases has it; "
            f"{one_of(usable)}"
        )
    what = "check" if gate.rate.startswith("checks.") else "rate"
    return f"task {gate.task!r} has no {what} {quoted(check)}; {meant(gate.rate, usable)}"
