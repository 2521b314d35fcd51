"""Reasoning: a `<think>` trace, then the answer, as JSON or as the move alone.

    ## Step 1: FEN parsing ... ## Step 6: Solution
    The best move is Rd8#.
    </think>
    {"piece_positions": "White: Kg1, Rd1 ...", "candidate_moves": ["Rd8#", "h3"], "themes": ["mateIn1"],
     "solution": ["Rd8#"], "best_move": "Rd8#"}

The outcome is that of the best move, as `move` judges it, always in SAN: it is the notation that the traces
reason in. What the trace is worth stands beside it (`evals.reading.trace_checks`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.reading.answers import ReasoningAnswer, last_move, read_answer, unusable
from evals.reading.completions import split_trace
from evals.reading.schemas import reasoning_schema
from evals.reading.text import shown
from evals.reading.trace_checks import REASONING_CHECKS, check_reasoning
from evals.tasks.grading import judge_move
from evals.tasks.prompts import position
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Outcome, Request, Verdict


@dataclass(frozen=True)
class ReasoningTask:
    """The best move of a puzzle's first position, with the reasoning that leads to it."""

    settings: TaskSettings
    name: str = "reasoning"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The prompts that the task asks with."""
        return ("reasoning" if self.settings.reasoning_format == "json" else "reasoning-text",)

    @property
    def checks(self) -> Mapping[str, type]:
        """The checks of a trace, and `lenient`: the move was found inside of other text."""
        return {**REASONING_CHECKS, "lenient": bool}

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request, with room to think. The plain-text variant is held to no schema."""
        (name,) = self.prompt_names
        board = case.puzzle.board()
        schema = None
        if self.settings.reasoning_format == "json":
            schema = reasoning_schema(board, self.settings.constrain)
        prompt = self.settings.prompts[name]
        yield self.settings.request(self.name, prompt, position(board), schema, thinking=True)

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion; the checks are there whatever the outcome, if there is a completion."""
        completion = completion_of(completions)
        board, solution = case.puzzle.board(), case.puzzle.solution[0]
        found = self._read(completion)
        if found.move is None:
            verdict = failed(found.outcome, solution, found.detail)
        else:
            verdict = judge_move(board, solution, found.move, "san")
        if verdict.outcome is Outcome.UNANSWERED:
            return verdict
        checks = check_reasoning(board, completion, found.answer, found.move, self.settings.sections)
        return replace(verdict, checks=checks | {"lenient": found.lenient})

    def _read(self, completion: Completion) -> _Found:
        if self.settings.reasoning_format == "text":
            return _read_text(completion)
        reading = read_answer(completion, ReasoningAnswer, anywhere=self.settings.constrain == "none")
        if reading.answer is None:
            return _Found(outcome=reading.outcome, detail=reading.detail)
        return _Found(reading.answer, reading.answer.best_move, reading.lenient)


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is after the trace: the JSON answer, if that is the format, and the move; or why not."""

    answer: ReasoningAnswer | None = None
    move: str | None = None
    lenient: bool = False
    outcome: Outcome | None = None
    detail: str = ""


def _read_text(completion: Completion) -> _Found:
    """The move of the plain-text variant: all of the answer or, leniently, the last move in it."""
    if (failure := unusable(completion)) is not None:
        return _Found(outcome=failure.outcome, detail=failure.detail)
    content = split_trace(completion).content
    token, notation = last_move(content, "san") or (content, "san")
    if token == content.rstrip("+#!?"):
        return _Found(move=content)
    if completion.finish_reason == "length":
        return _Found(outcome=Outcome.TRUNCATED, detail=f"cut off at the token limit: {shown(content)}")
    return _Found(move=token if notation == "san" else content, lenient=True)
