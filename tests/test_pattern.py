"""Patterns of users: what they find, what they may not be, and that none of them runs away."""

from __future__ import annotations

import pickle
import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reading.pattern import LARGEST, Pattern, PatternError
from tests.growth import LIMIT, growth

CUE = Pattern.compile(r"[Bb]est move:\s*(\S+)")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("Best move: Nf3", "Nf3", "Nf3"),
        ("best move: e4 ... no, best move:\nNf3\n", "e4", "Nf3"),
        ("Nf3", None, None),
        ("", None, None),
        ("Best move:", None, None),
        ("\ud800 Best move: Nf3 \udfff", "Nf3", "Nf3"),
        ("♔♔é Best move: Nf3", "Nf3", "Nf3"),
        ("\0Best move: Nf3", "Nf3", "Nf3"),
        ("Best move: Nf3" * 3, "Nf3Best", "Nf3"),
        ("x" * 100_000 + "Best move: Nf3" + " y" * 100_000, "Nf3", "Nf3"),
    ],
)
def test_the_group_of_the_first_or_the_last_match(text: str, first: str | None, last: str | None) -> None:
    assert (CUE.find(text, "first"), CUE.find(text, "last")) == (first, last)


@pytest.mark.parametrize(
    ("pattern", "group", "text", "answer"),
    [
        (r"<move>(.*?)</move>", None, "<move> Nf3 </move><move>e4</move>", "Nf3"),
        (r"\\boxed\{([^}]*)\}", None, r"So \boxed{Nf3}.", "Nf3"),
        (r"(\w+): (?P<move>\w+)", None, "move: Nf3", "Nf3"),
        (r"(\w+): (?<answer>\w+)", None, "move: Nf3", "Nf3"),
        (r"(?P<answer>\w+): (?P<other>\w+)", "other", "move: Nf3", "Nf3"),
        (r"(\w+): (\w+)", 2, "move: Nf3", "Nf3"),
        (r"N\w+", 0, "move: Nf3", "Nf3"),
        (r"^(.*)$", None, "Nf3", "Nf3"),
        (r"(?s)\A.*\n(.+)\z", None, "one\ntwo\nNf3", "Nf3"),
    ],
)
def test_which_group_holds_the_answer(pattern: str, group: int | str | None, text: str, answer: str) -> None:
    assert Pattern.compile(pattern, group).find(text, "first") == answer


def test_a_group_that_takes_no_part_in_the_match_is_no_answer() -> None:
    """Not that of an earlier match: the last thing said was a draw."""
    pattern = Pattern.compile(r"move: (\w+)|draw")
    assert pattern.find("move: Nf3, or a draw", "last") is None
    assert pattern.find("draw", "first") is None


def test_empty_matches_do_not_count() -> None:
    """RE2, as Python, finds an empty match behind the word."""
    for take in ("first", "last"):
        assert Pattern.compile(r"(\w*)").find(" Nf3 ", take) == "Nf3"
        assert Pattern.compile(r"(\w*)").find("  ", take) is None
        assert Pattern.compile(r":(\s*)").find(":  ", take) is None


