"""Examples as batches of token ids, made by other processes while the GPU trains.

Examples of about the same length share a batch, so that little is padding and few shapes are compiled.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from evals.pawn.positions import Source, read_lines
from evals.pawn.questions import Example
from evals.pawn.tokenizer import END_OF_TEXT, IM_END, token_id

WIDTHS = (136, 192, 256, 448)
"""Lengths of the batches' rows, in tokens; an example longer than the last is left out."""

Recipe = Callable[[Source, random.Random], Iterator[Example]]
"""What to learn: examples about the next position or two, called again and again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of token ids, and where in them an answer's next token is to be predicted."""

    ids: npt.NDArray[np.int64]
    """(rows, width)"""
    targets: npt.NDArray[np.int64]
    """Flat indices into `ids` of the positions whose next token is part of an answer."""

    @property
    def next_ids(self) -> npt.NDArray[np.int64]:
        """The tokens to be predicted at `targets`."""
        return self.ids.reshape(-1)[self.targets + 1]


class Encoder:
    """Examples as the served model meets them: through the chat template, the answer after it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._template = tokenizer
        self._prompts = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        # An answer's FEN is written with digits, not as the dots that the normalizer makes of a prompt's.
        answers = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        answers.normalizer = None  # pyright: ignore[reportAttributeAccessIssue]
        self._answers = answers
        self._frames: dict[tuple[str, bool], str] = {}
        self.end = token_id(tokenizer, IM_END)
        self.pad = token_id(tokenizer, END_OF_TEXT)

    def __call__(self, example: Example, thinking: bool) -> tuple[list[int], list[int]]:
        """The token ids of the prompt and of the answer; `thinking` is the chat template's switch."""
        key = (example.system, thinking)
        if key not in self._frames:
            self._frames[key] = self._template.apply_chat_template(  # pyright: ignore[reportArgumentType]
                [{"role": "system", "content": example.system}, {"role": "user", "content": "\0"}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=thinking,
            )
        prompt = self._frames[key].replace("\0", example.user)
        answer = self._answers.encode(example.answer, add_special_tokens=False).ids
        return self._prompts.encode(prompt, add_special_tokens=False).ids, [*answer, self.end]


def batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe, source: Source, tokens: int
) -> Iterator[Batch]:
    """Batches of about `tokens` tokens without end."""
    encode = Encoder(tokenizer)
    rng = source.rng
    waiting: dict[int, list[tuple[list[int], list[int]]]] = {width: [] for width in WIDTHS}
    while True:
        for example in recipe(source, rng):
            # Without a thought, both forms of the prompt: a plain client does not switch thinking off.
            prompt, answer = encode(example, example.thinking or rng.random() < 0.5)
            width = next((width for width in WIDTHS if len(prompt) + len(answer) <= width), None)
            if width is None:
                continue
            waiting[width].append((prompt, answer))
            if len(waiting[width]) * width >= tokens:
                yield _batch(waiting[width], width, encode.pad)
                waiting[width] = []


def _batch(rows: list[tuple[list[int], list[int]]], width: int, pad: int) -> Batch:
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    targets: list[npt.NDArray[np.int64]] = []
    for i, (prompt, answer) in enumerate(rows):
        ids[i, : len(prompt) + len(answer)] = [*prompt, *answer]
        start = i * width + len(prompt) - 1
        targets.append(np.arange(start, start + len(answer)))
    return Batch(ids, np.concatenate(targets))


def _work(
    out: multiprocessing.Queue[Batch],
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    lines: Path | None,
    seed: int,
    tokens: int,
) -> None:
    source = Source(seed, read_lines(lines) if lines else [])
    for batch in batches(tokenizer, recipe, source, tokens):
        out.put(batch)


def stream(
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    *,
    lines: Path | None,
    seed: int,
    tokens: int,
    workers: int,
) -> Generator[Batch]:
    """Batches from `workers` processes, in the order they are done; in this process where there are none.

    Which batch comes first depends on the machine, so only `workers=0` repeats a run to the bit.
    """
    if workers == 0:
        yield from batches(tokenizer, recipe, Source(seed, read_lines(lines) if lines else []), tokens)
        return
    context = multiprocessing.get_context("spawn")
    out: multiprocessing.Queue[Batch] = context.Queue(maxsize=4 * workers)
    processes = [
        context.Process(target=_work, args=(out, tokenizer, recipe, lines, seed + i, tokens), daemon=True)
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
