"""Attaching to servers that are starting, locked, something else, or fine."""

from __future__ import annotations

import pytest

from serve.endpoint.attach import attach
from serve.endpoint.endpoint import Endpoint, ServedModel
from serve.errors import ServeError
from serve.local.machine import free_port
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


def test_the_context_of_an_adapter_is_its_own_or_its_bases() -> None:
    base, own = ServedModel("base", max_model_len=100), ServedModel("own", parent="base", max_model_len=50)
    models = (base, own, ServedModel("none", parent="base"), ServedModel("lost", parent="gone"))
    contexts = {model.id: Endpoint("u", models).context_of(model.id) for model in models}
    assert contexts == {"base": 100, "own": 50, "none": 100, "lost": None}


def test_choose() -> None:
    base, one, two = ServedModel("base"), ServedModel("one", parent="base"), ServedModel("two", parent="base")
    assert Endpoint("u", (base, one)).choose() == one
    assert Endpoint("u", (base, one, two)).choose("base") == base
    assert Endpoint("u", (base, one)).base_of(one) == base
    with pytest.raises(ServeError, match=r"more than one model; say which with --model: base, one, two"):
        Endpoint("u", (base, one, two)).choose()
    with pytest.raises(ServeError, match=r"'three' is not served at u; served are: base, one"):
        Endpoint("u", (base, one)).choose("three")
