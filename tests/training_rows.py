"""Training rows in the shapes that real chess adapters were trained in, from random puzzles, with prompts of
our own.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.reading.lists import write_list
from evals.reading.movetext import write_movetext
from evals.reading.pieces import write_pieces
from tests.positions import random_puzzles

PUZZLES = list(random_puzzles(7, 40))
SECTIONS = ("The board", "Who stands where", "What matters", "Ideas", "Lines looked at", "Verdict")
THEMES = ("fork", "mateIn2", "pin", "hangingPiece", "endgame", "short")

Row = dict[str, Any]


def best(puzzle: Puzzle) -> chess.Move:
    """The solver's first move."""
    return chess.Move.from_uci(puzzle.solution[0])


def san(puzzle: Puzzle) -> str:
    """The same in SAN."""
    return puzzle.board().san(best(puzzle))


def last_san(puzzle: Puzzle) -> str:
    """The opponent's move in SAN."""
    return chess.Board(puzzle.fen).san(chess.Move.from_uci(puzzle.moves[0]))


def movetext(puzzle: Puzzle) -> str:
    """The solution, with a variation behind its first move, a comment and a mark."""
    board = puzzle.board()
    first, *rest = write_movetext(board, [chess.Move.from_uci(uci) for uci in puzzle.solution]).split(" ", 2)
    other = next((move for move in board.legal_moves if move != best(puzzle)), None)
    aside = f" ({write_movetext(board, [other])})" if other else ""
    after = [chess.Move.from_uci(uci) for uci in puzzle.solution[1:]]
    board.push(best(puzzle))
    tail = f" {write_movetext(board, after)}" if after else ""
    return f"{first} {rest[0] if rest else ''}! {{the point}}{aside}{tail}".replace("... ", "... ")


def trace(puzzle: Puzzle) -> str:
    """Six sections that hold what they say."""
    board = puzzle.board()
    moves = [san(puzzle), *(board.san(move) for move in board.legal_moves if move != best(puzzle))][:3]
    line = write_movetext(board, [chess.Move.from_uci(uci) for uci in puzzle.solution])
    bodies = (
        "It is given.",
        write_pieces(board),
        "Both sides have plans.",
        f"The candidate moves are {', '.join(moves)}.\n{moves!r}",
        line,
        f"The best move is {san(puzzle)}.",
    )
    parts = (f"## Step {n}: {t}\n{b}" for n, (t, b) in enumerate(zip(SECTIONS, bodies, strict=True), start=1))
    return "<think>\n" + "\n\n".join(parts) + "\n</think>\n\n"


def chat(user: str, answer: str, system: str = "", **columns: Any) -> Row:
    """A row with a `messages` column."""
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return {"messages": messages, **columns}


def bare_move(puzzle: Puzzle) -> Row:
    """A bare move after two worked examples, without a system message."""
    user = (
        "Name the move that wins, as two squares.\n\nPosition 6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 "
        "31\nMove d1d8"
        "\n\nPosition rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2\nMove d8h4\n\n"
        f"Position {puzzle.board().fen()}\nMove"
    )
    return {"prompt": user, "completion": best(puzzle).uci()}


def trace_then_pgn(puzzle: Puzzle) -> Row:
    """A trace, then annotated PGN."""
    user = (
        f"Here is {puzzle.board().fen()}\nThey have just played {last_san(puzzle)}\nSolve it for me, please."
    )
    return chat(user, trace(puzzle) + movetext(puzzle))


def structured(puzzle: Puzzle) -> Row:
    """A JSON object whose move is one field of several."""
    board = puzzle.board()
    answer = {
        "thoughts": "Look at checks first.",
        "side": "white" if board.turn else "black",
        "reply": {"move": san(puzzle), "sure": 0.5, "line": [san(puzzle)]},
        "themes": ["fork"],
    }
    system = "You coach chess players. Answer with one JSON object."
    return chat(
        f"Position: {board.fen()}\n{'White' if board.turn else 'Black'} is to move.",
        json.dumps(answer),
        system,
    )


def captures(puzzle: Puzzle) -> Row:
    """The legal captures in SAN, or `none`."""
    board = puzzle.board()
    moves = [board.san(move) for move in board.generate_legal_captures()]
    return {"question": f"What can be taken here?\n{board.fen()}", "answer": write_list(moves)}


