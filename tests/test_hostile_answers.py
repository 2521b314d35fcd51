"""Answers that were made to do harm: whatever a model or a server sends, judging it never raises, and what
comes of it can be stored and printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.reading.pieces import read_pieces
from evals.reading.trace_format import diff_formats, trace_format
from evals.tasks import build_tasks, task_names
from evals.tasks.board import SKILLS
from evals.words import Case, Completion, Outcome, Verdict
from tests.asking import SECTIONS, asking, cases_of
from tests.positions import BACK_RANK
from tests.traces import write_answer, write_trace

EVERY_WAY = tuple(
    build_tasks(each)
    for each in (
        asking(board_skills=len(SKILLS)),
        asking("san", constrain="none", board_skills=len(SKILLS)),
        asking("text", constrain="none", board_skills=len(SKILLS)),
    )
)
"""All tasks, under each of the settings that change how an answer is read."""
CASES = [
    case for task in task_names() for case in cases_of(task, [BACK_RANK], asking(board_skills=len(SKILLS)))
]
LONGEST = 600
"""No text of a verdict is longer, in characters."""

CLIPBOARD = "\x1b]52;c;cm0gLXJmIC8=\x07"
"""OSC 52: a terminal that obeys it puts `rm -rf /` into the clipboard."""
hostile_characters = st.characters() | st.sampled_from(
    '\ud800\udfff\x1b\x07\x9b\0\n\r\x85\u2028\u202e\u2066\u200b\ufeff:#"{}[]<>&`|$\\'
)
fragments = st.sampled_from(
    [
        *("\n", " ", "(", ")", "{", "}", '"', "1.", "24...", "999. ", "Rd8#", "e4", "--", "Z0+", "O-O"),
        *(
            "\n## ",
            "\nStep 6: Solution",
            "\n**",
            "White:",
            "biſhop",
            "\N{KELVIN SIGN}e1",
            "best move is",
            "</think>",
        ),
        *(
            "<think>",
            '{"a":[',
            '{"move": "',
            '"best_move"',
            "\ud800",
            CLIPBOARD,
            "\n::error::",
            "##[error]",
            "- ",
        ),
    ]
)
long_fragments = st.sampled_from([("[", 1500), ("9", 5000), ("x", 70_000)]).map(
    lambda pair: pair[0] * pair[1]
)
texts = st.text(hostile_characters, max_size=80) | st.lists(fragments | long_fragments, max_size=12).map(
    "".join
)


def shapes(text: str, other: str) -> Iterator[object]:
    """Values of every shape that a task asks for, and of shapes that none does, made of two texts."""
    yield {"move": text}
    yield {"line": [text, other]}
    yield {"line": ["Rd8#", text]}
    yield {"pieces": [text, other]}
    yield {"moves": [text, other]}
    yield {"fen": text}
    yield {"check": text}
    yield {text: other}
    yield {"move": "d1d8", text: other}
    yield {"piece_positions": {text: [other]}, "candidate_moves": [text], "themes": [other]} | {
        "solution": text,
        "best_move": other,
    }
    yield {"piece_positions": {text: 3}, "candidate_moves": text, "themes": None, "solution": [3]}
    yield [text]
    yield 10**40


def answer(text: str, other: str, number: int, ascii_only: bool) -> str:
    return json.dumps(list(shapes(text, other))[number], ensure_ascii=ascii_only)


answers = st.builds(answer, texts, texts, st.integers(0, 12), st.booleans())
traces = st.lists(st.tuples(st.sampled_from(SECTIONS) | texts, texts), max_size=7).map(
    lambda parts: "\n".join(
        f"## Step {number}: {title}\n{body}" for number, (title, body) in enumerate(parts)
    )
)
completions = st.builds(
    Completion,
    content=st.none() | texts | answers | st.just(write_answer(BACK_RANK)),
    reasoning=st.none() | texts | traces | st.just(write_trace(BACK_RANK)),
    finish_reason=st.sampled_from(["stop", "length", None, "\ud800"]),
    refusal=st.none() | st.none() | st.none() | texts,
    error=st.none() | st.none() | st.none() | texts,
    malformed=st.none() | st.none() | st.none() | texts,
    completion_tokens=st.none() | st.integers(),
)


def texts_of(verdict: Verdict) -> list[str]:
    checks = [value for value in verdict.checks.values() if isinstance(value, str)]
    return [text for text in (verdict.move, verdict.solution, verdict.detail, *checks) if text is not None]


def assert_harmless(text: str) -> None:
    assert text.encode("utf-8")[:1] or not text
    assert text.isprintable()
    assert not text.lstrip().startswith("::")
    assert len(text) <= LONGEST


def judge_all(completion: Completion) -> list[Verdict]:
    """The verdicts of every task, under all settings."""
    return [tasks[case.task].judge(case, [completion]) for tasks in EVERY_WAY for case in CASES]


@given(completions)
@example(Completion(error="\ud800 connection refused"))
@example(Completion(refusal=CLIPBOARD))
@example(Completion(malformed="message.content is a list: \ud800"))
@example(Completion(content='{"move": "d1d8", "\\n::error::' + "x" * 1_000_000 + '": 1}'))
@example(Completion(content='{"move": "\\ud800\\u202e"}'))
@example(Completion(content='{"move": ' + "9" * 10_000 + "}"))
@example(Completion(content='{"a":' * 100_000))
@example(Completion(content="::error::d1d8"))
@example(Completion(reasoning="## Step 2: Piece positions\nbiſhop e4, K e1", content=write_answer(BACK_RANK)))
def test_judging_never_raises_and_what_it_says_can_be_stored_and_printed(completion: Completion) -> None:
    """Audit 21, 24, 26: any text in any field of a completion ends in an outcome; the verdict's texts hold
    no surrogate, no control character, no command to a CI runner, and are short.
    """
    for verdict in judge_all(completion):
        for text in texts_of(verdict):
            assert_harmless(text)


@given(completions)
def test_a_verdict_has_no_check_but_those_that_its_task_declares(completion: Completion) -> None:
    for tasks in EVERY_WAY:
        for case in CASES:
            task = tasks[case.task]
            for name, value in task.judge(case, [completion]).checks.items():
                assert value is None or type(value) is task.checks[name], (task.name, name, value)


@pytest.mark.parametrize("task", task_names())
def test_a_message_of_another_shape_is_malformed(task: str) -> None:
    """Audit 21: `content` as a list or a number is the model's fault, and says what was wrong."""
    completion = Completion(malformed="message.content is a list, not a text", finish_reason="stop")
    for tasks in EVERY_WAY:
        for case in (case for case in CASES if case.task == task):
            verdict = tasks[task].judge(case, [completion])
            assert verdict.outcome is Outcome.MALFORMED
            assert "message.content is a list, not a text" in verdict.detail


