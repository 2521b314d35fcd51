"""Move: the best move of one position.

    FEN: r5k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1
    {"move": "d1d8"}

Judged by `evals.tasks.grading.judge_move`: the solution's move, or any checkmate.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import chess

from evals.reading.answers import NoAnswer
from evals.tasks.grading import MOVE_CHECKS, judge_move
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Request, Verdict


def judge_answer(
    settings: TaskSettings, question: str, board: chess.Board, solution: str, completion: Completion
) -> Verdict:
    """Judge a completion that was asked for the best move of one position."""
    reading = settings.read(question, completion)
    if isinstance(reading, NoAnswer):
        verdict = failed(reading.outcome, solution, reading.detail)
        found = False
    else:
        verdict = judge_move(board, solution, reading.items[0], reading.notation)
        found = reading.lenient
    if settings.is_lenient(question) and completion.error is None and not completion.malformed:
        return replace(verdict, checks={"lenient": found})
    return verdict


@task("move")
@dataclass(frozen=True)
class MoveTask:
    """The best move of a puzzle's first position."""

    settings: TaskSettings
    name: str = "move"
    questions: tuple[str, ...] = ("move",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `MOVE_CHECKS`."""
        return MOVE_CHECKS

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request."""
        yield self.settings.request("move", case.puzzle.board())

    def right_answers(self, case: Case) -> Sequence[Completion]:
        """What a perfect player says."""
        return [self.settings.write("move", case.puzzle.board(), case.puzzle.solution)]

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion."""
        board, solution = case.puzzle.board(), case.puzzle.solution[0]
        return judge_answer(self.settings, "move", board, solution, completion_of(completions))
