"""The client against loopback servers: what is retried, what is given up, what is read, and what is kept."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from evals.asking.body import Sampling, chat_body
from evals.asking.client import LARGEST_ANSWER, Client
from evals.words import Completion, Request
from tests.loopback import Body, Loopback, chat
from tests.raw import RawServer, Write, http

REQUEST = Request(messages=({"role": "user", "content": "FEN: x"},), max_tokens=8)
BODY = chat_body(REQUEST, "adapter", Sampling())
GOOD = json.dumps({"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}).encode()


class Served(Protocol):
    """A test server that can be asked."""

    @property
    def base_url(self) -> str: ...


def ask_all(
    server: Served,
    *bodies: Body,
    headers: dict[str, str] | None = None,
    attempts: int = 3,
    timeout: float = 5.0,
    concurrency: int = 4,
    backoff: float = 0.001,
) -> list[Completion]:
    """One client asks all of these, one after another."""

    async def main() -> list[Completion]:
        client = Client(
            server.base_url,
            headers or {},
            concurrency=concurrency,
            timeout=timeout,
            attempts=attempts,
            backoff=backoff,
        )
        try:
            return [await client.ask(body) for body in bodies]
        finally:
            await client.close()

    return asyncio.run(main())


def asked(server: Served, body: Body = BODY, **options: Any) -> Completion:
    return ask_all(server, body, **options)[0]


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
    assert completion.attempts == 3


def test_an_error_without_a_body_is_named_by_its_status() -> None:
    with RawServer(http(b"", status="401 Unauthorized")) as server:
        assert asked(server).error == "HTTP 401: Unauthorized"


def test_no_server_is_an_error_not_an_exception() -> None:
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        pass
    completion = asked(server, attempts=2)
    assert completion.error is not None
    assert completion.error.startswith("connection failed")


def test_a_connection_that_is_reset_is_tried_again() -> None:
    replies: list[bytes] = [b"", b"HTTP/1.1 200 OK\r\nContent-Le", http(GOOD, length=999), http(GOOD)]

    async def reset_at_first(write: Write) -> None:
        await write(replies.pop(0))

    with RawServer(reset_at_first) as server:
        completion = asked(server, attempts=4)
    assert (completion.content, completion.attempts, completion.error) == ("{}", 4, None)


def test_a_late_answer_is_an_error() -> None:
    async def never(_: Body) -> web.StreamResponse:
        await asyncio.sleep(30)
        return chat("{}")

    with Loopback(never) as server:
        completion = asked(server, attempts=1, timeout=0.2)
    assert completion.error is not None
    assert completion.error.startswith("no answer within")


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_drips_ends_with_the_deadline(part: str) -> None:
    """Audit 28: `--request-timeout` is a deadline for the whole request, not for each read."""
    whole = http(GOOD)
    split = 20 if part == "head" else whole.index(b"\r\n\r\n") + 4

    async def drip(write: Write) -> None:
        await write(whole[:split])
        for byte in whole[split:]:
            await asyncio.sleep(0.05)
            await write(bytes([byte]))

    with RawServer(drip) as server:
        completion = asked(server, attempts=1, timeout=0.3)
    assert completion.content is None
    assert completion.error is not None
    assert completion.error.startswith("no answer within 0.3 s")


@pytest.mark.parametrize("code", ["200 OK", "400 Bad Request"])
def test_an_answer_without_end_is_read_up_to_a_limit(code: str) -> None:
    """Audit 28: an endless body took 5 GB; only so much is read of what any server sends."""
    megabyte = bytes(1 << 20)

    async def pour(write: Write) -> None:
        await write(f"HTTP/1.1 {code}\r\nContent-Type: application/json\r\n\r\n".encode())
        for _ in range(100):
            await write(megabyte)

    with RawServer(pour) as server:
        completion = asked(server, timeout=60.0)
        assert server.sent < LARGEST_ANSWER + (16 << 20)  # what socket buffers hold comes on top
    assert completion.error is not None
    assert len(completion.error) < 400
    if code.startswith("200"):
        assert completion.error == "the answer is longer than 4 MiB"
        assert completion.attempts == 1


def test_a_head_without_end_is_read_up_to_a_limit() -> None:
    """Audit 28: everything that is read from a server has a limit, its headers as well."""

    async def pour(write: Write) -> None:
        await write(b"HTTP/1.1 200 OK\r\n")
        for number in range(200_000):
            await write(f"X-{number}: {'y' * 500}\r\n".encode())

    with RawServer(pour) as server:
        completion = asked(server, attempts=1, timeout=60.0)
        assert server.sent < LARGEST_ANSWER + (16 << 20)
    assert completion.error is not None


def test_no_compressed_answer_is_unpacked() -> None:
    """Audit 28: half a megabyte of gzip became 1.5 GB; none is asked for and none is taken."""
    packed = gzip.compress(GOOD)
    with RawServer(http(packed, Content_Encoding="gzip")) as server:
        completion = asked(server)
        assert re.search(rb"(?i)accept-encoding: identity\r", server.requests[0])
    assert completion.error == "the answer is encoded with 'gzip', unasked"
    assert completion.attempts == 1
    with RawServer(http(packed, status="400 Bad Request", Content_Encoding="gzip")) as server:
        assert asked(server).error == "HTTP 400: Bad Request"


NESTED = b"[" * 100_000
BROKEN = {
    "truncated JSON": GOOD[:40],
    "HTML": b"<html><body>Bad gateway</body></html>",
    "an empty body": b"",
    "bytes that are not UTF-8": b'{"choices": "\xff\xfe\xfa"}',
    "a 10,000-digit integer": b'{"choices": ' + b"9" * 10_000 + b"}",
    "deep nesting": NESTED,
    "deep nesting of objects": b'{"a":' * 100_000,
    "no choices": b'{"choices": []}',
    "choices that are no list": b'{"choices": {"0": 1}}',
    "message null": b'{"choices": [{"message": null}]}',
    "a message that is a text": b'{"choices": [{"message": "d1d8"}]}',
    "an error with status 200": b'{"error": {"message": "overloaded", "code": 502}}',
    "JSON null": b"null",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_chat_completion_is_retried_and_then_an_error(body: bytes) -> None:
    """Audit 12, 21: a 200 with anything else in it is asked again, and ends as a completion with `error`."""
    with RawServer(http(body)) as server:
        completion = asked(server, attempts=2)
        assert len(server.requests) == 2
    assert completion.content is None
    assert completion.error is not None
    assert "(after 2 attempts)" in completion.error
    assert "\n" not in completion.error
    assert len(completion.error) < 400


@pytest.mark.parametrize("body", [BROKEN["HTML"], BROKEN["no choices"], BROKEN["truncated JSON"]])
def test_a_garbled_answer_that_passes_costs_nothing(body: bytes) -> None:
    """Audit 21: HTML with status 200 and `choices: []` were never asked again."""
    replies = [http(body), http(GOOD)]

    async def better_later(write: Write) -> None:
        await write(replies.pop(0))

    with RawServer(better_later) as server:
        completion = asked(server)
    assert (completion.content, completion.attempts, completion.error) == ("{}", 2, None)


NOT_HTTP = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "a 100 KB header": b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "a bad status line": b"HTTP/1.1 two hundred\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a body that ends early": http(GOOD, length=100_000),
}


@pytest.mark.parametrize("reply", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_no_http_is_an_error_not_an_exception(reply: bytes) -> None:
    """Audit 21: a reply that is not HTTP, or a 100 KB header, raised through the test."""
    with RawServer(reply) as server:
        completion = asked(server, attempts=1)
    assert completion.error is not None
    assert completion.error.startswith("connection failed: ")
    assert "http://" not in completion.error
    assert len(completion.error) < 400


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(lambda junk: b"HTTP/1.1 " + junk),
        st.binary(max_size=200).map(lambda junk: b"HTTP/1.1 200 OK\r\n" + junk + b"\r\n\r\n{}"),
        st.binary(max_size=200).map(http),
    )
)
def test_no_bytes_make_the_client_raise(reply: bytes) -> None:
    """Audit 21: `ask` never raises for what a server did."""
    with RawServer(reply) as server:
        completion = asked(server, attempts=1)
    assert completion.error is not None


@pytest.mark.parametrize("content", [7, 1.5, True, {"text": "d1d8"}, [1, 2], ["d1d8"], [{"type": "image"}]])
def test_content_of_another_shape_is_an_answer_not_a_failure(content: object) -> None:
    """Audit 12, 21: such an answer was paid for and is the model's; it is kept, and said to be malformed."""
    body = json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()
    with RawServer(http(body)) as server:
        completion = asked(server)
        assert len(server.requests) == 1
    assert completion.error is None
    assert completion.content is None
    assert completion.malformed is not None
    assert completion.malformed.startswith("content is no text")


