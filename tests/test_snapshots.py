"""Format snapshots: what changes them, what does not, and how a difference reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.__main__ import main
from evals.reading.trace_format import TraceFormat, band, diff_formats, trace_format
from evals.results.stored_formats import model_folder
from evals.tasks import build_tasks
from evals.words import Case, Completion, Task
from tests.asking import asking
from tests.positions import random_puzzles
from tests.sessions import WORKERS
from tests.traces import HEADINGS, write_answer, write_trace

Change = Callable[[str, str], Completion]
Answered = list[tuple[Case, Sequence[Completion]]]
CASES = [Case("reasoning", puzzle) for puzzle in random_puzzles(seed=7, count=40)]

pytest_plugins = ["pytester"]


def as_trained(trace: str, answer: str) -> Completion:
    return Completion(content=answer, reasoning=trace, finish_reason="stop")


def answers(change: Change = as_trained) -> Answered:
    """Forty answers, in the trained format or as `change` makes them of trace and answer."""
    return [(case, [change(write_trace(case.puzzle), write_answer(case.puzzle))]) for case in CASES]


@pytest.fixture(scope="module")
def task() -> Task:
    return build_tasks(asking())["reasoning"]


@pytest.fixture(scope="module")
def trained(task: Task) -> TraceFormat:
    return trace_format(task, answers())


def changed_lines(before: TraceFormat, after: TraceFormat) -> set[str]:
    """The rows of `after` that are not in `before`, and the other way round."""
    return {" ".join(line.split()) for line in {*before.text.splitlines()} ^ {*after.text.splitlines()}}


def test_wording_and_the_order_of_cases_do_not_change_it(task: Task, trained: TraceFormat) -> None:
    def reword(trace: str, answer: str) -> Completion:
        return Completion(content=answer, reasoning=trace.replace("less good", "weaker"), latency=2.0)

    shuffled = answers(reword)
    random.Random(3).shuffle(shuffled)
    assert trace_format(task, shuffled).text == trained.text
    assert trained.fits(trained.text)


OTHER_FORMATS: dict[str, tuple[Change, str]] = {
    "a section is dropped": (
        lambda trace, answer: Completion(content=answer, reasoning=trace.replace(HEADINGS[3], "")),
        "## Step 4: Candidate Moves always",
    ),
    "a section is renamed": (
        lambda trace, answer: Completion(
            content=answer, reasoning=trace.replace("Position Summary", "Assessment")
        ),
        "## Step 3: Assessment always",
    ),
    "a field is renamed": (
        lambda trace, answer: Completion(content=answer.replace("themes", "motifs"), reasoning=trace),
        "motifs: list of text always",
    ),
    "a field has another type": (
        lambda trace, answer: Completion(
            content=answer.replace('"best_move": "', '"best_move": ["').replace('"}', '"]}'),
            reasoning=trace,
        ),
        "best_move: list of text always",
    ),
    "the answer is in the trace": (
        lambda trace, answer: Completion(content=None, reasoning=f"{trace}\n{answer}"),
        "holds the answer always",
    ),
    "</think> is lost": (
        lambda trace, answer: Completion(content=f"<think>\n{trace}\n{answer}", finish_reason="stop"),
        "closed never",
    ),
    "there is no trace": (
        lambda _, answer: Completion(content=answer),
        "present never",
    ),
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_another_format_differs_where_it_is_another(task: Task, trained: TraceFormat, name: str) -> None:
    change, expected = OTHER_FORMATS[name]
    other = trace_format(task, answers(change))
    assert not other.fits(trained.text)
    assert not trained.fits(other.text)
    assert expected in changed_lines(trained, other)


def test_two_sections_in_the_other_order_differ(task: Task, trained: TraceFormat) -> None:
    def swap(trace: str, answer: str) -> Completion:
        parts = trace.split("\n\n")
        return Completion(content=answer, reasoning="\n\n".join([parts[1], parts[0], *parts[2:]]))

    assert not trace_format(task, answers(swap)).fits(trained.text)


def test_a_rate_near_the_edge_of_its_band_matches_both_bands() -> None:
    stored = TraceFormat({"checks": {"faithful": 0.61}}).text
    assert "mostly" in stored
    assert TraceFormat({"checks": {"faithful": 0.58}}).fits(stored)
    assert not TraceFormat({"checks": {"faithful": 0.5}}).fits(stored)


def test_a_heading_that_comes_and_goes_matches_a_snapshot_without_it() -> None:
    stored = TraceFormat({"sections, in their order": {"# One": 1.0, "# Rare": 0.04}}).text
    assert "# Rare" not in stored
    assert TraceFormat({"sections, in their order": {"# One": 1.0, "# Rare": 0.06}}).fits(stored)
    assert not TraceFormat({"sections, in their order": {"# One": 1.0, "# Rare": 0.5}}).fits(stored)


labels = st.text(st.characters() | st.sampled_from(" \t\n\r\x0b\x1b\u2028\ud800#:"), max_size=130) | st.lists(
    st.sampled_from(["always", "mostly", "never", " ", "  ", "\n", "## Step 1", "x" * 48, "x" * 99]),
    max_size=5,
).map("".join)
groups = st.dictionaries(
    st.sampled_from(["answer", "trace", "checks", "sections, in their order"]) | labels,
    st.dictionaries(labels, st.floats(0, 1), max_size=6),
    max_size=4,
)


@given(groups)
@example({"sections, in their order": {"# " + "x" * 46: 1.0}})
@example({"sections, in their order": {"# " + "x" * 200: 1.0, "# " + "x" * 201: 0.3}})
@example({"sections, in their order": {"# one  two": 1.0, "# never": 1.0, "always  never": 0.3, "": 1.0}})
def test_any_format_fits_its_own_stored_text(of: dict[str, dict[str, float]]) -> None:
    """Audit 9: a heading of 48 characters or more ran into its band and never matched its own snapshot."""
    found = TraceFormat(of)
    assert found.fits(found.text)
    assert TraceFormat(found.groups).text == found.text
    assert diff_formats(found.text, found.text) == []
    for line in found.text.splitlines():
        assert line.encode("utf-8").decode() == line
        assert line.isprintable()


@given(labels.filter(str.strip), st.sampled_from([1.0, 0.8, 0.4]))
def test_a_label_with_another_rate_does_not_fit(label: str, rate: float) -> None:
    stored = TraceFormat({"sections, in their order": {label: rate}})
    assert not TraceFormat({"sections, in their order": {label: 0.0}}).fits(stored.text)
    assert not TraceFormat({"sections, in their order": {f"y{label}": rate}}).fits(stored.text)


def test_long_headings_that_differ_late_are_two_rows(task: Task) -> None:
    """Audit 9: what a row keeps of a heading is more than a column's width."""
    long = "## Step 1: Parsing of the position that was given, "
    trace = f"{long}by ranks\n{long}by files\n"
    found = trace_format(task, [(CASES[0], [Completion(content="x", reasoning=trace)])])
    assert list(found.groups["sections, in their order"]) == [f"{long}by ranks", f"{long}by files"]
    assert found.fits(found.text)


