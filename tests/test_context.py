"""Requests for more tokens than the context has left, and servers that refuse them as vLLM's versions do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from evals.asking.body import Sampling, chat_body
from evals.words import Completion, Request
from tests.loopback import Body, Loopback, chat
from tests.test_client import ask_all, asked

CONTEXT, PROMPT = 1024, 253


def vllm_0_25(asked: int, prompt: int) -> str:
    """Seen in 0.25.1 (`vllm/renderers/params.py`): it cuts the prompt at one token too many, so that the
    number which it says is not the prompt's length, and for a prompt far too long it counts characters."""
    room = CONTEXT - asked
    if room < 0:
        return (
            f"max_tokens={asked} cannot be greater than max_model_len=max_total_tokens={CONTEXT}. "
            "Please request fewer output tokens."
        )
    start = f"This model's maximum context length is {CONTEXT} tokens. However, you requested {asked} output "
    if prompt * 4 > room * 5:
        return (
            f"{start}tokens and your prompt contains {prompt * 4} characters (more than {room * 5} "
            f"characters, which is the upper bound for {room} input tokens). Please reduce the length of the "
            "input prompt or the number of requested output tokens."
        )
    return (
        f"{start}tokens and your prompt contains at least {room + 1} input tokens, for a total of at least "
        f"{CONTEXT + 1} tokens. Please reduce the length of the input prompt or the number of requested "
        f"output tokens. (parameter=input_tokens, value={room + 1})"
    )


def vllm_0_16(asked: int, prompt: int) -> str:
    return (
        f"You passed {prompt} input tokens and requested {asked} output tokens. However, the model's context "
        f"length is only {CONTEXT} tokens, resulting in a maximum input length of {CONTEXT - asked} tokens. "
        "Please reduce the length of the input prompt."
    )


def vllm_0_11(asked: int, prompt: int) -> str:
    return (
        f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum context length "
        f"is {CONTEXT} tokens and your request has {prompt} input tokens ({asked} > {CONTEXT} - {prompt})."
    )


def vllm_0_8(asked: int, prompt: int) -> str:
    return (
        f"This model's maximum context length is {CONTEXT} tokens. However, you requested {asked + prompt} "
        f"tokens ({prompt} in the messages, {asked} in the completion). Please reduce the length of the "
        "messages or completion."
    )


def sglang(asked: int, prompt: int) -> str:
    return (
        f"Requested token count exceeds the model's maximum context length of {CONTEXT} tokens. You "
        f"requested a total of {asked + prompt} tokens: {prompt} tokens from the input messages and {asked} "
        "tokens for the completion."
    )


Refusal = Callable[[int, int], str]
REFUSALS: tuple[Refusal, ...] = (vllm_0_25, vllm_0_16, vllm_0_11, vllm_0_8, sglang)


def strict(refusal: Refusal, prompt: int = PROMPT) -> Callable[[Body], Awaitable[web.StreamResponse]]:
    """A server that answers only where prompt and `max_tokens` fit its context, and counts as it would."""

    async def reply(body: Body) -> web.StreamResponse:
        if prompt + body["max_tokens"] > CONTEXT:
            error = {"message": refusal(body["max_tokens"], prompt), "type": "BadRequestError", "code": 400}
            return web.json_response({"error": error}, status=400)
        answer = json.loads(chat(f"up to {body['max_tokens']}").text or "")
        answer["usage"]["prompt_tokens"] = prompt
        return web.json_response(answer)

    return reply


def body(max_tokens: int, context: int | None = CONTEXT) -> Body:
    request = Request(messages=({"role": "user", "content": "x" * 400},), max_tokens=max_tokens)
    return chat_body(request, "adapter", Sampling(), context=context)


def sent(server: Loopback) -> list[int]:
    return [body["max_tokens"] for body in server.bodies]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("wanted", [2048, 1024, 1000, 772])
