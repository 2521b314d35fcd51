"""A chat completion, read for what it says, however odd it is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.endpoint.chat import Said, said
from serve.endpoint.wire import Answer


def of(content: Any, *, finish: Any = "stop", logprobs: Any = None, **message: Any) -> Said:
    choice = {"finish_reason": finish, "message": {"content": content, **message}, "logprobs": logprobs}
    return said(Answer(200, json.dumps({"choices": [choice]})))


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (of("x", reasoning="why"), Said("x", "why", "reasoning", "stop")),
        (of(None, reasoning_content="why"), Said("", "why", "reasoning_content", "stop")),
        (of("\n <think>why</think>\nx"), Said("\nx", "why", "content, as <think>", "stop")),
        (of("why</think>x"), Said("x", "why", "content, as <think>", "stop")),
        (of("<think>why", finish="length"), Said("", "<think>why", "content, as <think>", "length")),
        (of("x", finish=None), Said("x", "", "nowhere", "")),
    ],
)
def test_content_and_reasoning_are_told_apart(read: Said, expected: Said) -> None:
    assert read == expected


def test_content_that_is_no_text_is_quoted_as_json() -> None:
    """Audit 21, in preflight: it raised."""
    assert of([{"type": "text"}]).content == '[{"type": "text"}]'
    assert of(5, reasoning=["why"]) == Said("5", "", "nowhere", "stop")


def test_log_probabilities_are_read_where_all_of_them_are_numbers() -> None:
    def tops(*values: Any) -> Any:
        return {"content": [{"top_logprobs": [{"token": "a", "logprob": value}]} for value in values]}

    assert of("x", logprobs=tops(-1, -0.5)).top_logprobs == ({"a": -1.0}, {"a": -0.5})
    for bad in (
        tops(-1, "x"),
        tops(math.nan),
        tops(None),
        {"content": [{"top_logprobs": []}]},
        {"content": 5},
        7,
    ):
        assert of("x", logprobs=bad).top_logprobs == ()


NAMES = st.sampled_from(["message", "content", "reasoning", "logprobs", "top_logprobs", "token"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
CHOICES = JSON | st.lists(st.fixed_dictionaries({"message": JSON, "logprobs": JSON}))


@given(st.fixed_dictionaries({"choices": CHOICES}))
def test_any_json_is_read_without_a_traceback(body: Any) -> None:
    """Audit 21, in preflight."""
    read = said(Answer(200, json.dumps(body)))
    assert all(isinstance(text, str) for text in (read.content, read.reasoning, read.finish))
    assert all(top and all(map(math.isfinite, top.values())) for top in read.top_logprobs)
