"""What traces have in common: their sections in order, and what stands in which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import chess

from evals.adopting.shapes import Gold
from evals.formats.format import Trace
from evals.reading.completions import split_trace
from evals.reading.lines import read_rows, replay
from evals.reading.moves import read_move
from evals.reading.pieces import name_pieces, read_pieces
from evals.reading.traces import Section, fold, read_candidates, read_conclusion, read_sections

NEARLY_ALL = 0.9
"""The share of rows that have what a format is said to have."""


def find_trace(golds: Sequence[Gold], moves: Sequence[chess.Move | None]) -> tuple[Trace, int]:
    """The sections that nearly all traces have, with their roles, and how many rows have them in that order.

    :param moves: the gold answers' moves.
    """
    traces = [split_trace(gold.placed.sample.gold).trace or "" for gold in golds]
    cut = [read_sections(trace, ()) for trace in traces]
    counts = Counter(fold(title) for sections in cut for title in {each.title for each in sections})
    common = {title for title, count in counts.items() if count >= NEARLY_ALL * len(golds)}
    orders = Counter(
        tuple(fold(each.title) for each in sections if fold(each.title) in common) for sections in cut
    )
    if not common:
        return Trace(), 0
    order, in_order = orders.most_common(1)[0]
    spelled = Counter(each.title for sections in cut for each in sections)
    titles = [max((t for t in spelled if fold(t) == title), key=lambda t: spelled[t]) for title in order]
    found = _Roles(golds, moves, cut)
    return Trace(
        sections=tuple(titles),
        pieces=found.best(titles, _pieces, "piece"),
        candidates=found.best(titles, _candidates, "candidate"),
        lines=found.best(titles, _lines, "line"),
        conclusion=found.best(titles[::-1], _conclusion, "solution"),
    ), in_order


_Holds = Callable[[str, chess.Board, chess.Move | None], int]
"""How much of something a section has; 0 where it has none, or a wrong one."""


class _Roles:
    """Which section holds what."""

    def __init__(
        self, golds: Sequence[Gold], moves: Sequence[chess.Move | None], cut: Sequence[Sequence[Section]]
    ) -> None:
        self._rows = [
            (gold.placed.board, move, cut) for gold, move, cut in zip(golds, moves, cut, strict=True)
        ]

    def best(self, titles: Sequence[str], holds: _Holds, word: str) -> str:
        """The title of the section that holds it in nearly all rows: of several, the one whose title says so,
        else the one that holds most, else the first; a conclusion is the last one.
        """
        counts = {title: self._counts(title, holds) for title in titles}
        least = NEARLY_ALL * len(self._rows)
        fitting = [title for title in titles if sum(map(bool, counts[title])) >= least]
        named = [title for title in fitting if word in fold(title)]
        return max(named or fitting, key=lambda title: sum(counts[title]), default="")

    def _counts(self, title: str, holds: _Holds) -> list[int]:
        bodies = (
            (next((each.body for each in sections if fold(each.title) == fold(title)), ""), board, move)
            for board, move, sections in self._rows
        )
        return [holds(body, board, move) for body, board, move in bodies]


def _pieces(body: str, board: chess.Board, _: chess.Move | None) -> int:
    listed = read_pieces(body)
    return len(listed) if listed >= name_pieces(board) else 0


def _candidates(body: str, board: chess.Board, move: chess.Move | None) -> int:
    """Legal moves, the answer among them."""
    listed = [read_move(text, board, "san").move for text in read_candidates(body)]
    return len(listed) if None not in listed and move in listed else 0


def _lines(body: str, board: chess.Board, _: chess.Move | None) -> int:
    done = replay(read_rows(body), board)
    return done.moves if not done.illegal else 0


def _conclusion(body: str, board: chess.Board, move: chess.Move | None) -> int:
    text = read_conclusion(body, board)
    return int(text is not None and move is not None and read_move(text, board, "san").move == move)
