"""Rows whose answer is the opponent's move: the FEN of a puzzle file, with the first of its `Moves`.

In Lichess puzzle files `FEN` is the position before the opponent's move and `Moves[0]` is that move. Rows
that pair the two are legal, look right, and teach a model to blunder.
"""

from __future__ import annotations

from collections.abc import Sequence

import chess

from evals.adopting.positions import Placed, read_either

ENOUGH = 5
"""Positions that have to look wrong, where nothing but the positions speaks."""
SHOWN = "the prompt shows the position before it, with the other side to move, and so teaches the blunder"


def find_fault(placed: Sequence[Placed], lines: Sequence[Sequence[chess.Move]]) -> str | None:
    """One sentence where answers are the opponent's moves; None where nothing speaks for it.

    :param lines: the moves of each gold answer: the best move, or a line.
    """
    by_puzzle = sum(_is_first_of_puzzle(each, line) for each, line in zip(placed, lines, strict=True))
    by_column = sum(_is_first_of_column(each, line) for each, line in zip(placed, lines, strict=True))
    if count := max(by_puzzle, by_column):
        source = "the puzzle's Moves[0]" if by_puzzle >= by_column else "Moves[0] of the row's own puzzle"
        return f"{count} of {len(placed)} gold answers are {source}, the opponent's move; {SHOWN}"
    if any(each.puzzle is not None or each.sample.moves for each in placed):
        return None
    even = [len(line) % 2 == 0 for line in lines if len(line) > 1]
    if len(even) >= ENOUGH and sum(even) >= 0.9 * len(even):
        return (
            f"{sum(even)} of {len(even)} gold lines have an even number of moves, so that they end with the "
            f"other side's: they seem to start with the opponent's move (FEN + Moves[0]); {SHOWN}"
        )
    mated = [_is_mated_after(each.board, line) for each, line in zip(placed, lines, strict=True) if line]
    if sum(mated) >= max(ENOUGH, 0.1 * len(mated)):
        return (
            f"after {sum(mated)} of {len(mated)} gold answers the other side mates at once: they seem to be "
            "the opponent's moves (FEN + Moves[0]); --puzzles FILE, the file that the rows were made of, "
            "makes it sure"
        )
    return None


def _is_first_of_puzzle(placed: Placed, line: Sequence[chess.Move]) -> bool:
    puzzle = placed.puzzle
    if puzzle is None or not line or puzzle.convention != "before":
        return False
    raw = chess.Board(puzzle.fen)
    same = raw.board_fen() == placed.board.board_fen() and raw.turn == placed.board.turn
    return same and line[0].uci() == puzzle.moves[0]


def _is_first_of_column(placed: Placed, line: Sequence[chess.Move]) -> bool:
    """A solution ends with the solver's move. So a line of an even number of moves starts with the
    opponent's, and an answer that is its first move is that.
    """
    moves = placed.sample.moves
    if not line or not moves or len(moves) % 2:
        return False
    try:
        return read_either(moves[0], placed.board) == line[0]
    except ValueError:
        return False


def _is_mated_after(board: chess.Board, line: Sequence[chess.Move]) -> bool:
    after = board.copy(stack=False)
    after.push(line[0])
    for reply in list(after.legal_moves):
        if after.gives_check(reply):
            after.push(reply)
            mate = after.is_checkmate()
            after.pop()
            if mate:
                return True
    return False
