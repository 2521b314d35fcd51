"""Adapters loaded into a running vLLM for one session, and unloaded after it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping

from serve.endpoint.endpoint import Endpoint
from serve.endpoint.wire import Answer, UnreachableError
from serve.errors import ServeError
from serve.sources.resolve import Resolved, resolve_adapter
from serve.spec import SERVED_NAME

ALLOW = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"


def parse_adapter(text: str) -> tuple[str, str]:
    """Split `name=source`.

    :raises ServeError: there is no `=`, or what stands before it cannot be a model's name.
    """
    name, equals, source = text.partition("=")
    if not equals or not source or not SERVED_NAME.fullmatch(name):
        raise ServeError(f"--adapter {text!r}: expected name=repo@revision or name=./folder")
    return name, source


@contextlib.contextmanager
def loaded(
    endpoint: Endpoint, adapters: Mapping[str, str]
) -> Generator[tuple[Endpoint, Mapping[str, Resolved]]]:
    """The endpoint with more adapters, name -> source, for as long as the context lasts.

    The server reads the folder itself, so it must find it under the same path as this machine: it runs here,
    or shares the volume.

    :raises ServeError: a source is not there, or the server does not take adapters, or not this one.
    """
    resolved = {name: resolve_adapter(source) for name, source in adapters.items()}
    with contextlib.ExitStack() as undo:
        for name, found in resolved.items():
            load(endpoint, name, found)
            undo.callback(unload, endpoint, name)
        yield endpoint.refresh(), resolved


def load(endpoint: Endpoint, name: str, adapter: Resolved) -> None:
    """Load one adapter.

    :raises ServeError: the server refuses; says why.
    """
    if any(model.id == name for model in endpoint.models):
        raise ServeError(f"--adapter {name}: {endpoint.base_url} serves a model of that name; choose another")
    answer = _post(endpoint, "/load_lora_adapter", {"lora_name": name, "lora_path": adapter.path})
    if answer.status in (404, 405):
        raise ServeError(
            f"{endpoint.base_url} does not load adapters while it runs. Start vLLM with --enable-lora and "
            f"{ALLOW}=True (in a serve spec: dynamic_adapters = true), or name the adapter in the spec"
        )
    if answer.status != 200:
        raise ServeError(f"the server refuses adapter {name!r} ({adapter.path}): {answer.error}")


def unload(endpoint: Endpoint, name: str) -> None:
    """Unload one adapter; no error where the server is gone, or no longer has it."""
    with contextlib.suppress(ServeError):
        _post(endpoint, "/unload_lora_adapter", {"lora_name": name})


def _post(endpoint: Endpoint, path: str, body: object) -> Answer:
    try:
        return endpoint.send(path, body, timeout=120)
    except UnreachableError as error:
        raise ServeError(f"{endpoint.base_url} does not answer: {error}") from error
