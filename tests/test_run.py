"""The run's folder: what is in it, when, and that nothing is written twice or lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.results.run import Run, default_folder, git_state, point_latest, write_puzzles
from evals.words import Case, Completion, Outcome, Record, Verdict

PUZZLE = Puzzle("aB1", chess.STARTING_FEN, ("e2e4", "e7e5"), 1234, themes=("mate", "short"), set="mine")
CASE = Case("move", PUZZLE)
MISSED = Verdict(Outcome.MISSED, move="e2e4", solution="e7e5", detail="naïve", checks={"lenient": False})


def test_lines_are_on_disk_as_they_happen(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.add_completion(CASE, 0, Completion(content='{"move": "e2e4"}', model="fallback"), "adapter")
    run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    completion = json.loads((run.folder / "completions.jsonl").read_text())
    verdict = json.loads((run.folder / "verdicts.jsonl").read_text())
    assert completion["case"] == verdict["case"] == "move:mine/aB1"
    assert completion["content"] == '{"move": "e2e4"}'
    assert (completion["asked"], completion["model"]) == ("adapter", "fallback")
    wanted = {"case", "set", "puzzle", "task", "outcome", "move", "solution", "rating", "themes"}
    assert wanted <= verdict.keys()
    assert verdict["outcome"] == "missed"
    assert verdict["themes"] == ["mate", "short"]


def test_a_case_is_counted_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    for _ in range(2):
        run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    run.close("finished")
    manifest = json.loads((run.folder / "run.json").read_text())
    assert manifest["counts"] == {"move": {"missed": 1}}
    assert manifest["status"] == "finished"


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    Run(tmp_path / "run").close("finished")
    with pytest.raises(FileExistsError, match="already holds a run"):
        Run(tmp_path / "run")


def test_a_completion_that_arrives_after_the_end_harms_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.close("interrupted")
    run.add_completion(CASE, 0, Completion(content="late"), "adapter")
    assert (run.folder / "completions.jsonl").read_text() == ""


def test_latest_points_at_the_newest(tmp_path: Path) -> None:
    for model in ("one", "org/two"):
        folder = default_folder(tmp_path, model)
        Run(folder)
        point_latest(folder)
    assert (tmp_path / "runs" / "latest").resolve() == folder
    assert folder.name.endswith("-org-two")


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = set[Path]()
    for _ in range(3):
        folder = default_folder(tmp_path, "m")
        Run(folder)
        folders.add(folder)
    assert len(folders) == 3


def test_puzzles_are_kept_as_lichess_rows_with_their_set(tmp_path: Path) -> None:
    write_puzzles(tmp_path, [PUZZLE])
    with (tmp_path / "puzzles.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["Set"] == "mine"
    assert {name: row[name] for name in PUZZLE.to_row()} == PUZZLE.to_row()


def test_outside_of_git_there_is_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"commit": None, "dirty": None}
