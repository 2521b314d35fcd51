"""One training loop for every stage: AdamW, a warm-up and a cosine, the loss on the answers only."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from evals.pawn.batches import Batch


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; ends at `steps` or after `seconds`, whichever comes first."""

    steps: int
    learning_rate: float
    seconds: float = math.inf
    warmup: int = 100
    weight_decay: float = 0.01
    report_every: int = 100

    def rate(self, step: int, elapsed: float) -> float:
        """The learning rate at a step, zero at the end; time counts as progress where it runs out first."""
        done = max(step / self.steps, elapsed / self.seconds)
        return (
            self.learning_rate
            * min(1.0, (step + 1) / self.warmup)
            * 0.5
            * (1 + math.cos(math.pi * min(done, 1)))
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What the last steps were like."""

    step: int
    loss: float
    tokens_per_second: float
    waiting: float
    """Share of the time in which the model waited for examples."""

    def __str__(self) -> str:
        return (
            f"step {self.step}, loss {self.loss:.4f}, {self.tokens_per_second / 1e6:.2f}M tokens/s, "
            f"{self.waiting:.0%} waiting"
        )


def train(
    model: nn.Module,
    hidden: Callable[[torch.Tensor], torch.Tensor],
    head: torch.Tensor,
    batches: Iterator[Batch],
    schedule: Schedule,
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train the parameters of `model` that ask for it.

    :param hidden: last hidden states (rows, width, features) of token ids (rows, width).
    :param head: the output embedding (vocabulary, features).
    :param on_progress: called every `report_every` steps.
    """
    device = head.device
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, betas=(0.9, 0.95), weight_decay=schedule.weight_decay
    )
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
        ids, targets, next_ids = (
            torch.from_numpy(array).to(device, non_blocking=True)
            for array in (batch.ids, batch.targets, batch.next_ids)
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            states = hidden(ids).flatten(0, 1)[targets]
            logits = functional.linear(states, head)
        loss = functional.cross_entropy(logits.float(), next_ids)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step, elapsed)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if on_progress is not None and (step + 1) % schedule.report_every == 0:
            loss_now = torch.stack(losses).mean().item()
            spent = time.monotonic() - last
            on_progress(Progress(step + 1, loss_now, tokens / spent, waited / spent))
            last, tokens, waited, losses = time.monotonic(), 0, 0.0, []
