"""What the tasks of a session have in common: the format that each question is asked in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import chess

from evals.formats.file import load_format
from evals.formats.format import WANTS, Question
from evals.formats.reader import Reading, read
from evals.formats.writer import Right, write
from evals.reading.answers import NoAnswer
from evals.words import Completion, Constraint, Request


def _default() -> Mapping[str, Question]:
    return load_format("default").questions


@dataclass(frozen=True)
class TaskSettings:
    """What a session asks with. Picklable; the same settings build the same tasks in any process."""

    questions: Mapping[str, Question] = field(default_factory=_default)
    """How each question is asked, by its name (`evals.formats.format.WANTS`); one that is not there is not
    asked.
    """
    constrain: Constraint | None = None
    """What answers are held to, whatever the formats say; None leaves it to them."""
    board_skills: int = 1
    """How many of the board skills are asked of each puzzle."""

    def request(self, name: str, board: chess.Board, **more: str) -> Request:
        """The request that asks a question about a position; `more` are values of its own placeholders.

        :raises PlaceholderError: the position has no value for one of the format's placeholders.
        """
        return self.questions[name].request(name, board, more, self.constrain)

    def read(self, name: str, completion: Completion) -> Reading | NoAnswer:
        """Read the answer to a question by its shape. Nothing held it to that with `--constrain none`: then
        it is also looked for inside of other text.
        """
        free_json = self.constrain == "none" and self.questions[name].answer.shape == "json"
        return read(self.questions[name].answer, WANTS[name], completion, anywhere=free_json)

    def write(
        self,
        name: str,
        board: chess.Board,
        moves: Iterable[str],
        *,
        themes: Sequence[str] = (),
        position: str = "",
    ) -> Completion:
        """What a perfect player answers to a question: these moves (UCI), themes, or this position."""
        right = Right(board, [chess.Move.from_uci(uci) for uci in moves], themes, position)
        return write(self.questions[name], WANTS[name], right)

    def is_lenient(self, name: str) -> bool:
        """True where an answer is also looked for inside of other text."""
        answer = self.questions[name].answer
        return answer.anywhere or (self.constrain == "none" and answer.shape == "json")
