"""Stage 4: an adapter, by LoRA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedTokenizerFast

from evals.pawn.batches import stream
from evals.pawn.model import load_base
from evals.pawn.pretrain import compile_layers
from evals.pawn.recipes import ADAPTERS
from evals.pawn.training import Schedule, train

BASE_NAME = "eighth-rank/pawn"
RANK = 8
TARGETS = ["o_proj"]
"""One matrix a layer: on a CPU vLLM copies an adapter's matrices once per token, so each one costs time."""


def finetune(
    name: str,
    tokenizer: PreTrainedTokenizerFast,
    base: Path,
    folder: Path,
    schedule: Schedule,
    *,
    start: Path | None = None,
    lines: Path | None = None,
    seed: int = 1,
    workers: int = 0,
    tokens: int,
    log: Callable[[str], None] = print,
) -> None:
    """Train the adapter `name` on the base in the folder `base` and write it to `folder`.

    :param start: an adapter to go on from instead of a new one.
    """
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The frozen base stays in bf16, three times as fast on a CPU; PEFT keeps the adapter in float32.
    model: Any = load_base(base, torch.bfloat16)
    model.to(device)
    config = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, task_type="CAUSAL_LM", inference_mode=False
    )
    adapted: Any = get_peft_model(model, config)
    if start:
        adapted.load_adapter(str(start), "default", is_trainable=True)
    if schedule.steps >= 20:
        compile_layers(model)
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, betas=(0.9, 0.95), weight_decay=0.0)
    batches = stream(
        tokenizer, ADAPTERS[name], lines=lines, seed=seed, tokens=tokens, workers=workers, sight=False
    )
    try:
        train(model, batches, schedule, [optimizer], lambda progress: log(f"{name}: {progress}"))
    finally:
        batches.close()
    save_adapter(adapted, folder)


def save_adapter(adapted: PeftModel, folder: Path) -> None:
    """Write `adapter_config.json` and bf16 weights, as PEFT does, but with the base's name, not its path."""
    adapted.peft_config["default"].base_model_name_or_path = BASE_NAME
    adapted.to(torch.bfloat16)
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
