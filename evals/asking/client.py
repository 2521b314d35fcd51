"""One chat completion, asked for and read: the request body, the retries, and the answer as `Completion`.

Measured with 256 requests in flight: the openai SDK over its aiohttp transport, posting plain dicts, costs
under 1.2 ms of CPU a request, a quarter of its typed methods over the default transport.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from evals.words import Completion, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
LONGEST_BACKOFF = 30.0


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


SPACING = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}
"""How vLLM's guidance backend spaces JSON: as `json.dumps` does and models are trained on. Its xgrammar
backend, which ignores this, knows only no space at all or any amount; a small model fails with the one and
never ends with the other."""


def chat_body(
    request: Request,
    model: str,
    sampling: Sampling,
    *,
    sample: int = 0,
    vllm: bool = True,
    context: int | None = None,
) -> dict[str, Any]:
    """The JSON body of `POST /v1/chat/completions` for one request.

    :param sample: which of several samples of one case this is; it moves the seed, so that samples differ.
    :param vllm: whether the server understands vLLM's fields.
    :param context: the model's context in tokens, where it is known. vLLM refuses to be asked for more than
        this, and takes less on itself where the prompt leaves less.
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
        schema = {**request.schema, "x-guidance": SPACING} if vllm else request.schema
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.schema_name, "schema": schema, "strict": True},
        }
    if vllm:
        body["top_k"] = sampling.top_k
        body["repetition_penalty"] = sampling.repetition_penalty
        # A hybrid model such as Qwen3-4B thinks unless told not to; templates without the switch ignore it.
        body["chat_template_kwargs"] = {"enable_thinking": request.thinking}
    return body


def read_completion(payload: object, *, latency: float, attempts: int) -> Completion:
    """Read a chat completion response, whichever server made it.

    Reasoning arrives as `reasoning` (vLLM 0.12 and later, OpenRouter) or `reasoning_content` (older vLLM,
    llama.cpp, DeepSeek).
    """
    try:
        choice = cast("dict[str, Any]", payload)["choices"][0]
        message: dict[str, Any] = choice["message"]
    except (KeyError, IndexError, TypeError):
        return Completion(
            error=f"the server's answer is not a chat completion: {str(payload)[:200]!r}",
            latency=latency,
            attempts=attempts,
        )
    usage = cast("dict[str, Any]", payload).get("usage") or {}
    return Completion(
        content=message.get("content"),
        reasoning=message.get("reasoning") or message.get("reasoning_content"),
        finish_reason=choice.get("finish_reason"),
        refusal=message.get("refusal"),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        latency=latency,
        attempts=attempts,
    )


def open_client(
    base_url: str, headers: Mapping[str, str], *, concurrency: int, timeout: float
) -> AsyncOpenAI:
    """An openai client for `base_url` (ending in `/v1`) that leaves retries to `ask`.

    `headers` carry the authentication, if there is any.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # The SDK's own key would be read from OPENAI_API_KEY and sent to whichever server is asked.
    authorization = headers.get("Authorization", "Bearer none")
    return AsyncOpenAI(
        base_url=base_url,
        api_key=authorization.removeprefix("Bearer "),
        default_headers={name: value for name, value in headers.items() if name != "Authorization"},
        max_retries=0,
        timeout=timeout,
        http_client=DefaultAioHttpClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        ),
    )


async def ask(
    client: AsyncOpenAI, body: Mapping[str, Any], *, attempts: int = 6, backoff: float = 1.0
) -> Completion:
    """Send one request until an answer comes or `attempts` are used up.

    Retried: connection failures, time-outs, and the statuses that mean "not now". The wait before the next
    attempt doubles from `backoff` seconds to 30 s, with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or is as long as
    `Retry-After` says. Never raises for what a server did: `Completion.error` says it.
    """
    import openai

    error = ""
    for attempt in range(1, attempts + 1):
        started = time.perf_counter()
        wait = random.uniform(0, min(LONGEST_BACKOFF, backoff * 2 ** (attempt - 1)))
        try:
            payload = await client.post("/chat/completions", cast_to=object, body=dict(body))
        except openai.APIStatusError as failure:
            error = f"HTTP {failure.status_code}: {_message(failure)}"
            if failure.status_code not in RETRY_STATUSES:
                return Completion(error=error, attempts=attempt)
            wait = max(wait, _retry_after(failure))
        except openai.APIConnectionError as failure:
            error = _transport_error(failure, time.perf_counter() - started)
        else:
            return read_completion(payload, latency=time.perf_counter() - started, attempts=attempt)
        if attempt < attempts:
            await asyncio.sleep(wait)
    return Completion(error=f"{error} (after {attempts} attempts)", attempts=attempts)


def _transport_error(failure: BaseException, seconds: float) -> str:
    """Why no answer came, on one line.

    The SDK's aiohttp transport calls a refused connection a time-out; the deepest cause tells them apart.
    """
    cause = failure
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        return f"connection failed: {cause}"
    import openai

    if isinstance(failure, openai.APITimeoutError):
        return f"no answer within {seconds:.1f} s"
    return f"connection failed: {cause}"


def _message(failure: Any) -> str:
    """The server's own words about an error, on one line."""
    body = failure.body
    detail = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(detail or failure.message).split())[:300]


def _retry_after(failure: Any) -> float:
    try:
        return min(LONGEST_BACKOFF, float(failure.response.headers.get("retry-after", 0)))
    except ValueError:  # an HTTP date: rare, and the backoff is good enough
        return 0.0
