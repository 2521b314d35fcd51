"""An endpoint: the models that it serves, its keys, and what it sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from serve.endpoint.endpoint import Endpoint, ServedModel, served_models
from serve.endpoint.wire import Answer
from serve.errors import ServeError


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


def test_a_hostile_list_of_many_models_is_not_printed_whole() -> None:
    """Audit 26."""
    models = tuple(ServedModel(f"model-{number}") for number in range(10_000))
    for wanted in (None, "x" * 100_000):
        with pytest.raises(ServeError) as raised:
            Endpoint("u", models).choose(wanted)
        assert len(str(raised.value)) < 2_000


@pytest.mark.parametrize(
    "name", ["e\x1b[2Jvil", "a\nb", "e2\u202ee4", "\ud800", "::error::x", "x" * 2_000, "", 7, None]
)
def test_a_model_whose_name_cannot_be_shown_is_left_out(name: object) -> None:
    """Audit 24, 26: a name is written everywhere, so it is checked once, where it comes in."""
    listed = {"data": [{"id": name}, {"id": "good/model-1:x@q8", "parent": name, "root": "/a\x1b"}]}
    assert served_models(Answer(200, json.dumps(listed))) == (
        ServedModel("good/model-1:x@q8", parent=None, root=r"/a\x1b"),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ENTRY = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "parent", "root", "max_model_len"), JSON))


@given(JSON | st.fixed_dictionaries({"data": JSON | st.lists(ENTRY | JSON, max_size=3)}))
def test_any_list_of_models_is_read_without_a_traceback(body: Any) -> None:
    for model in served_models(Answer(200, json.dumps(body))):
        assert model.id.isprintable()
        assert model.parent is None or model.parent.isprintable()
        assert model.root is None or model.root.isprintable()
        assert model.max_model_len is None or model.max_model_len > 0


def test_secrets_are_the_values_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit 27: so that what is written can be redacted; a variable that is gone is no reason to stop."""
    endpoint = Endpoint("u", (), api_key_env="PAWN_KEY", header_env=(("Modal-Key", "PROXY"),))
    monkeypatch.setenv("PAWN_KEY", "s3cret")
    monkeypatch.setenv("PROXY", "token\n")
    assert endpoint.secrets() == ("s3cret", "token")
    monkeypatch.delenv("PAWN_KEY")
    assert endpoint.secrets() == ("token",)
    assert Endpoint("u", ()).secrets() == ()


def test_a_server_that_echoes_the_key_is_quoted_without_it(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audit 27."""

    def echo(request: Request) -> Response:
        return Response(json.dumps({"error": request.headers["Authorization"]}), 400)

    monkeypatch.setenv("PAWN_KEY", "s3cret-key")
    httpserver.expect_request("/x").respond_with_handler(echo)
    answer = Endpoint(httpserver.url_for(""), (), api_key_env="PAWN_KEY").send("/x")
    assert answer.error == "Bearer [redacted]"
    assert "s3cret" not in answer.text
