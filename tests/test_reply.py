"""Reading a chat completion, whoever wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.asking.reply import ReplyError, error_text, read_completion, seconds_to_wait
from evals.words import Completion


def reply(message: object, **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **more}).encode()


def test_a_whole_answer_is_read() -> None:
    message = {"role": "assistant", "content": '{"move": "d1d8"}', "reasoning": "# Plan", "refusal": None}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    assert read_completion(reply(message, usage=usage, model="adapter")) == Completion(
        content='{"move": "d1d8"}',
        reasoning="# Plan",
        finish_reason="stop",
        model="adapter",
        prompt_tokens=10,
        completion_tokens=5,
    )


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_under_either_name(name: str) -> None:
    assert read_completion(reply({"content": "{}", name: "think"})).reasoning == "think"
    both = {"reasoning": "", "reasoning_content": "", name: "think"}
    assert read_completion(reply({"content": "{}", **both})).reasoning == "think"


def test_the_newer_name_of_reasoning_comes_first() -> None:
    message = {"content": "{}", "reasoning": "new", "reasoning_content": "old"}
    assert read_completion(reply(message)).reasoning == "new"


def test_content_may_come_as_text_parts() -> None:
    """Audit 21: a list of text parts is a documented form of content."""
    parts = [{"type": "text", "text": '{"move":'}, {"type": "text", "text": ' "d1d8"}'}]
    completion = read_completion(reply({"content": parts}))
    assert (completion.content, completion.malformed) == ('{"move": "d1d8"}', None)


@pytest.mark.parametrize("name", ["content", "reasoning", "reasoning_content", "refusal"])
@pytest.mark.parametrize(
    "value", [1, 0, True, False, {}, {"a": "b"}, [1], [{"type": "thinking", "thinking": []}]]
)
def test_a_field_that_is_no_text_is_kept_as_malformed(name: str, value: object) -> None:
    """Audit 12, 21: content or reasoning as a list or a number raised in the judge."""
    completion = read_completion(reply({"content": "{}", name: value}))
    assert completion.malformed is not None
    assert completion.malformed.startswith(f"{name} is no text: ")
    assert json.dumps(value) in completion.malformed
    assert completion.error is None


def test_the_model_that_answered_is_recorded() -> None:
    """Audit 30: a gateway that falls back to another model was invisible."""
    assert read_completion(reply({"content": "{}"}, model="fallback-7b")).model == "fallback-7b"
    assert read_completion(reply({"content": "{}"}, model=7)).model is None
    assert read_completion(reply({"content": "{}"})).model is None


@pytest.mark.parametrize(
    "count", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "1.5", "true", '"7"', "null", "[]", "9" * 400]
)
def test_a_token_count_is_a_whole_number_or_nothing(count: str) -> None:
    """Audit 30: NaN in `usage` made completions.jsonl not JSON."""
    body = b'{"choices": [{"message": {"content": "{}"}}], "usage": {"prompt_tokens": %s}}' % count.encode()
    completion = read_completion(body)
    assert completion.content == "{}"
    assert completion.prompt_tokens is None
    json.dumps(asdict(completion), allow_nan=False)


@pytest.mark.parametrize("usage", ["many", None, [], 5, {"prompt_tokens": "7"}])
def test_usage_of_another_shape_costs_nothing(usage: object) -> None:
    """Audit 21: `usage` that is a text raised through the test."""
    completion = read_completion(reply({"content": "{}"}, usage=usage))
    assert (completion.content, completion.prompt_tokens, completion.completion_tokens) == ("{}", None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"<html>"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": ["x"]}',
        b"\xff",
    ],
)
def test_what_is_not_a_chat_completion_is_an_error(body: bytes) -> None:
    with pytest.raises(ReplyError, match="not a chat completion"):
        read_completion(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = ("role", "content", "reasoning", "reasoning_content", "refusal", "tool_calls")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    st.fixed_dictionaries({}, optional={"usage": JSON, "model": JSON, "id": JSON}),
    JSON,
)
def test_any_message_becomes_a_completion_that_can_be_written(
    message: object, more: Any, reason: object
) -> None:
    """Audit 21, 30: whatever a server puts into the fields, the completion holds text and whole numbers."""
    payload = {"choices": [{"message": message, "finish_reason": reason}], **more}
    completion = read_completion(json.dumps(payload).encode())
    json.dumps(asdict(completion), allow_nan=False)
    for name in ("content", "reasoning", "finish_reason", "refusal", "malformed", "model"):
        assert getattr(completion, name) is None or isinstance(getattr(completion, name), str)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_content_of_any_depth_is_kept_or_refused(opening: bytes, closing: bytes) -> None:
    """Audit 21: where Python can still read a nesting, but only just."""
    kept: list[bool] = []
    for depth in range(0, 12_000, 7):
        body = b'{"choices": [{"message": {"content": %s1%s}}]}' % (opening * depth, closing * depth)
        try:
            kept.append(read_completion(body).malformed is not None)
        except ReplyError:
            kept.append(False)
    assert True in kept
    assert False in kept


@settings(deadline=None)
@given(JSON)
def test_any_json_is_a_completion_or_an_error(payload: object) -> None:
    """Audit 21."""
    try:
        completion = read_completion(json.dumps(payload).encode())
    except ReplyError:
        return
    assert completion.error is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no luck", "code": 400}}', "no luck"),
        (b'{"error": "no luck"}', "no luck"),
        (b'{"message": "no luck"}', "no luck"),
        (b'{"detail": "no luck"}', "no luck"),
        (b'{"detail": [{"loc": ["body"], "msg": "no luck"}]}', "[{'loc': ['body'], 'msg': 'no luck'}]"),
        (b"<h1>no luck</h1>", "<h1>no luck</h1>"),
        (b"\xff no luck", "� no luck"),
        (b'{"error": {"message": null}}', '{"error": {"message": null}}'),
        (b"[" * 100_000, "[" * 100_000),
        (b"", ""),
    ],
)
def test_an_error_is_told_in_the_server_s_own_words(body: bytes, said: str) -> None:
    assert error_text(body) == said


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("", 0.0),
        ("soon", 0.0),
        ("-3", 0.0),
        ("nan", 0.0),
        ("Fri, 21 Oct 2095 07:28:00 -0000", 0.0),
    ],
)
def test_retry_after_is_read(header: str, seconds: float) -> None:
    assert seconds_to_wait(header) == seconds


def test_retry_after_as_a_date_that_is_past_means_now() -> None:
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert seconds_to_wait("Fri, 21 Oct 2095 07:28:00 GMT") > 1e6
