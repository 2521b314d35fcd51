"""The JSON body of `POST /v1/chat/completions` for one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evals.words import Request

SchemaBy = Literal["response_format", "guided_json"]
"""How a server is told the schema. vLLM before 0.12 also knows `guided_json`, and some servers of that age
enforce nothing else; newer ones answer 200 to it and ignore it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the server draws tokens. Sent whole, because a server fills what is missing from the checkpoint.

    `top_k` and `repetition_penalty` are not part of the OpenAI API and go to vLLM only.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = -1
    repetition_penalty: float = 1.0
    seed: int = 0


def chat_body(
    request: Request,
    model: str,
    sampling: Sampling,
    *,
    sample: int = 0,
    vllm: bool = True,
    context: int | None = None,
    schema_by: SchemaBy = "response_format",
) -> dict[str, Any]:
    """The body that asks `model` for one request.

    :param sample: which of several samples of one case this is; it moves the seed, so that samples differ.
    :param vllm: whether the server understands vLLM's fields.
    :param context: the model's context in tokens, where it is known; no more is asked for. How much of it the
        prompt takes is known to the server alone: see `Client.ask`.
    :param schema_by: what enforces a schema on this server, as preflight found.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [dict(message) for message in request.messages],
        "max_tokens": min(request.max_tokens, context or request.max_tokens),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed + sample,
    }
    if request.schema is not None:
        schema = {**request.schema, "x-guidance": _spacing(request)} if vllm else request.schema
        if schema_by == "guided_json":
            body["guided_json"] = schema
        else:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": request.schema_name, "schema": schema, "strict": True},
            }
    if vllm:
        body |= _held_to_text(request, schema_by)
        body["top_k"] = sampling.top_k
        body["repetition_penalty"] = sampling.repetition_penalty
        # A hybrid model such as Qwen3-4B thinks unless told not to; templates without the switch ignore it.
        body["chat_template_kwargs"] = {"enable_thinking": request.thinking}
    return body | dict(request.extra)


def _spacing(request: Request) -> dict[str, Any]:
    """How vLLM's guidance backend shall space JSON: as the format has it, on which the model was trained.

    The xgrammar backend ignores this. It knows no space at all, with which a small model answers badly, or
    any amount of it, with which a small model never ends.
    """
    item, key = request.separators
    return {"whitespace_flexible": False, "key_separator": key, "item_separator": item}


def _held_to_text(request: Request, schema_by: SchemaBy) -> dict[str, Any]:
    """vLLM's fields for an answer that is no JSON; those of before 0.12 go with `guided_json`."""
    if request.regex is not None:
        held: dict[str, Any] = {"regex": request.regex}
    elif request.choice is not None:
        held = {"choice": list(request.choice)}
    else:
        return {}
    if schema_by == "guided_json":
        return {f"guided_{name}": value for name, value in held.items()}
    return {"structured_outputs": held}
