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
from evals.reading.answers import NoAnswer
from evals.tasks.grading import SOLUTION_CHECKS, judge_move
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Notation, Outcome, Request, Verdict

LINE_CHECKS: Mapping[str, type] = {
    **SOLUTION_CHECKS,
    "replies": bool,  # False where it was a reply that decided
}


def judge_line(puzzle: Puzzle, texts: Sequence[str], notation: Notation) -> Verdict:
    """Judge a line from the puzzle's start."""
    board = puzzle.board()
    moves: list[Verdict] = []
    for ply, solution in enumerate(puzzle.solution):
        if ply == len(texts):
            detail = f"the line ends after {ply} of {len(puzzle.solution)} half moves"
            moves.append(Verdict(Outcome.MISSED, None, solution, detail))
            break
        verdict = judge_move(board, solution, texts[ply], notation)
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


@task("line")
@dataclass(frozen=True)
class LineTask:
    """The whole solution of a puzzle in one answer."""

    settings: TaskSettings
    name: str = "line"
    questions: tuple[str, ...] = ("line",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `LINE_CHECKS`."""
        return LINE_CHECKS

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request. `--constrain legal` is as `schema` here: one position's legal moves hold no line."""
        yield self.settings.request("line", case.puzzle.board())

    def right_answers(self, case: Case) -> Sequence[Completion]:
        """What a perfect player says."""
        return [self.settings.write("line", case.puzzle.board(), case.puzzle.solution)]

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion."""
        reading = self.settings.read("line", completion_of(completions))
        if isinstance(reading, NoAnswer):
            verdict, found = failed(reading.outcome, case.puzzle.solution[0], reading.detail), True
        else:
            verdict, found = judge_line(case.puzzle, reading.items, reading.notation), reading.lenient
            if reading.cut and verdict.checks["ply"] == len(reading.items):
                verdict = replace(verdict, outcome=Outcome.TRUNCATED, detail="cut off at the token limit")
        lenient = {"lenient": found} if self.settings.is_lenient("line") else {}
        return replace(verdict, checks={**verdict.checks, **lenient})
