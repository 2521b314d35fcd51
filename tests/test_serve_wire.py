"""One HTTP request, whatever the server does with it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response
from werkzeug.datastructures import Headers

from serve.endpoint import wire
from serve.endpoint.wire import Answer, UnreachableError, send
from tests.raw import RawServer, Send, dripping

pytestmark = pytest.mark.timeout(30)
HEAD = b"HTTP/1.1 200 OK\r\n"


class Redirect(Response):
    """Sends its Location as it is, where werkzeug would encode it."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(status=status, headers={"Location": location})

    def get_wsgi_headers(self, environ: object) -> Headers:
        del environ
        return self.headers


@pytest.mark.parametrize(
    "talk",
    [
        dripping(HEAD + b"Content-Length: 1000000\r\n\r\n"),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(HEAD + b"X-Drip: "),
        dripping(b"HTTP/1.1 ", b"2"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["body", "chunks", "header", "status", "continue", "trailer"],
)
def test_an_answer_that_never_ends_ends_at_the_deadline(talk: Send) -> None:
    """Audit 28: a byte now and then is no answer, in whatever part of it."""
    with RawServer(talk) as server, pytest.raises(UnreachableError, match="no answer in time") as raised:
        send(server.url, timeout=0.1)
    assert raised.value.passing


def test_a_server_that_takes_the_request_and_says_nothing_ends_at_the_deadline() -> None:
    """Audit 28."""
    with RawServer(dripping(b"", b"")) as server, pytest.raises(UnreachableError, match="no answer in time"):
        send(server.url, {"a": 1}, timeout=0.1)


@pytest.mark.parametrize("head", [b"", b"Content-Length: 1000000000000\r\n"], ids=["endless", "announced"])
def test_a_body_without_end_ends_at_the_limit(head: bytes) -> None:
    """Audit 28: it took 5 GB in 14 s."""
    with (
        RawServer(dripping(HEAD + head + b"\r\n", b"x" * 2**20, pause=0)) as server,
        pytest.raises(UnreachableError, match="more than 8 MiB") as raised,
    ):
        send(server.url, timeout=25)
    assert not raised.value.passing


def test_a_long_answer_below_the_limit_is_whole(httpserver: HTTPServer) -> None:
    body = "x" * (wire.LIMIT - 1)
    httpserver.expect_request("/").respond_with_data(body)
    assert send(httpserver.url_for("/")).text == body


def test_compressed_bodies_are_not_asked_for_and_not_read(httpserver: HTTPServer) -> None:
    """Audit 28: half a megabyte of gzip unpacks to gigabytes."""
    bomb = Response(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    httpserver.expect_request("/", headers={"Accept-Encoding": "identity"}).respond_with_response(bomb)
    with pytest.raises(UnreachableError, match=r"compressed.*'gzip'") as raised:
        send(httpserver.url_for("/"))
    assert not raised.value.passing


def test_a_body_that_breaks_off_is_not_taken_for_whole() -> None:
    with (
        RawServer(HEAD + b"Content-Length: 10\r\n\r\n{}") as server,
        pytest.raises(UnreachableError, match="connection broken") as raised,
    ):
        send(server.url)
    assert raised.value.passing


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\x1b[2J\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 1_000 + b"\r\n",
    ],
    ids=["ssh", "status", "long header", "many headers"],
)
def test_what_is_not_http_is_said_and_not_waited_for(data: bytes) -> None:
    with RawServer(data) as server, pytest.raises(UnreachableError, match="not HTTP") as raised:
        send(server.url)
    assert not raised.value.passing
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [None, {"a": 1}], ids=["get", "post"])
def test_no_redirect_is_followed(
    httpserver: HTTPServer, elsewhere: HTTPServer, status: int, body: object
) -> None:
    """Audit 27: the key and Modal's headers would go along, to whatever host the server names."""
    there = f"{elsewhere.url_for('/x').replace('//', '//me:pw@')}\x1b?token=1#f"
    httpserver.expect_request("/").respond_with_response(Redirect(status, there))
    answer = send(httpserver.url_for("/"), body, headers={"Authorization": "Bearer s3cret"})
    assert elsewhere.log == []
    assert answer.status == status
    assert f"redirects to {elsewhere.url_for('/x')}" in answer.error
    assert not any(word in answer.error for word in ("token", "me:pw", "s3cret", "\x1b"))


def test_a_relative_redirect_names_the_whole_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/models").respond_with_response(Redirect(308, "/login?next=/v1"))
    error = send(httpserver.url_for("/v1/models")).error
    assert f"redirects to {httpserver.url_for('/login')}," in error


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
        '{"data": ' + "9" * 10_000 + "}",
        "<html>",
        "",
        '{"cut',
        "\ufffd",
    ],
)
def test_a_body_that_json_cannot_hold_is_no_object(text: str) -> None:
    answer = Answer(200, text)
    assert answer.json() is None
    assert answer.object() == {}
    assert len(answer.error) <= 300


@given(st.text(st.characters()))
def test_a_servers_own_words_are_one_printable_line(text: str) -> None:
    """Audit 26."""
    bodies = [text, *(json.dumps(body) for body in ({"error": {"message": text}}, {"detail": [text]}))]
    for body in bodies:
        assert Answer(400, body).error.isprintable()
        assert len(Answer(400, body).error) <= 300


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "slow\ndown"}}, "slow down"),
        ({"error": "slow down"}, "slow down"),
        ({"detail": "slow down"}, "slow down"),
        ({"message": "slow down"}, "slow down"),
        ({"error": {"code": 5}}, '{"error": {"code": 5}}'),
        (["slow"], '["slow"]'),
    ],
)
def test_the_servers_words_are_found_where_servers_put_them(body: object, words: str) -> None:
    assert Answer(429, json.dumps(body)).error == words


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(
    httpserver: HTTPServer, elsewhere: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", elsewhere.url_for(""))
    elsewhere.expect_request("/v1").respond_with_data("proxied")
    httpserver.expect_request("/v1").respond_with_data("direct")
    url = httpserver.url_for("/v1")
    assert send(url).text == "direct"
    assert send(url.replace("127.0.0.1", "localhost")).text == "direct"
    assert send("http://far.invalid/v1").text == "proxied"


@pytest.mark.parametrize("url", ["http://[::1/", "http://a b/", "http://\x00/", "http://é\ud800/"])
def test_a_url_that_is_none_is_no_traceback(url: str) -> None:
    with pytest.raises(UnreachableError) as raised:
        send(url)
    assert not raised.value.passing


def test_importing_it_brings_nothing_but_the_standard_library() -> None:
    """Every pytest worker imports what is needed to attach."""
    code = (
        "import sys, serve.endpoint.attach;"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"serve", "__main__"}