def piece_moves(puzzle: Puzzle) -> Row:
    """The legal moves of one piece in SAN."""
    board = puzzle.board()
    origin = best(puzzle).from_square
    moves = [board.san(move) for move in board.generate_legal_moves(chess.BB_SQUARES[origin])]
    return {
        "question": f"{board.fen()}: where can the piece on {chess.square_name(origin)} go?",
        "answer": write_list(moves),
    }


def pieces(puzzle: Puzzle) -> Row:
    """Piece lists by side."""
    return {
        "instruction": "Who stands where?",
        "input": puzzle.board().fen(),
        "output": write_pieces(puzzle.board()),
    }


def drawn(puzzle: Puzzle) -> Row:
    """A board of eight rows."""
    return chat(f"Draw the board of {puzzle.board().fen()}.", str(puzzle.board()))


def after(puzzle: Puzzle) -> Row:
    """The position after moves."""
    board = puzzle.board()
    moves = puzzle.solution[:2]
    return chat(f"From {board.fen()} the moves {' '.join(moves)} are played.", puzzle.board(len(moves)).fen())


def themes(puzzle: Puzzle) -> Row:
    """Theme names."""
    rng = random.Random(puzzle.id)
    return chat(f"Which motifs?\n{puzzle.board().fen()}", ", ".join(rng.sample(THEMES, 2)))


def listed(puzzle: Puzzle) -> Row:
    """The legal moves are listed in the prompt, the board is drawn."""
    board = puzzle.board()
    moves = sorted(board.san(move) for move in board.legal_moves)
    side = "white" if board.turn else "black"
    user = f"{board}\n{board.fen()}\nTo move: {side}\nChoose from: {'; '.join(moves)}"
    return chat(user, san(puzzle), f"You play {'White' if board.turn else 'Black'}.")


def cue(puzzle: Puzzle) -> Row:
    """The answer behind a cue, after prose that is another each time."""
    prose = f"{puzzle.board().fullmove_number} moves are behind us."
    return chat(f"What now? {puzzle.board().fen()}", f"{prose} Best move: {san(puzzle)}")


def tag(puzzle: Puzzle) -> Row:
    """The answer in a tag."""
    return chat(f"What now? {puzzle.board().fen()}", f"<move>{best(puzzle).uci()}</move>")


def box(puzzle: Puzzle) -> Row:
    """The answer in a box."""
    return chat(f"What now? {puzzle.board().fen()}", f"The answer is \\boxed{{{san(puzzle)}}}.")


def shots(puzzle: Puzzle) -> Row:
    """Worked examples as earlier turns."""
    example = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 31"
    row = chat(f"FEN {puzzle.board().fen()}, your move?", san(puzzle), "Play.")
    row["messages"][1:1] = [
        {"role": "user", "content": f"FEN {example}, your move?"},
        {"role": "assistant", "content": "Rd8#"},
    ]
    return row


def line(puzzle: Puzzle) -> Row:
    """The whole solution as a list of moves in UCI."""
    return {
        "conversations": [
            {"from": "human", "value": f"Solve {puzzle.board().fen()}"},
            {"from": "gpt", "value": " ".join(puzzle.solution)},
        ]
    }


SHAPES: Mapping[str, tuple[Callable[[Puzzle], Row], str, str]] = {
    "bare move": (bare_move, "move", "uci"),
    "trace, then PGN": (trace_then_pgn, "reasoning", "pgn"),
    "structured": (structured, "move", "json"),
    "captures": (captures, "board.captures", "list"),
    "moves of a piece": (piece_moves, "board.moves", "list"),
    "piece lists": (pieces, "board.pieces", "pieces"),
    "drawn board": (drawn, "board.pieces", "ascii"),
    "position after": (after, "board.after", "fen"),
    "themes": (themes, "board.themes", "list"),
    "legal moves listed": (listed, "move", "san"),
    "cue": (cue, "move", "regex"),
    "tag": (tag, "move", "regex"),
    "box": (box, "move", "regex"),
    "examples as turns": (shots, "move", "san"),
    "line": (line, "line", "list"),
}
"""Every shape with the question and the answer shape that are to be found."""


def rows_of(name: str, puzzles: Sequence[Puzzle] = PUZZLES) -> list[Row]:
    """The rows of a shape."""
    return [SHAPES[name][0](puzzle) for puzzle in puzzles]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """As JSON lines, CSV or Parquet, by the name's ending."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows
            )
    else:
        pyarrow: Any = pytest.importorskip("pyarrow")
        parquet: Any = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path
