"""What a server sent back, read without trusting it: any bytes become a completion or a `ReplyError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from evals.words import Completion

COUNTABLE = 2**53
"""Token counts from here on are no counts: they would not survive being a float."""


class ReplyError(ValueError):
    """A reply that is not a chat completion; the message says what came instead."""


def read_completion(body: bytes) -> Completion:
    """Read a chat completion (https://platform.openai.com/docs/api-reference/chat/object), whoever wrote it.

    Reasoning arrives as `reasoning` (vLLM 0.12 and later, OpenRouter) or `reasoning_content` (older vLLM,
    llama.cpp, DeepSeek). A message with a field of another shape than documented is an answer all the same:
    that field is None and `Completion.malformed` says what was there.

    :raises ReplyError: it is not a chat completion at all.
    """
    try:
        payload = json.loads(body)
        choice = payload["choices"][0]
        fields = choice["message"].items()
    # A KeyError also where `choices` is an object; a RecursionError where arrays are nested too deep.
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        told = body.decode("utf-8", "replace").strip() or "nothing"
        raise ReplyError(f"the server's answer is not a chat completion: {told}") from error
    message = cast("dict[str, Any]", dict(fields))
    content = _joined(message.pop("content", None))
    texts: dict[str, object] = {"content": content}
    texts |= {name: message.get(name) for name in ("reasoning", "reasoning_content", "refusal")}
    # What could be read can be written: a field is nested less deep than the body that it came in.
    flaws = [
        f"{name} is no text: {json.dumps(value)}" for name, value in texts.items() if not _is_text(value)
    ]
    given = {name: value for name, value in texts.items() if isinstance(value, str)}
    usage = payload.get("usage")
    counts: Mapping[str, object] = usage if isinstance(usage, dict) else {}
    return Completion(
        content=given.get("content"),
        reasoning=given.get("reasoning") or given.get("reasoning_content"),
        finish_reason=_text(choice.get("finish_reason")),
        refusal=given.get("refusal"),
        malformed="; ".join(flaws) or None,
        model=_text(payload.get("model")),
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
    )


def _joined(content: object) -> object:
    """The text of a list of text parts, `[{"type": "text", "text": ...}]`; all else as it is."""
    if not isinstance(content, list):
        return content
    parts = cast("list[Any]", content)
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    whole = len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
    return "".join(texts) if whole else parts


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < COUNTABLE else None


def error_text(body: bytes) -> str:
    """A server's own words about an error: the message that APIs put into JSON, or else the whole body."""
    text = body.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "detail", "message"):
        if isinstance(told, dict):
            told = cast("dict[str, Any]", told).get(name) or told
    return text if isinstance(told, dict) else str(told)


def seconds_to_wait(retry_after: str) -> float:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3); 0 where it is unreadable."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):  # TypeError: a date without a time zone
            return 0.0
    return max(0.0, seconds)
