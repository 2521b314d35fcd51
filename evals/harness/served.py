"""The server of one session: attached to or started, with its adapters, chosen models and preflight."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from evals.asking.body import SchemaBy, chat_body
from evals.harness.options import Options
from evals.words import Request
from serve.endpoint.attach import attach
from serve.endpoint.endpoint import Endpoint, ServedModel

if TYPE_CHECKING:
    from serve.endpoint.preflight import Check
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
class Served:
    """A server that answers, and what a run's record says of it."""

    endpoint: Endpoint
    spec: ServeSpec | None
    """The serve spec that was started; None where a server was attached to."""
    facts: Mapping[str, Any]

    def choose(self, options: Options, task: str) -> ServedModel:
        """The model that a task is asked of: from the command line, else the spec, else the only one.

        :raises ServeError: it is not served, or the choice is not clear; lists what is served.
        """
        wanted = options.routes.get(task) or options.model
        if wanted is None and self.spec is not None:
            wanted = self.spec.model_for(task)
        if wanted is None and options.adapters:
            wanted = options.adapters[0].partition("=")[0]
        return self.endpoint.choose(wanted)


@contextmanager
def serving(options: Options, folder: Path, say: Say) -> Generator[Served]:
    """Attach to the server that was named, or start one; it is left as it was found, or stopped.

    :param folder: where a started server's log belongs.
    :raises ServeError: there is no server to ask; says why and what to do.
    """
    with ExitStack() as stack:
        spec: ServeSpec | None = None
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
            server, spec, facts["identities"] = start(options, folder)
            stack.callback(server.stop)
            say(f"waiting for {options.serve} server of spec {spec.name}")
            endpoint = server.wait(options.startup_timeout, say)
            facts["server"] = dict(server.manifest)
        if options.adapters:
            from serve.endpoint.dynamic import loaded, parse_adapter

            wanted = dict(parse_adapter(text) for text in options.adapters)
            endpoint, resolved = stack.enter_context(loaded(endpoint, wanted))
            identities = {name: found.identity for name, found in resolved.items()}
            facts["identities"] = {**facts.get("identities", {}), **identities}
        yield Served(endpoint, spec, facts)


def start(options: Options, folder: Path) -> tuple[Server, ServeSpec, Mapping[str, str]]:
    """Start what `--serve` says; returns before it is ready, with the spec and each model's identity.

    :raises ServeError: the spec cannot be served, or not here.
    """
    from serve.sources.resolve import resolve
    from serve.spec import load_spec

    spec = load_spec(options.spec, fast_boot=options.fast_boot)
    key = options.api_key_env
    if options.serve == "modal" and options.attach is not None:
        from serve.modal.session import ModalServer

        return ModalServer.deployed(options.attach or spec.name, api_key_env=key), spec, {}
    resolution = resolve(spec)
    if options.serve == "modal":
        from serve.modal.session import ModalServer

        return ModalServer.start(resolution.pinned, api_key_env=key), spec, resolution.record()
    from serve.local.process import LocalServer

    server = LocalServer.start(
        resolution.spec,
        log_path=folder / "server.log",
        device=options.device,
        engine="peft" if options.serve == "peft" else "vllm",
        resolution=resolution,
        api_key_env=key,
    )
    return server, spec, resolution.record()


class Asked(NamedTuple):
    """A task, the model that it is asked of, and its first request."""

    task: str
    model: ServedModel
    request: Request


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What preflight found out."""

    checks: Sequence[Mapping[str, Any]] = ()
    not_asked: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Task -> why the model cannot be asked it."""
    schema_by: Mapping[str, SchemaBy] = dataclasses.field(default_factory=dict[str, SchemaBy])
    """Model -> the field by which the server takes a schema, where it is not `response_format`."""


def check_models(endpoint: Endpoint, asked: Iterable[Asked], options: Options, say: Say) -> Checked:
    """Preflight each model with the prompt and the sampling that the run is going to use.

    A task that wants thinking of a model that does not think is left out, unless nothing else is asked.

    :raises ServeError: a check failed, or the server stopped answering.
    """
    # Not before a server is asked: every worker imports this module.
    from serve.endpoint.preflight import require

    groups: dict[tuple[str, bool, bool], list[Asked]] = {}
    for each in asked:
        kind = each.model.id, each.request.thinking, each.request.schema is not None
        groups.setdefault(kind, []).append(each)
    found: list[dict[str, Any]] = []
    not_asked: dict[str, str] = {}
    schema_by: dict[str, SchemaBy] = {}
    refused: list[Check] = []
    for (model, _, _), members in groups.items():
        checks = _preflight(endpoint, members[0], options)
        found += [{"model": model, **dataclasses.asdict(check)} for check in checks]
        if (cannot := _cannot_think(checks)) is not None:
            refused.append(cannot)
            not_asked |= {each.task: f"{model} does not think: {cannot.detail}" for each in members}
            continue
        for check in checks:
            say(f"{model}: {check}")
            if check.facts.get("schema_by") == "guided_json":
                schema_by[model] = "guided_json"
        require(checks)
    if len(not_asked) == sum(map(len, groups.values())):
        require(refused)
    for task, reason in not_asked.items():
        say(f"{task} is left out: {reason}")
    return Checked(found, not_asked, schema_by)


def _preflight(endpoint: Endpoint, asked: Asked, options: Options) -> list[Check]:
    from serve.endpoint.preflight import preflight

    request = asked.request
    body = chat_body(request, asked.model.id, options.sampling, vllm=endpoint.is_vllm)
    fixed = {"temperature", "top_p", "top_k", "repetition_penalty", "seed"}
    return preflight(
        endpoint,
        asked.model.id,
        thinking=request.thinking,
        schema=request.schema is not None,
        messages=request.messages,
        sampling={name: value for name, value in body.items() if name in fixed},
        timeout=options.request_timeout,
    )


def _cannot_think(checks: Sequence[Check]) -> Check | None:
    """The check that failed only because the model does not think before it answers."""
    failed = [check for check in checks if check.status == "fail"]
    alone = len(failed) == 1 and failed[0].facts.get("thinks") == "no"
    return failed[0] if alone else None
