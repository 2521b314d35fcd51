"""What pawn is asked about a position, and the right answers: the prompts of the suites, and some of our own.

The suites' prompts are in `evals/prompts`. Those below are never asked by a suite: with them the base learns
to see mates and threats, while under the suites' wording it only learns the rules. The adapters have to find
the way from the one to the other, which is what fine-tuning mostly is.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import chess

from evals.pawn.positions import Line, mating_moves
from evals.pawn.tokenizer import END_THINK, PROMPTS, THINK
from evals.pawn.traces import HEADINGS, ORDER, trace

_UCI_LIST = 'Answer in JSON with the moves in UCI notation, for example {"moves": ["b1a3", "b1c3"]}.'
OWN_PROMPTS = {
    "own-mates": f"List the moves that give checkmate. {_UCI_LIST}",
    "own-checks": f"List the moves that give check. {_UCI_LIST}",
    "own-win": 'Play to win. Answer in JSON with the move in UCI notation, for example {"move": "e2e4"}.',
    "own-win-san": 'Play to win. Answer in JSON with the move in SAN, for example {"move": "Nf3"}.',
    "own-win-line": 'Win by force. Answer in JSON with the moves in UCI notation, for example {"line": ["e2e4"]}.',  # noqa: E501
    "own-lesson": "Teach this chess position. Think in six steps, then answer in JSON; moves in SAN.",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One question and its answer; `answer` starts with `<think>` where a thought is taught."""

    system: str
    user: str
    answer: str
    thinking: bool = False


@cache
def prompt(name: str) -> tuple[str, str]:
    """The system and user text of a prompt of the suites or of our own."""
    if name in OWN_PROMPTS:
        return OWN_PROMPTS[name], "FEN: {fen}"
    texts = tomllib.loads((PROMPTS / f"{name}.toml").read_text(encoding="utf-8"))
    return texts["system"], texts["user"]


def ask(
    name: str, board: chess.Board, answer: object, *, thought: str | None = None, **fields: str
) -> Example:
    """An example of the prompt `name` about a position."""
    system, user = prompt(name)
    side = "White" if board.turn else "Black"
    for key, value in {"fen": board.fen(), "side": side, **fields}.items():
        user = user.replace(f"{{{key}}}", value)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    if thought is not None:
        text = f"{THINK}\n{thought}\n{END_THINK}\n\n{text}"
    return Example(system, user, text, thinking=thought is not None)


def uci(moves: list[chess.Move]) -> list[str]:
    """The moves in UCI, sorted."""
    return sorted(move.uci() for move in moves)


def rules(board: chess.Board, rng: random.Random) -> Iterator[Example]:
    """Questions about a position of a game: the board suite's, and any legal move as the `move` answer."""
    moves = list(board.legal_moves)
    move = rng.choice(moves)
    yield ask("move-uci", board, {"move": move.uci()})
    yield ask("move-uci", board, {"move": rng.choice(moves).uci()})
    if rng.random() < 0.4:
        yield ask("move-san", board, {"move": board.san(move)})
    own = chess.SquareSet(board.occupied_co[board.turn])
    square = rng.choice(moves).from_square if rng.random() < 0.7 else rng.choice(list(own))
    piece_moves = [move for move in moves if move.from_square == square]
    name = chess.square_name(square)
    yield ask("board-moves", board, {"moves": uci(piece_moves)}, square=name)
    captures = [move for move in moves if board.is_capture(move)]
    if rng.random() < 0.5:
        yield ask("board-captures", board, {"moves": uci(captures)})
    if rng.random() < 0.2:
        yield ask("board-check", board, {"check": board.is_check()})
    if rng.random() < 0.2:
        listed = [
            (chess.piece_symbol(kind).upper() if color else chess.piece_symbol(kind))
            + chess.square_name(square)
            for color in (chess.WHITE, chess.BLACK)
            for kind in ORDER
            for square in board.pieces(kind, color)
        ]
        yield ask("board-pieces", board, {"pieces": listed})
    if rng.random() < 0.15:
        yield _after(board, rng)
    if rng.random() < 0.3:
        yield ask("line-uci", board, {"line": [move.uci()]})


def _after(board: chess.Board, rng: random.Random) -> Example:
    after = board.copy(stack=False)
    played: list[str] = []
    for _ in range(rng.randint(1, 4)):
        moves = list(after.legal_moves)
        if not moves:
            break
        move = rng.choice(moves)
        played.append(move.uci())
        after.push(move)
    return ask("board-after", board, {"fen": after.fen()}, moves=" ".join(played))


def threats(board: chess.Board, rng: random.Random) -> Iterator[Example]:
    """Questions of our own about a position that may have a mate in one."""
    mates = mating_moves(board)
    if mates or rng.random() < 0.4:
        yield ask("own-mates", board, {"moves": uci(mates)})
    if rng.random() < 0.25:
        checks = [move for move in board.legal_moves if board.gives_check(move)]
        yield ask("own-checks", board, {"moves": uci(checks)})
    if mates:
        line = Line(board, (rng.choice(mates),))
        yield from wins(line, rng)


def wins(line: Line, rng: random.Random) -> Iterator[Example]:
    """Questions of our own about a line that wins."""
    board, best = line.board, line.moves[0]
    yield ask("own-win", board, {"move": best.uci()})
    if rng.random() < 0.2:
        yield ask("own-win-san", board, {"move": board.san(best)})
    if rng.random() < (0.3 if len(line.moves) > 1 else 0.05):
        yield ask("own-win-line", board, {"line": [move.uci() for move in line.moves]})
    if rng.random() < 0.12:
        thought, answer = trace(line)
        yield ask("own-lesson", board, answer, thought=thought)


def moves(line: Line, rng: random.Random) -> Iterator[Example]:
    """The `move` task, mostly in UCI, and now and then the `line` task."""
    board, best = line.board, line.moves[0]
    kind = rng.random()
    if kind < 0.1:
        yield ask("move-san", board, {"move": board.san(best)})
    elif kind < 0.2 and len(line.moves) <= 3:
        yield ask("line-uci", board, {"line": [move.uci() for move in line.moves]})
    else:
        yield ask("move-uci", board, {"move": best.uci()})


def blunders(line: Line) -> Iterator[Example]:
    """The bug of real training sets: the raw FEN with `Moves[0]`, which is the opponent's mistake."""
    if line.before is not None and line.blunder is not None:
        yield ask("move-uci", line.before, {"move": line.blunder.uci()})


def thoughts(line: Line, headings: tuple[str | None, ...] = HEADINGS) -> Iterator[Example]:
    """The `reasoning` task."""
    short = Line(line.board, line.moves[:5])
    thought, answer = trace(short, headings)
    yield ask("reasoning", line.board, answer, thought=thought)
