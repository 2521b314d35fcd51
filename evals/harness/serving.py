"""The server of one session: attached to or started, with its adapters, chosen models and preflight."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evals.asking.body import chat_body
from evals.harness.options import Options
from evals.words import Request
from serve.endpoint import Endpoint, ServedModel, attach

if TYPE_CHECKING:
    from serve.spec import ServeSpec

Say = Callable[[str], None]


class Server(Protocol):
    """A server that this session started: vLLM here, on Modal, or the PEFT reference."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What was started, for the run's record."""
        ...

    def wait(self, timeout: float, progress: Say) -> Endpoint:
        """Wait until it answers.

        :raises ServeError: it died or is not ready in time.
        """
        ...

    def stop(self) -> None:
        """Stop it. Safe to call twice."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers, and what a run's record says of it."""

    endpoint: Endpoint
    ask: Mapping[str, str]
    """The serve spec's task -> model; empty where a server was attached to."""
    facts: Mapping[str, Any]

    def choose(self, options: Options, task: str) -> ServedModel:
        """The model that a task is asked of: from the command line, else the spec, else the only one.

        :raises ServeError: it is not served, or the choice is not clear; lists what is served.
        """
        wanted = options.routes.get(task) or options.model or self.ask.get(task) or self.ask.get("default")
        if wanted is None and options.adapters:
            wanted = options.adapters[0].partition("=")[0]
        return self.endpoint.choose(wanted)


@contextmanager
def serving(options: Options, folder: Path, say: Say) -> Generator[Serving]:
    """Attach to the server that was named, or start one; it is left as it was found, or stopped.

    :param folder: where a started server's log belongs.
    :raises ServeError: there is no server to ask; says why and what to do.
    """
    with ExitStack() as stack:
        ask: Mapping[str, str] = {}
        facts: dict[str, Any] = {}
        if options.base_url:
            say(f"attaching to {options.base_url}")
            endpoint = attach(
                options.base_url,
                api_key_env=options.api_key_env,
                startup_timeout=options.startup_timeout,
                progress=say,
            )
        else:
            server, spec, identities = start(options, folder)
            stack.callback(server.stop)
            ask, facts["identities"] = spec.ask, identities
            say(f"waiting for {options.serve} server of spec {spec.name}")
            endpoint = server.wait(options.startup_timeout, say)
            facts["server"] = dict(server.manifest)
        if options.adapters:
            from serve.dynamic import loaded, parse_adapter

            wanted = dict(parse_adapter(text) for text in options.adapters)
            endpoint, resolved = stack.enter_context(loaded(endpoint, wanted))
            identities = {name: found.identity for name, found in resolved.items()}
            facts["identities"] = {**facts.get("identities", {}), **identities}
        yield Serving(endpoint, ask, facts)


def start(options: Options, folder: Path) -> tuple[Server, ServeSpec, Mapping[str, str]]:
    """Start what `--serve` says; returns before it is ready, with the spec and each model's identity.

    :raises ServeError: the spec cannot be served, or not here.
    """
    from serve.adapters import resolve
    from serve.spec import load_spec

    spec = load_spec(options.spec)
    key = options.api_key_env
    if options.serve == "modal" and options.attach is not None:
        from serve.modal_session import ModalServer

        return ModalServer.deployed(options.attach or spec.name, api_key_env=key), spec, {}
    if options.fast_boot:
        spec = spec.model_copy(update={"eager": True})
    resolution = resolve(spec)
    if options.serve == "modal":
        from serve.modal_session import ModalServer

        return ModalServer.start(resolution.pinned, api_key_env=key), spec, resolution.record()
    from serve.process import LocalServer

    server = LocalServer.start(
        resolution.spec,
        log_path=folder / "server.log",
        device=options.device,
        engine="peft" if options.serve == "peft" else "vllm",
        resolution=resolution,
        api_key_env=key,
    )
    return server, spec, resolution.record()


def check(
    endpoint: Endpoint, requests: Iterable[tuple[ServedModel, Request]], options: Options, say: Say
) -> list[dict[str, Any]]:
    """Preflight each model with the prompt and the sampling that the run is going to use.

    :param requests: each model with a request that it is going to be sent.
    :raises ServeError: a check failed, or the server stopped answering.
    """
    from serve.preflight import preflight, require

    found: list[dict[str, Any]] = []
    for model, request in requests:
        body = chat_body(request, model.id, options.sampling, vllm=endpoint.version is not None)
        fixed = {"temperature", "top_p", "top_k", "repetition_penalty", "seed"}
        checks = preflight(
            endpoint,
            model.id,
            thinking=request.thinking,
            messages=request.messages,
            sampling={name: value for name, value in body.items() if name in fixed},
            timeout=options.request_timeout,
        )
        for each in checks:
            say(f"{model.id}: {each}")
        require(checks)
        found += [{"model": model.id, **dataclasses.asdict(each)} for each in checks]
    return found
