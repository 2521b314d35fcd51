"""Examples as batches of token ids, made by other processes while the GPU trains.

Examples of about the same length share a batch, so that little is padding and few shapes are compiled.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from evals.pawn.positions import Position, Source, read_lines
from evals.pawn.questions import Example, messages
from evals.pawn.tokenizer import BOARD, END_OF_TEXT, IM_END, PAIRS, token_id

WIDTHS = (128, 160, 256, 320, 448, 576)
"""Lengths of the batches' rows, in tokens; an example longer than the last is left out."""

Recipe = Callable[[Source, random.Random], Iterator[Example]]
"""What to learn: examples about the next position or two, called again and again."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of token ids, and what is to be predicted where."""

    ids: Ints
    """(rows, width)"""
    targets: Ints
    """(targets,) flat indices into `ids` of the tokens after which comes a part of an answer."""
    choice_of: Ints
    """(choices,) indices into `targets`"""
    choices: Ints
    """(choices,) token ids that may come next there"""
    weights: npt.NDArray[np.float32]
    """(choices,) their probabilities; 1 in all for each target"""
    board_at: Ints
    """(rows, BOARD) flat indices into `ids` of the board's last reading; empty, as `seen`, if not asked"""
    seen: Ints
    """(facts,) what is true of the rows' boards, as `facts` numbers it, plus `FACTS` times the row"""


class Encoded(NamedTuple):
    """One example as token ids."""

    prompt: list[int]
    answer: list[int]
    choices: list[list[int]]
    """What may stand in the place of each token of the answer, each as often as it is likely."""
    board_at: list[int]
    seen: list[int]


KINDS = 3
FACTS = 64 * 64 * KINDS
"""Numbers that `facts` gives: from a square, to a square, as a legal move, as a check, as a mate."""


def facts(position: Position) -> list[int]:
    """What can be done on the board, square by square in the order of a FEN (a8 first, h1 last)."""
    seen = {
        ((move.from_square ^ 56) * 64 + (move.to_square ^ 56)) * KINDS + kind
        for kind, moves in enumerate((position.moves, position.checks, position.mates))
        for move in moves
    }
    return sorted(seen)  # each once: four promotions are one fact


class Encoder:
    """Examples as the served model meets them: through the chat template, the answer after it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, sight: bool = True) -> None:
        self._sight = sight
        self._template = tokenizer
        prompts = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        # An answer's FEN is written with digits, not as the dots that the normalizer makes of a prompt's.
        answers = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        answers.normalizer = None  # pyright: ignore[reportAttributeAccessIssue]
        self._frames: dict[tuple[str | None, bool], list[list[int]]] = {}
        self.end = token_id(tokenizer, IM_END)
        self.pad = token_id(tokenizer, END_OF_TEXT)
        self._pairs = {token_id(tokenizer, pair) for pair in PAIRS}

        def encode(text: str) -> list[int]:
            return prompts.encode(text, add_special_tokens=False).ids

        def encode_answer(text: str) -> list[int]:
            return [*answers.encode(text, add_special_tokens=False).ids, self.end]

        self._encode = lru_cache(maxsize=256)(encode)
        self._encode_answer = encode_answer
        self._encode_short_answer = lru_cache(maxsize=65_536)(encode_answer)

    def prompt(self, example: Example, thinking: bool) -> list[int]:
        """The token ids of the prompt; `thinking` is the chat template's switch."""
        key = (example.system, thinking)
        if key not in self._frames:
            frame = self._template.apply_chat_template(  # pyright: ignore[reportArgumentType]
                messages(example.system, "\0"),
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=thinking,
            )
            self._frames[key] = [self._encode(part) for part in str(frame).split("\0")]
        user = self._encode(example.user)
        first, *others = self._frames[key]
        return [*first, *(token for part in others for token in (*user, *part))]

    def __call__(self, example: Example, rng: random.Random, thinking: bool) -> Encoded:
        """The example with one of its answers, and at each token all that the others could have there."""
        prompt = self.prompt(example, thinking)
        encode = self._encode_short_answer if len(example.answers[0]) < 24 else self._encode_answer
        right = [encode(answer) for answer in example.answers]
        answer = rng.choice(right)
        choices: list[list[int]] = []
        for i, token in enumerate(answer):
            choices.append([other[i] for other in right])
            if len(right) > 1:
                right = [other for other in right if other[i] == token]
        if not self._sight:
            return Encoded(prompt, answer, choices, [], [])
        board_at = [i for i, token in enumerate(prompt) if token in self._pairs][-BOARD:]
        return Encoded(prompt, answer, choices, board_at, facts(example.position))


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe, source: Source, tokens: int, *, sight: bool = True
) -> Iterator[Batch]:
    """Batches of about `tokens` tokens without end; `sight` asks what can be done on their boards."""
    encode = Encoder(tokenizer, sight=sight)
    rng = source.rng
    waiting: dict[int, list[Encoded]] = {width: [] for width in WIDTHS}
    while True:
        for example in recipe(source, rng):
            # Without a thought, both forms of the prompt: a plain client does not switch thinking off.
            row = encode(example, rng, example.thinking or rng.random() < 0.5)
            length = len(row.prompt) + len(row.answer)
            width = next((width for width in WIDTHS if length <= width), None)
            if width is None:
                continue
            waiting[width].append(row)
            if len(waiting[width]) * width >= tokens:
                yield _batch(waiting[width], width, encode.pad)
                waiting[width] = []


