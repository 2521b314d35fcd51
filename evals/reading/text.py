"""Text of a model, made fit to be shown and stored."""

from __future__ import annotations


def shown(text: str, limit: int = 60) -> str:
    """`text` quoted on one line, cut to `limit` characters."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def plain(text: str) -> str:
    """`text` as one that can be stored: JSON can write half of a surrogate pair, UTF-8 can not."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
