"""Diagnosis: where answers come from, not how good they are. So no gate looks at it.

The position *before* the opponent's move is asked as the best move is. A set that pairs the raw FEN of a
Lichess row with `Moves[0]` teaches the opponent's move, which is mostly a blunder: what was trained on it
plays that move here (check `opponents_move`; by chance one in `legal_moves`). So does a good player at times,
who finds the solver's move more often.

Where the server holds answers to a JSON schema, the solver's position is asked as well, held to nothing and
then held, so that what the constraint breaks can be told from what the model does not know.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import chess

from evals.formats.placeholders import used_in
from evals.puzzles.draw import spread
from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import parse_json
from evals.reading.completions import split_trace
from evals.tasks.move import judge_answer
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of
from evals.words import Case, CheckValue, Completion, Outcome, Request, Verdict

DIAGNOSIS_CHECKS: Mapping[str, type] = {
    "opponents_move": bool,  # the answer is the opponent's move
    "legal_moves": int,  # in the position before it
    "free": bool,  # the solver's position is solved where nothing holds the answer
    "held": bool,  # and where it is held to the schema
    "spacing": bool,  # the free answer is JSON, spaced as the format says
}


MOST_LOOKED_AT = 2000
"""Puzzles of a larger set of which those that tell most are chosen."""


def _takes(puzzle: Puzzle) -> bool:
    theirs = opponents_move(puzzle)
    return theirs is not None and puzzle.board(-1).is_capture(chess.Move.from_uci(theirs))


def opponents_move(puzzle: Puzzle) -> str | None:
    """The move (UCI) that leads to the solver's position; None where the puzzle does not say."""
    return puzzle.moves[0] if len(puzzle.moves) > len(puzzle.solution) else None


@task("diagnosis", gated=False)
@dataclass(frozen=True)
class DiagnosisTask:
    """The position before the opponent's move."""

    settings: TaskSettings
    name: str = "diagnosis"

    @property
    def questions(self) -> tuple[str, ...]:
        """`move`, or `reasoning` where the format has no `move`."""
        known = self.settings.questions
        return ("reasoning" if "move" not in known and "reasoning" in known else "move",)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `DIAGNOSIS_CHECKS`."""
        return DIAGNOSIS_CHECKS

    @property
    def needs(self) -> str:
        """What a puzzle has to have."""
        if self._shows_last_move:
            return "a move before the opponent's, which the format shows"
        return "the opponent's move"

    @property
    def _shows_last_move(self) -> bool:
        question = self.settings.questions.get(self.questions[0])
        shown = used_in(question.system + question.user) if question is not None else frozenset[str]()
        return not shown.isdisjoint({"last_move", "last_move_uci"})

    @property
    def _free(self) -> TaskSettings:
        return replace(self.settings, constrain="none")

    def draw(self, puzzles: Sequence[Puzzle], n: int) -> tuple[Puzzle, ...]:
        """`n` of the puzzles, those first whose opponent's move takes something: a quiet mistake is one of
        many, and hardly anyone guesses which. In composed puzzles it is any legal move.
        """
        some = spread(puzzles, MOST_LOOKED_AT)
        taking = [puzzle for puzzle in some if _takes(puzzle)]
        others = [puzzle for puzzle in some if not _takes(puzzle)] if len(taking) < n else []
        return (*spread(taking, n), *(spread(others, n - len(taking)) if others else ()))

    def variants(self, puzzle: Puzzle) -> tuple[str, ...]:
        """None where the position before the opponent's move cannot be asked."""
        return () if opponents_move(puzzle) is None or self._shows_last_move else ("",)

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """The position before, then the solver's without and with the schema, if there is one."""
        (question,), board = self.questions, case.puzzle.board()
        request = self.settings.request(question, case.puzzle.board(-1))
        yield request
        if request.schema is not None:
            yield self._free.request(question, board)
            yield self.settings.request(question, board)

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the answer in the position before as if the opponent's move were the solution."""
        (question,), puzzle, board = self.questions, case.puzzle, case.puzzle.board(-1)
        theirs = opponents_move(puzzle) or ""
        verdict = judge_answer(self.settings, question, board, theirs, completion_of(completions))
        if verdict.outcome is Outcome.UNANSWERED:
            return verdict
        checks: dict[str, CheckValue] = {
            "opponents_move": verdict.move == theirs,
            "legal_moves": board.legal_moves.count(),
        }
        # Both are read as leniently: what the two differ in is then the constraint's doing.
        for name, said in zip(("free", "held"), completions[1:], strict=False):
            best = puzzle.solution[0]
            decided = judge_answer(self._free, question, puzzle.board(), best, said).outcome
            checks[name] = None if decided is Outcome.UNANSWERED else decided is Outcome.SOLVED
        if len(completions) > 1:
            checks["spacing"] = self._is_spaced(question, completions[1])
        return replace(verdict, checks=checks)

    def _is_spaced(self, question: str, completion: Completion) -> bool | None:
        """Is an answer that is JSON written as the format says? None where it is none."""
        content = split_trace(completion).content
        try:
            value = parse_json(content)
            spacing = self.settings.questions[question].json_spacing
            plain = (json.dumps(value, separators=spacing, ensure_ascii=ascii) for ascii in (True, False))
            return content in plain
        except (ValueError, RecursionError):
            return None
