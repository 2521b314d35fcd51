"""Line: the whole solution at once, the solver's moves and the replies to them.

    FEN: 6k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1
    {"line": ["b1b8"]}

The solver's moves are judged one by one as `move` judges them; a checkmate ends the puzzle as solved. A
reply has to be legal and the solution's: behind another reply the solution says nothing about which move
wins, so the line is `missed` there, and `replies` tells that case from a wrong move of the solver's own.
The `play` task is the one that does not ask for the replies. Nothing after the first mistake is read, nor
what follows a whole solution.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import LineAnswer, read_answer
from evals.reading.schemas import line_schema
from evals.tasks.grading import judge_move
from evals.tasks.play import PLAY_CHECKS
from evals.tasks.prompts import position
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Outcome, Request, Verdict

LINE_CHECKS: Mapping[str, type] = {
    **PLAY_CHECKS,
    "replies": bool,  # False where it was a reply that decided
}


def judge_line(puzzle: Puzzle, texts: Sequence[str], settings: TaskSettings) -> Verdict:
    """Judge a line from the puzzle's start."""
    board = puzzle.board()
    moves: list[Verdict] = []
    for ply, solution in enumerate(puzzle.solution):
        if ply == len(texts):
            detail = f"the line ends after {ply} of {len(puzzle.solution)} half moves"
            moves.append(Verdict(Outcome.MISSED, None, solution, detail))
            break
        verdict = judge_move(board, solution, texts[ply], settings.notation)
        if ply % 2 and verdict.outcome is Outcome.SOLVED and verdict.move != solution:
            # A reply that mates the solver is another reply, not a solution.
            verdict = replace(verdict, outcome=Outcome.MISSED)
        moves.append(verdict)
        if verdict.outcome is not Outcome.SOLVED or verdict.move != solution:
            break
        board.push_uci(solution)
    return _sum_up(puzzle, moves, complete=len(texts) >= len(moves))


def _sum_up(puzzle: Puzzle, moves: Sequence[Verdict], *, complete: bool) -> Verdict:
    """The verdict on a line from those on its half moves: all but the last are right."""
    last, ply = moves[-1], len(moves) - 1
    solved = last.outcome is Outcome.SOLVED
    checks = {
        "ply": ply,
        "moves_solved": len(puzzle.solver_moves) if solved else (ply + 1) // 2,
        "moves_total": len(puzzle.solver_moves),
        "first_move": moves[0].outcome is Outcome.SOLVED,
        "replies": solved or ply % 2 == 0 or not complete,
    }
    if solved:
        return replace(last, move=moves[0].move, solution=puzzle.solution[0], checks=checks)
    detail = f"{'reply' if ply % 2 else 'move'} {ply // 2 + 1}: {last.detail}" if complete else last.detail
    return replace(last, detail=detail, checks=checks)


@dataclass(frozen=True)
class LineTask:
    """The whole solution of a puzzle in one answer."""

    settings: TaskSettings
    name: str = "line"

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The prompts that the task asks with."""
        return (f"line-{self.settings.notation}",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `LINE_CHECKS`."""
        return LINE_CHECKS

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request. `--constrain legal` is as `schema` here: one position's legal moves hold no line."""
        (name,) = self.prompt_names
        schema = line_schema(self.settings.notation)
        yield self.settings.request(
            self.name, self.settings.prompts[name], position(case.puzzle.board()), schema
        )

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion. Free text needs a JSON object somewhere: prose has no clear line."""
        free = self.settings.constrain == "none"
        reading = read_answer(completion_of(completions), LineAnswer, anywhere=free)
        if reading.answer is None:
            verdict = failed(reading.outcome, case.puzzle.solution[0], reading.detail)
        else:
            verdict = judge_line(case.puzzle, reading.answer.line, self.settings)
        lenient = {"lenient": reading.lenient or reading.answer is None} if free else {}
        return replace(verdict, checks={**verdict.checks, **lenient})
