"""Reasoning traces: their sections, what they claim about the board, and whether the answer follows.

Nothing here judges a move; the checks are facts beside the outcome (`check_reasoning` lists them).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import chess

from evals.reading.answers import ReasoningAnswer
from evals.reading.completions import split_trace
from evals.reading.lines import MOVE, Row, read_rows, replay
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces, overlap, read_pieces
from evals.words import CheckValue, Completion

Checks = dict[str, CheckValue]

_HEADING_START = re.compile(
    r"[ \t]{0,3}(?P<mark>\#{1,6}[ \t]*)?(?P<bold>\*\*|__)?[ \t]*"
    r"(?P<step>Step[ \t]*[0-9]+[ \t]*[:.)–—-]*[ \t]*)?",
    re.IGNORECASE,
)
"""What may stand in front of a title; it matches every row, if only its first nothing."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a trace."""

    title: str
    """As it is written, without the step number and the markup."""
    body: str
    heading: str
    """The whole row as it is written: `## Step 1: FEN parsing`."""


def _fold(title: str) -> str:
    return " ".join(title.split()).casefold()


def read_sections(trace: str, expected: Sequence[str]) -> list[Section]:
    """Cut a trace at its headings: `## Step 1: FEN parsing`, `**Step 1 - FEN parsing**`, `Step 1: FEN
    parsing`.

    A heading is a row with `#` or `Step <n>`, or a bold one with an expected title. Its title is what is left
    without these; text behind a colon belongs to the body.
    """
    known = {_fold(title) for title in expected}
    found: list[_Heading] = []
    start = 0
    for row in trace.split("\n"):
        if (heading := _read_heading(row, start, known)) is not None:
            found.append(heading)
        start += len(row) + 1
    ends = [*(heading.start for heading in found[1:]), len(trace)]
    return [
        Section(heading.title, trace[heading.end : end].strip(" \n*_"), heading.text)
        for heading, end in zip(found, ends, strict=False)
    ]


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading with its place in the trace: from `start` up to `end`, where its section's body starts."""

    title: str
    text: str
    start: int
    end: int


def _read_heading(row: str, start: int, known: Collection[str]) -> _Heading | None:
    """Read a row that stands at `start` of its trace; None where it is no heading."""
    match = _HEADING_START.match(row)
    assert match is not None
    rest = row[match.end() :].rstrip(" \t")
    if not rest or not (match["mark"] or match["step"] or match["bold"]):
        return None
    head, colon, _ = rest.partition(":")
    title = head.strip(" \t*_")
    if not (match["mark"] or match["step"]) and _fold(title) not in known:
        return None
    end = match.end() + len(head)
    return _Heading(title, row[:end].strip(), start, start + end + len(colon))


def find_section(sections: Sequence[Section], *words: str) -> Section | None:
    """The first section whose title has all these words (lower case)."""
    return next((each for each in sections if all(word in _fold(each.title) for word in words)), None)


_CONCLUDES = re.compile(
    r"(?i:\b(?:best move|solution|answer|conclusion|winning move|play)\b[^\n]{0,30}?(?:\bis\b|:|=))"
    rf"[\s*_`\"']*(?:[0-9]{{1,3}}\s?\.+\s?)?(?P<move>{MOVE})"
)
_MOVE_TEXT = re.compile(rf"(?<![\w-]){MOVE}")


def read_conclusion(text: str, board: chess.Board) -> str | None:
    """The move that a solution section ends up with: one that it calls the best, else its first legal one."""
    if (labelled := _CONCLUDES.search(text)) is not None:
        return labelled["move"]
    moves = _MOVE_TEXT.findall(text)
    return next((move for move in moves if read_move(move, board, "san").move), moves[0] if moves else None)


_ITEM_START = re.compile(
    r"^[ \t]*(?:[-*•+]|[0-9]{1,2}[.)](?!\.))?[ \t*_`]*(?:[A-Za-z ]{3,30}:)?[ \t*_`]*", re.MULTILINE
)
_ITEMS = re.compile(rf"{MOVE}(?:[ \t*_`]*(?:,|;|/|\band\b|\bor\b)[ \t*_`]*{MOVE})*")


def read_candidates(text: str) -> list[str]:
    """The moves that a section lists: at the start of a row or an item, and those that commas add to them."""
    moves: list[str] = []
    for start in _ITEM_START.finditer(text):
        if (items := _ITEMS.match(text, start.end())) is not None:
            moves += _MOVE_TEXT.findall(items[0])
    return moves


SHINGLE = 6


