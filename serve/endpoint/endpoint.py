"""An endpoint: a base URL, its headers, and the model ids that it serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from serve.endpoint.keys import keys_of, read_key, redact
from serve.endpoint.wire import Answer, UnreachableError, send
from serve.errors import ServeError
from serve.printable import printable

NAME = 500
"""Characters of a served model's name; llama.cpp names models by their path."""


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
    """A server that answers, and what it serves. Holds no secret, only names of variables."""

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
        headers = {name: read_key(variable) for name, variable in self.header_env}
        if self.api_key_env:
            headers["Authorization"] = f"Bearer {read_key(self.api_key_env)}"
        return headers

    def secrets(self) -> tuple[str, ...]:
        """The keys that are sent now: what has to be redacted wherever the server's words are written."""
        return keys_of(self.key_variables)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that hold the keys."""
        headers = tuple(variable for _, variable in self.header_env)
        return (self.api_key_env, *headers) if self.api_key_env else headers

    @property
    def adapters(self) -> tuple[ServedModel, ...]:
        """The adapters among the models; empty where the server does not tell adapters from bases."""
        return tuple(model for model in self.models if model.parent)

    def choose(self, model: str | None = None) -> ServedModel:
        """The served model called `model`; for None the only adapter served, or the only model.

        :raises ServeError: lists what is served.
        """
        served = printable(", ".join(entry.id for entry in self.models), 1_000) or "nothing"
        if model is not None:
            for entry in self.models:
                if entry.id == model:
                    return entry
            asked = printable(model)
            raise ServeError(f"model {asked!r} is not served at {self.base_url}; served are: {served}")
        candidates = self.adapters or self.models
        if len(candidates) == 1:
            return candidates[0]
        raise ServeError(f"{self.base_url} serves more than one model; say which with --model: {served}")

    def base_of(self, model: ServedModel) -> ServedModel | None:
        """The base under an adapter, where it is served too."""
        return next((entry for entry in self.models if model.parent and entry.id == model.parent), None)

    @property
    def is_vllm(self) -> bool:
        """True where requests may carry vLLM's own fields: the server says a version, as vLLM does."""
        return self.version is not None

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
        """GET or POST `path` under the base URL. Should the server repeat a key, the answer is without it.

        :param timeout: seconds until all of the answer is here.
        :raises UnreachableError: there was no HTTP answer.
        """
        return self._send(self.base_url + path, body, timeout)

    def find_version(self, timeout: float = 5.0) -> str | None:
        """vLLM's version at `/version`; None for any other server. Asked when attaching."""
        try:
            answer = self._send(f"{self.server_url}/version", None, timeout)
        except UnreachableError:
            return None
        version = answer.object().get("version") if answer.status == 200 else None
        return printable(version, 100) if isinstance(version, str) else None

    def _send(self, url: str, body: object, timeout: float) -> Answer:
        secrets = self.secrets()
        try:
            answer = send(url, body, headers=self.headers(), timeout=timeout)
        except UnreachableError as error:
            raise UnreachableError(redact(str(error), secrets), passing=error.passing) from None
        return replace(answer, text=redact(answer.text, secrets), redirect=redact(answer.redirect, secrets))

    def refresh(self) -> Endpoint:
        """The endpoint with the models that it serves now.

        :raises ServeError: it no longer answers.
        """
        try:
            answer = self.send("/models", timeout=10)
        except UnreachableError as error:
            raise ServeError(f"{self.base_url} does not answer: {error}") from error
        return replace(self, models=served_models(answer) or self.models)


def served_models(answer: Answer) -> tuple[ServedModel, ...]:
    """The models of a list; empty where the answer is no such list.

    A name is sent back to the server as it is, and written in many places. So a model whose name cannot be
    printed as it is, is left out.
    """
    data: Any = answer.object().get("data")
    if answer.status != 200 or not isinstance(data, list):
        return ()
    entries = [entry for entry in data if isinstance(entry, dict)]
    named = [(name, entry) for entry in entries if (name := _name(entry.get("id")))]
    return tuple(
        ServedModel(
            id=name,
            parent=_name(entry.get("parent")),
            root=printable(root, NAME) if isinstance(root := entry.get("root"), str) and root else None,
            max_model_len=_tokens(entry.get("max_model_len")),
        )
        for name, entry in named
    )


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value and printable(value, NAME) == value else None


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
