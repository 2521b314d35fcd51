"""Two runs side by side: what is counted, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chess
import pytest

from evals.__main__ import main
from evals.puzzles.puzzle import Puzzle
from evals.results.comparison import CompareError, compare, read_run
from evals.results.run import Run
from evals.words import Case, Outcome, Record, Verdict


def write_run(folder: Path, solved: set[int], *, cases: int = 100, **manifest: Any) -> Path:
    run = Run(folder)
    for number in range(cases):
        puzzle = Puzzle(f"p{number}", chess.STARTING_FEN, ("e2e4", "e7e5"), 1500, set="mates")
        outcome = Outcome.SOLVED if number in solved else Outcome.MISSED
        run.add_verdict(Record.of(Case("move", puzzle), Verdict(outcome), folder.name))
    facts: dict[str, Any] = {
        "models": {"move": {"id": folder.name}},
        "asking": {"notation": "uci"},
        "sampling": {"temperature": 0},
        "puzzles": {"digest": "d"},
    }
    run.close(manifest.pop("status", "finished"), **(facts | manifest))
    return folder


def test_gains_and_losses_are_counted_case_by_case(tmp_path: Path) -> None:
    baseline = write_run(tmp_path / "v1", set(range(40)))
    candidate = write_run(tmp_path / "v2", set(range(10, 70)))
    lines = compare(read_run(baseline), read_run(candidate))
    assert lines[0] == "baseline   v1"
    cells = lines[-1].split()
    assert cells[:7] == ["move", "mates", "100", "40.0%", "60.0%", "30", "10"]
    # Exact McNemar of 30 against 10: twice the chance of at most 10 heads in 40 tosses.
    assert float(cells[-2]) == pytest.approx(0.0022, abs=5e-5)


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"sampling": {"temperature": 1}}, "differ in 'sampling'"),
        ({"asking": {"notation": "san"}}, "differ in 'asking'"),
        ({"puzzles": {"digest": "e"}}, "not the same positions"),
        ({"cases": 99}, "differ in 1 cases"),
        ({"status": "interrupted"}, "is 'interrupted', not finished"),
    ],
)
def test_what_was_asked_differently_is_not_compared(
    tmp_path: Path, difference: dict[str, Any], message: str
) -> None:
    baseline = write_run(tmp_path / "v1", {1})
    candidate = write_run(tmp_path / "v2", {1}, **difference)
    with pytest.raises(CompareError, match=message):
        compare(read_run(baseline), read_run(candidate))


def test_the_command_prints_or_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = write_run(tmp_path / "v1", {1})
    assert main(["compare", str(baseline), str(baseline)]) == 0
    assert "candidate  v1" in capsys.readouterr().out
    assert main(["compare", str(baseline), str(tmp_path / "none")]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_an_unanswered_case_is_no_pair(tmp_path: Path) -> None:
    baseline = write_run(tmp_path / "v1", {1})
    lines = (baseline / "verdicts.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"outcome": "unanswered"}
    (baseline / "verdicts.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
    with pytest.raises(CompareError, match=r"1 cases .* unanswered"):
        compare(read_run(baseline), read_run(baseline))