def test_of_labels_that_become_the_same_the_highest_rate_counts() -> None:
    for one, two in ((1.0, 0.3), (0.3, 1.0)):
        found = TraceFormat({"sections, in their order": {"# One  two": one, "# One two ": two}})
        assert found.groups == {"sections, in their order": {"# One two": 1.0}}


def test_deeply_nested_lists_have_a_type() -> None:
    """Audit 21: JSON may be nested deeper than Python calls functions."""
    task = build_tasks(asking())["reasoning"]
    deep = Completion(content=f'{{"themes": {"[" * 900}{"]" * 900}}}')
    found = trace_format(task, [(CASES[0], [deep])])
    assert "themes: list of list of list of list" in found.groups["fields, in their order"]


def test_bands_cover_every_rate() -> None:
    assert [band(rate) for rate in (1.0, 0.95, 0.7, 0.3, 0.1, 0.0)] == [
        *("always", "always", "mostly", "partly", "rarely", "never")
    ]


def test_no_answer_is_no_format(task: Task) -> None:
    with pytest.raises(ValueError, match="no reasoning case was answered"):
        trace_format(task, answers(lambda _, __: Completion(error="connection refused")))


SUITE = """
import pytest
from evals.reading.trace_format import TraceFormat
from evals.harness.snapshots import expect_format, extension_for

@pytest.mark.parametrize("n", range(6))
def test_case(n):
    pass

def test_format(snapshot, request):
    heading = request.config.getoption("--heading")
    found = TraceFormat({"sections, in their order": {"# One": 1.0, heading: 1.0}})
    expect_format(found, snapshot.use_extension(extension_for(request.config.getoption("--model"))))
"""
CONFTEST = """
from evals.harness.snapshots import keep_other_models

def pytest_addoption(parser):
    parser.addoption("--heading")
    parser.addoption("--model")

def pytest_configure(config):
    keep_other_models(config)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small suite with a format snapshot per model, as the reasoning suite has it."""
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeconftest(CONFTEST)
    # The plugins of this repository's own suites have no place in it, and cost each worker half a second.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = -p syrupy -p xdist")
    return pytester


