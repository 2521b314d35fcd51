"""Find out what a running server serves, and wait for one that is still starting.

Works with anything OpenAI-compatible: only `GET <base URL>/models` has to exist.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from serve.endpoint.endpoint import Endpoint, served_models
from serve.endpoint.wire import Answer, UnreachableError
from serve.errors import ServeError

Progress = Callable[[str], None]
LOOK = 10.0
"""Seconds for one list of models."""
POLL = 1.0
"""Seconds between two looks at a server that is starting."""
SAY_EVERY = 10.0
"""Seconds between two messages about waiting."""


def silent(message: str) -> None:
    """Say nothing about progress."""
    del message


def attach(
    base_url: str,
    *,
    api_key_env: str | None = None,
    header_env: tuple[tuple[str, str], ...] = (),
    startup_timeout: float = 60.0,
    progress: Progress = silent,
) -> Endpoint:
    """Find out what a running server serves; waits while it is starting.

    :param base_url: with or without `/v1`.
    :param startup_timeout: seconds in which the server may refuse connections or answer 502, 503, 504.
    :raises ServeError: it never answered, wants another key, or is not OpenAI-compatible.
    """
    url = checked(base_url)
    probe = Endpoint(url, (), api_key_env=api_key_env, header_env=header_env)
    begun = said = time.monotonic()
    while True:
        left = begun + startup_timeout - time.monotonic()
        found = _find(probe, min(LOOK, max(1.0, left)))
        if isinstance(found, Endpoint):
            return found
        now = time.monotonic()
        if now - begun >= startup_timeout:
            raise ServeError(
                f"{base_url} did not become ready in {startup_timeout:.0f} s: {found}. "
                "Is the server running there? Wait longer with --startup-timeout"
            )
        if said == begun or now - said >= SAY_EVERY:
            said = now
            progress(f"waiting for {base_url}: {found} ({now - begun:.0f} s of {startup_timeout:.0f} s)")
        time.sleep(min(POLL, max(0.0, begun + startup_timeout - now)))


def checked(base_url: str) -> str:
    """A base URL as everything here expects it, without `/models` or a slash at its end.

    :raises ServeError: it is none, or holds what must not be printed and stored with it.
    """
    url = base_url.strip().rstrip("/").removesuffix("/models").removesuffix("/chat/completions")
    if "@" in url:
        raise ServeError(
            f"'...@{url.rpartition('@')[2]}' is a base URL with a user name or a password, which would be "
            "printed and stored: put the key into an environment variable and name that with --api-key-env"
        )
    address = re.split("[?#]", url)[0]
    if address != url:
        raise ServeError(f"{address!r} is followed by a query ('?' or '#'), which a base URL cannot have")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ServeError(f"{base_url!r} is not a base URL: it should look like http://127.0.0.1:8000/v1")
    return url


def _find(probe: Endpoint, timeout: float) -> Endpoint | str:
    """The endpoint at the probe's base URL, with or without `/v1`; else what there is to wait for.

    :raises ServeError: waiting will not help.
    """
    url = probe.base_url
    candidates = [url] if url.endswith("/v1") else [f"{url}/v1", url]
    for candidate in candidates:
        endpoint = replace(probe, base_url=candidate)
        try:
            answer = endpoint.send("/models", timeout=timeout)
        except UnreachableError as error:
            if not error.passing:
                raise ServeError(f"{url} cannot be reached: {error}") from error
            return str(error)
        if models := served_models(answer):
            return replace(endpoint, models=models, version=endpoint.find_version(min(5.0, timeout)))
        if answer.status in (502, 503, 504) or (answer.status == 500 and "/v1" in candidate):
            return f"it answers {answer.status}"
        if answer.status != 404 or candidate == candidates[-1]:
            raise ServeError(_refusal(probe, candidates, answer))
    raise AssertionError("the last candidate returns or raises")


def _refusal(probe: Endpoint, candidates: list[str], answer: Answer) -> str:
    base_url = probe.base_url
    if answer.status in (401, 403, 407):
        if names := " and ".join(probe.key_variables):
            return f"{base_url} says {answer.status}: the key in {names} is wrong for this server"
        return (
            f"{base_url} says {answer.status}: it wants a key; put it into an environment variable and name "
            "that with --api-key-env"
        )
    if answer.status == 404:
        tried = " and ".join(f"{candidate}/models" for candidate in candidates)
        return f"{base_url} is not an OpenAI-compatible base URL: 404 at {tried}; mostly it ends in /v1"
    if answer.status == 429:
        return f"{base_url} says 429, too many requests: {answer.error}"
    if answer.status != 200:
        return f"{base_url} answered {answer.status} to the list of models: {answer.error}"
    if isinstance(answer.object().get("data"), list):
        return f"{base_url} is OpenAI-compatible but serves no model with a name that can be printed"
    kind = "JSON without a list of models" if answer.json() is not None else "a page that is not JSON"
    return f"{base_url} is not OpenAI-compatible: its list of models is {kind}: {answer.text[:60]!r}"
