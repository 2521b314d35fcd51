"""Two runs side by side: what is counted, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.__main__ import main
from evals.results.comparable import CompareError, check_asking
from evals.results.comparison import compare, pairs_by_set
from evals.results.run import Run
from evals.results.stored_run import read_run
from evals.statistics.relative import two_sided
from evals.words import Outcome
from tests.records import record

FACTS: dict[str, Any] = {
    "asking": {"notation": "uci"},
    "sampling": {"temperature": 0},
    "grading": 1,
    "puzzles": {"digest": "d"},
}


def write_run(folder: Path, solved: set[int], *, cases: int = 100, samples: int = 1, **manifest: Any) -> Path:
    """A run whose n-th case is case n % samples of puzzle n // samples."""
    run = Run(folder)
    run.save(planned={"move": manifest.pop("planned", cases)})
    for n in range(cases):
        outcome = Outcome.SOLVED if n in solved else Outcome.MISSED
        run.add_verdict(record(outcome, n // samples, sample=n % samples, model=folder.name, set="s"))
    run.close(manifest.pop("status", "finished"), **(FACTS | manifest))
    return folder


def test_gains_and_losses_are_counted_case_by_case(tmp_path: Path) -> None:
    baseline = write_run(tmp_path / "v1", set(range(40)))
    candidate = write_run(tmp_path / "v2", set(range(10, 70)))
    lines = compare(read_run(baseline), read_run(candidate))
    assert lines[:2] == ["baseline   v1", "candidate  v2"]
    assert lines[3].startswith("task  set  cases  positions  baseline  candidate  gained  lost")
    assert lines[4].startswith("move  s      100        100     40.0%      60.0%      30    10")
    cells = lines[-1].split()
    assert cells[:8] == ["move", "s", "100", "100", "40.0%", "60.0%", "30", "10"]
    # Exact McNemar of 30 against 10: twice the chance of at most 10 heads in 40 tosses.
    assert float(cells[-2]) == pytest.approx(0.0022, abs=5e-5)
    assert float(cells[-1]) < float(cells[-2])


def test_samples_of_a_position_are_one_unit(tmp_path: Path) -> None:
    """Audit 4: five samples of each puzzle made an error of the first kind in 20 to 32% of comparisons."""
    solved = {n for n in range(100) if n // 5 < 12}
    gained = {n for n in range(100) if n // 5 < 17}
    baseline = write_run(tmp_path / "v1", solved, samples=5)
    candidate = write_run(tmp_path / "v2", gained, samples=5)
    runs = read_run(baseline), read_run(candidate)
    ((task, name, pairs),) = pairs_by_set(*runs)
    assert (task, name, pairs.n, pairs.cases) == ("move", "s", 20, 100)
    # 25 gains and no loss would be p = 6e-8; five positions with a gain are not.
    assert two_sided(pairs) > 0.01
    cells = compare(*runs)[-1].split()
    assert cells[:8] == ["move", "s", "100", "20", "60.0%", "85.0%", "25", "0"]
    assert cells[-1] == "-"


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"sampling": {"temperature": 1}}, "differ in 'sampling'"),
        ({"asking": {"notation": "san"}}, "differ in 'asking'"),
        ({"puzzles": {"digest": "e"}}, "differ in their puzzles"),
        ({"cases": 99}, "differ in 1 cases"),
        ({"status": "interrupted"}, "is 'interrupted', not finished"),
        ({"planned": 300}, "is 'incomplete', not finished"),
        ({"cases": 0, "planned": 12}, "is 'incomplete', not finished"),
        ({"cases": 0}, "is 'incomplete', not finished"),
    ],
)
def test_what_was_asked_differently_or_in_part_is_not_compared(
    tmp_path: Path, difference: dict[str, Any], message: str
) -> None:
    """Audit 22: 291 of 300 cases judged, or none of 12, were compared without a word."""
    baseline = write_run(tmp_path / "v1", {1})
    candidate = write_run(tmp_path / "v2", {1}, **difference)
    for pair in ((baseline, candidate), (candidate, baseline)):
        with pytest.raises(CompareError, match=message):
            compare(*map(read_run, pair))


