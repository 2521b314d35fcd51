"""A model's text, quoted for one line of a verdict."""

from __future__ import annotations

from serve.printable import printable


def shown(text: str, limit: int = 80) -> str:
    """`text` in quotes: at most `limit` characters of it, on one line and safe to print."""
    return f"'{printable(text, limit)}'"
