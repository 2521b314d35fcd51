"""Why a vLLM died, read from its log."""

from __future__ import annotations

import os
from pathlib import Path

CAUSES = (
    # (what the log says, what to do)
    ("No module named", "the installation is broken: pip install 'eighth-rank[local]'"),
    ("Address already in use", "the port is taken: give another --port"),
    ("to load the model, but it is larger", "lower max_model_len in the serve spec"),
    ("maximum number of tokens that can be stored in KV cache", "lower max_model_len in the serve spec"),
    (
        "KV cache is needed, which is larger",
        "lower max_model_len or enlarge the cache in the serve spec",
    ),
    ("No available memory for the cache blocks", "raise gpu_memory_utilization or lower max_model_len"),
    ("is less than desired GPU memory utilization", "lower gpu_memory_utilization in the serve spec"),
    ("Available memory on node", "lower cpu.kv_cache_gib in the serve spec"),
    ("out of memory", "lower gpu_memory_utilization, max_num_seqs or max_model_len in the serve spec"),
    ("is greater than max_lora_rank", "raise max_lora_rank in the serve spec"),
    ("401 Client Error", "the Hub wants a token: set HF_TOKEN"),
)


def diagnose(log_path: Path) -> str:
    """What a log says about the server's death: the cause where it is a known one, and the last lines."""
    text = _read(log_path)
    advice = next((cure for sign, cure in CAUSES if sign in text), "")
    return (f"To do: {advice}. " if advice else "") + log_tail(log_path)


def log_tail(log_path: Path, lines: int = 12) -> str:
    """The last lines of a log and its path, for an error message."""
    tail = [line.rstrip()[:240] for line in _read(log_path).splitlines() if line.strip()][-lines:]
    return "\n".join([f"The last lines of its log {log_path}:", *(f"  {line}" for line in tail)])


def _read(log_path: Path) -> str:
    try:
        with log_path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 200_000))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""
