"""Why a vLLM died, read from its log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serve.printable import printable

CAUSES = (
    # (what the log says, what to do)
    ("No module named", "the installation is broken: pip install 'eighth-rank[local]'"),
    ("Address already in use", "the port is taken: give another --port"),
    ("to load the model, but it is larger", "lower max_model_len in the serve spec"),
    ("is greater than the derived max_model_len", "lower max_model_len in the serve spec"),
    ("maximum number of tokens that can be stored in KV cache", "lower max_model_len in the serve spec"),
    ("KV cache is needed, which is larger", "lower max_model_len or enlarge the cache in the serve spec"),
    ("No available memory for the cache blocks", "raise gpu_memory_utilization or lower max_model_len"),
    ("is less than desired GPU memory utilization", "lower gpu_memory_utilization in the serve spec"),
    ("Available memory on node", "lower cpu.kv_cache_gib in the serve spec"),
    ("out of memory", "lower gpu_memory_utilization, max_num_seqs or max_model_len in the serve spec"),
    ("is greater than max_lora_rank", "raise max_lora_rank in the serve spec"),
    ("Reasoning parser '", "name another reasoning_parser in the serve spec"),
    ("error: unrecognized arguments", "correct extra_args in the serve spec"),
    ("401 Client Error", "the Hub wants a token: set HF_TOKEN"),
)
TAIL = 2_000_000
"""Bytes at a log's end that are read."""
LINE = re.compile(
    # "(EngineCore_DP0 pid=9) ERROR 09-10 10:00:00 [core.py:708] text"; both parts may be missing.
    r"(?:\((?P<process>\w+)[^)]{0,40}\) )?"
    r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]{0,100}\] ?)?"
    r"(?P<text>.*)"
)
TRACEBACK = "Traceback (most recent call last):"
ENGINE = ("EngineCore", "Worker", "VllmWorker")
"""Processes that do the work. What goes wrong in the API server beside them only follows from them."""
FOLLOWS = "See root cause above"


@dataclass(frozen=True, slots=True)
class _Line:
    process: str
    level: str
    text: str

    @classmethod
    def parse(cls, line: str) -> _Line:
        match = LINE.fullmatch(line)
        assert match
        return cls(match["process"] or "", match["level"] or "", match["text"])


def diagnose(log_path: Path) -> str:
    """What a log says of the server's death: the error that came first and what to do, or its last lines."""
    text = _read(log_path)
    cause = _cause(text)
    advice = next((cure for sign, cure in CAUSES if sign in (cause or text)), "")
    if not cause:
        return (f"To do: {advice}. " if advice else "") + log_tail(log_path)
    return f"{printable(cause, 500)}. " + (f"To do: {advice}. " if advice else "") + f"Its log is {log_path}"


def log_tail(log_path: Path, lines: int = 12) -> str:
    """The last lines of a log and its path, for an error message."""
    tail = [printable(line.rstrip(), 240) for line in _read(log_path).splitlines() if line.strip()][-lines:]
    return "\n".join([f"The last lines of its log {log_path}:", *(f"  {line}" for line in tail)])


def _cause(text: str) -> str:
    """The error of which the others are consequences; empty where none can be told.

    That is the first of an engine process, the last of any other (there, each is the better explanation of
    the one before it), or a complaint about arguments.
    """
    lines = [_Line.parse(line) for line in text.splitlines()]
    errors = list(_errors(lines))
    engine = [error for process, error in errors if process.startswith(ENGINE)]
    others = [error for _, error in errors if FOLLOWS not in error]
    usage = [line.text for line in lines if re.match(r"\S{1,80}: error: ", line.text)]
    return (engine[:1] or others[-1:] or usage[-1:] or [""])[0].strip().rstrip(".")


def _errors(lines: Iterable[_Line]) -> Iterator[tuple[str, str]]:
    """The process and the last line of each traceback that was not logged as less than an error."""
    # Processes write in between each other: one may be inside a traceback, or inside its explanation.
    inside: set[str] = set()
    explained: set[str] = set()
    for line in lines:
        if line.text == TRACEBACK and line.level not in ("DEBUG", "INFO", "WARNING"):
            inside.add(line.process)
        elif line.process in explained:
            explained.remove(line.process)
            yield line.process, line.text.partition(" [type=")[0].strip().removeprefix("Value error, ")
        elif line.process in inside and line.text and not line.text.startswith(" "):
            inside.remove(line.process)
            # Pydantic says on the next line what is wrong.
            if re.search(r"\d validation errors? for \w+$", line.text):
                explained.add(line.process)
            else:
                yield line.process, line.text


def _read(log_path: Path) -> str:
    try:
        with log_path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - TAIL))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""