def _batch(rows: list[Encoded], width: int, pad: int) -> Batch:
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    targets: list[int] = []
    choice_of: list[int] = []
    choices: list[int] = []
    weights: list[float] = []
    for i, row in enumerate(rows):
        ids[i, : len(row.prompt) + len(row.answer)] = [*row.prompt, *row.answer]
        for j, likely in enumerate(row.choices, start=i * width + len(row.prompt) - 1):
            for token, count in Counter(likely).items():
                choice_of.append(len(targets))
                choices.append(token)
                weights.append(count / len(likely))
            targets.append(j)
    return Batch(
        ids,
        np.array(targets),
        np.array(choice_of),
        np.array(choices),
        np.array(weights, dtype=np.float32),
        np.array([[i * width + at for at in row.board_at] for i, row in enumerate(rows)]),
        np.array([i * FACTS + fact for i, row in enumerate(rows) for fact in row.seen]),
    )


def _work(
    out: multiprocessing.Queue[Batch],
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    lines: Path | None,
    seed: int,
    tokens: int,
    sight: bool,
) -> None:
    source = Source(seed, read_lines(lines) if lines else [])
    for batch in batches(tokenizer, recipe, source, tokens, sight=sight):
        out.put(batch)


def stream(
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    *,
    lines: Path | None,
    seed: int,
    tokens: int,
    workers: int,
    sight: bool,
) -> Generator[Batch]:
    """Batches from `workers` processes, in the order they are done; in this process where there are none.

    Which batch comes first depends on the machine, so only `workers=0` repeats a run to the bit.
    """
    if workers == 0:
        source = Source(seed, read_lines(lines) if lines else [])
        yield from batches(tokenizer, recipe, source, tokens, sight=sight)
        return
    context = multiprocessing.get_context("spawn")
    out: multiprocessing.Queue[Batch] = context.Queue(maxsize=4 * workers)
    processes = [
        context.Process(
            target=_work, args=(out, tokenizer, recipe, lines, seed + i, tokens, sight), daemon=True
        )
        for i in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        while True:
            try:
                yield out.get(timeout=60)
            except queue.Empty:
                if not any(process.is_alive() for process in processes):
                    raise RuntimeError("every process that makes examples has died") from None
    finally:
        for process in processes:
            process.terminate()
