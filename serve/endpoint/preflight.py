"""Checks of a server before the first puzzle is sent, in a few requests.

A server with its schema off, its adapter not applied or its parser wrong looks like a bad model. Each check
here tells them apart; a check that the server gives no means for is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from serve.endpoint.chat import said
from serve.endpoint.endpoint import Endpoint, ServedModel
from serve.endpoint.wire import Answer, UnreachableError
from serve.errors import ServeError
from serve.printable import printable

Status = Literal["ok", "warn", "fail", "skip"]
Messages = Sequence[Mapping[str, str]]

PROMPT: Messages = (
    {"role": "system", "content": "Find the best move in this chess position."},
    {"role": "user", "content": "FEN: 6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"},
)
CANARY = "eighth-rank-canary"
CANARY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"canary": {"type": "string", "enum": [CANARY]}},
    "required": ["canary"],
    "additionalProperties": False,
}
"""No model answers a chess position like this unless the server forces it to."""

SAME = 1e-3
"""Log probabilities (natural) closer than this, or than the server's own noise, count as the same."""

VULNERABLE: tuple[tuple[tuple[int, int], str], ...] = (
    ((0, 14), "remote code execution while loading a model (fixed in 0.14.0)"),
    ((0, 30), "an engine crash by a structured-output request (fixed in 0.30.0)"),
)
GUIDED_JSON_REMOVED = (0, 12)
HOW = "`python -m serve command SPEC` prints a whole command line"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was found out about the server."""

    name: str
    status: Status
    detail: str
    facts: Mapping[str, str | float] = field(default_factory=dict)
    """Findings for the run's manifest: `schema_by`, `reasoning_in`, `difference`, ..."""

    def __str__(self) -> str:
        return f"{self.status:4}  {self.name}: {self.detail}"


def preflight(
    endpoint: Endpoint,
    model: str,
    *,
    thinking: bool = False,
    schema: bool = True,
    vllm: bool | None = None,
    messages: Messages = PROMPT,
    sampling: Mapping[str, object] | None = None,
    timeout: float = 120.0,
) -> list[Check]:
    """Check the server as a run is going to use it: a few requests, short but for the one that lets it think.

    :param thinking: whether the run asks this model to think before it answers.
    :param schema: whether the run holds this model's answers to a schema; where not, none has to be enforced.
    :param vllm: whether requests carry vLLM's own fields; None: where it is vLLM.
    :param messages: a prompt of the kind that the run sends; the adapter's check needs one it was trained on.
    :param sampling: the fields that every request of the run carries (`temperature`, `top_p`, ...).
    :param timeout: seconds for each request.
    :raises ServeError: the server stopped answering.
    """
    vllm = endpoint.is_vllm if vllm is None else vllm
    fixed = dict(sampling) if sampling is not None else {"temperature": 0.0, "top_p": 1.0}
    if sampling is None and vllm:
        fixed |= {"top_k": -1, "repetition_penalty": 1.0}
    asker = _Asker(endpoint, vllm, messages, fixed, timeout)
    served = check_served(endpoint, model)
    if served.status == "fail":
        return [served]
    entry = endpoint.choose(model)
    return [
        served,
        check_schema(asker, entry, thinking=thinking)
        if schema
        else Check("schema", "skip", "this run sends no schema, so none has to be enforced"),
        check_adapter(asker, entry),
        check_version(endpoint.version),
        check_sampling(fixed, vllm=vllm),
    ]


def require(checks: Sequence[Check]) -> None:
    """:raises ServeError: a check failed; says each failure and what to do."""
    failed = [check for check in checks if check.status == "fail"]
    if failed:
        reasons = "\n".join(f"  {check.name}: {check.detail}" for check in failed)
        raise ServeError(f"the server is not fit to be asked:\n{reasons}")


@dataclass(frozen=True, slots=True)
class _Asker:
    """Sends the small requests of the checks."""

    endpoint: Endpoint
    vllm: bool
    messages: Messages
    sampling: Mapping[str, object]
    timeout: float

    def __call__(self, model: str, *, thinking: bool, **fields: object) -> Answer:
        """:raises ServeError: no answer came."""
        body = {"model": model, "messages": list(self.messages), **self.sampling, **fields}
        if self.vllm:
            body["chat_template_kwargs"] = {"enable_thinking": thinking}
        try:
            return self.endpoint.send("/chat/completions", body, timeout=self.timeout)
        except UnreachableError as error:
            raise ServeError(f"{self.endpoint.base_url} stopped answering in preflight: {error}") from error


def check_served(endpoint: Endpoint, model: str) -> Check:
    """The model is in the server's list."""
    try:
        entry = endpoint.choose(model)
    except ServeError as error:
        return Check("served", "fail", str(error))
    what = f"an adapter of {entry.parent}" if entry.parent else "no adapter, as far as the server says"
    return Check("served", "ok", f"{model} ({what})")


def check_schema(ask: _Asker, model: ServedModel, *, thinking: bool) -> Check:
    """The schema of a request is enforced, and reasoning arrives where a client can find it."""
    by_format = {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "canary", "strict": True, "schema": CANARY_SCHEMA},
        }
    }
    check = _canary(ask, model, by_format, thinking, "response_format")
    old = ask.endpoint.is_vllm and _version(ask.endpoint.version) < GUIDED_JSON_REMOVED
    if check.status == "fail" and old:
        # Newer servers answer 200 to guided_json and ignore it: it may only be tried where it exists.
        guided = _canary(ask, model, {"guided_json": CANARY_SCHEMA}, thinking, "guided_json")
        return guided if guided.status == "ok" else check
    return check


