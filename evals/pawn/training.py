"""One training loop for every stage: a warm-up and a cosine, the loss on the answers only.

The base has a second loss, on what it sees: after two thirds of the layers, the hidden states of the board's
tokens (where the prompt gives it for the second time) have to predict which moves are legal, which of them
give check and which give mate. An answer names one move of a position, this names them all; the layer that
predicts them is thrown away afterwards.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from evals.pawn.batches import FACTS, Batch
from evals.pawn.tokenizer import BOARD

SIGHT_WEIGHT = 0.5
"""How much that second loss counts beside the loss on the answers."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; ends at `steps` or after `seconds`, whichever comes first."""

    steps: int
    learning_rate: float
    seconds: float = math.inf
    warmup: int = 100
    report_every: int = 100

    def rate(self, step: int, elapsed: float) -> float:
        """The learning rate at a step, zero at the end; time counts as progress where it runs out first."""
        done = min(1.0, max(step / self.steps, elapsed / self.seconds))
        warm = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True, slots=True)
class Progress:
    """What the last steps were like."""

    step: int
    loss: float
    sight_loss: float | None
    """The second loss, where there is one."""
    tokens_per_second: float
    waiting: float
    """Share of the time in which the model waited for examples."""

    def __str__(self) -> str:
        sight = "" if self.sight_loss is None else f"sight {self.sight_loss:.4f}, "
        speed = f"{self.tokens_per_second / 1e6:.2f}M tokens/s, {self.waiting:.0%} waiting"
        return f"step {self.step}, loss {self.loss:.4f}, {sight}{speed}"


class Sight(nn.Module):
    """Tells from the middle states of the board's tokens what can be done on it."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(features)
        self.head = nn.Linear(features, FACTS // BOARD)
        nn.init.constant_(self.head.bias, -5.0)  # most moves are not possible

    def loss(self, states: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Nats per square.

        :param states: (rows, board, features)
        :param seen: (facts,) as in `Batch`
        """
        logits = self.head(self.norm(states)).float().flatten()
        # The cross-entropy of a fact is softplus(x) where it is false, and x less where it is true.
        return (functional.softplus(logits).sum() - logits[seen].sum()) / (len(states) * 64)


def read(model: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The states (rows, width, features) at the end of a Qwen3, and after two thirds of its layers."""
    decoder = model.model
    states = middle = decoder.embed_tokens(ids)
    turns = decoder.rotary_emb(states, torch.arange(ids.shape[1], device=ids.device)[None])
    for number, layer in enumerate(decoder.layers, start=1):
        states = layer(states, position_embeddings=turns, attention_mask=None)
        if number == len(decoder.layers) * 2 // 3:
            middle = states
    return decoder.norm(states), middle


def train(
    model: Any,
    batches: Iterator[Batch],
    schedule: Schedule,
    optimizers: Sequence[torch.optim.Optimizer],
    on_progress: Callable[[Progress], None] | None = None,
    *,
    sight: Sight | None = None,
) -> None:
    """Train the parameters that the optimizers have.

    :param model: a `Qwen3ForCausalLM`, adapted or not.
    :param on_progress: called every `report_every` steps.
    :param sight: ask this for what the board's tokens see, too.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    parameters = [parameter for group in groups for parameter in group["params"]]
    model.train()
    start = last = time.monotonic()
    tokens, waited = 0, 0.0
    losses: list[torch.Tensor] = []
    for step in itertools.count():
        elapsed = time.monotonic() - start
        if step >= schedule.steps or elapsed >= schedule.seconds:
            return
        asked = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - asked
        tokens += batch.ids.size
        answers, seen = _losses(model, batch, sight)
        (answers + SIGHT_WEIGHT * seen).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in groups:
            group["lr"] = schedule.rate(step, elapsed)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(torch.stack([answers.detach(), seen.detach()]))
        if on_progress is not None and (step + 1) % schedule.report_every == 0:
            answers_now, seen_now = torch.stack(losses).mean(dim=0).tolist()
            spent = time.monotonic() - last
            on_progress(
                Progress(step + 1, answers_now, seen_now if sight else None, tokens / spent, waited / spent)
            )
            last, tokens, waited, losses = time.monotonic(), 0, 0.0, []


def _losses(model: Any, batch: Batch, sight: Sight | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The losses on the answers, in nats per token, and on what is seen, 0 where that is not asked."""
    head = model.lm_head.weight

    def on_device(array: npt.NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(head.device, non_blocking=True)

    with torch.autocast(head.device.type, torch.bfloat16, enabled=head.device.type == "cuda"):
        states, middle = read(model, on_device(batch.ids))
        logits = functional.linear(states.flatten(0, 1)[on_device(batch.targets)], head)
        seen = head.new_zeros(())
        if sight:
            seen = sight.loss(middle.flatten(0, 1)[on_device(batch.board_at)], on_device(batch.seen))
    likely = functional.log_softmax(logits.float(), dim=-1)
    chosen = likely[on_device(batch.choice_of), on_device(batch.choices)]
    return -(chosen * on_device(batch.weights)).sum() / len(batch.targets), seen
