"""Stage 3: the base, from nothing to the rules of chess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from evals.pawn import recipes
from evals.pawn.batches import stream
from evals.pawn.model import load_base, new_model, save_base
from evals.pawn.training import Progress, Schedule, Sight, train


def pretrain(
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    schedule: Schedule,
    *,
    lines: Path | None = None,
    start: Path | None = None,
    seed: int = 0,
    workers: int = 0,
    tokens: int,
    tiny: bool = False,
    log: Callable[[str], None] = print,
) -> None:
    """Train the base and write it to `folder`, every 1000 steps and at the end.

    :param lines: a file of `positions.write_lines`, or None for games of its own only.
    :param start: a base to go on from instead of random weights.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = load_base(start) if start else new_model(tokenizer, tiny=tiny, seed=seed)
    model.to(device)
    sight = Sight(model.config.hidden_size).to(device)
    if device == "cuda":
        compile_layers(model)
    batches = stream(
        tokenizer, recipes.base, lines=lines, seed=seed, tokens=tokens, workers=workers, sight=True
    )

    def on_progress(progress: Progress) -> None:
        log(f"base: {progress}")
        if progress.step % 1000 == 0:
            save_base(model, tokenizer, folder)

    try:
        train(model, batches, schedule, _optimizers(model, sight), on_progress, sight=sight)
    finally:
        batches.close()
        save_base(model, tokenizer, folder)


def _optimizers(model: Any, sight: Sight) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the layers' matrices, scaled to AdamW's rates; AdamW for all else."""
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    special = {id(parameter) for parameter in matrices}
    others = [p for part in (model, sight) for p in part.parameters() if id(p) not in special]
    return [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def compile_layers(model: Qwen3ForCausalLM) -> None:
    """Compile each layer by itself: they are alike, so the compiler's work is done once, not ten times."""
    for layer in model.model.layers:
        layer.compile(dynamic=False)
