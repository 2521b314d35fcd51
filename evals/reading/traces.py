"""Reasoning traces as text: their sections, the move that they conclude with, candidates, loops."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import chess

from evals.reading.lines import MOVE
from evals.reading.moves import read_move

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


def fold(title: str) -> str:
    """A title as it is compared: whatever its case and blanks."""
    return " ".join(title.split()).casefold()


def read_sections(trace: str, expected: Sequence[str]) -> list[Section]:
    """Cut a trace at its headings: `## Step 1: FEN parsing`, `**Step 1 - FEN parsing**`, `Step 1: FEN
    parsing`.

    A heading is a row with `#` or `Step <n>`, or a bold one with an expected title. Its title is what is left
    without these; text behind a colon belongs to the body.
    """
    known = {fold(title) for title in expected}
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
    if not (match["mark"] or match["step"]) and fold(title) not in known:
        return None
    end = match.end() + len(head)
    return _Heading(title, row[:end].strip(), start, start + end + len(colon))


def find_section(sections: Sequence[Section], *words: str) -> Section | None:
    """The first section whose title has all these words (lower case)."""
    return next((each for each in sections if all(word in fold(each.title) for word in words)), None)


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
