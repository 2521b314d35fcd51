"""Reasoning: a `<think>` trace, then the answer, in whatever shape the format has it.

    ## Step 1: FEN parsing ... ## Step 6: Solution
    The best move is Rd8#.
    </think>
    {"piece_positions": "White: Kg1, Rd1 ...", "candidate_moves": ["Rd8#", "h3"], "themes": ["mateIn1"],
     "solution": ["Rd8#"], "best_move": "Rd8#"}

The outcome is that of the best move, as `move` judges it. What the trace is worth stands beside it
(`evals.reading.trace_checks`); traces reason in SAN.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals.formats.fields import at
from evals.formats.format import Question
from evals.formats.reader import Reading
from evals.reading.answers import NoAnswer
from evals.reading.lists import read_list
from evals.reading.themes import read_themes, score_themes
from evals.reading.trace_checks import REASONING_CHECKS, Expected, Given, check_reasoning
from evals.tasks.grading import judge_move
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, CheckValue, Completion, Outcome, Request, Verdict

ANSWER_CHECKS: Mapping[str, type] = {
    "lenient": bool,  # the move was found inside of other text
    "themes_precision": float,  # of the answer's themes, those that count: the share that is right
    "themes_recall": float,  # the share of the puzzle's that are named
    "themes_jaccard": float,  # what is right of what was named or should have been
}


@task("reasoning")
@dataclass(frozen=True)
class ReasoningTask:
    """The best move of a puzzle's first position, with the reasoning that leads to it."""

    settings: TaskSettings
    name: str = "reasoning"
    questions: tuple[str, ...] = ("reasoning",)

    @property
    def checks(self) -> Mapping[str, type]:
        """The checks of a trace, and of the answer behind it."""
        return {**REASONING_CHECKS, **ANSWER_CHECKS}

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request, with room to think."""
        yield self.settings.request("reasoning", case.puzzle.board())

    def right_answers(self, case: Case) -> Sequence[Completion]:
        """What a perfect player says."""
        puzzle = case.puzzle
        return [self.settings.write("reasoning", puzzle.board(), puzzle.solution, themes=puzzle.themes)]

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion; the checks are there whatever the outcome, if there is a completion."""
        completion = completion_of(completions)
        board, solution = case.puzzle.board(), case.puzzle.solution[0]
        question = self.settings.questions["reasoning"]
        reading = self.settings.read("reasoning", completion)
        if isinstance(reading, NoAnswer):
            verdict, given, lenient = failed(reading.outcome, solution, reading.detail), Given(), False
        else:
            verdict = judge_move(board, solution, reading.items[0], reading.notation)
            given, lenient = _given(question, reading), reading.lenient
        if verdict.outcome is Outcome.UNANSWERED:
            return verdict
        checks = check_reasoning(board, completion, given, _expected(question))
        themes = {} if isinstance(reading, NoAnswer) else _themes(case, question, reading)
        return replace(verdict, checks=checks | themes | {"lenient": lenient})


def _expected(question: Question) -> Expected:
    field = question.answer.field.rpartition(".")[2]
    return Expected(**question.trace.model_dump(), field=field)


def _given(question: Question, reading: Reading) -> Given:
    """What the answer says beside its move."""
    answer = question.answer
    return Given(
        move=reading.items[0],
        notation=reading.notation,
        candidates=_texts(at(reading.fields, answer.candidates)),
        line=_texts(at(reading.fields, answer.line)),
    )


def _texts(value: Any) -> list[str] | None:
    """The items of a field, a list or a text; None where there is no field."""
    if value is None:
        return None
    if isinstance(value, str):
        return read_list(value)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _themes(case: Case, question: Question, reading: Reading) -> dict[str, CheckValue]:
    named = _texts(at(reading.fields, question.answer.themes))
    score = None if named is None else score_themes(read_themes(named), case.puzzle.themes)
    if score is None:
        return {}
    return {
        "themes_precision": score.precision,
        "themes_recall": score.recall,
        "themes_jaccard": score.jaccard,
    }