def test_more_requests_are_in_flight_than_the_transport_s_own_default() -> None:
    async def slow(_: Body) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return chat("{}")

    async def main(server: Loopback) -> list[Completion]:
        client = Client(server.base_url, {}, concurrency=150, timeout=10)
        completions = await asyncio.gather(*(client.ask(BODY) for _ in range(150)))
        await client.close()
        return completions

    with Loopback(slow) as server:
        completions = asyncio.run(main(server))
        assert server.most_in_flight > 120
    assert all(completion.error is None for completion in completions)


def test_connections_are_used_again() -> None:
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        ask_all(server, *[BODY] * 20)
        assert len(server.peers) == 1


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client waits, which pass at once; its jitter is as large as it can be."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds:  # aiohttp sleeps for 0 s where it lets others go first
            waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr("evals.asking.client.asyncio.sleep", note)
    monkeypatch.setattr("evals.asking.client.random.uniform", max)
    return waited


@pytest.mark.parametrize(
    ("wait", "least", "most"), [("7", 7, 7), ("999", 30, 30), ("Fri, 21 Oct 2095 07:28:00 GMT", 30, 30)]
)
def test_retry_after_is_obeyed_in_seconds_and_as_a_date(
    waits: list[float], wait: str, least: float, most: float
) -> None:
    with Loopback(in_turn(status(429, **{"Retry-After": wait}), lambda: chat("{}"))) as server:
        assert asked(server).error is None
    assert len(waits) == 1
    assert least <= waits[0] <= most


