"""The client against a loopback server: what is retried, what is given up, and what is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from evals.asking.client import Sampling, ask, chat_body, open_client, read_completion
from evals.words import Completion, Request
from tests.loopback import Body, Loopback, chat

REQUEST = Request(messages=({"role": "user", "content": "FEN: x"},), max_tokens=8)


def asked(server: Loopback, *, attempts: int = 3, timeout: float = 5.0) -> Completion:
    async def main() -> Completion:
        http = open_client(server.base_url, {"Authorization": "Bearer k3y"}, concurrency=4, timeout=timeout)
        try:
            body = chat_body(REQUEST, "adapter", Sampling())
            return await ask(http, body, attempts=attempts, backoff=0.001)
        finally:
            await http.close()

    return asyncio.run(main())


def in_turn(*replies: Callable[[], web.StreamResponse]) -> Callable[[Body], Awaitable[web.StreamResponse]]:
    """Give these replies one after another, the last for ever."""
    left = list(replies)

    async def reply(_: Body) -> web.StreamResponse:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return reply


def status(code: int, **headers: str) -> Callable[[], web.StreamResponse]:
    return lambda: web.json_response({"error": {"message": "no\nluck"}}, status=code, headers=headers)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 529])
def test_a_status_that_means_not_now_is_retried(code: int) -> None:
    with Loopback(in_turn(status(code), status(code), lambda: chat("{}"))) as server:
        completion = asked(server)
    assert (completion.content, completion.attempts, completion.error) == ("{}", 3, None)


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_a_status_that_will_not_change_is_given_up_at_once(code: int) -> None:
    with Loopback(in_turn(status(code))) as server:
        completion = asked(server)
        assert len(server.bodies) == 1
    assert completion.error == f"HTTP {code}: no luck"


def test_attempts_run_out_with_the_last_reason() -> None:
    with Loopback(in_turn(status(503))) as server:
        completion = asked(server)
    assert completion.error == "HTTP 503: no luck (after 3 attempts)"


def test_no_server_is_an_error_not_an_exception() -> None:
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        pass
    completion = asked(server, attempts=2)
    assert completion.error is not None
    assert completion.error.startswith("connection failed")


def test_a_late_answer_is_an_error() -> None:
    async def never(_: Body) -> web.StreamResponse:
        await asyncio.sleep(30)
        return chat("{}")

    with Loopback(never) as server:
        completion = asked(server, attempts=1, timeout=0.2)
    assert completion.error is not None
    assert completion.error.startswith("no answer within")


def test_more_requests_are_in_flight_than_the_transport_s_own_default() -> None:
    async def slow(_: Body) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return chat("{}")

    async def main(server: Loopback) -> list[Completion]:
        http = open_client(server.base_url, {}, concurrency=150, timeout=10)
        body = chat_body(REQUEST, "adapter", Sampling())
        completions = await asyncio.gather(*(ask(http, body) for _ in range(150)))
        await http.close()
        return completions

    with Loopback(slow) as server:
        completions = asyncio.run(main(server))
        assert server.most_in_flight > 120
    assert all(completion.error is None for completion in completions)


def test_retry_after_is_obeyed() -> None:
    waits: list[float] = []

    async def main(server: Loopback) -> Completion:
        http = open_client(server.base_url, {}, concurrency=1, timeout=5)
        sleep = asyncio.sleep

        async def note(seconds: float) -> None:
            waits.append(seconds)
            await sleep(0)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evals.asking.client.asyncio.sleep", note)
            completion = await ask(http, {"model": "m", "messages": []}, backoff=0.001)
        await http.close()
        return completion

    headers = {"Retry-After": "7"}
    with Loopback(in_turn(status(429, **headers), lambda: chat("{}"))) as server:
        assert asyncio.run(main(server)).error is None
    assert waits[0] >= 7


def test_the_key_travels_in_the_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-else")
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        completion = asked(server)
        assert server.headers[0]["Authorization"] == "Bearer k3y"
        assert "k3y" not in str(server.bodies)
    assert "k3y" not in str(completion)


def test_all_sampling_is_sent_so_that_the_checkpoint_cannot_fill_it_in() -> None:
    body = chat_body(REQUEST, "adapter", Sampling(seed=3), sample=2)
    assert body["temperature"] == 0
    assert {"top_p", "top_k", "repetition_penalty"} <= body.keys()
    assert body["seed"] == 5
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_server_that_is_not_vllm_gets_no_fields_of_vllm() -> None:
    body = chat_body(REQUEST, "adapter", Sampling(), vllm=False)
    assert body.keys() == {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_under_either_name(name: str) -> None:
    payload = {"choices": [{"message": {"content": "{}", name: "think"}, "finish_reason": "stop"}]}
    assert read_completion(payload, latency=0.1, attempts=1).reasoning == "think"


@pytest.mark.parametrize("payload", [None, [], "<html>", {}, {"choices": []}, {"choices": [{}]}])
def test_what_is_not_a_chat_completion_is_an_error(payload: object) -> None:
    error = read_completion(payload, latency=0.1, attempts=1).error
    assert error is not None
    assert "not a chat completion" in error
