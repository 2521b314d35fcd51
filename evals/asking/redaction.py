"""What may leave the client: no key of ours that a server echoed, no line that could command a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from evals.words import Completion
from serve.printable import printable

LONGEST_LINE = 300
"""Characters that are kept of what a server says about itself."""
SHORTEST_SECRET = 8
"""A key of fewer characters is left in answers: it may be a word of theirs, and they are judged as is."""


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The keys in headers of authentication, longest first, without `Bearer` before them."""
    keys = {value.removeprefix("Bearer ").strip() for value in headers.values()}
    return tuple(sorted(filter(None, keys), key=len, reverse=True))


def sealed(completion: Completion, secrets: tuple[str, ...]) -> Completion:
    """The completion without our secrets, and with what is not the model's own text on one short line."""
    changes: dict[str, str] = {}
    for name in ("content", "reasoning", "refusal"):
        text: str | None = getattr(completion, name)
        if text and (hidden := _hide(text, secrets, SHORTEST_SECRET)) != text:
            changes[name] = hidden
    for name in ("finish_reason", "malformed", "model", "error"):
        if text := getattr(completion, name):
            # Hidden before it is cut: half of a key at the end would not be found.
            line = " ".join(_hide(text, secrets, 1).split())
            changes[name] = printable(line, LONGEST_LINE)
    return replace(completion, **changes) if changes else completion


def _hide(text: str, secrets: tuple[str, ...], shortest: int) -> str:
    for secret in secrets:
        if len(secret) >= shortest:
            text = text.replace(secret, "[key]")
    return text
