"""Forced mates, proved by trying every move. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import chess


def checking_moves(board: chess.Board, moves: Iterable[chess.Move] | None = None) -> list[chess.Move]:
    """The legal moves that give check, found without asking each of them; `moves` are all legal ones."""
    king = board.king(not board.turn)
    if king is None:
        return []
    straight = chess.BB_RANK_ATTACKS[king][0] | chess.BB_FILE_ATTACKS[king][0]
    diagonal = chess.BB_DIAG_ATTACKS[king][0]
    lines = straight | diagonal
    near = {
        chess.PAWN: chess.BB_PAWN_ATTACKS[not board.turn][king],
        chess.KNIGHT: chess.BB_KNIGHT_ATTACKS[king],
        chess.BISHOP: diagonal,
        chess.ROOK: straight,
        chess.QUEEN: lines,
        chess.KING: 0,
    }
    special = lines if board.ep_square is None else chess.BB_ALL
    checks: list[chess.Move] = []
    for move in board.legal_moves if moves is None else moves:
        from_square, to_square = chess.BB_SQUARES[move.from_square], chess.BB_SQUARES[move.to_square]
        kind = board.piece_type_at(move.from_square)
        reaches = near[kind] & to_square if kind else 0
        castles = kind == chess.KING and chess.square_distance(move.from_square, move.to_square) > 1
        if (reaches or from_square & special or move.promotion or castles) and board.gives_check(move):
            checks.append(move)
    return checks


def mating_moves(board: chess.Board) -> list[chess.Move]:
    """Every legal move that checkmates at once."""
    return [move for move in checking_moves(board) if is_mate(board, move)]


def is_mate(board: chess.Board, check: chess.Move) -> bool:
    """True where this check, a legal move, is mate."""
    board.push(check)
    mated = not any(board.generate_legal_moves())
    board.pop()
    return mated


def _can_mate(board: chess.Board) -> bool:
    return any(is_mate(board, check) for check in checking_moves(board))


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
