"""Keys: read from environment variables when they are needed, and kept nowhere."""

from __future__ import annotations

import os

from serve.errors import ServeError


def read_key(variable: str) -> str:
    """The key in an environment variable, now.

    :raises ServeError: the variable is not set, or is empty.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ServeError(f"the environment variable {variable!r} should hold a key but is not set")
    return value
