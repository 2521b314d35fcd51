"""A quick look at a pawn in training: greedy answers to puzzles that are held out.

The figures of the model card come from the harness and a real vLLM; these only say whether a stage worked.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import chess
import torch
from peft import PeftModel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from evals.making.mates import mating_moves
from evals.pawn.model import load_base
from evals.pawn.positions import Position
from evals.pawn.questions import ask, messages
from evals.pawn.traces import HEADINGS
from evals.puzzles.puzzle import Puzzle, parse_row
from evals.puzzles.split import held_out
from evals.reading.movetext import read_movetext
from evals.reading.pieces import write_pieces


@dataclass
class Marks:
    """What was seen, by kind of puzzle: `mateIn1`, `mateIn2`, `other`."""

    asked: Counter[str] = field(default_factory=Counter[str])
    legal: Counter[str] = field(default_factory=Counter[str])
    solved: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        return "; ".join(
            f"{kind}: {self.legal[kind] / count:.1%} legal, {self.solved[kind] / count:.1%} solved of {count}"
            for kind, count in sorted(self.asked.items())
        )


def load(base: Path, adapter: Path | None = None) -> tuple[Any, PreTrainedTokenizerFast]:
    """The weights as written, with transformers and PEFT, on the GPU where there is one."""
    model: Any = load_base(base)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device), AutoTokenizer.from_pretrained(str(base))


def kind_of(puzzle: Puzzle) -> str:
    """`mateIn1`, `mateIn2` or `other`."""
    return next((theme for theme in ("mateIn1", "mateIn2") if theme in puzzle.themes), "other")


def read_exam(rows: Iterable[dict[str, str]], per_kind: int) -> list[Puzzle]:
    """The first held-out puzzles of each kind."""
    count: Counter[str] = Counter()
    chosen: list[Puzzle] = []
    for row in rows:
        puzzle = parse_row(row)
        kind = kind_of(puzzle)
        if count[kind] < per_kind and held_out(puzzle.board()):
            count[kind] += 1
            chosen.append(puzzle)
    return chosen


def answers(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    puzzles: Sequence[Puzzle],
    prompt: str = "move-uci",
    *,
    thinking: bool = False,
    max_tokens: int = 12,
    rows: int = 256,
) -> list[str]:
    """The model's greedy answers as text, `<think>` included."""
    device = next(model.parameters()).device
    model.eval()
    texts: list[str] = []
    for some in _batched(puzzles, rows):
        examples = [ask(prompt, Position(puzzle.board()), "", last_move=last_move(puzzle)) for puzzle in some]
        prompts = [
            str(
                tokenizer.apply_chat_template(
                    messages(e.system, e.user),
                    tokenize=False,
                    add_generation_prompt=True,
                    enable_thinking=thinking,
                )
            )
            for e in examples
        ]
        inputs = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt").to(device)
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        for row in output[:, inputs["input_ids"].shape[1] :]:
            texts.append(str(tokenizer.decode(row, skip_special_tokens=True)))
    return texts


def last_move(puzzle: Puzzle) -> str:
    """The opponent's move in SAN."""
    before = chess.Board(puzzle.fen)
    return before.san(before.parse_uci(puzzle.moves[0]))


def in_json(board: chess.Board, answer: str, name: str = "move") -> chess.Move:
    """The move of a field of a JSON object, in either notation.

    :raises ValueError, KeyError, TypeError: where there is none.
    """
    played = str(json.loads(answer)[name])
    if re.fullmatch("[a-h][1-8][a-h][1-8][qrbn]?", played):
        return board.parse_uci(played)
    return board.parse_san(played)


def in_pgn(board: chess.Board, answer: str) -> chess.Move:
    """The first move of the main line of PGN movetext.

    :raises ValueError: where there is none, or it is not legal.
    """
    moves = read_movetext(answer)
    return board.parse_san(moves[0] if moves else answer)


Reading = Callable[[chess.Board, str], chess.Move]


def mark_moves(puzzles: Sequence[Puzzle], texts: Sequence[str], reading: Reading = in_json) -> Marks:
    """Count legal and solved first moves; a mate in one is solved by any mate.

    :param reading: finds the move in what follows a thought.
    """
    marks = Marks()
    for puzzle, text in zip(puzzles, texts, strict=True):
        board = puzzle.board()
        kind = kind_of(puzzle)
        marks.asked[kind] += 1
        try:
            move = reading(board, text.rpartition("</think>")[2].strip())
        except (ValueError, KeyError, TypeError):
            continue
        marks.legal[kind] += 1
        solved = move.uci() == puzzle.solution[0] or (kind == "mateIn1" and move in mating_moves(board))
        marks.solved[kind] += solved
    return marks


def mark_thoughts(puzzles: Sequence[Puzzle], texts: Sequence[str], reading: Reading) -> dict[str, float]:
    """Shares of thoughts: closed, sections in order, pieces right, and their best move legal and right."""
    seen: Counter[str] = Counter()
    for puzzle, text in zip(puzzles, texts, strict=True):
        thought, closed, _ = text.partition("</think>")
        headings = re.findall(r"^## .*$", thought, re.MULTILINE)
        seen["closed"] += bool(closed)
        seen["in order"] += headings == list(HEADINGS)
        seen["pieces"] += write_pieces(puzzle.board()) in thought
    marks = mark_moves(puzzles, texts, reading)
    seen["legal"], seen["solved"] = marks.legal.total(), marks.solved.total()
    return {name: count / len(puzzles) for name, count in seen.items()}


def _batched(puzzles: Sequence[Puzzle], size: int) -> Iterable[Sequence[Puzzle]]:
    for start in range(0, len(puzzles), size):
        yield puzzles[start : start + size]


def report(model: Any, tokenizer: PreTrainedTokenizerFast, puzzles: Sequence[Puzzle], name: str) -> str:
    """One paragraph: how the weights answer the exam, in the way that they were trained for."""
    if name == "pgn" or name.startswith("reasoning"):
        prompt, reading = (
            ("pgn", in_pgn) if name == "pgn" else ("reasoning", partial(in_json, name="best_move"))
        )
        some = list(islice(puzzles, 0, None, max(1, len(puzzles) // 400)))
        texts = answers(model, tokenizer, some, prompt, thinking=True, max_tokens=420)
        lines = [
            f"thoughts: {mark_thoughts(some, texts, reading)}",
            str(mark_moves(some, texts, reading)),
            texts[0],
        ]
        return "\n".join(lines)
    if name == "uci":
        texts = answers(model, tokenizer, puzzles, "uci")
        return f"bare move: {mark_moves(puzzles, texts, chess.Board.parse_uci)}\n{texts[:8]}"
    plain = mark_moves(puzzles, answers(model, tokenizer, puzzles, thinking=True))
    switched = mark_moves(puzzles, answers(model, tokenizer, puzzles))
    lines = [f"plain prompt: {plain}", f"thinking off: {switched}"]
    if name == "base":
        lines.append(f"asked to win: {mark_moves(puzzles, answers(model, tokenizer, puzzles, 'own-win'))}")
    return "\n".join(lines)
