"""An endpoint: a base URL, its headers, and the model ids that it serves; and how to attach to one.

Works with anything OpenAI-compatible: only `GET <base URL>/models` is taken for granted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from serve.endpoint.wire import Answer, UnreachableError, send
from serve.errors import ServeError

Progress = Callable[[str], None]
POLL = 1.0
"""Seconds between two looks at a server that is starting."""
SAY_EVERY = 10.0
"""Seconds between two words about waiting."""


def silent(message: str) -> None:
    """Say nothing about progress."""
    del message


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One entry of the server's model list. All but `id` is vLLM's own and may be missing."""

    id: str
    parent: str | None = None
    """The base's id, where this is an adapter."""
    root: str | None = None
    """Where the server loaded it from."""
    max_model_len: int | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that answers, and what it serves. Holds no secret, only the names of their variables."""

    base_url: str
    """Ends before `/models` and `/chat/completions`; mostly with `/v1`."""
    models: tuple[ServedModel, ...]
    version: str | None = None
    """vLLM's version, where the server says one at `/version`."""
    api_key_env: str | None = None
    """The environment variable with the API key."""
    header_env: tuple[tuple[str, str], ...] = ()
    """More headers and the environment variables with their values (Modal's proxy authentication)."""

    def headers(self) -> dict[str, str]:
        """The headers of authentication, read from the environment now.

        :raises ServeError: a variable is not set.
        """
        headers = {name: _secret(variable) for name, variable in self.header_env}
        if self.api_key_env:
            headers["Authorization"] = f"Bearer {_secret(self.api_key_env)}"
        return headers

    @property
    def adapters(self) -> tuple[ServedModel, ...]:
        """The adapters among the models; empty where the server does not tell adapters from bases."""
        return tuple(model for model in self.models if model.parent)

    def choose(self, model: str | None = None) -> ServedModel:
        """The served model called `model`; for None the only adapter served, or the only model.

        :raises ServeError: lists what is served.
        """
        served = ", ".join(entry.id for entry in self.models) or "nothing"
        if model is not None:
            for entry in self.models:
                if entry.id == model:
                    return entry
            raise ServeError(f"model {model!r} is not served at {self.base_url}; served are: {served}")
        candidates = self.adapters or self.models
        if len(candidates) == 1:
            return candidates[0]
        raise ServeError(f"{self.base_url} serves more than one model; say which with --model: {served}")

    def base_of(self, model: ServedModel) -> ServedModel | None:
        """The base under an adapter, where it is served too."""
        return next((entry for entry in self.models if model.parent and entry.id == model.parent), None)

    def context_of(self, model: str) -> int | None:
        """The context of a served model in tokens: its own or that of the base under it; None if unknown."""
        served = self.choose(model)
        base = self.base_of(served)
        return served.max_model_len or (base.max_model_len if base else None)

    @property
    def server_url(self) -> str:
        """The server's own root, where vLLM has `/version` and `/health`."""
        return self.base_url.removesuffix("/v1")

    def send(self, path: str, body: object = None, *, timeout: float = 60.0) -> Answer:
        """GET or POST `path` under the base URL.

        :raises UnreachableError: there was no HTTP answer.
        """
        return send(self.base_url + path, body, headers=self.headers(), timeout=timeout)

    def refresh(self) -> Endpoint:
        """The endpoint with the models that it serves now.

        :raises ServeError: it no longer answers.
        """
        try:
            answer = self.send("/models", timeout=10)
        except UnreachableError as error:
            raise ServeError(f"{self.base_url} does not answer: {error}") from error
        return replace(self, models=_models(answer) or self.models)


def _secret(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ServeError(f"the environment variable {variable!r} should hold a key but is not set")
    return value


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
            if models := _models(answer):
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


def _models(answer: Answer) -> tuple[ServedModel, ...]:
    """The models of a list; empty where the answer is no such list."""
    data: Any = answer.object().get("data")
    if answer.status != 200 or not isinstance(data, list):
        return ()
    entries = [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    return tuple(
        ServedModel(
            id=entry["id"],
            parent=entry.get("parent") or None,
            root=entry.get("root") or None,
            max_model_len=entry.get("max_model_len"),
        )
        for entry in entries
    )


def _version(endpoint: Endpoint) -> str | None:
    """vLLM's version; None for any other server."""
    try:
        answer = send(f"{endpoint.server_url}/version", headers=endpoint.headers(), timeout=5)
    except UnreachableError:
        return None
    version = answer.object().get("version") if answer.status == 200 else None
    return version if isinstance(version, str) else None
