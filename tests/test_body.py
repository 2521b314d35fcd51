"""The body of a request: what a server is told, so that it decides nothing by itself."""

from __future__ import annotations

import dataclasses

from evals.asking.body import Sampling, chat_body
from evals.words import Request

SPACING = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}
SCHEMA = {"type": "object", "properties": {"move": {"type": "string"}}}
REQUEST = Request(messages=({"role": "user", "content": "FEN: x"},), max_tokens=2048)
WITH_SCHEMA = dataclasses.replace(REQUEST, schema=SCHEMA, schema_name="move")


def test_all_sampling_is_sent_so_that_the_checkpoint_cannot_fill_it_in() -> None:
    body = chat_body(REQUEST, "adapter", Sampling(seed=3), sample=2)
    assert body["temperature"] == 0
    assert {"top_p", "top_k", "repetition_penalty"} <= body.keys()
    assert body["seed"] == 5
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_server_that_is_not_vllm_gets_no_fields_of_vllm() -> None:
    body = chat_body(WITH_SCHEMA, "adapter", Sampling(), vllm=False)
    wanted = {"model", "messages", "max_tokens", "temperature", "top_p", "seed", "response_format"}
    assert body.keys() == wanted
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_no_more_tokens_are_asked_for_than_the_context_has() -> None:
    assert chat_body(REQUEST, "adapter", Sampling(), context=1024)["max_tokens"] == 1024
    assert chat_body(REQUEST, "adapter", Sampling(), context=4096)["max_tokens"] == 2048
    assert chat_body(REQUEST, "adapter", Sampling(), context=None)["max_tokens"] == 2048


def test_the_schema_is_enforced_by_response_format() -> None:
    body = chat_body(WITH_SCHEMA, "adapter", Sampling())
    assert "guided_json" not in body
    assert body["response_format"]["type"] == "json_schema"
    given = body["response_format"]["json_schema"]
    assert given["name"] == "move"
    assert given["strict"] is True
    assert given["schema"] == {
        **SCHEMA,
        "x-guidance": SPACING,
    }


def test_vllm_is_told_how_to_space_json() -> None:
    """Without `x-guidance` a small model never ends, or fails on spacing that it was not trained on."""
    given = chat_body(WITH_SCHEMA, "adapter", Sampling())["response_format"]["json_schema"]["schema"]
    assert given["x-guidance"] == {
        "whitespace_flexible": False,
        "key_separator": ": ",
        "item_separator": ", ",
    }


def test_an_old_vllm_gets_the_schema_the_only_way_that_it_enforces() -> None:
    """Audit 10: where preflight found that only `guided_json` is enforced, that is what is sent."""
    body = chat_body(WITH_SCHEMA, "adapter", Sampling(), schema_by="guided_json")
    assert "response_format" not in body
    assert body["guided_json"] == {
        **SCHEMA,
        "x-guidance": SPACING,
    }


def test_free_text_is_asked_for_without_any_schema() -> None:
    for by in ("response_format", "guided_json"):
        body = chat_body(REQUEST, "adapter", Sampling(), schema_by=by)
        assert body.keys().isdisjoint({"response_format", "guided_json"})


def test_the_request_s_own_schema_is_left_as_it_is() -> None:
    chat_body(WITH_SCHEMA, "adapter", Sampling())
    assert "x-guidance" not in SCHEMA
