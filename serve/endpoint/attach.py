"""Find out what a running server serves, and wait for one that is still starting.

Works with anything OpenAI-compatible: only `GET <base URL>/models` has to exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from serve.endpoint.endpoint import Endpoint, served_models
from serve.endpoint.wire import Answer, UnreachableError, send
from serve.errors import ServeError

Progress = Callable[[str], None]
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
    url = base_url.strip().rstrip("/").removesuffix("/models").removesuffix("/chat/completions")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ServeError(f"{base_url!r} is not a base URL: it should look like http://127.0.0.1:8000/v1")
    probe = Endpoint(url, (), api_key_env=api_key_env, header_env=header_env)
    candidates = [url] if url.endswith("/v1") else [f"{url}/v1", url]
    begun = said = time.monotonic()
    while True:
        waiting_for = ""
        for candidate in candidates:
            try:
                answer = replace(probe, base_url=candidate).send("/models", timeout=10)
            except UnreachableError as error:
                if not error.passing:
                    raise ServeError(f"{base_url} cannot be reached: {error}") from error
                waiting_for = str(error)
                break
            if models := served_models(answer):
                found = replace(probe, base_url=candidate, models=models)
                return replace(found, version=_version(found))
            if answer.status in (502, 503, 504) or (answer.status == 500 and "/v1" in candidate):
                waiting_for = f"it answers {answer.status}"
                break
            if answer.status != 404 or candidate == candidates[-1]:
                raise ServeError(_refusal(base_url, candidates, answer, api_key_env, header_env))
        now = time.monotonic()
        if now - begun >= startup_timeout:
            raise ServeError(
                f"{base_url} did not become ready in {startup_timeout:.0f} s: {waiting_for}. "
                "Is the server running there? Wait longer with --startup-timeout"
            )
        if said == begun or now - said >= SAY_EVERY:
            said = now
            progress(
                f"waiting for {base_url}: {waiting_for} ({now - begun:.0f} s of {startup_timeout:.0f} s)"
            )
        time.sleep(min(POLL, max(0.0, begun + startup_timeout - now)))


def _refusal(
    base_url: str,
    candidates: list[str],
    answer: Answer,
    api_key_env: str | None,
    header_env: tuple[tuple[str, str], ...],
) -> str:
    if answer.status in (401, 403, 407):
        names = [*([api_key_env] if api_key_env else []), *(variable for _, variable in header_env)]
        if names:
            return (
                f"{base_url} says {answer.status}: the key in {' and '.join(names)} is wrong for this server"
            )
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
        return f"{base_url} is OpenAI-compatible but serves no model"
    kind = "JSON without a list of models" if answer.json() is not None else "a page that is not JSON"
    return f"{base_url} is not OpenAI-compatible: its list of models is {kind}: {answer.text[:60]!r}"


def _version(endpoint: Endpoint) -> str | None:
    """vLLM's version; None for any other server."""
    try:
        answer = send(f"{endpoint.server_url}/version", headers=endpoint.headers(), timeout=5)
    except UnreachableError:
        return None
    version = answer.object().get("version") if answer.status == 200 else None
    return version if isinstance(version, str) else None
