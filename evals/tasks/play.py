"""Play: the solution played out move by move, as Lichess does.

Each of the solver's moves is asked for as `move` asks, unless the format says otherwise, in the position that
it is to be played in, the opponent's replies being the solution's. The first move that is not right ends the
puzzle, and so does a checkmate.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.tasks.grading import SOLUTION_CHECKS
from evals.tasks.move import judge_answer
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of
from evals.words import Case, Completion, Outcome, Request, Verdict


@task("play")
@dataclass(frozen=True)
class PlayTask:
    """Every move of a puzzle's solution, one request each, for as long as they are right."""

    settings: TaskSettings
    name: str = "play"
    questions: tuple[str, ...] = ("play",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `SOLUTION_CHECKS`."""
        return SOLUTION_CHECKS

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request a move, until one is wrong or mates."""
        puzzle = case.puzzle
        for ply in range(0, len(puzzle.solution), 2):
            board, solution = puzzle.board(ply), puzzle.solution[ply]
            completion = yield self.settings.request("play", board)
            verdict = judge_answer(self.settings, "play", board, solution, completion)
            if verdict.outcome is not Outcome.SOLVED or verdict.move != solution:
                return

    def right_answers(self, case: Case) -> Sequence[Completion]:
        """What a perfect player says, turn by turn."""
        puzzle = case.puzzle
        return [
            self.settings.write("play", puzzle.board(ply), puzzle.solution[ply:])
            for ply in range(0, len(puzzle.solution), 2)
        ]

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the turns that were asked, in order."""
        puzzle = case.puzzle
        verdicts: list[Verdict] = []
        for ply in range(0, len(puzzle.solution), 2):
            board, completion = puzzle.board(ply), completion_of(completions, ply // 2)
            verdicts.append(judge_answer(self.settings, "play", board, puzzle.solution[ply], completion))
            if verdicts[-1].outcome is not Outcome.SOLVED or verdicts[-1].move != puzzle.solution[ply]:
                break
        last = verdicts[-1]
        solved = last.outcome is Outcome.SOLVED
        total = len(puzzle.solver_moves)
        checks = {
            **last.checks,
            "ply": 2 * (len(verdicts) - 1),
            "moves_solved": total if solved else len(verdicts) - 1,
            "moves_total": total,
            "first_move": verdicts[0].outcome is Outcome.SOLVED,
        }
        if solved:
            return replace(last, move=verdicts[0].move, solution=puzzle.solution[0], checks=checks)
        detail = last.detail if total == 1 else f"move {len(verdicts)}: {last.detail}"
        return replace(last, detail=detail, checks=checks)
