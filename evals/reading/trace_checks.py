"""The checks of a reasoning completion: what its trace says about the board, and whether the answer follows.

Nothing here judges a move: the checks are facts beside the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import chess

from evals.reading.completions import split_trace
from evals.reading.lines import Row, read_rows, replay
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces, overlap, read_pieces
from evals.reading.traces import (
    Section,
    find_section,
    fold,
    is_looping,
    read_candidates,
    read_conclusion,
    read_sections,
)
from evals.words import CheckValue, Completion, Notation

Checks = dict[str, CheckValue]

REASONING_CHECKS: Mapping[str, type] = {
    # the trace as a whole
    "reasoning_present": bool,  # there is a trace
    "closed": bool,  # it ended before the answer
    "unclosed_by_length": bool,  # it did not, because of the token limit; True is bad
    "answer_in_trace": bool,  # the JSON answer is inside of the trace; True is bad
    "free_of_loops": bool,  # it does not repeat itself without end
    "trace_chars": int,  # its length
    "tokens": int,  # the length of the whole completion as the server counts it
    # its sections
    "sections": int,  # how many of the expected ones it has
    "sections_in_order": bool,  # it has all of them, in this order and none twice
    "missing_section": str,  # the first expected one that it does not have
    # what it says about the board
    "piece_precision": float,  # the share of the listed pieces that are on the board
    "piece_recall": float,  # the share of the board's pieces that are listed
    "quoted_lines": int,  # lines of moves that it quotes, variations included
    "quoted_moves": int,  # legal moves in them
    "illegal_moves": int,  # lines that end in a move that is not legal
    "lines_legal": bool,  # there is no such line
    "illegal_candidates": int,  # candidate moves that are not legal; the answer's own, where it has the field
    # whether the answer follows
    "answer_in_candidates": bool,  # the answer's move is one of the candidates
    "faithful": bool,  # it is the move that the trace concludes with
    "solution_legal": bool,  # the answer's own line is legal
    "solution_starts_with_answer": bool,  # and starts with the answer's move
}
"""The checks with their types. Where nothing else is said, True is the good case."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The sections of the format, in the trained order, and the titles of those that are looked into: where
    one is not given, the first title with the right word is taken.
    """

    sections: Sequence[str] = ()
    pieces: str = ""
    candidates: str = ""
    lines: str = ""
    conclusion: str = ""
    field: str = ""
    """The name of the answer's field, where the answer is JSON."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the answer behind a trace says; None where the format has no such field."""

    move: str | None = None
    """As it was written; None where there is no answer."""
    notation: Notation = "san"
    candidates: Sequence[str] | None = None
    line: Sequence[str] | None = None


def check_reasoning(board: chess.Board, completion: Completion, given: Given, expected: Expected) -> Checks:
    """Every check of one completion; None where there is nothing to check.

    :param board: the position that was asked about.
    """
    parts = split_trace(completion)
    trace = parts.trace or ""
    checks: Checks = {
        "reasoning_present": bool(trace),
        "closed": bool(trace) and parts.closed,
        "unclosed_by_length": bool(trace) and not parts.closed and completion.finish_reason == "length",
        "answer_in_trace": bool(expected.field) and f'"{expected.field}"' in trace,
        "tokens": completion.completion_tokens,
        "trace_chars": len(trace),
        "free_of_loops": not is_looping(trace) if trace else None,
    }
    sections = read_sections(trace, expected.sections)
    checks |= _check_order(sections, expected.sections)
    checks |= _check_pieces(_find(sections, expected.pieces, "piece"), board)
    played = read_move(given.move, board, given.notation).move if given.move is not None else None
    conclusion = _find(sections, expected.conclusion, "solution")
    checks |= _check_lines((_find(sections, expected.lines, "line"), conclusion), board)
    candidates = given.candidates
    if candidates is None:
        section = _find(sections, expected.candidates, "candidate", "move")
        candidates = read_candidates(section.body) if section else []
    checks |= _check_candidates(candidates, played, board)
    checks["faithful"] = _is_faithful(conclusion, given.move, played, board)
    if given.line is not None:
        line = list(given.line)
        first = read_move(line[0], board, "san").move if line else None
        checks["solution_legal"] = not replay([Row(moves=line)], board).illegal if line else None
        checks["solution_starts_with_answer"] = first is not None and first == played
    return checks


def _find(sections: Sequence[Section], title: str, *words: str) -> Section | None:
    """The section of this title; without one, the first that has all these words in its title."""
    if title:
        return next((each for each in sections if fold(each.title) == fold(title)), None)
    return find_section(sections, *words)


def _check_order(sections: Sequence[Section], expected: Sequence[str]) -> Checks:
    found = [fold(section.title) for section in sections]
    wanted = [fold(title) for title in expected]
    ours = [title for title in found if title in wanted]
    return {
        "sections": len(set(ours)),
        "sections_in_order": ours == wanted,
        "missing_section": next((title for title in expected if fold(title) not in found), None),
    }


def _check_pieces(section: Section | None, board: chess.Board) -> Checks:
    if section is None:
        return {"piece_precision": None, "piece_recall": None}
    given, wanted = read_pieces(section.body), name_pieces(board)
    precision, recall = overlap(given, wanted)
    return {"piece_precision": precision if given else None, "piece_recall": recall}


def _check_lines(quoting: Sequence[Section | None], board: chess.Board) -> Checks:
    # Only where the format has lines: numbers in front of a list of candidates are not move numbers.
    done = replay(read_rows("\n".join(each.body for each in quoting if each is not None)), board)
    return {
        "quoted_lines": done.lines,
        "quoted_moves": done.moves,
        "illegal_moves": len(done.illegal),
        "lines_legal": not done.illegal if done.lines else None,
    }


def _check_candidates(texts: Sequence[str], played: chess.Move | None, board: chess.Board) -> Checks:
    moves = [read_move(text, board, "san").move for text in texts]
    return {
        "illegal_candidates": moves.count(None),
        "answer_in_candidates": played in moves if moves and played is not None else None,
    }


def _is_faithful(
    section: Section | None, move: str | None, played: chess.Move | None, board: chess.Board
) -> bool | None:
    conclusion = read_conclusion(section.body, board) if section is not None else None
    if conclusion is None or move is None:
        return None
    concluded = read_move(conclusion, board, "san").move
    if concluded is None or played is None:
        return conclusion.strip("+#!?") == move.strip().strip("+#!?")
    return concluded == played