def is_looping(text: str) -> bool:
    """True where text repeats itself without end: one stretch of words four times in a row or more.

    Short stretches have to fill more than twenty words, so that a list is not taken for a loop.
    """
    if re.search(r"(\S{1,8}?)\1{31}", text):
        return True
    words = text.split()
    shingles = {tuple(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1)}
    # A cheap look first: a text that loops for long says few different things.
    if len(words) < 24 or len(shingles) > 0.8 * (len(words) - SHINGLE + 1):
        return False
    for period in range(1, min(80, len(words) // 4) + 1):
        run = 0
        for word, earlier in zip(words[period:], words, strict=False):
            run = run + 1 if word == earlier else 0
            if run >= max(3 * period, 20):
                return True
    return False


def check_reasoning(
    board: chess.Board,
    completion: Completion,
    answer: ReasoningAnswer | None,
    move: str | None,
    expected: Sequence[str],
) -> Checks:
    """Every check of one completion. True is the good case; None is where there is nothing to check.

    `reasoning_present`, `closed`: a trace is there, and it ended before the answer. `unclosed_by_length`:
    it did not, because of the token limit. `answer_in_trace`: the JSON answer is inside of the trace (the
    one where True is bad). `sections`, `sections_in_order`, `missing_section`: how many of `expected` are
    there; whether all are, in this order and none twice; the first that is not. `piece_precision`,
    `piece_recall`: the pieces that the trace lists against the board. `quoted_lines`, `quoted_moves`,
    `illegal_moves`, `lines_legal`: the lines that it quotes, replayed. `illegal_candidates`,
    `answer_in_candidates`: the candidate moves, the answer's own where it has the field. `faithful`: the
    trace's conclusion is the answer's move. `solution_legal`, `solution_starts_with_answer`: the answer's
    own line. `free_of_loops`: the trace does not repeat itself without end. `tokens`: the completion's
    length as the server counts it, the answer included; `trace_chars`: the trace's.

    :param board: the position that was asked about.
    :param answer: the JSON answer, where the format has one and it could be read.
    :param move: the answer's move as it was written.
    """
    parts = split_trace(completion)
    trace = parts.trace or ""
    checks: Checks = {
        "reasoning_present": bool(trace),
        "closed": bool(trace) and parts.closed,
        "unclosed_by_length": bool(trace) and not parts.closed and completion.finish_reason == "length",
        "answer_in_trace": '"best_move"' in trace,
        "tokens": completion.completion_tokens,
        "trace_chars": len(trace),
        "free_of_loops": not is_looping(trace) if trace else None,
    }
    sections = read_sections(trace, expected)
    checks |= _check_order(sections, expected)
    checks |= _check_pieces(find_section(sections, "piece"), board)
    played = read_move(move, board, "san").move if move is not None else None
    checks |= _check_lines(sections, board)
    checks |= _check_candidates(sections, answer, played, board)
    checks["faithful"] = _is_faithful(find_section(sections, "solution"), move, played, board)
    if answer is not None:
        line = answer.line
        first = read_move(line[0], board, "san").move if line else None
        checks["solution_legal"] = not replay([Row(moves=line)], board).illegal if line else None
        checks["solution_starts_with_answer"] = first is not None and first == played
    return checks


def _check_order(sections: Sequence[Section], expected: Sequence[str]) -> Checks:
    found = [_fold(section.title) for section in sections]
    wanted = [_fold(title) for title in expected]
    ours = [title for title in found if title in wanted]
    return {
        "sections": len(set(ours)),
        "sections_in_order": ours == wanted,
        "missing_section": next((title for title in expected if _fold(title) not in found), None),
    }


def _check_pieces(section: Section | None, board: chess.Board) -> Checks:
    if section is None:
        return {"piece_precision": None, "piece_recall": None}
    given, wanted = read_pieces(section.body), name_pieces(board)
    precision, recall = overlap(given, wanted)
    return {"piece_precision": precision if given else None, "piece_recall": recall}


def _check_lines(sections: Sequence[Section], board: chess.Board) -> Checks:
    # Only where the format has lines: numbers in front of a list of candidates are not move numbers.
    quoting = (find_section(sections, "line"), find_section(sections, "solution"))
    done = replay(read_rows("\n".join(each.body for each in quoting if each is not None)), board)
    return {
        "quoted_lines": done.lines,
        "quoted_moves": done.moves,
        "illegal_moves": len(done.illegal),
        "lines_legal": not done.illegal if done.lines else None,
    }


def _check_candidates(
    sections: Sequence[Section], answer: ReasoningAnswer | None, played: chess.Move | None, board: chess.Board
) -> Checks:
    section = find_section(sections, "candidate", "move")
    texts = answer.candidate_moves if answer is not None else read_candidates(section.body) if section else []
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
