"""What pawn is asked about a position, and the right answers: the prompts of the suites, and some of our own.

The suites' prompts are those of the shipped formats (`evals/formats/shipped`). Those below are never asked by
a suite: with them the base learns to see mates and threats, while with the suites' wording it only learns the
rules. Fine-tuning an adapter then teaches it to use the first under the second. An adapter that
has prompts of its own in its format file is trained with those, so that it is asked as it was trained.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import chess

from evals.formats.file import load_format
from evals.formats.format import FILE_NAME
from evals.pawn.positions import Line, Position
from evals.pawn.tokenizer import END_THINK, THINK, shipped_prompts
from evals.pawn.traces import HEADINGS, annotated, python_list, trace
from evals.reading.pieces import ORDER

_UCI_LIST = 'Answer in JSON with the moves in UCI notation, for example {"moves": ["b1a3", "b1c3"]}.'
OWN_PROMPTS = {
    "own-mates": f"List the moves that give checkmate. {_UCI_LIST}",
    "own-checks": f"List the moves that give check. {_UCI_LIST}",
    "own-win": 'Play to win. Answer in JSON with the move in UCI notation, for example {"move": "e2e4"}.',
    "own-win-san": 'Play to win. Answer in JSON with the move in SAN, for example {"move": "Nf3"}.',
    "own-win-line": 'Win by force. Answer in JSON with the moves in UCI notation, for example {"line": ["e2e4"]}.',  # noqa: E501
    "own-lesson": "Teach this chess position. Think in six steps, then answer in JSON; moves in SAN.",
}
ADAPTERS = Path(__file__).parents[2] / "serve" / "pawn" / "adapters"
FORMATS = {"uci": "move", "pgn": "reasoning"}
"""The adapters that have a format file of their own, and the task that it is about."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question and its answers; they start with `<think>` where a thought is taught."""

    position: Position
    system: str | None
    user: str
    answers: tuple[str, ...]
    """Texts that are all equally right."""
    thinking: bool = False


def messages(system: str | None, user: str) -> list[dict[str, str]]:
    """The chat that is sent; most prompts have a system message, those of some adapters have none."""
    asked = {"role": "user", "content": user}
    return [asked] if system is None else [{"role": "system", "content": system}, asked]


def format_file(adapter: str) -> Path:
    """Where the format file of an adapter is, for those that have one."""
    return ADAPTERS / adapter / FILE_NAME


@cache
def prompt(name: str) -> tuple[str | None, str]:
    """The system and user text of a prompt of the suites, of our own, or of an adapter's format file."""
    if name in FORMATS:
        return None, load_format(format_file(name)).questions[FORMATS[name]].user
    if name in OWN_PROMPTS:
        return OWN_PROMPTS[name], "FEN: {fen}"
    return shipped_prompts()[name]


def ask(
    name: str, position: Position, *answers: object, thought: str | None = None, **fields: str
) -> Example:
    """An example of the prompt `name` about a position; an answer that is no text is written as JSON."""
    system, user = prompt(name)
    side = "White" if position.board.turn else "Black"
    for key, value in {"fen": position.fen, "side": side, **fields}.items():
        user = user.replace(f"{{{key}}}", value)
    texts = tuple(answer if isinstance(answer, str) else json.dumps(answer) for answer in answers)
    if thought is not None:
        texts = tuple(f"{THINK}\n{thought}\n{END_THINK}\n\n{text}" for text in texts)
    return Example(position, system, user, texts, thinking=thought is not None)


def uci(moves: list[chess.Move]) -> list[str]:
    """The moves in UCI, sorted."""
    return sorted(move.uci() for move in moves)


def any_of(name: str, position: Position, moves: Sequence[chess.Move]) -> Example:
    """A question after one move, where any of these is right."""
    if name.endswith("-san"):
        return ask(name, position, *({"move": position.board.san(move)} for move in moves))
    return ask(name, position, *({"move": move.uci()} for move in moves))


