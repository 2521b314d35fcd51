"""Move: the best move of one position.

    FEN: r5k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1
    {"move": "d1d8"}

Judged by `evals.tasks.grading.judge_move`: the solution's move, or any checkmate.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import chess

from evals.reading.answers import MoveAnswer, find_answer, last_move, read_answer, unusable
from evals.reading.completions import split_trace
from evals.reading.schemas import move_schema
from evals.reading.text import shown
from evals.tasks.grading import judge_move
from evals.tasks.prompts import position
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Outcome, Request, Verdict

MOVE_CHECKS: Mapping[str, type] = {
    "lenient": bool,  # the move was looked for in other text: `--constrain none` alone
}


def ask_move(settings: TaskSettings, board: chess.Board, task: str = "move") -> Request:
    """The request for the best move of one position."""
    prompt = settings.prompts[f"move-{settings.notation}"]
    schema = None
    if settings.constrain != "none":
        schema = move_schema(board, settings.notation, settings.constrain)
    return settings.request(task, prompt, position(board), schema)


def judge_answer(
    settings: TaskSettings, board: chess.Board, solution: str, completion: Completion
) -> Verdict:
    """Judge a completion that was asked for the best move of one position."""
    reading = read_answer(completion, MoveAnswer)
    if settings.constrain == "none":
        return _judge_free(settings, board, solution, completion, strict=reading.answer)
    if reading.answer is None:
        return failed(reading.outcome, solution, reading.detail)
    return judge_move(board, solution, reading.answer.move, settings.notation)


def _judge_free(
    settings: TaskSettings,
    board: chess.Board,
    solution: str,
    completion: Completion,
    strict: MoveAnswer | None,
) -> Verdict:
    """Free text: the last JSON object that fits, else the last thing that looks like a move."""
    if (failure := unusable(completion)) is not None:
        return failed(failure.outcome, solution, failure.detail)
    content = split_trace(completion).content
    if (answer := strict or find_answer(content, MoveAnswer)) is not None:
        verdict = judge_move(board, solution, answer.move, settings.notation)
    elif completion.finish_reason == "length":
        verdict = failed(Outcome.TRUNCATED, solution, f"cut off at the token limit: {shown(content)}")
    else:
        text, notation = last_move(content, settings.notation) or (content, settings.notation)
        verdict = judge_move(board, solution, text, notation)
    return replace(verdict, checks={"lenient": strict is None})


@dataclass(frozen=True)
class MoveTask:
    """The best move of a puzzle's first position."""

    settings: TaskSettings
    name: str = "move"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The prompts that the task asks with."""
        return (f"move-{self.settings.notation}",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `MOVE_CHECKS`."""
        return MOVE_CHECKS

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request."""
        yield ask_move(self.settings, case.puzzle.board())

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion."""
        board, solution = case.puzzle.board(), case.puzzle.solution[0]
        return judge_answer(self.settings, board, solution, completion_of(completions))