def edit(folder: Path, **facts: Any) -> Path:
    """Change the manifest of a run; None removes a key."""
    path = folder / "run.json"
    manifest = json.loads(path.read_text()) | facts
    path.write_text(json.dumps({key: value for key, value in manifest.items() if value is not None}))
    return folder


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"planned": {"move": 300}}, "only 100 of 300 cases of .*v2 are judged"),
        ({"asking": None}, "run.json of .*v2 does not say 'asking'"),
        ({"sampling": None}, "run.json of .*v2 does not say 'sampling'"),
        ({"status": None}, "is 'None', not finished"),
    ],
)
def test_a_finished_run_that_is_not_whole_is_not_compared(
    tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    """Audit 22: the status alone is not believed, and what is not said is not the same."""
    baseline = write_run(tmp_path / "v1", {1})
    candidate = edit(write_run(tmp_path / "v2", {1}), **facts)
    with pytest.raises(CompareError, match=message):
        compare(read_run(baseline), read_run(candidate))
    with pytest.raises(CompareError, match=message):
        compare(read_run(candidate), read_run(candidate))


def test_runs_that_do_not_name_their_puzzles_are_compared_by_their_positions(tmp_path: Path) -> None:
    """Audit 16: a manifest without `puzzles` was a traceback."""
    baseline = edit(write_run(tmp_path / "v1", {1}), puzzles=None)
    candidate = write_run(tmp_path / "v2", {1})
    assert compare(read_run(baseline), read_run(candidate))
    lines = (candidate / "verdicts.jsonl").read_text().splitlines()
    lines[7] = json.dumps(json.loads(lines[7]) | {"position": "another"})
    (candidate / "verdicts.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(CompareError, match=r"differ in the position of move:s/7"):
        compare(read_run(baseline), read_run(candidate))


def test_an_unanswered_case_is_no_pair(tmp_path: Path) -> None:
    baseline = write_run(tmp_path / "v1", {1})
    lines = (baseline / "verdicts.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"outcome": "unanswered"}
    (baseline / "verdicts.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
    with pytest.raises(CompareError, match=r"1 cases .* unanswered"):
        compare(read_run(baseline), read_run(baseline))


def test_a_table_holds_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    """Audit 26: sets and model ids are text of files and servers."""
    run = Run(tmp_path / "run")
    run.add_verdict(record(set="\x1b[2J", model="::error::m\x07"))
    run.close("finished", **FACTS)
    lines = compare(read_run(run.folder), read_run(run.folder))
    assert all(line.isprintable() for line in lines)


# --- formats ---


def asking(name: str, digest: str, own: bool, **more: Any) -> dict[str, Any]:
    formats = {
        "move": {"name": name, "questions": {"move": digest}, "schema": f"of {digest}", "own": own},
        "line": {"name": "x", "questions": {"line": name}, "schema": "x", "own": False},
    }
    return {"constrain": "schema", "formats": formats, **more}


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (asking("a", "1", True), asking("a", "1", True), None),
        (asking("a", "1", False), asking("b", "1", True), None),
        (asking("a", "1", True), asking("b", "2", False), "the formats of move, 'a' and 'b', and not both"),
        (asking("a", "1", False), asking("b", "2", True), "the formats of move, 'a' and 'b', and not both"),
        (asking("a", "1", False), asking("b", "2", False), "the formats of move, 'a' and 'b', and not both"),
        (asking("a", "1", False), {"constrain": "schema"}, "the formats of move, 'a' and 'None'"),
        (asking("a", "1", True), asking("a", "1", True, constrain="none"), r"\(constrain"),
        (asking("a", "1", True), asking("b", "2", True, constrain="none"), r"\(constrain"),
        (asking("a", "1", True, sections="s"), asking("a", "1", True), r"\(sections"),
    ],
)
def test_only_formats_that_are_the_adapters_own_may_differ(one: Any, other: Any, reason: str | None) -> None:
    for pair in ((one, other), (other, one)):
        if reason is None:
            assert check_asking(*pair, ["move"]) == []
            continue
        with pytest.raises(CompareError, match=reason if pair[0] is one else "differ in 'asking'"):
            check_asking(*pair, ["move"])


def test_two_formats_that_are_each_their_adapters_own_are_compared_and_said(tmp_path: Path) -> None:
    baseline = write_run(tmp_path / "v1", {1}, asking=asking("a", "1", True))
    candidate = write_run(tmp_path / "v2", {1}, asking=asking("b", "2", True))
    said = compare(read_run(baseline), read_run(candidate))
    assert "note       move is asked of each in its own format: 'a' and 'b'" in said


# --- the verdict ---


@pytest.mark.parametrize(
    ("solved", "arguments", "status", "verdict"),
    [
        (range(100, 250), [], 0, "PASS"),
        (range(100, 250), ["--margin", "0.001"], 6, "INCONCLUSIVE"),
        (range(100, 250), ["--better"], 6, "INCONCLUSIVE"),
        (range(100, 290), ["--better"], 0, "PASS"),
        (range(100, 180), [], 1, "FAIL"),
        (range(100, 180), ["--better"], 1, "FAIL"),
    ],
)
def test_a_comparison_ends_with_a_verdict_and_its_exit_status(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    solved: range,
    arguments: list[str],
    status: int,
    verdict: str,
) -> None:
    baseline = write_run(tmp_path / "v1", set(range(110, 260)), cases=600)
    candidate = write_run(tmp_path / "v2", set(solved), cases=600)
    assert main(["compare", str(baseline), str(candidate), *arguments]) == status
    assert capsys.readouterr().out.splitlines()[-1] == f"verdict  {verdict}"


def test_cases_that_went_differently_are_listed_both_ways_up_to_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = write_run(tmp_path / "v1", {1, 2, 3})
    candidate = write_run(tmp_path / "v2", {3, 4})
    main(["compare", str(baseline), str(candidate), "--flips", "1"])
    flips = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("gained", "lost"))]
    assert flips == [
        "gained  move:s/4  missed e2e4 -> solved e2e4",
        "lost    move:s/1  solved e2e4 -> missed e2e4",
        "lost    1 more",
    ]
    main(["compare", str(baseline), str(candidate), "--flips", "0"])
    assert "lost    2\n" in capsys.readouterr().out


