"""What `--bless` writes and `--baseline` reads: the same cases, or one sentence about why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.results.baseline_place import find_baseline, place_of
from evals.results.baselines import bless, read_baseline, why_not_blessed
from evals.results.comparable import baseline_for, recheck_line
from evals.results.gates import GateResult
from evals.results.gates_file import Gate
from evals.results.planning import Rival, plan_lines
from evals.results.stored_run import RunError, StoredRun, read_run
from evals.statistics.rates import Decision
from evals.words import Outcome, Record
from tests.records import planned, record
from tests.test_comparison import FACTS, write_run

MODELS: dict[str, Any] = {
    "models": {"move": {"id": "v1", "root": "/secret/place"}},
    "endpoint": {"base_url": "http://host"},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A blessed run of 30 cases."""
    run = read_run(write_run(tmp_path / "run", set(range(10)), cases=30, **MODELS))
    bless(run, tmp_path / "made" / "v1.jsonl", tried=3)
    return tmp_path / "made" / "v1.jsonl"


def test_what_is_read_is_what_was_blessed(path: Path, tmp_path: Path) -> None:
    run, read = read_run(tmp_path / "run"), read_baseline(path)
    assert read.records.keys() == run.records.keys()
    for key, each in read.records.items():
        assert each.solved == run.records[key].solved
        assert (each.position, each.themes, each.rating, each.model) == (
            run.records[key].position,
            run.records[key].themes,
            run.records[key].rating,
            "v1",
        )
    assert read.planned == run.planned == {"move": 30}
    assert {name: read.manifest[name] for name in FACTS} == FACTS
    assert read.manifest["tried"] == 3
    assert "secret" not in path.read_text()
    assert "host" not in path.read_text()


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            record,
            st.sampled_from([each for each in Outcome if each is not Outcome.UNANSWERED]),
            st.integers(0, 60),
            move=st.none() | st.text(max_size=5),
            themes=st.lists(st.text(max_size=5), max_size=2).map(tuple),
            checks=st.dictionaries(
                st.text(max_size=3), st.none() | st.booleans() | st.floats(allow_nan=False)
            ),
            detail=st.text(max_size=5),
        ),
        max_size=8,
        unique_by=lambda each: each.case,
    )
)
def test_any_record_survives(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    path = tmp_path_factory.mktemp("blessed") / "any.jsonl"
    manifest = {"planned": {"move": len(records)}}
    bless(
        StoredRun(path.parent, manifest, {each.case: each for each in records}, {"move": len(records)}), path
    )
    read = read_baseline(path)
    assert [(r.case, r.outcome, r.move, r.themes) for r in sorted(records, key=lambda each: each.case)] == [
        (r.case, r.outcome, r.move, r.themes) for r in read.records.values()
    ]
    for each in records:
        kept = {name: value for name, value in each.checks.items() if isinstance(value, bool)}
        assert read.records[each.case].checks == kept


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "an outcome": (
        lambda lines: [lines[0], lines[1].replace("solved", "missed"), *lines[2:]],
        "was changed after",
    ),
    "half of it": (lambda lines: lines[:15], "was changed after"),
    "no case": (lambda lines: lines[:1], "was changed after"),
    "one case twice": (lambda lines: [*lines, lines[-1]], "v1.jsonl:32: a second verdict"),
    "a torn line": (lambda lines: [*lines[:-1], lines[-1][:20]], "v1.jsonl:31: no whole verdict"),
    "how it was sampled": (
        lambda lines: [lines[0].replace('"temperature": 0', '"temperature": 1'), *lines[1:]],
        "was changed after",
    ),
    "how many were tried": (
        lambda lines: [lines[0].replace('"tried": 3', '"tried": 1'), *lines[1:]],
        "was changed after",
    ),
    "no first line": (lambda lines: lines[1:], "v1.jsonl:1: not the first line of a blessed run"),
    "order": (lambda lines: [lines[0], *reversed(lines[1:])], "was changed after"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_blessed_run_that_was_edited_by_hand_is_refused(path: Path, change: str) -> None:
    edit, reason = CHANGES[change]
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    with pytest.raises(RunError, match=reason):
        read_baseline(path)


@pytest.mark.parametrize("value", [None, 5, "x", [], {"move": 5}])
@pytest.mark.parametrize("name", ["asking", "identities", "puzzles", "compared", "models", "sampling"])
def test_a_first_line_of_anything_else_is_unfit_or_as_if_it_said_nothing(
    tmp_path: Path, name: str, value: Any
) -> None:
    """No traceback, and nothing but what is not compared may differ."""
    run = read_run(write_run(tmp_path / "v1", {1}, **MODELS))
    odd = StoredRun(run.folder, {**run.manifest, name: value}, run.records, run.planned)
    found, _ = baseline_for("v1", odd, run, ["move"], {})
    assert bool(found.unfit) == (name in ("asking", "sampling"))
    gate = Gate(name="g", task="move", not_worse_than=0.05)
    assert plan_lines([gate], planned(list(run.records.values())), [Rival("v1", odd)])


def test_line_ends_of_another_system_change_nothing(path: Path) -> None:
    """git may check text files out with them."""
    before = read_baseline(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_baseline(path).records == before.records


def test_a_baseline_is_found_by_its_name_or_its_path(path: Path, tmp_path: Path) -> None:
    folder = path.parent
    assert find_baseline("v1", folder) == ("v1", path)
    assert find_baseline(str(path), folder) == ("v1", path)
    assert find_baseline(str(tmp_path / "run"), folder) == ("run", tmp_path / "run")
    with pytest.raises(RunError, match="no baseline 'v2': stored are v1; give one of them"):
        find_baseline("v2", folder)
    with pytest.raises(RunError, match="stored are none"):
        find_baseline("v2", tmp_path / "nowhere")


@pytest.mark.parametrize("value", ["../v1", "a/b", "", ".", "..", ".hidden", "a b", "-v"])
def test_a_name_leads_nowhere_else(value: str, tmp_path: Path) -> None:
    assert place_of(value, tmp_path) is None
    assert place_of("pawn-move@1.2_x", tmp_path) == tmp_path / "pawn-move@1.2_x.jsonl"


def result(name: str, verdict: Decision) -> GateResult:
    return GateResult(name, verdict, f"{name} says why")


@pytest.mark.parametrize(
    ("status", "results", "why"),
    [
        ("finished", [result("complete", Decision.PASS), result("solved", Decision.FAIL)], None),
        ("finished", [result("complete", Decision.PASS), result("g", Decision.INCONCLUSIVE)], None),
        ("interrupted", [result("complete", Decision.PASS)], "the run is 'interrupted', not finished"),
        ("incomplete", [result("complete", Decision.PASS)], "the run is 'incomplete', not finished"),
        ("finished", [result("complete", Decision.INCONCLUSIVE)], "complete says why"),
        (
            "finished",
            [result("complete", Decision.PASS), result("errors", Decision.INCONCLUSIVE)],
            "errors says why",
        ),
        ("finished", [], "nothing was asked"),
    ],
)
def test_only_a_whole_run_is_blessed(status: str, results: list[GateResult], why: str | None) -> None:
    assert why_not_blessed(status, results) == why


# --- what a baseline is worth for one run ---


def test_a_baseline_is_unfit_for_the_tasks_that_were_asked_differently_only(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "v1", {1}, **MODELS))
    fewer = StoredRun(run.folder, run.manifest, dict(list(run.records.items())[:50]), run.planned)
    assert baseline_for("v1", run, run, ["move"], {})[0].unfit == {}
    assert "differ in 50 cases" in baseline_for("v1", run, fewer, ["move"], {})[0].unfit["move"]
    found, _ = baseline_for("v1", run, run, ["move", "line"], {"line": "cannot think"})
    assert found.unfit == {"line": "cannot think"}
    line = {each.case: each for each in (record(task="line", number=n) for n in range(3))}
    more = StoredRun(run.folder, run.manifest, {**run.records, **line}, run.planned)
    found, _ = baseline_for("v1", run, more, ["move", "line"], {})
    assert found.unfit.keys() == {"line"}


@pytest.mark.parametrize("name", ["sampling", "grading", "asking"])
def test_a_baseline_that_does_not_say_how_it_was_made_is_unfit(tmp_path: Path, name: str) -> None:
    run = read_run(write_run(tmp_path / "v1", {1}))
    manifest = {key: value for key, value in run.manifest.items() if key != name}
    silent = StoredRun(run.folder, manifest, run.records, run.planned)
    assert f"does not say '{name}'" in baseline_for("v1", silent, run, ["move"], {})[0].unfit["move"]
    other = StoredRun(run.folder, {**run.manifest, name: {"other": 1}}, run.records, run.planned)
    assert f"differ in '{name}'" in baseline_for("v1", other, run, ["move"], {})[0].unfit["move"]


@pytest.mark.parametrize(("identity", "same"), [("abc", True), ("def", False)])
def test_two_runs_of_one_adapter_are_said_to_be(tmp_path: Path, identity: str, same: bool) -> None:
    run = read_run(write_run(tmp_path / "v1", {1}, **MODELS, identities={"v1": "abc"}))
    other = StoredRun(run.folder, {**run.manifest, "identities": {"v1": identity}}, run.records, run.planned)
    _, notes = baseline_for("v1", run, other, ["move"], {})
    assert (notes == ["v1: the candidate and the baseline are the same adapter"]) is same


@pytest.mark.parametrize(
    ("lost", "gained", "stale"), [(0, 0, False), (7, 0, False), (8, 0, True), (0, 8, True), (20, 20, False)]
)
def test_flips_that_are_more_than_chance_make_a_baseline_stale(
    tmp_path: Path, lost: int, gained: int, stale: bool
) -> None:
    """Two-sided McNemar below 1%: of 8 flips all one way, p = 0.0078. Flips that balance are noise."""
    before = read_run(write_run(tmp_path / "v1", set(range(50))))
    again = read_run(write_run(tmp_path / "again", set(range(lost, 50 + gained))))
    line, why = recheck_line("v1", before, again)
    assert (why is not None) is stale
    assert f"{gained} gained and {lost} lost" in line
    if why is not None:
        assert "bless it again" in why


def test_a_recheck_without_all_its_answers_is_none(tmp_path: Path) -> None:
    before = read_run(write_run(tmp_path / "v1", set(range(50))))
    records = {**before.records, "move:s/0": record(Outcome.UNANSWERED, 0)}
    for again in (
        StoredRun(before.folder, {}, records, before.planned),
        StoredRun(before.folder, {}, {}, before.planned),
        StoredRun(before.folder, {}, before.records, {"move": 101}),
    ):
        line, why = recheck_line("v1", before, again)
        assert "was not checked" in line
        assert why is None


def test_the_first_line_is_json_with_sorted_keys(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first == json.dumps(json.loads(first), sort_keys=True)
