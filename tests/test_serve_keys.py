"""Keys: read from a variable, sent, and shown to nobody."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.endpoint.keys import REDACTED, read_key, redact
from serve.errors import ServeError


def test_a_key_is_read_without_the_line_break_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWN_KEY", " s3cret\n")
    assert read_key("PAWN_KEY") == "s3cret"


@pytest.mark.parametrize("value", ["", " \n"])
def test_a_variable_that_holds_nothing_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWN_KEY", value)
    with pytest.raises(ServeError, match="'PAWN_KEY' should hold a key but is not set"):
        read_key("PAWN_KEY")


@pytest.mark.parametrize(
    "value", ["s3c\nret", "s3c\r\nHost: x", "s3c\x1bret", "s3c\x7fret", "s3cré", "s3c\udc80"]
)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audit 27: it appeared in an INTERNALERROR and in run.json."""
    monkeypatch.setenv("PAWN_KEY", value)
    with pytest.raises(ServeError, match="'PAWN_KEY' holds a line break or another character") as raised:
        read_key("PAWN_KEY")
    assert "s3c" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("name", ["sk-proj-0123456789", "hf_x=y", "", "a b", "0KEY", "KEY\n"])
def test_a_key_given_in_place_of_the_variables_name_is_not_shown(name: str) -> None:
    """Audit 27: `--api-key-env sk-...` is an easy mistake."""
    with pytest.raises(ServeError, match="name of an environment variable") as raised:
        read_key(name)
    assert not name.strip() or name not in str(raised.value)


SECRETS = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20), max_size=3
)


@given(SECRETS, st.text(max_size=30), st.text(max_size=30))
def test_a_secret_is_nowhere_in_a_redacted_text(secrets: list[str], before: str, after: str) -> None:
    """Audit 27: a server that echoes the key puts it into everything that is written."""
    text = after.join([before, *secrets, json.dumps(secrets), after])
    shown = redact(text, secrets)
    for secret in secrets:
        assert secret not in shown.replace(REDACTED, "\n")
        assert json.dumps(secret)[1:-1] not in shown.replace(REDACTED, "\n")


@given(st.text())
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact(text, ["no-such-secret"]) == text
    assert redact(text, []) == text


def test_what_is_too_short_for_a_secret_does_not_tear_a_text_apart() -> None:
    assert redact("a move: e2e4", ["a", "", "e2"]) == "a move: e2e4"


def test_a_secret_within_a_longer_one_leaves_no_rest_of_it() -> None:
    assert redact("key: secret-key-2", ["secret-key", "secret-key-2"]) == f"key: {REDACTED}"
