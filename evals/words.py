"""The words of the harness as types: case, request, completion, verdict, outcome, record.

A puzzle goes one way through them:
puzzle -> case -> request -> completion -> (answer) -> verdict -> record.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

from evals.puzzles.puzzle import Puzzle

Notation = Literal["uci", "san"]
Constraint = Literal["schema", "legal", "none"]
CheckValue = bool | int | float | str | None
Checks = Mapping[str, CheckValue]
"""Named facts beside an outcome. None where there was nothing to check."""


GRADING = 1
"""Which rules verdicts come from. To be raised with any change by which a completion can get another verdict:
runs that were graded by different rules cannot be compared.
"""


class Outcome(StrEnum):
    """How a case ended; exactly one of these."""

    SOLVED = "solved"
    MISSED = "missed"
    ILLEGAL = "illegal"
    AMBIGUOUS = "ambiguous"
    UNPARSEABLE = "unparseable"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    UNANSWERED = "unanswered"


_ESCAPES = str.maketrans({"%": "%25", "/": "%2F", "~": "%7E"})


@dataclass(frozen=True, slots=True)
class Case:
    """One puzzle asked in one way of one model; one pytest item."""

    task: str
    puzzle: Puzzle
    variant: str = ""
    """What is asked beside the task: a board skill, say. Empty for most tasks."""
    mirrored: bool = False
    """True where the puzzle is the colour-swapped copy of the set's."""
    sample: int = 0
    """Which of `--samples` askings this is, from 0."""
    asked_of: str = ""
    """The name of the baseline that is asked; empty where it is the candidate."""

    @property
    def id(self) -> str:
        """The readable part of the test id: `<set>/<puzzle id>[/<variant>][~mirrored][~s<sample>]`.

        No two cases of a task share one, whatever sets and puzzles are called.
        """
        parts = [self.puzzle.set, self.puzzle.id, *([self.variant] if self.variant else [])]
        copy = ("~mirrored" if self.mirrored else "") + (f"~s{self.sample}" if self.sample else "")
        return storable("/".join(part.translate(_ESCAPES) for part in parts)) + copy

    @property
    def key(self) -> str:
        """Names the case in a run: `<task>:<id>`; with `<baseline>>` in front where a baseline is asked."""
        return f"{self.asked_of}>{self.task}:{self.id}" if self.asked_of else f"{self.task}:{self.id}"


@dataclass(frozen=True, slots=True)
class Request:
    """What one turn of a case sends, without the model's name and the sampling, which the session adds."""

    messages: tuple[Mapping[str, str], ...]
    max_tokens: int
    schema_name: str = ""
    schema: Mapping[str, Any] | None = None
    """JSON schema that the server must hold the answer to."""
    regex: str | None = None
    """Pattern that the whole answer has to match."""
    choice: tuple[str, ...] | None = None
    """Texts of which the answer has to be one."""
    separators: tuple[str, str] = (", ", ": ")
    """What stands between items, and between a name and its value, of JSON that is held to a schema."""
    thinking: bool = False
    """True where a `<think>` trace is wanted before the answer."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """More fields of the request's body."""

    @property
    def held(self) -> bool:
        """True where the server is asked to hold the answer to anything."""
        return self.schema is not None or self.regex is not None or self.choice is not None


@dataclass(frozen=True, slots=True)
class Completion:
    """What the server sent back for one request, unjudged."""

    content: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    malformed: str | None = None
    """Set where the server's message was not of the documented shape; why, with the start of what came."""
    model: str | None = None
    """Who answered, in the server's words: a gateway that fell back to another model shows here."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency: float = 0.0
    """Seconds from the last attempt's send to its whole answer."""
    attempts: int = 1
    error: str | None = None
    """Set where no answer came after all attempts; one line, no secret."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judged case, with the evidence."""

    outcome: Outcome
    move: str | None = None
    """The move that was played: UCI where it is a legal move, else the text that stood for it."""
    solution: str | None = None
    """The solver's expected move in UCI (or the expected value of a board question)."""
    detail: str = ""
    """What a chess player needs to see, in one line."""
    checks: Checks = field(default_factory=dict[str, CheckValue])
    """Named facts beside the outcome: the reasoning checks, precision and recall, plies solved."""


