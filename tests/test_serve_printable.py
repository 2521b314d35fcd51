"""Text of models and servers, made safe for a terminal, a log of CI, JUnit, markdown and snapshots."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import ServeError
from serve.printable import printable

HOSTILE = (
    "\x1b\x07\r\n\t\0\x7f\x9b\x85\u2028\u202e\u2066\u200b"
    "\ufeff\ufe0f\u3164\u2800\xad\xa0\ud800\udfff\U000e0041"
)
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE + ":#[ aé♞")), max_size=60)
LIMITS = st.integers(1, 80)


@given(TEXTS, LIMITS, st.booleans())
def test_what_comes_out_is_visible_one_line_and_bounded(text: str, limit: int, newlines: bool) -> None:
    """Audit 26: no control, bidi or invisible character, no lone surrogate, whatever goes in."""
    shown = printable(text, limit, newlines=newlines)
    assert len(shown) <= limit
    lines = shown.split("\n") if newlines else [shown]
    assert all(line.isprintable() for line in lines)
    assert not set(shown) & set(HOSTILE.replace("\n", ""))
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert ElementTree.fromstring(f"<t>{shown.replace('&', '').replace('<', '')}</t>") is not None


@given(TEXTS, LIMITS, st.booleans())
def test_no_line_is_a_command_to_a_ci_runner(text: str, limit: int, newlines: bool) -> None:
    """Audit 26: GitHub reads `::command::` after white space and `##[command]` anywhere; Azure `##vso[`."""
    for line in printable(text, limit, newlines=newlines).split("\n"):
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)


@given(TEXTS, LIMITS, st.booleans())
def test_a_text_that_was_made_printable_stays_as_it_is(text: str, limit: int, newlines: bool) -> None:
    """Audit 26: so that two places on a text's way may both make sure."""
    once = printable(text, limit, newlines=newlines)
    assert printable(once, limit, newlines=newlines) == once


@given(st.text(st.sampled_from("abcé♞!? <&|`\\'\".-=()"), max_size=300))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert printable(text, 300) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;cm0=\x07", r"\x1b]52;c;cm0=\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\u009b2J"),
        ("a\r\nb\tc\0", r"a\r\nb\tc\x00"),
        ("\ud800", r"\ud800"),
        ("e2\u202ee4", r"e2\u202ee4"),
        ("\U000e0041", r"\U000e0041"),
        ("::error::no", r"\x3a:error::no"),
        ("  ::error::no", r"  \x3a:error::no"),
        ("std::vector", "std::vector"),
        ("x ##[group]y ##vso[task]", r"x \x23#[group]y \x23#vso[task]"),
        ("## a heading", "## a heading"),
    ],
)
def test_escapes_are_those_of_python_and_of_a_shell(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_newlines_are_kept_only_where_that_is_asked_for() -> None:
    assert printable("a\n ::b\r\n") == r"a\n \x3a:b\r\n"
    assert printable("a\n ::b\r\n", newlines=True) == "a\n \\x3a:b\\r\n"


def test_a_long_text_says_how_much_of_it_is_left_out() -> None:
    shown = printable("x" * 1_000_000, 50)
    assert len(shown) <= 50
    assert shown.startswith("xxxxx")
    text, _, rest = shown.partition("... (")
    assert rest == f"{1_000_000 - len(text)} more characters)"


def test_an_escape_is_left_out_whole_or_not_at_all() -> None:
    for limit in range(1, 60):
        assert re.fullmatch(r"(\\x1b)*(\.{3}.*)?|\.*", printable("\x1b" * 100, limit)), limit


def test_an_error_of_this_package_is_printable_wherever_it_is_shown() -> None:
    """Audit 26: messages quote servers, folders and files."""
    assert str(ServeError("it says \x1b[2J\n::error::no")) == "it says \\x1b[2J\n\\x3a:error::no"
    assert len(str(ServeError("x" * 1_000_000))) < 10_000
