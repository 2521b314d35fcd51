"""Attaching to servers that are starting, locked, hostile, something else, or fine."""

from __future__ import annotations

import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from serve.endpoint.attach import attach
from serve.errors import ServeError
from serve.local.machine import free_port
from tests.raw import RawServer, dripping

pytestmark = pytest.mark.slow  # waits for servers that are slow on purpose

MODELS = {"object": "list", "data": [{"id": "base"}, {"id": "tuned", "parent": "base", "root": "/x"}]}


@pytest.fixture
def healthy(httpserver: HTTPServer) -> HTTPServer:
    """A vLLM."""
    httpserver.no_handler_status_code = 404
    httpserver.expect_request("/v1/models").respond_with_json(MODELS)
    httpserver.expect_request("/version").respond_with_json({"version": "0.32.0"})
    return httpserver


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/models"])
def test_base_url_may_be_given_with_or_without_v1(healthy: HTTPServer, suffix: str) -> None:
    endpoint = attach(f"http://{healthy.host}:{healthy.port}{suffix}")
    assert endpoint.base_url == healthy.url_for("/v1")
    assert [model.id for model in endpoint.models] == ["base", "tuned"]
    assert endpoint.version == "0.32.0"
    assert endpoint.is_vllm


def test_server_without_version_or_parents_is_fine(httpserver: HTTPServer) -> None:
    httpserver.no_handler_status_code = 404
    httpserver.expect_request("/api/models").respond_with_json({"data": [{"id": "gpt"}]})
    endpoint = attach(httpserver.url_for("/api"))
    assert endpoint.version is None
    assert not endpoint.is_vllm
    assert endpoint.adapters == ()
    assert endpoint.choose().id == "gpt"


def test_waits_while_the_server_answers_503_and_says_so(
    healthy: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.endpoint.attach.POLL", 0.05)
    healthy.expect_oneshot_request("/v1/models").respond_with_data(status=503)
    healthy.expect_oneshot_request("/v1/models").respond_with_data(status=502)
    said: list[str] = []
    attach(healthy.url_for("/v1"), startup_timeout=30, progress=said.append)
    assert "it answers 503 (0 s of 30 s)" in said[0]


def test_gives_up_on_a_server_that_refuses_connections() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(
        ServeError, match=r"did not become ready in 0 s: connection refused.*--startup-timeout"
    ):
        attach(url, startup_timeout=0.1)


def test_gives_up_on_a_server_that_stays_at_503(httpserver: HTTPServer) -> None:
    httpserver.no_handler_status_code = 503
    with pytest.raises(ServeError, match="in 0 s: it answers 503"):
        attach(httpserver.url_for(""), startup_timeout=0.1)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, "", "says 401: it wants a key; .* --api-key-env"),
        (404, "", "not an OpenAI-compatible base URL: 404 at .*/v1/models"),
        (200, "<html>hello", "a page that is not JSON: '<html>hello'"),
        (200, '{"ok": true}', "JSON without a list of models"),
        (200, '{"data": []}', "serves no model"),
        (429, '{"error": {"message": "slow down"}}', "429, too many requests: slow down"),
    ],
)
def test_says_what_is_wrong_with_the_server(
    httpserver: HTTPServer, status: int, body: str, message: str
) -> None:
    httpserver.expect_request("/v1/models").respond_with_data(body, status)
    with pytest.raises(ServeError, match=message):
        attach(httpserver.url_for("/v1"))


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", ""])
def test_refuses_what_is_no_url(url: str) -> None:
    with pytest.raises(ServeError, match="is not a base URL"):
        attach(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://me:pa55word@127.0.0.1:8000/v1", r"'\.\.\.@127.0.0.1:8000/v1' .* user name or a password"),
        ("http://pa55word@127.0.0.1/v1", "user name or a password"),
        ("http://me:pa55/word@127.0.0.1/v1", "user name or a password"),
        ("me:pa55word@127.0.0.1:8000", "user name or a password"),
        ("http://127.0.0.1:8000/v1?key=pa55word", r"'http://127.0.0.1:8000/v1' .* a query"),
        ("http://127.0.0.1:8000/v1#pa55word", "a query"),
        ("http://127.0.0.1:99999/v1", "is not a base URL"),
        ("http://[::1/v1", "is not a base URL"),
        ("http://127.0.0.1/v1\x1b[2J", "is not a base URL"),
        ("http://127.0.0.1/\nv1", "is not a base URL"),
        ("http://127.0.0.1 /v1", "is not a base URL"),
        ("http:///v1", "is not a base URL"),
    ],
)
def test_a_base_url_holds_an_address_and_nothing_secret(url: str, message: str) -> None:
    """Audit 27: it is printed and stored, so a password in it is refused and not shown."""
    with pytest.raises(ServeError, match=message) as raised:
        attach(url)
    assert "pa55" not in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.timeout(30)