def run(suite: pytest.Pytester, heading: str, *options: str, model: str = "org/pawn@1") -> pytest.RunResult:
    """One session with a model that writes this heading."""
    return suite.runpytest_inprocess("--model", model, "--heading", heading, *options)


def stored_models(suite: pytest.Pytester) -> set[str]:
    return {path.relative_to(suite.path).parts[1] for path in suite.path.rglob("*.txt")}


def test_a_missing_snapshot_is_undecided_and_a_written_one_passes(suite: pytest.Pytester) -> None:
    run(suite, "# Two").assert_outcomes(passed=6, skipped=1)
    run(suite, "# Two", "--snapshot-update").assert_outcomes(passed=7)
    run(suite, "# Two").assert_outcomes(passed=7)


def test_the_failure_shows_what_changed(suite: pytest.Pytester) -> None:
    run(suite, "# Two", "--snapshot-update")
    result = run(suite, "# Second")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.re_match_lines(
        [
            r"the reasoning format is not the one in .*/__snapshots__/org-pawn@1/test_suite/.*",
            r" sections, in their order",
            r"-  # Two +always",
            r"\+  # Second +always",
            r".* run again with --snapshot-update\.",
        ],
        consecutive=False,
    )


@pytest.mark.parametrize("workers", WORKERS)
def test_updating_keeps_every_other_model_s_snapshot(suite: pytest.Pytester, workers: str) -> None:
    run(suite, "# Two", "--snapshot-update", "-n", workers).assert_outcomes(passed=7)
    other = run(suite, "# Second", "--snapshot-update", "-n", workers, model="org/pawn@2")
    other.assert_outcomes(passed=7)
    assert stored_models(suite) == {"org-pawn@1", "org-pawn@2"}
    run(suite, "# Two").assert_outcomes(passed=7)


def test_updating_a_part_of_the_suite_deletes_nothing(suite: pytest.Pytester) -> None:
    run(suite, "# Two", "--snapshot-update")
    run(suite, "# Two", "--snapshot-update", "-k", "test_case")
    assert stored_models(suite) == {"org-pawn@1"}


def store(root: Path, model: str, found: TraceFormat) -> None:
    folder = root / model_folder(model) / "test_reasoning"
    folder.mkdir(parents=True)
    (folder / "test_reasoning_format.txt").write_text(found.text, encoding="utf-8")


def test_diff_format_prints_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trained: TraceFormat
) -> None:
    drifted = TraceFormat({**trained.groups, "sections, in their order": {"# Plan": 1.0}})
    store(tmp_path, "org/pawn@1", trained)
    store(tmp_path, "org/pawn@2", drifted)
    command = ["diff-format", "org/pawn@1", "--snapshots", str(tmp_path)]
    assert main([*command, "org/pawn@1"]) == 0
    assert main([*command, "org/pawn@2"]) == 1
    printed = capsys.readouterr().out
    assert "-  ## Step 6: Solution" in printed
    assert "+  # Plan" in printed


def test_diff_format_of_an_unknown_model_names_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trained: TraceFormat
) -> None:
    store(tmp_path, "pawn", trained)
    assert main(["diff-format", "pawn", "pwan", "--snapshots", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "no format snapshot of 'pwan'" in error
    assert "there are snapshots of pawn" in error
