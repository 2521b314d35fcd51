"""Reasoning answers in the trained format, written from a puzzle by rules, for the tests and the bench."""

from __future__ import annotations

import json
from collections.abc import Sequence

import chess

from evals.puzzles.puzzle import Puzzle
from evals.reading.pieces import write_pieces

HEADINGS = (
    "## Step 1: FEN parsing",
    "## Step 2: Piece Positions",
    "## Step 3: Position Summary",
    "## Step 4: Candidate Moves",
    "## Step 5: Candidate Lines Analysis",
    "## Step 6: Solution",
)


def write_sections(puzzle: Puzzle) -> list[str]:
    """The bodies of the six sections, in order."""
    board = puzzle.board()
    moves = [chess.Move.from_uci(uci) for uci in puzzle.solution]
    others = [move for move in board.legal_moves if move != moves[0]][:3]
    variations = [f"- {board.variation_san([move])} is less good." for move in others]
    return [
        f"The board is {board.board_fen()}.",
        write_pieces(board),
        f"{'White' if board.turn else 'Black'} to move.",
        "\n".join(f"- {board.san(move)}: a candidate" for move in [moves[0], *others]),
        "\n".join([f"- {board.variation_san(moves)} {{wins}}", *variations]),
        f"The best move is **{board.san(moves[0])}**.",
    ]


def write_trace(puzzle: Puzzle, headings: Sequence[str | None] = HEADINGS) -> str:
    """A trace without its tags; a heading that is None leaves its section out."""
    bodies = zip(headings, write_sections(puzzle), strict=True)
    return "\n\n".join(f"{heading}\n{body}" for heading, body in bodies if heading)


def write_answer(puzzle: Puzzle) -> str:
    """The JSON answer that follows the trace."""
    board = puzzle.board()
    line: list[str] = []
    for uci in puzzle.solution:
        line.append(board.san_and_push(chess.Move.from_uci(uci)))
    board = puzzle.board()
    others = [board.san(move) for move in board.legal_moves if board.san(move) != line[0]][:3]
    return json.dumps(
        {
            "piece_positions": write_pieces(board).replace("\n", ". "),
            "candidate_moves": [line[0], *others],
            "themes": list(puzzle.themes),
            "solution": line,
            "best_move": line[0],
        }
    )
