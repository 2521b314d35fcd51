"""What preflight makes of servers that are wrong in ways the real vLLM here is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from serve.endpoint.endpoint import Endpoint, ServedModel
from serve.endpoint.preflight import CANARY, Check, check_sampling, check_version, preflight, require
from serve.errors import ServeError
from serve.local.machine import free_port

HELD = json.dumps({"canary": CANARY})
FREE = '{"move": "d1d8"}'


def chat(content: str | None, *, finish: str = "stop", **message: Any) -> Response:
    choice = {"finish_reason": finish, "message": {"content": content, **message}}
    return Response(json.dumps({"choices": [choice]}))


class SchemaCheck:
    """What the schema check says about a server that always answers so (and to guided_json otherwise)."""

    def __init__(self, httpserver: HTTPServer) -> None:
        self.server = httpserver

    def __call__(
        self,
        reply: Response,
        *,
        version: str | None = "0.32.0",
        thinking: bool = False,
        guided: Response | None = None,
    ) -> Check:
        def answer(request: Request) -> Response:
            return guided if guided and b"guided_json" in request.data else reply

        self.server.clear()
        self.server.expect_request("/v1/chat/completions").respond_with_handler(answer)
        models = (ServedModel("m", max_model_len=1024),)
        checks = preflight(Endpoint(self.server.url_for("/v1"), models, version), "m", thinking=thinking)
        return next(check for check in checks if check.name == "schema")


@pytest.fixture
def schema_check(httpserver: HTTPServer) -> SchemaCheck:
    return SchemaCheck(httpserver)


def test_a_schema_that_is_ignored_is_caught(schema_check: SchemaCheck) -> None:
    check = schema_check(chat(FREE))
    assert check.status == "fail"
    assert "not enforced by response_format" in check.detail
    assert "--structured-outputs-config.backend guidance" in check.detail
    with pytest.raises(ServeError, match="the server is not fit to be asked"):
        require([check])


def test_white_space_without_end_names_the_setting(schema_check: SchemaCheck) -> None:
    check = schema_check(chat(" \n\n\n", finish="length"))
    assert check.status == "fail"
    assert "disable_any_whitespace true" in check.detail


@pytest.mark.parametrize(
    ("reply", "where"),
    [
        (chat(HELD, reasoning="The rook."), "reasoning"),
        (chat(HELD, reasoning_content="The rook."), "reasoning_content"),
        (chat(f"<think>The rook.</think>\n{HELD}"), "content, as <think>"),
        (chat(f"The rook.</think>{HELD}"), "content, as <think>"),
    ],
)
def test_reasoning_is_found_wherever_it_arrives(
    schema_check: SchemaCheck, reply: Response, where: str
) -> None:
    check = schema_check(reply, thinking=True)
    assert check.status == "ok"
    assert check.facts["reasoning_in"] == where


def test_a_schema_that_leaves_no_room_to_think_is_caught(schema_check: SchemaCheck) -> None:
    check = schema_check(chat(HELD), thinking=True)
    assert check.status == "fail"
    assert "--reasoning-parser qwen3" in check.detail


def test_a_thought_longer_than_the_limit_is_not_decided(schema_check: SchemaCheck) -> None:
    assert schema_check(chat(None, reasoning="hm", finish="length"), thinking=True).status == "warn"
    assert schema_check(chat(None, reasoning="hm", finish="length")).status == "fail"


def test_an_old_vllm_may_be_held_by_guided_json(schema_check: SchemaCheck) -> None:
    assert schema_check(chat(FREE), version="0.11.2", guided=chat(HELD)).facts["schema_by"] == "guided_json"
    assert schema_check(chat(FREE), version="0.12.0", guided=chat(HELD)).status == "fail"
    assert schema_check(chat(FREE), version=None, guided=chat(HELD)).status == "fail"


def test_a_server_that_refuses_the_request_is_quoted(schema_check: SchemaCheck) -> None:
    check = schema_check(Response('{"error": {"message": "unknown field"}}', 400))
    assert check.status == "fail"
    assert "answers 400: unknown field" in check.detail


def test_what_a_server_does_not_offer_is_skipped(httpserver: HTTPServer) -> None:
    models = (ServedModel("base"), ServedModel("tuned", parent="base"))
    httpserver.expect_request("/v1/chat/completions").respond_with_response(chat(HELD))
    checks = preflight(Endpoint(httpserver.url_for("/v1"), models), "tuned")
    assert httpserver.log
    assert all(b"chat_template_kwargs" not in request.data for request, _ in httpserver.log)
    assert {check.name: check.status for check in checks} == {
        "served": "ok",
        "schema": "ok",
        "adapter": "skip",
        "version": "skip",
        "sampling": "ok",
    }


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("0.11.2", "warn", "remote code execution .* and an engine crash"),
        ("0.14.0", "warn", "has an engine crash"),
        ("0.29.1", "warn", "fixed in 0.30.0"),
        ("0.30.0", "ok", "vLLM 0.30.0"),
        ("0.33.1.dev3+g1", "ok", "vLLM 0.33.1"),
        ("1.0.0", "ok", "vLLM 1.0.0"),
    ],
)
def test_known_vulnerabilities(version: str, status: str, words: str) -> None:
    check = check_version(version)
    assert check.status == status
    assert re.search(words, check.detail)


def test_sampling_that_leaves_room_to_the_checkpoint_is_a_warning() -> None:
    assert check_sampling({"temperature": 0, "top_p": 1, "top_k": -1}, vllm=True).status == "ok"
    assert check_sampling({"temperature": 0, "top_p": 1}, vllm=True).detail.startswith("top_k not sent")


def test_a_server_that_stops_answering_is_an_error() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(ServeError, match="stopped answering in preflight: connection refused"):
        preflight(Endpoint(url, (ServedModel("m"),)), "m")