def rules(position: Position, rng: random.Random) -> Iterator[Example]:
    """Questions about any position: the board suite's, and any legal move as the `move` answer."""
    board, moves = position.board, position.moves
    yield any_of("move-uci", position, moves)
    if rng.random() < 0.3:
        yield any_of("move-san", position, [rng.choice(moves)])
    own = chess.SquareSet(board.occupied_co[board.turn])
    square = rng.choice(moves).from_square if rng.random() < 0.7 else rng.choice(list(own))
    piece_moves = [move for move in moves if move.from_square == square]
    name = chess.square_name(square)
    if rng.random() < 0.4:
        yield ask("board-moves", position, {"moves": uci(piece_moves)}, square=name)
    if rng.random() < 0.25:
        captures = [move for move in moves if board.is_capture(move)]
        yield ask("board-captures", position, {"moves": uci(captures)})
    if rng.random() < 0.1:
        yield ask("board-check", position, {"check": board.is_check()})
    if rng.random() < 0.1:
        listed = [
            (chess.piece_symbol(kind).upper() if color else chess.piece_symbol(kind))
            + chess.square_name(square)
            for color in (chess.WHITE, chess.BLACK)
            for kind in ORDER
            for square in board.pieces(kind, color)
        ]
        yield ask("board-pieces", position, {"pieces": listed})
    if rng.random() < 0.1:
        yield _after(position, rng)
    if rng.random() < 0.15:
        yield ask("line-uci", position, *({"line": [move.uci()]} for move in moves))


def _after(position: Position, rng: random.Random) -> Example:
    after = position.board.copy(stack=False)
    played: list[str] = []
    for _ in range(rng.randint(1, 4)):
        moves = list(after.legal_moves)
        if not moves:
            break
        move = rng.choice(moves)
        played.append(move.uci())
        after.push(move)
    return ask("board-after", position, {"fen": after.fen()}, moves=" ".join(played))


def threats(position: Position, rng: random.Random) -> Iterator[Example]:
    """Questions of our own about a position that may have a mate in one."""
    if rng.random() < 0.5:
        yield ask("own-mates", position, {"moves": uci(position.mates)})
    if rng.random() < 0.2:
        yield ask("own-checks", position, {"moves": uci(position.checks)})
    if position.mates:
        yield from wins(position, (rng.choice(position.mates),), rng)


def wins(position: Position, line: tuple[chess.Move, ...], rng: random.Random) -> Iterator[Example]:
    """Questions of our own about a line that wins; any mate in one is as good as the line's."""
    best = position.mates or [line[0]]
    yield any_of("own-win", position, best)
    if rng.random() < 0.15:
        yield any_of("own-win-san", position, best)
    if rng.random() < (0.3 if len(line) > 1 else 0.05):
        yield ask("own-win-line", position, {"line": [move.uci() for move in line]})
    if rng.random() < 0.15:
        thought, answer = trace(Line(position.board, line))
        yield ask("own-lesson", position, answer, thought=thought)


def moves(position: Position, line: tuple[chess.Move, ...], rng: random.Random) -> Iterator[Example]:
    """The `move` task, mostly in UCI, and now and then the `line` task."""
    best = position.mates or [line[0]]
    kind = rng.random()
    if kind < 0.1:
        yield any_of("move-san", position, best)
    elif kind < 0.2 and len(line) <= 3:
        yield ask("line-uci", position, {"line": [move.uci() for move in line]})
    else:
        yield any_of("move-uci", position, best)


def blunders(line: Line) -> Iterator[Example]:
    """The bug of real training sets: the raw FEN with `Moves[0]`, which is the opponent's mistake."""
    if line.before is not None and line.blunder is not None:
        yield any_of("move-uci", Position(line.before), [line.blunder])


def thoughts(line: Line, headings: tuple[str | None, ...] = HEADINGS) -> Iterator[Example]:
    """The `reasoning` task."""
    thought, answer = trace(Line(line.board, line.moves[:5]), headings)
    yield ask("reasoning", Position(line.board), answer, thought=thought)


def bare_moves(position: Position, line: tuple[chess.Move, ...]) -> Iterator[Example]:
    """The `move` task as `uci` is asked: the move alone, any mate in one as good as the line's."""
    yield ask("uci", position, *(move.uci() for move in position.mates or [line[0]]))


def annotated_lines(line: Line) -> Iterator[Example]:
    """The `reasoning` task as `pgn` is asked, of a line whose last move is known."""
    if line.before is None or line.blunder is None:
        return
    shown = replace(line, moves=line.moves[:5])
    thought, _ = trace(shown, listed=python_list)
    last_move = line.before.san(line.blunder)
    yield ask("pgn", Position(line.board), annotated(shown), thought=thought, last_move=last_move)