@pytest.mark.parametrize("task", task_names())
def test_no_answer_at_all_is_unanswered_even_where_something_malformed_came(task: str) -> None:
    completion = Completion(error="timed out", malformed="message is null")
    for tasks in EVERY_WAY:
        for case in (case for case in CASES if case.task == task):
            assert tasks[task].judge(case, [completion]).outcome is Outcome.UNANSWERED


def test_a_piece_may_be_spelled_with_letters_that_only_look_alike() -> None:
    """Audit 21: the long s and the Kelvin sign fold to `s` and `k`; such a word names no piece."""
    assert read_pieces("White: biſhop e4") == {"Pe4"}
    assert read_pieces("White: \N{KELVIN SIGN}e1") == {"Pe1"}


def rows(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def answered(each: Sequence[Completion]) -> list[tuple[Case, list[Completion]]]:
    return [(Case("reasoning", BACK_RANK), [completion]) for completion in each]


@given(st.lists(completions.filter(lambda each: each.error is None), min_size=1, max_size=3))
def test_the_format_of_any_answers_can_be_stored_and_printed(some: list[Completion]) -> None:
    """Audit 24, 26: headings and field names are a model's text, and go into snapshots and their diffs."""
    found = trace_format(EVERY_WAY[0]["reasoning"], answered(some))
    assert found.fits(found.text)
    for row in rows(found.text):
        assert_harmless(row)
    for row in diff_formats("", found.text):
        assert_harmless(row)


def test_a_stored_format_that_was_written_raw_is_shown_harmless() -> None:
    """Audit 26: a snapshot of an older version, or one that was edited, is a stranger's text as well."""
    stored = f"sections, in their order\n  # {CLIPBOARD}          always\n::error::\n  torn"
    for row in diff_formats(stored, ""):
        assert_harmless(row)


def test_ten_thousand_headings_and_fields_do_not_fill_a_snapshot() -> None:
    """Audit 26: what one answer can put into a snapshot is bounded in rows as well as in their length."""
    many = Completion(
        content=json.dumps({f"field {number}": 1 for number in range(10_000)}),
        reasoning="\n".join(f"# heading {number}" for number in range(10_000)),
    )
    found = trace_format(EVERY_WAY[0]["reasoning"], answered([many]))
    assert len(rows(found.text)) < 120
    assert found.fits(found.text)
