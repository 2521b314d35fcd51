"""Attaching to servers that are starting, locked, hostile, something else, or fine."""

from __future__ import annotations

import pytest

from serve.endpoint.attach import attach
from serve.errors import ServeError
from serve.local.machine import free_port
from tests.raw import Raw, dripping
from tests.scripted import Asked, Reply, Scripted

MODELS = {"object": "list", "data": [{"id": "base"}, {"id": "tuned", "parent": "base", "root": "/x"}]}


def healthy(request: Asked) -> Reply:
    """A vLLM."""
    if request.path == "/v1/models":
        return Reply(200, MODELS)
    return Reply(200, {"version": "0.32.0"}) if request.path == "/version" else Reply(404)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/models"])
def test_base_url_may_be_given_with_or_without_v1(suffix: str) -> None:
    with Scripted(healthy) as server:
        endpoint = attach(server.url + suffix)
        assert endpoint.base_url == f"{server.url}/v1"
    assert [model.id for model in endpoint.models] == ["base", "tuned"]
    assert endpoint.version == "0.32.0"
    assert endpoint.is_vllm


def test_server_without_version_or_parents_is_fine() -> None:
    def bare(request: Asked) -> Reply:
        return Reply(200, {"data": [{"id": "gpt"}]}) if request.path == "/api/models" else Reply(404)

    with Scripted(bare) as server:
        endpoint = attach(f"{server.url}/api")
    assert endpoint.version is None
    assert not endpoint.is_vllm
    assert endpoint.adapters == ()
    assert endpoint.choose().id == "gpt"


def test_waits_while_the_server_answers_503_and_says_so() -> None:
    answers = iter([Reply(503), Reply(502)])
    said: list[str] = []
    with Scripted(lambda request: next(answers, None) or healthy(request)) as server:
        attach(f"{server.url}/v1", startup_timeout=30, progress=said.append)
    assert "it answers 503 (0 s of 30 s)" in said[0]


def test_gives_up_on_a_server_that_refuses_connections() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(
        ServeError, match=r"did not become ready in 0 s: connection refused.*--startup-timeout"
    ):
        attach(url, startup_timeout=0.1)


def test_gives_up_on_a_server_that_stays_at_503() -> None:
    with Scripted(lambda _: Reply(503)) as server, pytest.raises(ServeError, match="in 0 s: it answers 503"):
        attach(server.url, startup_timeout=0.1)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(401), "says 401: it wants a key; .* --api-key-env"),
        (Reply(404), "not an OpenAI-compatible base URL: 404 at .*/v1/models"),
        (Reply(200, "<html>hello"), "a page that is not JSON: '<html>hello'"),
        (Reply(200, {"ok": True}), "JSON without a list of models"),
        (Reply(200, {"data": []}), "serves no model"),
        (Reply(429, {"error": {"message": "slow down"}}), "429, too many requests: slow down"),
    ],
)
def test_says_what_is_wrong_with_the_server(reply: Reply, message: str) -> None:
    with Scripted(lambda _: reply) as server, pytest.raises(ServeError, match=message):
        attach(f"{server.url}/v1")


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
        Raw(dripping(b"HTTP/1.1 200 OK\r\n\r\n")) as server,
        pytest.raises(ServeError, match=r"did not become ready in 0 s: no answer in time"),
    ):
        attach(server.url, startup_timeout=0.2)


def test_the_key_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit 27: a redirect of the list of models took it to another host."""
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    with Scripted(healthy) as other:
        away = Reply(307, "", {"Location": f"{other.url}/v1/models?from=here"})
        with Scripted(lambda _: away) as server, pytest.raises(ServeError) as raised:
            attach(server.url, api_key_env="PAWN_KEY")
        assert other.asked == []
    assert f"redirects to {other.url}/v1/models," in str(raised.value)
    assert "from=here" not in str(raised.value)


def test_a_hostile_server_is_quoted_printably() -> None:
    """Audit 26."""
    evil = "\x1b]52;c;x\x07\n::error::\u202e\ud800"
    for reply in (
        Reply(429, {"error": evil}),
        Reply(200, evil.encode("utf-8", "replace")),
        Reply(400, evil[:3]),
    ):
        with Scripted(lambda _, reply=reply: reply) as server, pytest.raises(ServeError) as raised:
            attach(server.url)
        assert str(raised.value).isprintable()


def test_a_version_is_shown_printably() -> None:
    """Audit 26."""

    def hostile(request: Asked) -> Reply:
        return (
            Reply(200, {"version": "0.32\x1b[2J" + "x" * 9_999})
            if "version" in request.path
            else healthy(request)
        )

    with Scripted(hostile) as server:
        version = attach(server.url).version
    assert version is not None
    assert version.startswith(r"0.32\x1b[2J")
    assert len(version) <= 100


def test_a_server_whose_models_have_no_printable_name_is_refused() -> None:
    """Audit 26."""
    with (
        Scripted(lambda _: Reply(200, {"data": [{"id": "\x1b"}]})) as server,
        pytest.raises(ServeError, match="serves no model with a name that can be printed"),
    ):
        attach(server.url)


def test_unknown_host_is_not_waited_for() -> None:
    with pytest.raises(ServeError, match="cannot be reached"):
        attach("http://no-such-host.invalid/v1", startup_timeout=600)


def test_key_comes_from_the_environment_and_is_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    monkeypatch.setenv("PROXY", "token")
    with Scripted(healthy) as server:
        endpoint = attach(server.url, api_key_env="PAWN_KEY", header_env=(("Modal-Key", "PROXY"),))
        sent = server.asked[0].headers
    assert sent["Authorization"] == "Bearer s3cret"
    assert sent["Modal-Key"] == "token"
    assert "s3cret" not in repr(endpoint)
    monkeypatch.delenv("PAWN_KEY")
    with pytest.raises(ServeError, match="'PAWN_KEY' should hold a key but is not set"):
        endpoint.headers()


def test_wrong_key_names_the_variable_and_not_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    with Scripted(lambda _: Reply(401)) as server, pytest.raises(ServeError) as raised:
        attach(server.url, api_key_env="PAWN_KEY")
    assert "says 401: the key in PAWN_KEY is wrong" in str(raised.value)
    assert "s3cret" not in str(raised.value)
