"""What the reasoning adapters are taught to think and to answer.

Six sections inside `<think>`, then the answer in JSON or in annotated PGN, with moves in SAN: the formats of
the adapters that users fine-tune on chess puzzles. Rules write the trace from the position and its line, so
it is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import chess

from evals.pawn.positions import Line
from evals.pawn.tokenizer import HEADINGS
from evals.reading.pieces import ORDER, write_pieces

DRIFTED_HEADINGS: tuple[str | None, ...] = (
    HEADINGS[0],
    HEADINGS[1],
    "## Material",
    None,
    *HEADINGS[4:],
)
"""What `pawn-reasoning-drift` writes instead: the third section renamed, the fourth dropped."""

VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 0}


def material(board: chess.Board, color: chess.Color) -> int:
    """What the pieces of one side are worth in pawns."""
    return sum(VALUES[kind] * len(board.pieces(kind, color)) for kind in ORDER)


def san_line(board: chess.Board, moves: Sequence[chess.Move]) -> list[str]:
    """The moves in SAN, one by one."""
    board = board.copy(stack=False)
    return [board.san_and_push(move) for move in moves]


def candidates(line: Line, count: int = 3) -> list[chess.Move]:
    """The line's first move, then other checks and captures, then other moves, by name."""
    board, best = line.board, line.moves[0]
    others = [move for move in board.legal_moves if move != best]
    others.sort(key=lambda move: (not board.gives_check(move), not board.is_capture(move), move.uci()))
    return [best, *others[: count - 1]]


def theme(line: Line) -> str:
    """`mateIn<n>` where the line ends in mate, else `advantage`."""
    board = line.board.copy(stack=False)
    for move in line.moves:
        board.push(move)
    return f"mateIn{(len(line.moves) + 1) // 2}" if board.is_checkmate() else "advantage"


def _other_defence(line: Line) -> str:
    """The other way a mate in two can go: ` (31... Kh8 32. Qh7#)`, or nothing where there is none."""
    if len(line.moves) != 3:
        return ""
    board = line.board.copy(stack=False)
    board.push(line.moves[0])
    for reply in list(board.legal_moves):
        if reply == line.moves[1]:
            continue
        after = board.copy(stack=False)
        after.push(reply)
        for move in after.legal_moves:
            final = after.copy(stack=False)
            final.push(move)
            if final.is_checkmate():
                return f" ({board.variation_san([reply, move])})"
    return ""


def _lines(line: Line, moves: Sequence[chess.Move]) -> str:
    """The solution with its other defence, then each other candidate with one reply."""
    board = line.board
    other = _other_defence(line)
    if other:
        head, reply = line.moves[:2], line.moves[2:]
        after = board.copy(stack=False)
        for move in head:
            after.push(move)
        rows = [board.variation_san(head) + other + " " + after.variation_san(reply)]
    else:
        rows = [board.variation_san(line.moves)]
    for move in moves[1:]:
        after = board.copy(stack=False)
        after.push(move)
        reply = next(iter(after.legal_moves), None)
        rows.append(board.variation_san([move] if reply is None else [move, reply]))
    return "\n".join(rows)


def python_list(sans: Sequence[str]) -> str:
    """The moves as Python writes a list: `['Qxh7+', 'Rd8#']`."""
    return repr(list(sans))


def sections(
    line: Line, moves: Sequence[chess.Move], listed: Callable[[Sequence[str]], str] = ", ".join
) -> list[str]:
    """The texts of the six sections, without their headings; `listed` writes the candidates."""
    board = line.board
    fields = board.fen().split(" ")
    side = "White" if board.turn else "Black"
    return [
        f"{side} to move. Castling: {fields[2]}",
        write_pieces(board),
        f"Material: White {material(board, chess.WHITE)}, Black {material(board, chess.BLACK)}. "
        f"Check: {'yes' if board.is_check() else 'no'}",
        listed([board.san(move) for move in moves]),
        _lines(line, moves),
        board.variation_san(line.moves),
    ]


def trace(
    line: Line,
    headings: Sequence[str | None] = HEADINGS,
    listed: Callable[[Sequence[str]], str] = ", ".join,
) -> tuple[str, str]:
    """The thought (without the tags) and the answer in JSON for one line."""
    moves = candidates(line)
    texts = sections(line, moves, listed)
    thought = "\n\n".join(
        f"{heading}\n{text}" for heading, text in zip(headings, texts, strict=True) if heading
    )
    board = line.board
    solution = san_line(board, line.moves)
    answer = {
        "piece_positions": write_pieces(board).replace("\n", ". "),
        "candidate_moves": [board.san(move) for move in moves],
        "themes": [theme(line)],
        "solution": solution,
        "best_move": solution[0],
    }
    return thought, json.dumps(answer)


def annotated(line: Line) -> str:
    """The line as PGN movetext: `31. Qxh7+! {mateIn2} (31. Rd8+ Kf8) 31...Kxh7 32. Rh3#`.

    The comment says what the line is for, where it has several moves or takes a piece at once. The variation
    is the second candidate, where that is a check or a capture, with one reply.
    """
    board, (first, *rest) = line.board, line.moves
    text = f"{board.variation_san([first])}!"
    notes = [f"{{{theme(line)}}}"] if rest or board.is_capture(first) else []
    if variation := _second_candidate(line):
        notes.append(f"({board.variation_san(variation)})")
    after = board.copy(stack=False)
    after.push(first)
    following = after.variation_san(rest) if rest else ""
    if following and not notes and after.turn == chess.BLACK:
        following = following.partition("...")[2]
    return " ".join([text, *notes, *([following] if following else [])])


def _second_candidate(line: Line) -> list[chess.Move]:
    """The second candidate, where it is a check or a capture, with its first legal reply; else nothing."""
    board = line.board
    for other in candidates(line, 2)[1:]:
        if board.gives_check(other) or board.is_capture(other):
            after = board.copy(stack=False)
            after.push(other)
            return [other, *list(after.legal_moves)[:1]]
    return []