def test_the_answer_gets_exactly_the_room_that_the_prompt_leaves(refusal: Refusal, wanted: int) -> None:
    """Audit 11: vLLM up to 0.25 refuses `max_tokens` that leave no room for the prompt."""
    with Loopback(strict(refusal)) as server:
        completion = asked(server, body(wanted))
    assert completion.error is None
    assert completion.content == f"up to {CONTEXT - PROMPT}"
    assert completion.attempts == 1


def test_it_is_right_where_the_context_was_not_known_before() -> None:
    """Audit 11."""
    with Loopback(strict(vllm_0_25)) as server:
        assert asked(server, body(2048, context=None)).content == f"up to {CONTEXT - PROMPT}"


def test_what_fits_is_sent_as_it_is_and_once() -> None:
    with Loopback(strict(vllm_0_25)) as server:
        assert asked(server, body(CONTEXT - PROMPT)).content == f"up to {CONTEXT - PROMPT}"
        assert sent(server) == [CONTEXT - PROMPT]


def test_only_the_first_request_is_sent_in_vain() -> None:
    """Audit 11: what a server refused once it is not sent again; the prompt is measured with one token."""
    with Loopback(strict(vllm_0_25)) as server:
        completions = ask_all(server, body(2048), body(2048), body(64))
        room = CONTEXT - PROMPT
        assert sent(server) == [CONTEXT, 1, room, 1, room, 64]
    assert [completion.content for completion in completions] == [f"up to {n}" for n in (room, room, 64)]


def test_a_prompt_that_fills_the_context_is_the_server_s_own_error() -> None:
    """Audit 11: where not one token is left, nothing is asked for ever; the server's reason is kept."""
    with Loopback(strict(vllm_0_25, prompt=CONTEXT + 5)) as server:
        completion = asked(server, body(2048))
        assert sent(server) == [CONTEXT, 1]
    assert completion.error is not None
    assert completion.error.startswith("HTTP 400: This model's maximum context length is 1024 tokens")


def test_a_server_that_refuses_what_fits_is_not_asked_for_ever() -> None:
    async def stubborn(body: Body) -> web.StreamResponse:
        if body["max_tokens"] > 1:
            return web.json_response({"error": {"message": vllm_0_25(1000, 253)}}, status=400)
        return chat("{}")

    with Loopback(stubborn) as server:
        completion = asked(server, body(1000))
        assert sent(server) == [1000, 1, 1000]
    assert completion.error is not None


@pytest.mark.parametrize("usage", [None, "many", {"prompt_tokens": None}, {"prompt_tokens": 10**6}])
def test_a_server_that_does_not_say_how_long_the_prompt_is_gets_its_refusal_reported(usage: object) -> None:
    async def silent(body: Body) -> web.StreamResponse:
        if body["max_tokens"] > 1:
            return web.json_response({"error": {"message": vllm_0_25(1000, 253)}}, status=400)
        return web.json_response({"choices": [{"message": {"content": "{}"}}], "usage": usage})

    with Loopback(silent) as server:
        completion = asked(server, body(1000))
        assert len(server.bodies) == 2
    assert completion.error is not None
    assert completion.error.startswith("HTTP 400: This model's maximum context length is 1024 tokens")


def test_measuring_survives_a_server_that_is_busy() -> None:
    busy = [True]

    async def reply(body: Body) -> web.StreamResponse:
        if body["max_tokens"] == 1 and busy.pop():
            busy.append(False)
            return web.json_response({"error": "busy"}, status=503)
        return await strict(vllm_0_25)(body)

    with Loopback(reply) as server:
        completion: Completion = asked(server, body(2048))
    assert completion.content == f"up to {CONTEXT - PROMPT}"
    assert completion.attempts == 2


def test_another_400_is_not_taken_for_a_question_of_room() -> None:
    async def reply(_: Body) -> web.StreamResponse:
        return web.json_response({"error": {"message": "unknown field 'top_k' in the context"}}, status=400)

    with Loopback(reply) as server:
        assert asked(server, body(1000)).error == "HTTP 400: unknown field 'top_k' in the context"
        assert len(server.bodies) == 1
