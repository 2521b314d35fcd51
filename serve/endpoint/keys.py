"""Keys: read from environment variables when needed, kept nowhere, and taken out of what is shown."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from serve.errors import ServeError

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KEY = re.compile(r"[ -~]+")
"""What a header can hold: printable ASCII (RFC 9110, field values)."""
SHORTEST = 6
"""Characters. A shorter key is not taken out: ordinary words contain it."""
REDACTED = "[redacted]"


def read_key(variable: str, environment: Mapping[str, str] = os.environ) -> str:
    """The key in an environment variable, now.

    :raises ServeError: this is no variable's name, or the variable holds no key that can be sent.
    """
    if not VARIABLE.fullmatch(variable):
        # Not quoted: it may well be the key.
        raise ServeError(
            "--api-key-env wants the name of an environment variable with the key, not the key itself"
        )
    value = environment.get(variable, "").strip()
    if not value:
        raise ServeError(f"the environment variable {variable!r} should hold a key but is not set")
    if not KEY.fullmatch(value):
        raise ServeError(
            f"the environment variable {variable!r} holds a line break or another character that an HTTP "
            "header cannot carry: set it to the key alone"
        )
    return value


def keys_of(variables: Iterable[str]) -> tuple[str, ...]:
    """The keys in those of the variables that are set now."""
    values = (os.environ.get(variable, "").strip() for variable in variables)
    return tuple(value for value in values if value)


def redact(text: str, secrets: Sequence[str]) -> str:
    """The text with each secret, plain or as JSON writes it, replaced; those shorter than `SHORTEST` stay."""
    forms = {
        form for secret in secrets if len(secret) >= SHORTEST for form in (secret, json.dumps(secret)[1:-1])
    }
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), REDACTED, text)
