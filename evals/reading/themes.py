"""Themes of puzzles: their names read from text, and how well a set of them fits a puzzle's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evals.reading.lists import NOTHING
from evals.reading.pieces import overlap

_MOTIFS = """
advancedPawn attackingF2F7 attraction capturingDefender clearance collinearMove defensiveMove deflection
discoveredAttack discoveredCheck doubleCheck exposedKing fork hangingPiece interference intermezzo
kingsideAttack pin queensideAttack quietMove sacrifice skewer trappedPiece xRayAttack zugzwang
castling enPassant promotion underPromotion
"""
_MATES = """
mateIn1 mateIn2 mateIn3 mateIn4 mateIn5
anastasiaMate arabianMate backRankMate balestraMate blindSwineMate bodenMate cornerMate doubleBishopMate
dovetailMate epauletteMate hookMate killBoxMate morphysMate operaMate pillsburysMate smotheredMate
swallowstailMate triangleMate vukovicMate
"""
_OTHERS = """
oneMove short long veryLong master masterVsMaster superGM playerGames opening middlegame endgame
bishopEndgame knightEndgame pawnEndgame queenEndgame queenRookEndgame rookEndgame
advantage crushing equality mate healthyMix mix checkFirst
"""

COUNTED: frozenset[str] = frozenset(f"{_MOTIFS} {_MATES}".split())
"""The themes of Lichess that count: what a solver can see on the board and that explains the solution.

Not counted, neither for nor against an answer: how long the solution is (`short`), where the game comes from
(`master`), its phase (`endgame`, `rookEndgame`), how much is won (`crushing`, `equality`), and `mate`, which
every puzzle with a `mateIn1` to `mateIn5` has as well: it would count the same thing twice.
"""

_KNOWN = {name.casefold(): name for name in (*COUNTED, *_OTHERS.split())}
"""Every theme that a Lichess puzzle may have, as Lichess spells it, by its folded name."""
_MOST_WORDS = 4
"""Words of the longest name, and one to spare: `attacking f2 f7`, `swallow's tail mate`."""

_LABEL = re.compile(r"\s*themes?\s*:", re.IGNORECASE)
_APART = re.compile(r"[,;\n]")
_AROUND = " \t\r\n.[]()\"'`*"
_UNHEARD = re.compile(r"[\s_'’-]+")


def _fold(name: str) -> str:
    return _UNHEARD.sub("", name).casefold()


def read_themes(text_or_list: str | Sequence[str]) -> frozenset[str]:
    """Theme names from a list, or from a text with commas, semicolons, new lines or blanks between them.

    Case, blanks, hyphens and underscores do not matter: `Mate in 2` and `mate_in_2` are `mateIn2`. Names that
    Lichess does not have stay as they are written.
    """
    if isinstance(text_or_list, str):
        label = _LABEL.match(text_or_list)
        names = _APART.split(text_or_list[label.end() :] if label is not None else text_or_list)
    else:
        names = text_or_list
    names = [name for each in names if (name := each.strip(_AROUND)) and name.lower() not in NOTHING]
    # In a text without commas, blanks part the names, whether or not all of them are known.
    blanks = isinstance(text_or_list, str) and len(names) == 1
    themes: dict[str, str] = {}
    for name in names:
        for theme in _read_words(name, blanks):
            themes.setdefault(_fold(theme), theme)
    return frozenset(themes.values())


def _read_words(name: str, blanks: bool) -> list[str]:
    """The themes that a text of several words names, from the left and the longest first.

    :param blanks: keep known names beside unknown words; else a text with an unknown word is one unknown
        name.
    """
    words = name.split()
    themes: list[str] = []
    unknown = 0
    place = 0
    while place < len(words):
        for count in range(min(_MOST_WORDS, len(words) - place), 0, -1):
            if theme := _KNOWN.get(_fold("".join(words[place : place + count]))):
                break
        else:
            count, theme = 1, words[place]
            unknown += 1
        themes.append(theme)
        place += count
    return [name] if unknown and (unknown == len(themes) or not blanks) else themes


@dataclass(frozen=True, slots=True)
class ThemeScore:
    """How well an answer's themes fit a puzzle's; each figure from 0 to 1."""

    jaccard: float
    """What is in both sets, as a share of what is in either of them."""
    precision: float
    """The share of the given themes that the puzzle has; 1.0 where none were given."""
    recall: float
    """The share of the puzzle's themes that were given."""


def score_themes(given: Collection[str], wanted: Collection[str]) -> ThemeScore | None:
    """Compare an answer's themes with a puzzle's, by those in `COUNTED`; None where the puzzle has none.

    A given name that is no theme of Lichess counts as a wrong one. The Jaccard index is |A ∩ B| / |A ∪ B| (P.
    Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11, 1912).
    """
    theirs = read_themes(list(wanted)) & COUNTED
    if not theirs:
        return None
    ours = read_themes(list(given))
    ours -= frozenset(_KNOWN.values()) - COUNTED
    precision, recall = overlap(ours, theirs)
    return ThemeScore(round(len(ours & theirs) / len(ours | theirs), 4), precision, recall)