@dataclass(frozen=True, slots=True)
class Record:
    """The line that a verdict becomes in a run; gates, comparison and report read nothing else."""

    case: str
    """`Case.key`."""
    task: str
    set: str
    puzzle: str
    position: str
    """`Puzzle.position_key`: the position that the solver sees, the same for all its mirror images, is the
    unit of all statistics.
    """
    rating: int
    outcome: Outcome
    variant: str = ""
    sample: int = 0
    mirrored: bool = False
    model: str = ""
    """The served model that was asked."""
    themes: tuple[str, ...] = ()
    move: str | None = None
    solution: str | None = None
    detail: str = ""
    checks: Checks = field(default_factory=dict[str, CheckValue])
    seen: bool = False
    """True where the position is in a file that the model was trained on: no evidence for a gate."""

    @classmethod
    def of(cls, case: Case, verdict: Verdict, model: str = "") -> Record:
        """The record of a judged case."""
        return cls(
            case=case.key,
            task=case.task,
            set=storable(case.puzzle.set),
            puzzle=storable(case.puzzle.id),
            position=case.puzzle.position_key,
            rating=case.puzzle.rating,
            outcome=verdict.outcome,
            variant=case.variant,
            sample=case.sample,
            mirrored=case.mirrored,
            model=storable(model),
            themes=tuple(map(storable, case.puzzle.themes)),
            move=None if verdict.move is None else storable(verdict.move),
            solution=None if verdict.solution is None else storable(verdict.solution),
            detail=storable(verdict.detail),
            checks={
                name: storable(value) if isinstance(value, str) else value
                for name, value in verdict.checks.items()
            },
            seen=case.puzzle.seen,
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Read one line of `verdicts.jsonl`.

        :raises ValueError: it is no such line.
        """
        return _RECORD.validate_json(line)

    def to_json(self) -> str:
        """The record as one line of JSON, all of it ASCII: it also stands in JUnit XML."""
        return json.dumps(_RECORD.dump_python(self, mode="json"))

    def to_compact_json(self) -> str:
        """The record as a short line without what only explains it, and without its model."""
        checks = {name: value for name, value in self.checks.items() if isinstance(value, bool)}
        short = replace(self, model="", solution=None, detail="", checks=checks)
        return json.dumps(_RECORD.dump_python(short, mode="json", exclude_defaults=True))

    @property
    def verdict(self) -> Verdict:
        """The verdict that this is the record of."""
        return Verdict(self.outcome, self.move, self.solution, self.detail, self.checks)

    @property
    def answered(self) -> bool:
        """False where no completion came: such a case says nothing about the model."""
        return self.outcome is not Outcome.UNANSWERED

    @property
    def solved(self) -> bool:
        """True where the outcome is `solved`."""
        return self.outcome is Outcome.SOLVED


_RECORD = TypeAdapter(Record)


def storable(text: str) -> str:
    """Text with lone surrogates, which no file takes, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class Task(Protocol):
    """How a case asks and how its answer is judged. Pure: no I/O, safe to run in any process.

    Two more methods are optional: `variants(puzzle)`, the names of the questions that one puzzle is asked,
    and `right_answers(case)`, the completions of a perfect player, with which a session tests that right
    answers are scored before it asks a model.
    """

    @property
    def name(self) -> str: ...

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions of a format that the task asks; empty where it brings its own."""
        ...

    @property
    def checks(self) -> Mapping[str, type]:
        """Every check that a verdict of the task may carry, with its type: bool, int, float or str.

        A verdict leaves out what does not apply to it, and has None where there was nothing to check.
        """
        ...

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """Yield each request of the case; receives its completion and may go on or return."""
        ...

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the completions of the turns that were asked, in order."""
        ...


class Settle(Protocol):
    """The fixture that records a verdict and ends the test as the session's policy has it."""

    def __call__(self, verdict: Verdict) -> None: ...