@pytest.mark.parametrize(
    ("pattern", "group", "said"),
    [
        ("(?=a)(b)", None, "'(?=' at character 1, a lookaround"),
        ("(b)(?!a)", None, "'(?!' at character 4, a lookaround"),
        ("(?<=move: )(a)", None, "'(?<=' at character 1, a lookaround"),
        ("(?<!no )(a)", None, "'(?<!' at character 1, a lookaround"),
        (r"(a)\1", None, r"'\1' at character 4, a backreference"),
        ("(?P<x>a)(?P=x)", None, "a backreference"),
        (r"(a)\Z", None, r"writes \z"),
        ("(a", None, "missing )"),
        ("ab[c", None, "at character 3: missing ]: '[c'"),
        ("(a)**", None, "at character 4: bad repetition operator: '**'"),
        ("(?>a)", None, "at character 1: invalid perl operator"),
        ("(a)\\", None, "trailing \\"),
        ("(a{2000})", None, "invalid repetition size"),
        ("((a{30}){30}b{600})", 1, f"steps, and {LARGEST} are the most"),
        ("(\ud800)", None, "a character that is not Unicode at 2"),
        ("", None, "it has none: put parentheses around the answer"),
        ("abc", None, "it has none: put parentheses around the answer"),
        ("(a)(b)", None, "say which group holds the answer; it has 1, 2"),
        ("(?P<move>a)(?P<answer>b)", None, "say which group holds the answer; it has"),
        ("(a)(?P<y>b)", "x", "no group named 'x'; it has 'y', 1, 2"),
        ("(a)(?P<y>b)", "Y", "no group named 'Y'"),
        ("(a)(?P<y>b)", "1", "no group named '1'"),
        ("(a)(?P<y>b)", 3, "no group 3; it has 'y', 1, 2"),
        ("(a)(?P<y>b)", -1, "no group -1"),
        ("(a)(?P<y>b)", True, "no group True"),
        ("Best: (?P<move>.)|Move: (?P<move>.)", None, "two groups named 'move'"),
    ],
)
def test_a_pattern_that_can_not_be_used_says_why(
    pattern: str, group: int | str | None, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternError, match=re.escape(said)) as error:
        Pattern.compile(pattern, group)
    assert isinstance(error.value, ValueError)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_an_error_can_be_printed() -> None:
    with pytest.raises(PatternError) as error:
        Pattern.compile("(\x1b]52;c;cm0=\x07\n(")
    assert str(error.value).isprintable()


def test_a_pattern_travels_between_processes_and_is_compared_by_what_it_says() -> None:
    again = pickle.loads(pickle.dumps(CUE))
    assert again == CUE
    assert hash(again) == hash(CUE)
    assert again.find("Best move: Nf3", "last") == "Nf3"
    assert Pattern.compile("(a)(b)", 1) != Pattern.compile("(a)(b)", 2)


pieces = st.sampled_from(["e4", "Nf3", "O-O", " ", "\n", "move: ", ",", "é", "♔", "x"])


@given(
    st.lists(pieces, max_size=40).map("".join),
    st.sampled_from([r"move: (\w+)", r"([a-h][1-8])", r"(\w+)", r"(x*)"]),
)
def test_matches_are_those_of_python(text: str, pattern: str) -> None:
    matches = [match[1] for match in re.finditer(pattern, text, re.ASCII) if match[0]]
    ours = Pattern.compile(pattern)
    assert ours.find(text, "first") == (matches[0] if matches else None)
    assert ours.find(text, "last") == (matches[-1] if matches else None)


@given(st.text(), st.sampled_from([None, 0, 1, "move"]), st.text())
def test_any_pattern_is_compiled_or_refused(pattern: str, group: int | str | None, text: str) -> None:
    try:
        compiled = Pattern.compile(pattern, group)
    except PatternError:
        return
    for take in ("first", "last"):
        assert compiled.find(text, take) is None or compiled.find(text, take)


@pytest.mark.parametrize("take", ["first", "last"])
@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        (r"(x)(?:.*y)?", "x"),
        (r"(x+x+)+y|(x)", "x"),
        (r"(x*)", " "),
        (r"(\w+)", "ab "),
        (r"((?:x|xx)*)z", "x"),
        (r"(?s)(x)(?:.*[xy]*y[xy]{200}c)?", "xy"),
    ],
)
def test_no_pattern_runs_away(pattern: str, piece: str, take: Literal["first", "last"]) -> None:
    """Also one whose every match RE2 reads to the end of the text for."""
    compiled = Pattern.compile(pattern, 1)
    assert growth(lambda text: compiled.find(text, take), lambda times: piece * times) <= LIMIT


@pytest.mark.parametrize("behind", ["", " " * 30_000, " ,;" * 10_000])
def test_the_last_match_is_found_behind_many_others(behind: str) -> None:
    text = "ab cd. " * 20_000 + "Nf3" + behind
    assert Pattern.compile(r"(\w+)").find(text, "last") == "Nf3"
    assert Pattern.compile(r"(\w+)").find(text, "first") == "ab"


def test_the_last_match_is_found_whole() -> None:
    """Also where a half of the text would start inside of it, as it does with this many blanks behind it."""
    text = "ab cd. " * 20_000 + " " * 20_000 + "x" * 80 + " " * 22_659
    assert Pattern.compile(r"(\w+)").find(text, "last") == "x" * 80