def test_a_list_of_models_that_drips_ends_with_the_startup_timeout() -> None:
    """Audit 28: it ignored --startup-timeout."""
    with (
        RawServer(dripping(b"HTTP/1.1 200 OK\r\n\r\n")) as server,
        pytest.raises(ServeError, match=r"did not become ready in 0 s: no answer in time"),
    ):
        attach(server.url, startup_timeout=0.2)


def test_the_key_goes_nowhere_else(
    httpserver: HTTPServer, elsewhere: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audit 27: a redirect of the list of models took it to another host."""
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    there = elsewhere.url_for("/v1/models")
    away = Response(status=307, headers={"Location": f"{there}?from=here"})
    httpserver.expect_request("/v1/models").respond_with_response(away)
    elsewhere.expect_request("/v1/models").respond_with_json(MODELS)
    with pytest.raises(ServeError) as raised:
        attach(httpserver.url_for(""), api_key_env="PAWN_KEY")
    assert elsewhere.log == []
    assert f"redirects to {there}," in str(raised.value)
    assert "from=here" not in str(raised.value)


EVIL = "\x1b]52;c;x\x07\n::error::\u202e\ud800"


@pytest.mark.parametrize(
    ("status", "body"),
    [(429, json.dumps({"error": EVIL})), (200, EVIL.encode("utf-8", "replace")), (400, EVIL[:3])],
)
def test_a_hostile_server_is_quoted_printably(httpserver: HTTPServer, status: int, body: str | bytes) -> None:
    """Audit 26."""
    httpserver.expect_request("/v1/models").respond_with_data(body, status)
    with pytest.raises(ServeError) as raised:
        attach(httpserver.url_for(""))
    assert str(raised.value).isprintable()


def test_a_version_is_shown_printably(httpserver: HTTPServer) -> None:
    """Audit 26."""
    httpserver.expect_request("/v1/models").respond_with_json(MODELS)
    httpserver.expect_request("/version").respond_with_json({"version": "0.32\x1b[2J" + "x" * 9_999})
    version = attach(httpserver.url_for("")).version
    assert version is not None
    assert version.startswith(r"0.32\x1b[2J")
    assert len(version) <= 100


def test_a_server_whose_models_have_no_printable_name_is_refused(httpserver: HTTPServer) -> None:
    """Audit 26."""
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": "\x1b"}]})
    with pytest.raises(ServeError, match="serves no model with a name that can be printed"):
        attach(httpserver.url_for(""))


def test_unknown_host_is_not_waited_for() -> None:
    with pytest.raises(ServeError, match="cannot be reached"):
        attach("http://no-such-host.invalid/v1", startup_timeout=600)


def test_key_comes_from_the_environment_and_is_kept_nowhere(
    healthy: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    monkeypatch.setenv("PROXY", "token")
    endpoint = attach(healthy.url_for(""), api_key_env="PAWN_KEY", header_env=(("Modal-Key", "PROXY"),))
    sent = healthy.log[0][0].headers
    assert sent["Authorization"] == "Bearer s3cret"
    assert sent["Modal-Key"] == "token"
    assert "s3cret" not in repr(endpoint)
    monkeypatch.delenv("PAWN_KEY")
    with pytest.raises(ServeError, match="'PAWN_KEY' should hold a key but is not set"):
        endpoint.headers()


def test_wrong_key_names_the_variable_and_not_the_key(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    httpserver.no_handler_status_code = 401
    with pytest.raises(ServeError) as raised:
        attach(httpserver.url_for(""), api_key_env="PAWN_KEY")
    assert "says 401: the key in PAWN_KEY is wrong" in str(raised.value)
    assert "s3cret" not in str(raised.value)
