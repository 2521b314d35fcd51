"""Patterns: a regular expression that a user gives to find an answer in a text, in bounded time.

The engine is RE2, which reads a text once and from left to right, whatever the pattern (R. Cox, "Regular
Expression Matching in the Wild", 2010). It has neither lookaround nor backreferences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import re2

from evals.reading.text import shown

NAMES = ("move", "answer")
"""Groups that hold the answer without being asked for."""
LARGEST = 1000
"""Instructions of a compiled pattern. The time that a text takes grows with them, and a short pattern can
have many: `(a{30}){30}`."""
WORK = 10**8
"""Instructions times characters that are spent before matches are left out (half a second or so). RE2 may
read a text to its end for each match, so that all matches of a long text may take quadratic time."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(r"\s")
_LOOKAROUNDS = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
_BACKREFERENCE = re.compile(r"\\[1-9k]|\(\?P(?!<)")


class PatternError(ValueError):
    """A pattern that can not be used; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression with the group that holds the answer."""

    pattern: str
    group: int
    """The number of the group; 0 is the whole match."""
    _regex: Any = field(repr=False, compare=False)

    @classmethod
    def compile(cls, pattern: str, group: int | str | None = None) -> Pattern:
        """Make a pattern whose answer is in `group`, by its name or number.

        Without `group`, it is the one named `move` or `answer`, else the only one that there is.

        :raises PatternError: it is no pattern of RE2, too large, or has no such group.
        """
        options = re2.Options()
        options.log_errors = False  # else RE2 writes to stderr
        try:
            regex: Any = re2.compile(pattern, options)
        except re2.error as error:
            raise PatternError(_why_not(pattern, error)) from None
        except UnicodeEncodeError as error:
            raise PatternError(
                f"{shown(pattern)} has a character that is not Unicode at {error.start + 1}"
            ) from None
        if regex.programsize > LARGEST:
            raise PatternError(
                f"{shown(pattern)} is too large: it compiles to {regex.programsize} steps, and {LARGEST} are "
                "the most; repeat less of it"
            )
        return cls(pattern, _find_group(pattern, regex, group), regex)

    def find(self, text: str, take: Literal["first", "last"]) -> str | None:
        """The group's text in the first or the last match, stripped.

        None where nothing matches, or the group takes no part in that match or holds only blanks. Empty
        matches do not count.
        """
        # RE2 reads UTF-8, which has no lone surrogates.
        text = _SURROGATE.sub("\ufffd", text)
        most = max(10, WORK // (self._regex.programsize * (len(text) + 1)))
        if take == "first":
            matches = islice(self._regex.finditer(text), most)
            match = next((match for match in matches if match[0]), None)
        else:
            match = self._last(text, most)
        answer: str | None = match[self.group] if match is not None else None
        return (answer.strip() or None) if answer is not None else None

    def _last(self, text: str, most: int) -> Any:
        """The last match that is not empty: of all matches where they are fewer than `most`. Else it is
        looked for in what is left of the text, by halves.
        """
        last: Any = None
        start, low, high = 0, 0, len(text)
        while True:
            found = list(islice(self._regex.finditer(text, start), most))
            full = [match for match in found if match[0]]
            last = full[-1] if full else last
            if len(found) == most:
                low = found[-1].end()
            elif full or start == 0:
                return last
            else:
                high = start
            if high - low < 2:
                return last
            start = (low + high) // 2
            # Not inside of a word, whose rest would be a match of its own.
            blank = _BLANK.search(text, start, min(start + 100, high - 1))
            start = blank.end() if blank is not None else start


def _why_not(pattern: str, error: Exception) -> str:
    """What RE2 has against a pattern, and where. It tells the piece that it does not understand."""
    reason = error.args[0]
    said: str = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    kind, _, piece = said.partition(": ")
    where = f"at character {pattern.find(piece) + 1}" if piece and piece in pattern else "in it"
    named = f"{shown(pattern)} has {shown(piece)} {where}"
    if piece in _LOOKAROUNDS:
        return f"{named}, a lookaround, which RE2 does not have: put what is wanted into a group instead"
    if _BACKREFERENCE.match(piece) and _BACKREFERENCE.search(pattern):
        return f"{named}, a backreference, which RE2 does not have: write out what may stand there"
    if piece == r"\Z":
        return f"{named}, which RE2 writes \\z"
    if piece and piece != pattern:
        return f"{shown(pattern)} is no regular expression of RE2 {where}: {kind}: {shown(piece)}"
    return f"{shown(pattern)} is no regular expression of RE2: {kind}"


def _find_group(pattern: str, regex: Any, group: int | str | None) -> int:
    """The number of the group that is asked for, or else of the one that can only be meant."""
    names: dict[str, int] = regex.groupindex
    there = ", ".join([*map(repr, names), *(f"{each}" for each in range(1, regex.groups + 1))])
    known = f"it has {there}" if there else "it has none: put parentheses around the answer"
    if group is None:
        usual = [name for name in NAMES if name in names]
        if not usual and regex.groups != 1:
            what = "say which group holds the answer" if there else "a group has to hold the answer"
            raise PatternError(f"{shown(pattern)}: {what}; {known}")
        if len(usual) > 1:
            raise PatternError(f"{shown(pattern)}: say which group holds the answer; {known}")
        group = usual[0] if usual else 1
    if isinstance(group, str):
        if group not in names:
            raise PatternError(f"{shown(pattern)} has no group named {shown(group)}; {known}")
        # RE2 knows the first of them only, and an answer in the other one would be lost.
        if len(re.findall(rf"\(\?P?<{re.escape(group)}>", pattern)) > 1:
            raise PatternError(f"{shown(pattern)} has two groups named {shown(group)}: write it with one")
        return names[group]
    if isinstance(group, bool) or not 0 <= group <= regex.groups:
        raise PatternError(f"{shown(pattern)} has no group {group}; {known}")
    return group