def test_a_comparison_shows_rating_bands_and_themes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, solved in (("v1", 60), ("v2", 40)):
        run = Run(tmp_path / name)
        for n in range(80):
            outcome = Outcome.SOLVED if n < solved else Outcome.MISSED
            theme = "fork" if n < 60 else "pin"
            run.add_verdict(record(outcome, n, model=name, themes=(theme,), rating=1000 + 200 * (n % 2)))
        run.close("finished", **FACTS)
    assert main(["compare", str(tmp_path / "v1"), str(tmp_path / "v2")]) == 1
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("move ")]
    found = {" ".join(row[1:3]): row[3:] for row in rows}
    assert found["theme fork"][:2] == ["60", "-33.3"]
    assert found["theme fork"][-3] == "worse"
    assert found["theme pin"][:2] == ["20", "+0.0"]
    assert found["rating 1000-1199"][:2] == found["rating 1200-1399"][:2] == ["40", "-25.0"]


# --- the commands ---


def test_the_command_prints_or_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = write_run(tmp_path / "v1", {1})
    assert main(["compare", str(baseline), str(baseline)]) == 0
    assert "candidate  v1" in capsys.readouterr().out
    assert main(["compare", str(baseline), str(tmp_path / "none")]) == 2
    assert "none is not a run: run.json cannot be read: No such file" in capsys.readouterr().err


def test_the_command_names_a_torn_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Audit 16: file and line number."""
    baseline = write_run(tmp_path / "v1", {1})
    with (baseline / "verdicts.jsonl").open("a") as file:
        file.write('{"case": "move:s/')
    assert main(["compare", str(baseline), str(baseline)]) == 2
    said = capsys.readouterr().err
    assert f"{baseline}/verdicts.jsonl:101: no whole verdict" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["compair"], "invalid choice: 'compair'"),
        (["compare", "one"], "the following arguments are required: CANDIDATE"),
        (["compare", "a", "b", "--margin", "5"], "as in 0.05: for 5% say 0.05"),
        (["compare", "a", "b", "--margin", "nan"], "must be a share above 0 and below 1"),
        (["compare", "a", "b", "--margin", "0.1", "--better"], "not allowed with argument --margin"),
        (["compare", "a", "b", "--flips", "-1"], "must be a whole number from 0"),
        (["replay"], "the following arguments are required: RUN"),
        (["replay", "no-such-run"], "no-such-run is not a run"),
        (["compare", "a", "b", "--fast"], "unrecognized arguments: --fast"),
        (["compare", "a", "b", "\x1b[2J"], r"unrecognized arguments: \x1b[2J"),
        (["diff-format", "no-such-model", "x"], "no format snapshot of 'no-such-model'"),
        (["diff-format", "\x1b[2J", "x"], r"no format snapshot of '\x1b[2J'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audit 16: argparse printed its usage first."""
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr().err
    assert status == 2
    assert message in said
    assert said.startswith("python -m evals")
    assert said.removesuffix("\n").isprintable()
