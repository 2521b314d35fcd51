"""PGN movetext: the moves of its main line, and a line written as movetext.

    24. Qxh7+! {[%clk 0:01:02] the point} (24. Rd8 Rf8) 24... Kxh7 25. Rh3# $1 1-0

The grammar is that of the PGN standard (S. J. Edwards, 1994, section 8.2), read as leniently as programs read
it: what numbers claim is not looked at, and what is never closed reaches to the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import chess

from evals.reading.lines import MOVE

_TOKEN = re.compile(
    rf"""
    (?P<blank>\s+)
    | (?P<result>(?:1-0|0-1|1/2-1/2|½-½)(?![\w/-])|\*)
    | (?P<move>{MOVE}|(?:--|Z0|0000|@@@@)[!?]*(?![\w-]))
    | (?P<aside>
        [0-9]+[.…\s]*
        | (?:\.\.+|…)(?=\s*[KQRBNOa-h0]) # `... Kxh7`
        | \$[0-9]+
        | e\.?p\.?(?!\w)
        | \+-(?!-) | -\+ | \+/[-=] | [-=]/\+ | =/∞ | [!?‼⁇⁈⁉□+\#=±∓∞⩲⩱]+
        | \[%[^\]\n]*\])
    | (?P<tag>\[\s*\w+\s+"(?:[^"\\\n]|\\.)*"\s*\])
    | (?P<note>[{{(;])
    | (?P<closed>\))
    """,
    re.VERBOSE,
)
_NESTS = re.compile(r"[{(;)]")


def read_movetext(text: str) -> list[str]:
    """The moves of the main line, as they are written but without `!` and `?`.

    Comments, variations, NAGs, move numbers and tag pairs are not played, nor is what follows a result. A
    null move is one of the moves. Reading ends at the first thing that is no movetext, such as a word: a text
    that starts with prose has no moves.
    """
    moves: list[str] = []
    place = 0
    while (token := _TOKEN.match(text, place)) is not None:
        if token.lastgroup == "result" or (token.lastgroup == "tag" and moves):
            break  # what follows is another game
        if token.lastgroup == "move":
            moves.append(token[0].rstrip("!?"))
        place = _skip(text, token.start()) if token.lastgroup == "note" else token.end()
    return moves


def _skip(text: str, place: int) -> int:
    """Where the comment or the variation that starts at `place` ends; the end of the text if it never does.

    In a variation, parentheses inside of a comment do not count.
    """
    depth = 0
    while (mark := _NESTS.search(text, place)) is not None:
        place = mark.end()
        if mark[0] in "()":
            depth += 1 if mark[0] == "(" else -1
        else:
            end = text.find("}" if mark[0] == "{" else "\n", place)
            if end < 0:
                break
            place = end + 1
        if depth == 0:
            return place
    return len(text)


def write_movetext(board: chess.Board, moves: Sequence[chess.Move]) -> str:
    """Legal moves from `board` on with their numbers: `24. Qxh7+ Kxh7 25. Rh3#`, `24... Kxh7 25. Rh3#`.

    :raises chess.IllegalMoveError: one of them is not legal.
    """
    return board.variation_san(moves).replace("...", "... ", 1)
