"""What a puzzle shows and how hard it may be: themes that are computed, and a difficulty proxy. Pure.

The words are the themes of Lichess. A theme is given only where its rule below holds; a puzzle can show more
than is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import chess

from evals.making.mates import mating_moves

VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 100}
"""Material in pawns; a king is worth more than anything."""

LENGTHS = {1: "oneMove", 2: "short", 3: "long"}

ENDGAME_PIECES = 6
"""At most this many pieces beside kings and pawns: an endgame (as Lichess divides its games)."""

OPENING_MOVES, OPENING_PIECES = 12, 12
"""Up to this move, with at least this many of the 14 pieces beside kings and pawns: an opening."""


def phase(board: chess.Board) -> str:
    """`opening`, `middlegame` or `endgame`."""
    pieces = chess.popcount(board.occupied & ~board.pawns & ~board.kings)
    if pieces <= ENDGAME_PIECES:
        return "endgame"
    return "opening" if board.fullmove_number <= OPENING_MOVES and pieces >= OPENING_PIECES else "middlegame"


def themes(before: chess.Board, moves: Sequence[chess.Move]) -> tuple[str, ...]:
    """The themes of a line, in alphabetical order; how much a tactic wins is not among them.

    :param before: the position before the opponent's move.
    :param moves: that move, then the solution line.
    """
    boards = [before.copy(stack=False)]
    for move in moves:
        boards.append(boards[-1].copy(stack=False))
        boards[-1].push(move)
    found = {phase(boards[1]), LENGTHS.get(len(moves) // 2, "veryLong")}
    solver = list(zip(boards[1::2], moves[1::2], boards[2::2], strict=True))
    if boards[-1].is_checkmate():
        found |= {"mate", f"mateIn{len(solver)}"} | _mate_pattern(boards[-1])
    for board, move, after in solver:
        if move.promotion:
            found.add("promotion")
            if move.promotion != chess.QUEEN:
                found.add("underPromotion")
        if board.is_castling(move):
            found.add("castling")
        if board.is_en_passant(move):
            found.add("enPassant")
        if chess.popcount(after.checkers_mask()) > 1:
            found.add("doubleCheck")
    if _takes_hanging_piece(*solver[0][:2], moves[0]):
        found.add("hangingPiece")
    if any(_forks(after, move, following) for (_, move, after), (_, following, _) in pairwise(solver)):
        found.add("fork")
    return tuple(sorted(found))


def _mate_pattern(mated: chess.Board) -> set[str]:
    """`backRankMate`: along the king's back rank, its own men in front of it; `smotheredMate`: by a knight,
    its own men all around it.
    """
    king = mated.king(mated.turn)
    if king is None:
        return set()
    own = mated.occupied_co[mated.turn]
    checkers = list(mated.checkers())
    kinds = {mated.piece_type_at(square) for square in checkers}
    if kinds == {chess.KNIGHT} and not chess.BB_KING_ATTACKS[king] & ~own:
        return {"smotheredMate"}
    back, front = (0, 1) if mated.turn == chess.WHITE else (7, 6)
    flights = chess.BB_KING_ATTACKS[king] & chess.BB_RANKS[front]
    along = kinds <= {chess.ROOK, chess.QUEEN} and {*map(chess.square_rank, (king, *checkers))} == {back}
    return {"backRankMate"} if along and not flights & ~own else set()


def _takes_hanging_piece(board: chess.Board, move: chess.Move, opponents: chess.Move) -> bool:
    """A capture of an undefended piece (not a pawn) that is no recapture."""
    victim = board.piece_type_at(move.to_square)
    if victim in (None, chess.PAWN) or move.to_square == opponents.to_square:
        return False
    return not board.attackers_mask(not board.turn, move.to_square)


def is_plain_capture(board: chess.Board, move: chess.Move) -> bool:
    """A capture of an undefended man, or of one that is worth more than the taker."""
    victim, taker = board.piece_type_at(move.to_square), board.piece_type_at(move.from_square)
    if victim is None or taker is None:
        return False
    return VALUES[victim] > VALUES[taker] or not board.attackers_mask(not board.turn, move.to_square)


def _forks(after: chess.Board, move: chess.Move, following: chess.Move) -> bool:
    """The moved piece attacks two worthwhile targets, and takes one of them with the solver's next move.

    Worthwhile are the king, a piece worth more than the attacker, and an undefended piece, but no pawn.
    """
    attacker = after.piece_type_at(move.to_square)
    if attacker is None or following.from_square != move.to_square:
        return False
    targets = [square for square in after.attacks(move.to_square) if _worthwhile(after, square, attacker)]
    return len(targets) > 1 and following.to_square in targets


def _worthwhile(after: chess.Board, square: chess.Square, attacker: chess.PieceType) -> bool:
    victim = after.piece_at(square)
    if victim is None or victim.color != after.turn or victim.piece_type == chess.PAWN:
        return False
    return VALUES[victim.piece_type] > VALUES[attacker] or not after.attackers_mask(after.turn, square)


class Weights(NamedTuple):
    """Rating points; see `difficulty`."""

    start: int
    checks: int
    captures: int
    is_check: int
    is_capture: int
    is_recapture: int
    solver_moves: int = 0
    other_mates: int = 0


MATE_IN_1 = Weights(660, 95, 50, 0, -145, -120, other_mates=-180)
MATE_IN_2 = Weights(1575, 110, 60, -755, 120, -240)
TACTIC = Weights(830, 75, 85, -375, -125, -140, solver_moves=320)


def difficulty(board: chess.Board, solution: Sequence[chess.Move]) -> int:
    """A proxy for the rating of a puzzle that nobody has played, 400 to 2800.

    A weighted sum over the solver's first move: `start`, plus a weight for each legal check and each legal
    capture (both distract), one each if the first move is a check, a capture, a recapture, and one for each
    move to find and for each further mate. The weights are a least-squares fit to the ratings of 9,391
    Lichess puzzles, rounded, and explain 36% of their variance for mates in one, 31% for mates in two, 25%
    for other puzzles of up to three moves. So it orders puzzles roughly; one rating may be off by 400 points.

    :param board: the position that the solver sees, the opponent's move on its stack.
    :param solution: the solution line from there.
    """
    first = solution[0]
    mates = len(mating_moves(board))
    weights = MATE_IN_1 if mates else MATE_IN_2 if _ends_in_mate(board, solution) else TACTIC
    legal = list(board.legal_moves)
    rating = (
        weights.start
        + weights.checks * sum(board.gives_check(move) for move in legal)
        + weights.captures * sum(board.is_capture(move) for move in legal)
        + weights.is_check * board.gives_check(first)
        + weights.is_capture * board.is_capture(first)
        + weights.is_recapture * (board.is_capture(first) and first.to_square == board.peek().to_square)
        + weights.solver_moves * ((len(solution) + 1) // 2)
        + weights.other_mates * max(0, mates - 1)
    )
    return max(400, min(2800, rating))


def _ends_in_mate(board: chess.Board, solution: Sequence[chess.Move]) -> bool:
    board = board.copy(stack=False)
    for move in solution:
        board.push(move)
    return board.is_checkmate()