def _canary(ask: _Asker, model: ServedModel, fields: Mapping[str, object], thinking: bool, by: str) -> Check:
    limit = 64
    if thinking:
        # A long thought, with a quarter of the context left for the prompt.
        limit = min(1536, (ask.endpoint.context_of(model.id) or 2048) * 3 // 4)
    answer = ask(model.id, thinking=thinking, max_tokens=limit, **fields)
    if answer.status != 200:
        return Check("schema", "fail", f"the server answers {answer.status}: {answer.error}")
    read = said(answer)
    content, reasoning, where = read.content, read.reasoning, read.reasoning_in
    facts: dict[str, str | float] = {"schema_by": by, "reasoning_in": where}
    held = Answer(200, content).json() == {"canary": CANARY}
    if held and (reasoning or not thinking):
        arrives = f"reasoning arrives in {where}" if reasoning else "no reasoning, none asked for"
        return Check("schema", "ok", f"enforced by {by}; {arrives}", facts)
    if held:
        return Check(
            "schema",
            "fail",
            "enforced from the first token, so that nothing can be thought. If the model does think, start "
            f"vLLM with --reasoning-parser qwen3 ({HOW})",
            {**facts, "thinks": "no"},
        )
    if thinking and reasoning and not content and read.finish == "length":
        return Check("schema", "warn", f"still reasoning after {limit} tokens, so not decided", facts)
    if reasoning and not content:
        return Check(
            "schema",
            "fail",
            f"off: all text arrived in {where}, content is empty. The server's reasoning parser "
            f"waits for a '</think>' that {model.id!r} does not write, and enforces the schema after it. "
            "Start vLLM without --reasoning-parser, or ask without thinking (enable_thinking false)",
            facts,
        )
    seen = printable(content or reasoning, 80)
    advice = f"Start vLLM with --structured-outputs-config.backend guidance ({HOW})"
    if not content.strip():
        advice += " and --structured-outputs-config.disable_any_whitespace true"
    return Check("schema", "fail", f"not enforced by {by}: got {seen!r}. {advice}", facts)


def check_adapter(ask: _Asker, model: ServedModel) -> Check:
    """The adapter changes what the base says: its first log probabilities differ from the base's."""
    base = ask.endpoint.base_of(model)
    if model.parent is None:
        return Check("adapter", "skip", "the server does not say that this is an adapter")
    if base is None:
        return Check(
            "adapter", "skip", f"the base {model.parent!r} is not served, so there is nothing to compare"
        )
    first, again, adapted = (_logprobs(ask, name) for name in (base.id, base.id, model.id))
    if not (first and again and adapted):
        return Check("adapter", "skip", "the server gives no log probabilities")
    noise, change = _distance(first, again), _distance(first, adapted)
    facts: dict[str, str | float] = {"difference": round(change, 6), "noise": round(noise, 6)}
    if change <= max(SAME, 2 * noise):
        return Check(
            "adapter",
            "fail",
            f"{model.id!r} answers exactly as its base {base.id!r} (log probabilities differ by "
            f"{change:.1g}, two askings of the base by {noise:.1g}): it is not applied, or is empty. "
            "Check --lora-modules and the adapter's target_modules",
            facts,
        )
    return Check(
        "adapter", "ok", f"applied: log probabilities differ from {base.id}'s by {change:.2g}", facts
    )


def _logprobs(ask: _Asker, model: str) -> Sequence[Mapping[str, float]]:
    """For each of the first tokens the likeliest ones and their log probabilities."""
    return said(ask(model, thinking=False, max_tokens=4, logprobs=True, top_logprobs=5)).top_logprobs


def _distance(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> float:
    """The largest difference of a log probability, up to where the two say different tokens.

    A token that is likely in one and not among the likeliest of the other counts with 1.
    """
    largest = 0.0
    for left, right in zip(one, other, strict=False):
        shared = left.keys() & right.keys()
        largest = max([largest, *(abs(left[token] - right[token]) for token in shared)])
        if max(left, key=left.__getitem__) != max(right, key=right.__getitem__):
            return max(largest, 1.0)
    return largest


def check_version(version: str | None) -> Check:
    """The server's version has no published vulnerability that is known here."""
    if version is None:
        return Check("version", "skip", "the server says no vLLM version")
    if not version[:1].isdigit():
        return Check("version", "ok", version, {"version": version})
    found = [what for fixed, what in VULNERABLE if _version(version) < fixed]
    if found:
        return Check(
            "version", "warn", f"vLLM {version} has {' and '.join(found)}: upgrade it", {"version": version}
        )
    return Check("version", "ok", f"vLLM {version}", {"version": version})


def check_sampling(sampling: Mapping[str, object], *, vllm: bool) -> Check:
    """Every request says how to sample, so that the checkpoint's `generation_config` decides nothing."""
    needed = ("temperature", "top_p", "top_k") if vllm else ("temperature", "top_p")
    missing = [name for name in needed if name not in sampling]
    if missing:
        filled = ", ".join(missing)
        return Check("sampling", "warn", f"{filled} not sent: the checkpoint's generation_config fills it")
    said = ", ".join(f"{name} {value}" for name, value in sampling.items())
    return Check("sampling", "ok", f"{said} with every request")


def _version(version: str | None) -> tuple[int, int]:
    """Major and minor of a version; a version that cannot be read counts as new."""
    match = re.match(r"v?(\d+)\.(\d+)", version or "")
    return (int(match[1]), int(match[2])) if match else (9999, 0)
