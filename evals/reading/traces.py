"""Reasoning traces as text: their sections, the move that they conclude with, candidates, loops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import chess

from evals.reading.lines import MOVE
from evals.reading.lists import read_list
from evals.reading.moves import read_move, without_marks

_HEADING_START = re.compile(
    r"[ \t]{0,3}(?P<mark>\#{1,6}[ \t]*)?(?P<bold>\*\*|__)?[ \t]*"
    r"(?P<step>Step[ \t]*[0-9]+[ \t]*[:.)–—-]*[ \t]*)?",
    re.IGNORECASE,
)
"""What may stand in front of a title; it matches every row, if only its first nothing."""
_PLAYED = re.compile(rf"[*_`]*(?:[0-9]{{1,3}}[ ]?(?:\.{{1,3}}|…)?[ ]?)?{MOVE}")


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
    without these; text behind a colon, or behind an expected title and another mark (`Solution - 24. Rd8#`),
    belongs to the body. A row with a move where its title would be is no heading: `### 24. Qxh7+`.
    """
    known = _Titles(expected)
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


class _Titles:
    """The titles that a trace is expected to have."""

    def __init__(self, expected: Sequence[str]) -> None:
        self.folded = {fold(title) for title in expected}
        titles = (r"[ \t]+".join(map(re.escape, title.split())) for title in expected if title.strip())
        longest_first = "|".join(sorted(titles, key=len, reverse=True))
        self._start = re.compile(
            rf"(?:{longest_first or '(?!)'})(?=[^\w\s-]|[ \t]+[^\w\s]|[ \t]*$)", re.IGNORECASE
        )

    def measure(self, text: str) -> int | None:
        """How many characters of `text` are an expected title, with nothing or a mark behind it."""
        match = self._start.match(text)
        return match.end() if match is not None else None


def _read_heading(row: str, start: int, known: _Titles) -> _Heading | None:
    """Read a row that stands at `start` of its trace; None where it is no heading."""
    match = _HEADING_START.match(row)
    assert match is not None
    rest = row[match.end() :].rstrip(" \t")
    if not rest or not (match["mark"] or match["step"] or match["bold"]):
        return None
    head, colon, _ = rest.partition(":")
    title = head.strip(" \t*_")
    marked = match["mark"] or match["step"]
    if fold(title) not in known.folded:
        length = known.measure(rest) if marked else None
        if length is None:
            # `#1: Rh3` and `# 1-0` have no word, `### 24. Qxh7+` has a move.
            if not marked or _PLAYED.match(rest) or not any(map(str.isalpha, title)):
                return None
        else:
            title = head = rest[:length]
            colon = ":" if rest.startswith(":", length) else ""
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
_PROSE_START = re.compile(
    r"\b(?:candidates?(?:[ ]moves?)?|moves?[ ]to[ ]consider)\b(?:(?!square)[^\n.,;:]){0,30}?"
    r"(?:\b(?:are|is|include|includes|would[ ]be)\b|[:=])[ \t*_`:]*",
    re.IGNORECASE,
)
"""`The candidate moves are`: what comes next are moves, and no squares that prose is about."""
_NUMBERED = rf"(?:[0-9]{{1,3}}[ ]?(?:\.{{1,3}}|…)[ ]?)?{MOVE}"
_ITEMS = re.compile(
    rf"{_NUMBERED}(?:[ \t*_`]*(?:,|;|/|\band\b|\bor\b)[ \t*_`]*{_NUMBERED})*"
    # Not the square of `Qxh7, and e4 falls`.
    rf"(?:,[ \t]*(?:and|or)\b[ \t*_`]*{_NUMBERED}(?=[ \t*_`]*(?:[.,;)\n]|$)))?"
)
_BRACKETS = re.compile(r"(?P<label>[:=][ \t*_`]*)?\[(?P<items>[^\[\]]*)\]")
_SQUARE = re.compile(r"[a-h][1-8]")


def read_candidates(text: str) -> list[str]:
    """The moves that a section lists, each once: at the start of a row or an item, behind words such as `The
    candidate moves are`, with those that commas or `and` add to them, and in a list in brackets
    (`['Qxh7', 'Rd8#']`) of which every item is a move.
    """
    found: list[tuple[int, str]] = []
    for begins in (_ITEM_START, _PROSE_START):
        for start in begins.finditer(text):
            if (items := _ITEMS.match(text, start.end())) is not None:
                found.append((items.start(), items[0]))
    for brackets in _BRACKETS.finditer(text):
        listed = read_list(brackets["items"])
        # `[d8]` in prose is a square.
        is_list = brackets["label"] or re.search("[\"']", brackets["items"])
        if all(map(_MOVE_TEXT.fullmatch, listed)) and (is_list or not all(map(_SQUARE.fullmatch, listed))):
            found.append((brackets.start(), " ".join(listed)))
    moves: dict[str, str] = {}
    for _, row in sorted(found):
        for move in _MOVE_TEXT.findall(row):
            moves.setdefault(without_marks(move), move)
    return list(moves.values())


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