def test_each_wait_is_up_to_twice_the_one_before_and_none_is_longer_than_30_s(waits: list[float]) -> None:
    with Loopback(in_turn(status(503))) as server:
        asked(server, attempts=8, backoff=1.0)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("wait", ["soon", "-5", "nan", "", "Fri, 99 Oct 2095", "9" * 400])
def test_a_retry_after_that_cannot_be_read_is_no_reason_to_fail(wait: str) -> None:
    with (
        Loopback(in_turn(status(429, **{"Retry-After": wait}), lambda: chat("{}"))) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("evals.asking.client.LONGEST_BACKOFF", 0.01)
        assert asked(server).error is None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    """Audit 27: the headers with the keys went wherever a redirect pointed."""
    reached: list[Body] = []

    async def elsewhere(body: Body) -> web.StreamResponse:
        reached.append(body)
        return chat("{}")

    with Loopback(elsewhere) as other:
        there = {"Location": f"http://someone:secret@localhost:{other.port}/v1/chat/completions?token=abc"}
        with Loopback(in_turn(lambda: web.Response(status=code, headers=there))) as server:
            completion = asked(server, headers={"Modal-Key": "wk-1234567890"})
            assert len(server.bodies) == 1
    assert reached == []
    assert completion.error is not None
    assert completion.error.startswith(f"HTTP {code}: redirects to localhost")
    assert "secret" not in completion.error
    assert "token" not in completion.error


@pytest.mark.parametrize("there", ["", "/elsewhere", "http://[", "http://a:b:c/", "\x7f"])
def test_a_redirect_to_nowhere_is_an_error_not_an_exception(there: str) -> None:
    """Audit 21, 27."""
    with RawServer(http(b"", status="307 Temporary Redirect", Location=there)) as server:
        completion = asked(server, attempts=1)
    assert completion.error is not None


def test_the_key_travels_in_the_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-else")
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        completion = asked(server, headers={"Authorization": "Bearer k3y"})
        assert server.headers[0]["Authorization"] == "Bearer k3y"
        assert "k3y" not in str(server.bodies)
    assert "k3y" not in str(completion)


def test_without_a_key_no_authorization_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-somebody-else")
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        asked(server)
        assert "Authorization" not in server.headers[0]


SECRETS = {
    "Authorization": "Bearer sk-very-secret-1",
    "Modal-Key": "wk-very-secret-2",
    "Modal-Secret": "ws-very-secret-3",
}


@pytest.mark.parametrize("secret", ["sk-very-secret-1", "wk-very-secret-2", "ws-very-secret-3"])
def test_a_server_that_echoes_a_key_does_not_put_it_into_the_completion(secret: str) -> None:
    """Audit 27: what a server echoes ended up in completions, verdicts, JUnit and the log."""
    message = {"content": f'{{"move": "{secret}"}}', "reasoning": f"I was asked with {secret}."}
    answer = {"choices": [{"message": message, "finish_reason": secret}], "model": secret}
    refusal = {"error": {"message": f"{'x' * 280} {secret}"}}  # the limit of an error falls into the key
    odd = {"choices": [{"message": {"content": [secret], "refusal": secret}}]}
    for reply in (
        http(json.dumps(answer).encode()),
        http(json.dumps(odd).encode()),
        http(json.dumps(refusal).encode(), status="401 Unauthorized"),
        http(f"not JSON: {secret}".encode()),
        http(b"", status=f"500 {secret}"),
        http(b"", status="307 Found", Location=f"http://{secret}/"),
        http(b"", Content_Encoding=secret),
        f"HTTP/1.1 {secret}\r\n\r\n".encode(),
    ):
        with RawServer(reply) as server:
            completion = asked(server, headers=SECRETS, attempts=1)
        assert secret[:8] not in repr(completion)


def test_a_key_that_is_the_start_of_another_leaves_nothing_of_it() -> None:
    """Audit 27."""
    keys = {"Modal-Key": "wk-very-secret", "Modal-Secret": "wk-very-secret-and-long"}
    with Loopback(in_turn(lambda: chat("asked with wk-very-secret-and-long"))) as server:
        assert asked(server, headers=keys).content == "asked with [key]"


def test_a_key_too_short_to_be_one_leaves_the_answer_as_it_is() -> None:
    """A test server's key may be a word that the model uses: the answer is judged as it came."""
    with Loopback(in_turn(lambda: chat('{"move": "mate"}', refusal="mate"))) as server:
        completion = asked(server, headers={"Authorization": "Bearer mate"})
    assert completion.content == '{"move": "mate"}'
    with RawServer(http(b'{"error": "no such key: mate"}', status="401 Unauthorized")) as server:
        completion = asked(server, headers={"Authorization": "Bearer mate"})
    assert completion.error is not None
    assert "mate" not in completion.error


def test_an_error_is_one_line_that_can_be_printed() -> None:
    """Audit 24, 26: terminal commands and lone surrogates from a server end here."""
    error = {"error": {"message": "\x1b]52;c;aGk=\x07 \ud800\u202e\n::error::x\u2028y"}}
    with RawServer(http(json.dumps(error).encode(), status="400 Bad Request")) as server:
        completion = asked(server)
    assert completion.error is not None
    assert completion.error.isprintable()
    assert completion.error.startswith("HTTP 400: ")


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(http(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")

        class Behind:
            base_url = "http://puzzles.invalid/v1"

        assert asked(Behind(), attempts=1).content == "{}"
        assert proxy.requests[0].startswith(b"POST http://puzzles.invalid/v1/chat/completions ")
        monkeypatch.setenv("no_proxy", "puzzles.invalid")
        assert asked(Behind(), attempts=1).error is not None
        assert len(proxy.requests) == 1


def test_no_cookie_is_kept() -> None:
    """A load balancer's cookie would tie all requests to one of several replicas."""

    class Named:
        def __init__(self, server: Loopback) -> None:
            self.base_url = server.base_url.replace("127.0.0.1", "localhost")

    with Loopback(in_turn(lambda: chat_with({"Set-Cookie": "replica=7; Path=/"}))) as server:
        ask_all(Named(server), BODY, BODY)
        assert len(server.headers) == 2
        assert "Cookie" not in server.headers[1]


def chat_with(headers: dict[str, str]) -> web.Response:
    answer = chat("{}")
    answer.headers.update(headers)
    return answer


def test_what_is_asked_is_sent_whole_and_its_answer_timed() -> None:
    with Loopback(in_turn(lambda: chat("{}"))) as server:
        assert asked(server).latency > 0
        assert server.bodies == [BODY]
        assert server.headers[0]["Content-Type"] == "application/json"
