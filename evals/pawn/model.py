"""The shape of pawn, and how it is written to and read from the formats that vLLM and transformers load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from evals.pawn.tokenizer import END_OF_TEXT, IM_END, token_id

VOCABULARY = 1280
"""Rows of the embedding: the tokenizer's tokens and room for a few more."""
CONTEXT = 1024


def new_model(tokenizer: PreTrainedTokenizerFast, *, tiny: bool = False, seed: int = 0) -> Qwen3ForCausalLM:
    """An untrained pawn: 7.7M parameters, or about 0.1M for the tests.

    Deep and narrow, since following a line of play takes steps one after the other; heads of 32 because
    more heads can follow more rays at once, and vLLM's CPU attention takes no smaller ones.
    """
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=64 if tiny else 256,
        num_hidden_layers=2 if tiny else 10,
        num_attention_heads=2 if tiny else 8,
        num_key_value_heads=1 if tiny else 4,
        head_dim=32,
        intermediate_size=128 if tiny else 704,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=None,
        eos_token_id=token_id(tokenizer, IM_END),
        pad_token_id=token_id(tokenizer, END_OF_TEXT),
        dtype=torch.float32,
    )
    return Qwen3ForCausalLM(config)


def load_base(folder: Path, dtype: torch.dtype = torch.float32) -> Qwen3ForCausalLM:
    """The model of a folder of `save_base`."""
    return Qwen3ForCausalLM.from_pretrained(str(folder), dtype=dtype)


def save_base(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the folder of a Hub snapshot: bf16 weights, configuration, tokenizer, greedy by default."""
    copy: Any = Qwen3ForCausalLM(model.config)
    copy.to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=model.config.eos_token_id, pad_token_id=model.config.pad_token_id
    )
    copy.save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder)


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the tokenizer's files; the class is named so that transformers 4 finds it too."""
    tokenizer.save_pretrained(str(folder))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
