"""Forced mates, proved by trying every move. Pure."""

from __future__ import annotations

import chess


def mating_moves(board: chess.Board) -> list[chess.Move]:
    """Every legal move that checkmates at once."""
    return [move for move in board.legal_moves if board.gives_check(move) and _mates(board, move)]


def _mates(board: chess.Board, move: chess.Move) -> bool:
    board.push(move)
    mate = board.is_checkmate()
    board.pop()
    return mate


def _can_mate(board: chess.Board) -> bool:
    return any(board.gives_check(move) and _mates(board, move) for move in board.legal_moves)


def forces_mate_in_two(board: chess.Board, move: chess.Move) -> bool:
    """True where every reply to the move (there is at least one) allows a mate in one."""
    board.push(move)
    try:
        replied = False
        for reply in board.legal_moves:
            replied = True
            board.push(reply)
            mated = _can_mate(board)
            board.pop()
            if not mated:
                return False
        return replied
    finally:
        board.pop()


def keys_in_two(board: chess.Board) -> list[chess.Move]:
    """Every move that forces mate in two; none where there is a mate in one."""
    if _can_mate(board):
        return []
    return [move for move in board.legal_moves if forces_mate_in_two(board, move)]


def best_defence(board: chess.Board) -> chess.Move:
    """The reply that leaves the attacker the fewest mates in one, the first in UCI order among equals.

    :raises ValueError: there is no legal reply.
    """

    def mates_left(reply: chess.Move) -> tuple[int, str]:
        board.push(reply)
        count = len(mating_moves(board))
        board.pop()
        return count, reply.uci()

    return min(list(board.legal_moves), key=mates_left)
