"""Board: the skills under a good move. Each puzzle is asked one or a few of them (`Case.variant`).

    pieces    every piece on the board            {"pieces": ["Ke1", "ke8"]}
    moves     the legal moves of one piece        {"moves": ["b1a3", "b1c3"]}
    captures  the legal captures                  {"moves": ["c4f7"]}
    check     is the side to move in check?       {"check": false}
    after     the position after a line of moves  {"fen": "..."}
    themes    the puzzle's themes                 fork, mateIn2

Asked are those that the format has; the shipped one has no themes.

A set is judged as a set: order and repetition do not count, `precision` and `recall` are recorded, and only
the exact set is `solved`. A position is judged by its pieces, side to move, castling and en passant rights;
whether the move counters are right as well is the check `counters`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import chess

from evals.formats.reader import Reading
from evals.puzzles.puzzle import Puzzle
from evals.reading.answers import NoAnswer
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces, overlap
from evals.reading.text import shown
from evals.reading.themes import COUNTED, read_themes, score_themes
from evals.tasks.registry import task
from evals.tasks.settings import TaskSettings
from evals.tasks.turns import completion_of, failed
from evals.words import Case, Completion, Notation, Outcome, Request, Verdict

SKILLS = ("pieces", "moves", "captures", "check", "after", "themes")

BOARD_CHECKS: Mapping[str, type] = {
    "exact": bool,  # the answer is the right one, whole
    "precision": float,  # of a set or a position: the share of what was named that is right
    "recall": float,  # and the share of what is right that was named
    "counters": bool,  # of a position: the move counters are right as well
    "jaccard": float,  # of themes: what is right of what was named or should have been
}


def _draw(puzzle: Puzzle, purpose: str, size: int) -> int:
    """A number below `size` that depends on the puzzle's id alone: the same in every session and process."""
    digest = hashlib.blake2b(f"{purpose}:{puzzle.id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % size


def skills_for(puzzle: Puzzle, count: int, skills: Sequence[str]) -> tuple[str, ...]:
    """Which of the `skills` this puzzle asks for; a mirrored copy asks for the same ones."""
    first = _draw(puzzle, "skill", len(skills)) if skills else 0
    return tuple(skills[(first + step) % len(skills)] for step in range(min(count, len(skills))))


def asked_square(puzzle: Puzzle) -> chess.Square:
    """The square whose piece `moves` asks about: a piece of the side to move that has a legal move."""
    board = puzzle.board()
    # Seen from the side to move, so that a mirrored puzzle asks about the mirrored square.
    origins = {move.from_square for move in board.legal_moves}
    flip = 0 if board.turn == chess.WHITE else 56
    seen = sorted(square ^ flip for square in origins)
    return seen[_draw(puzzle, "square", len(seen))] ^ flip


def _moves_after(puzzle: Puzzle) -> tuple[str, ...]:
    """The moves that `after` asks to play: the solution's first four half moves, or all of a shorter one."""
    return puzzle.solution[:4]


def _wanted_moves(puzzle: Puzzle, skill: str) -> frozenset[str]:
    board = puzzle.board()
    if skill == "captures":
        return frozenset(move.uci() for move in board.generate_legal_captures())
    origin = chess.BB_SQUARES[asked_square(puzzle)]
    return frozenset(move.uci() for move in board.generate_legal_moves(origin))


def _moves_given(board: chess.Board, texts: Sequence[str], notation: Notation) -> frozenset[str]:
    """The moves as sets compare them: castling in one spelling, anything that is no legal move as it
    stands.
    """
    played = ((text, read_move(text, board, notation).move) for text in texts)
    return frozenset(text if move is None else move.uci() for text, move in played)


def _judge_set(given: frozenset[str], wanted: frozenset[str]) -> Verdict:
    precision, recall = overlap(given, wanted)
    exact = given == wanted
    checks = {"precision": precision, "recall": recall, "exact": exact}
    solution = " ".join(sorted(wanted))
    if exact:
        return Verdict(Outcome.SOLVED, None, solution, "", checks)
    parts = {"wrong": given - wanted, "not named": wanted - given}
    detail = "; ".join(
        f"{name}: {shown(' '.join(sorted(items)), 80)}" for name, items in parts.items() if items
    )
    return Verdict(Outcome.MISSED, None, solution, detail, checks)


def _judge_position(text: str, wanted: chess.Board) -> Verdict:
    solution = wanted.fen()
    try:
        given = chess.Board(text.strip())
    except ValueError as error:
        detail = f"{shown(text, 100)} is not a FEN: {shown(str(error), 80)}"
        return Verdict(Outcome.UNPARSEABLE, None, solution, detail)
    precision, recall = overlap(name_pieces(given), name_pieces(wanted))
    same = given.epd(en_passant="legal") == wanted.epd(en_passant="legal")
    counters = (given.halfmove_clock, given.fullmove_number) == (
        wanted.halfmove_clock,
        wanted.fullmove_number,
    )
    checks = {
        "precision": precision,
        "recall": recall,
        "exact": same,
        "counters": counters,
    }
    detail = "" if same else f"position is {shown(text, 100)}, should be {solution}"
    return Verdict(Outcome.SOLVED if same else Outcome.MISSED, None, solution, detail, checks)


def _judge_themes(puzzle: Puzzle, given: Sequence[str]) -> Verdict:
    """Only themes that count are compared (`evals.reading.themes`)."""
    wanted = sorted(COUNTED & set(puzzle.themes))
    named = read_themes(given)
    score = score_themes(named, wanted)
    solution = " ".join(wanted)
    if score is None:
        return Verdict(Outcome.SOLVED, None, solution, "the puzzle has no theme that counts", {"exact": None})
    exact = score.jaccard == 1.0
    checks = {"precision": score.precision, "recall": score.recall, "jaccard": score.jaccard, "exact": exact}
    detail = "" if exact else f"named {shown(' '.join(sorted(named)), 80)}, themes are {solution}"
    return Verdict(Outcome.SOLVED if exact else Outcome.MISSED, None, solution, detail, checks)


@task("board")
@dataclass(frozen=True)
class BoardTask:
    """One skill on one puzzle's position."""

    settings: TaskSettings
    name: str = "board"
    questions: tuple[str, ...] = tuple(f"board.{skill}" for skill in SKILLS)

    @property
    def checks(self) -> Mapping[str, type]:
        """See `BOARD_CHECKS`."""
        return BOARD_CHECKS

    def variants(self, puzzle: Puzzle) -> tuple[str, ...]:
        """The skills that are asked of a puzzle; themes only where it has one that counts."""
        skills = [skill for skill in SKILLS if f"board.{skill}" in self.settings.questions]
        if COUNTED.isdisjoint(puzzle.themes):
            skills = [skill for skill in skills if skill != "themes"]
        return skills_for(puzzle, self.settings.board_skills, skills)

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        """One request. `--constrain legal` is as `schema` here: the legal moves would be the answer."""
        puzzle, skill = case.puzzle, case.variant
        more: dict[str, str] = {}
        if skill == "moves":
            more["square"] = chess.square_name(asked_square(puzzle))
        if skill == "after":
            more["moves"] = " ".join(_moves_after(puzzle))
        yield self.settings.request(f"board.{skill}", puzzle.board(), **more)

    def right_answers(self, case: Case) -> Sequence[Completion]:
        """What a perfect player says."""
        puzzle, skill = case.puzzle, case.variant
        wanted = _wanted_moves(puzzle, skill) if skill in ("moves", "captures") else ()
        position = puzzle.board(len(_moves_after(puzzle))).fen() if skill == "after" else ""
        return [
            self.settings.write(
                f"board.{skill}",
                puzzle.board(),
                sorted(wanted),
                themes=sorted(COUNTED & set(puzzle.themes)),
                position=position,
            )
        ]

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        """Judge the one completion."""
        reading = self.settings.read(f"board.{case.variant}", completion_of(completions))
        if isinstance(reading, NoAnswer):
            return failed(reading.outcome, None, reading.detail)
        return judge_skill(case, reading)


def judge_skill(case: Case, reading: Reading) -> Verdict:
    """Judge an answer to the skill that the case's variant names."""
    puzzle, board = case.puzzle, case.puzzle.board()
    match case.variant:
        case "pieces":
            return _judge_set(reading.pieces, name_pieces(board))
        case "moves" | "captures":
            given = _moves_given(board, reading.items, reading.notation)
            return _judge_set(given, _wanted_moves(puzzle, case.variant))
        case "after":
            return _judge_position(reading.position, puzzle.board(len(_moves_after(puzzle))))
        case "check":
            wanted = board.is_check()
            right = reading.check == wanted
            outcome = Outcome.SOLVED if right else Outcome.MISSED
            detail = "" if right else f"said check is {reading.check}"
            return Verdict(outcome, None, str(wanted).lower(), detail, {"exact": right})
        case "themes":
            return _judge_themes(puzzle, reading.items)
        case _:
            raise ValueError(f"no board skill {case.variant!r}")
