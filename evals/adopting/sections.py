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
    orders = Counter(tuple(fold(each.title) for each in sections if fold(each.title) in common) for sections in cut)
    if not common:
        return Trace(), 0
    order, in_order = orders.most_common(1)[0]
    spelled = Counter(each.title for sections in cut for each in sections)
    titles = [max((t for t in spelled if fold(t) == title), key=lambda t: spelled[t]) for title in order]
    found = _Roles(golds, moves, cut)
    return Trace(
        sections=tuple(titles),
        pieces=found.best(titles, found.has_pieces, "piece"),
        candidates=found.best(titles, found.has_candidates, "candidate"),
        lines=found.best(titles, found.has_lines, "line"),
        conclusion=found.best(titles, found.concludes, "solution"),
    ), in_order


class _Roles:
    """Which section holds what."""

    def __init__(
        self, golds: Sequence[Gold], moves: Sequence[chess.Move | None], cut: Sequence[Sequence[Section]]
    ) -> None:
        self._rows = [(gold.placed.board, move, cut) for gold, move, cut in zip(golds, moves, cut, strict=True)]

    def best(
        self, titles: Sequence[str], holds: Callable[[str, chess.Board, chess.Move | None], bool], word: str
    ) -> str:
        """The title of the section that holds it in nearly all rows: of several, the one whose title says so,
        else the last.
        """
        fitting = [title for title in titles if self._share(title, holds) >= NEARLY_ALL]
        named = [title for title in fitting if word in fold(title)]
        return (named or fitting[-1:] or [""])[0]

    def _share(self, title: str, holds: Callable[[str, chess.Board, chess.Move | None], bool]) -> float:
        right = 0
        for board, move, sections in self._rows:
            body = next((each.body for each in sections if fold(each.title) == fold(title)), None)
            right += body is not None and holds(body, board, move)
        return right / len(self._rows)

    @staticmethod
    def has_pieces(body: str, board: chess.Board, _: chess.Move | None) -> bool:
        """It lists the pieces on the board."""
        return read_pieces(body) >= name_pieces(board)

    @staticmethod
    def has_candidates(body: str, board: chess.Board, move: chess.Move | None) -> bool:
        """It lists legal moves, the answer among them, and more of them than one where there are more."""
        listed = [read_move(text, board, "san").move for text in read_candidates(body)]
        return None not in listed and move in listed

    @staticmethod
    def has_lines(body: str, board: chess.Board, _: chess.Move | None) -> bool:
        """It quotes legal lines."""
        done = replay(read_rows(body), board)
        return done.lines > 0 and not done.illegal

    @staticmethod
    def concludes(body: str, board: chess.Board, move: chess.Move | None) -> bool:
        """The move that it ends up with is the answer."""
        text = read_conclusion(body, board)
        return text is not None and move is not None and read_move(text, board, "san").move == move
