"""What a chat completion says, read without trust: any part of it may be missing or of another type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serve.endpoint.wire import Answer

THINK, END = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Said:
    """The first choice of a chat completion."""

    content: str
    """The answer; content that is no text is here as JSON."""
    reasoning: str
    reasoning_in: str
    """Where the reasoning arrived: a field's name, `content, as <think>`, or `nowhere`."""
    finish: str
    top_logprobs: tuple[Mapping[str, float], ...] = ()
    """For each token the likeliest ones and their log probabilities (natural); empty where one is missing."""


def said(answer: Answer) -> Said:
    """Read a chat completion."""
    choices = answer.object().get("choices")
    choice = _object(choices[0] if isinstance(choices, list) and choices else None)
    message = _object(choice.get("message"))
    value = message.get("content")
    content = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    finish, tops = _text(choice.get("finish_reason")), _top_logprobs(choice)
    for where in ("reasoning", "reasoning_content"):
        if reasoning := _text(message.get(where)):
            return Said(content, reasoning, where, finish, tops)
    thought, closed, rest = content.partition(END)
    if closed:
        thought = thought.strip().removeprefix(THINK).strip()
        return Said(rest, thought, "content, as <think>", finish, tops)
    if content.lstrip().startswith(THINK):
        return Said("", content, "content, as <think>", finish, tops)
    return Said(content, "", "nowhere", finish, tops)


def _top_logprobs(choice: Mapping[str, Any]) -> tuple[Mapping[str, float], ...]:
    tokens = _object(choice.get("logprobs")).get("content")
    try:
        tops = [
            {top["token"]: float(top["logprob"]) for top in token["top_logprobs"]} for token in tokens or ()
        ]
    except (LookupError, TypeError, ValueError, OverflowError):
        return ()
    whole = all(top and all(map(math.isfinite, top.values())) for top in tops)
    return tuple(tops) if whole else ()


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
