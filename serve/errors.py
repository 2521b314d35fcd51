"""The one exception of this package."""

from __future__ import annotations

from serve.printable import printable


class ServeError(Exception):
    """What kept an endpoint from being served or found: one or two sentences for the person who asked.

    The message may quote servers and files, so it is made printable here, once for whoever shows it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, 8_000, newlines=True))
