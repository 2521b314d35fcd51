"""The run's folder: what is in it, when, that nothing is written twice or lost, and that it is read back."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.results.run import Run, default_folder, git_state, point_latest, write_puzzles
from evals.results.stored_run import RunError, read_run
from evals.words import Case, Completion, Outcome, Record, Verdict
from tests.records import record

PUZZLE = Puzzle("aB1", chess.STARTING_FEN, ("e2e4", "e7e5"), 1234, themes=("mate", "short"), set="mine")
CASE = Case("move", PUZZLE)
MISSED = Verdict(Outcome.MISSED, move="e2e4", solution="e7e5", detail="naïve", checks={"lenient": False})


def manifest(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "run.json").read_text(encoding="utf-8"))


def test_lines_are_on_disk_as_they_happen(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.add_completion(CASE, 0, Completion(content='{"move": "e2e4"}', model="fallback"), "adapter")
    run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    completion = json.loads((run.folder / "completions.jsonl").read_text())
    verdict = json.loads((run.folder / "verdicts.jsonl").read_text())
    assert completion["case"] == verdict["case"] == "move:mine/aB1"
    assert completion["content"] == '{"move": "e2e4"}'
    assert (completion["asked"], completion["model"]) == ("adapter", "fallback")
    wanted = {"case", "set", "puzzle", "task", "outcome", "move", "solution", "rating", "themes", "position"}
    assert wanted <= verdict.keys()
    assert verdict["outcome"] == "missed"
    assert verdict["themes"] == ["mate", "short"]
    assert manifest(run)["status"] == "running"


def test_a_case_is_counted_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    for _ in range(2):
        run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    run.close("finished")
    assert manifest(run)["counts"] == {"move": {"missed": 1}}
    assert manifest(run)["status"] == "finished"
    assert len((run.folder / "verdicts.jsonl").read_text().splitlines()) == 1


# --- a folder belongs to one session ---


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    Run(tmp_path / "run").close("finished")
    with pytest.raises(FileExistsError, match="already holds a run"):
        Run(tmp_path / "run")


def test_a_folder_is_taken_before_anything_is_asked(tmp_path: Path) -> None:
    """Audit 23: run.json was written after preflight, and until then a second session could join in."""
    run = Run(tmp_path / "run")
    with pytest.raises(FileExistsError, match="already holds a run: give another --run-dir"):
        Run(tmp_path / "run")
    run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    assert len((run.folder / "verdicts.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", ["run.json", "completions.jsonl", "verdicts.jsonl"])
def test_what_an_earlier_session_left_is_not_added_to(tmp_path: Path, name: str) -> None:
    """Audit 23: a session that was killed early left its lines, but no run.json."""
    (tmp_path / name).write_text("")
    with pytest.raises(FileExistsError, match="already holds a run"):
        Run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_only_one_of_many_sessions_gets_the_folder(tmp_path: Path) -> None:
    """Audit 23: whoever makes run.json has it."""
    got: list[str] = []
    start = threading.Barrier(16)

    def claim() -> None:
        start.wait()
        try:
            Run(tmp_path / "run").close("finished")
        except FileExistsError:
            got.append("refused")
        else:
            got.append("run")

    threads = [threading.Thread(target=claim) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["refused"] * 15 + ["run"]


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    """Audit 16: `--run-dir` an existing file."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="file is a file: give a folder as --run-dir"):
        Run(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_default_folders_are_made_and_never_the_same(tmp_path: Path) -> None:
    """Audit 23: the name of the default folder had the same race."""
    folders: list[Path] = []
    start = threading.Barrier(16)

    def make() -> None:
        start.wait()
        folders.append(default_folder(tmp_path, "m"))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 16
    assert all(folder.is_dir() and not list(folder.iterdir()) for folder in folders)
    Run(folders[0])


@pytest.mark.parametrize(
    ("model", "ending"),
    [
        ("org/two", "-org-two"),
        ("../..", ""),
        ("", ""),
        ("\ud800\x1b", ""),
        ("m" * 1000, "-" + "m" * 100),
    ],
)
def test_any_model_id_gives_a_folder_below_runs(tmp_path: Path, model: str, ending: str) -> None:
    folder = default_folder(tmp_path, model)
    assert folder.parent == tmp_path / "runs"
    assert folder.name[len("20260101-000000") :] == ending


def test_latest_points_at_the_newest(tmp_path: Path) -> None:
    folder = tmp_path
    for model in ("one", "org/two"):
        folder = default_folder(tmp_path, model)
        point_latest(folder)
    assert (tmp_path / "runs" / "latest").resolve() == folder


def test_a_folder_called_latest_ends_no_session(tmp_path: Path) -> None:
    folder = default_folder(tmp_path, "m")
    (tmp_path / "runs" / "latest").mkdir()
    (tmp_path / "runs" / "latest" / "mine").touch()
    point_latest(folder)
    assert (tmp_path / "runs" / "latest" / "mine").exists()


# --- how a run ends ---


@pytest.mark.parametrize(
    ("planned", "judged", "status"),
    [
        ({"move": 1}, 1, "finished"),
        ({}, 1, "finished"),
        ({"move": 12}, 0, "incomplete"),
        ({"move": 12}, 11, "incomplete"),
        # As many verdicts as cases, but not of each task.
        ({"move": 3, "line": 1}, 4, "incomplete"),
        ({}, 0, "incomplete"),
    ],
)
def test_a_run_that_did_not_judge_what_it_planned_is_not_finished(
    tmp_path: Path, planned: dict[str, int], judged: int, status: str
) -> None:
    """Audit 22: a run with 0 of 12 cases judged was "finished"."""
    run = Run(tmp_path / "run")
    run.save(planned=planned)
    for number in range(judged):
        run.add_verdict(record(number=number))
    run.close("finished")
    assert manifest(run)["status"] == status


def test_a_session_that_was_cut_short_says_how(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.close("interrupted")
    assert manifest(run)["status"] == "interrupted"


def test_what_arrives_after_the_end_harms_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.close("interrupted")
    run.add_completion(CASE, 0, Completion(content="late"), "adapter")
    run.add_verdict(Record.of(CASE, MISSED, "adapter"))
    assert (run.folder / "completions.jsonl").read_text() == ""
    assert (run.folder / "verdicts.jsonl").read_text() == ""


# --- any text can be stored ---


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def test_a_number_that_is_none_is_stored_as_null(tmp_path: Path) -> None:
    """Audit 30: NaN in `usage` made completions.jsonl a file that is not JSON."""
    run = Run(tmp_path / "run")
    odd: Any = math.nan
    run.add_completion(CASE, 0, Completion(prompt_tokens=odd, latency=math.inf), "adapter")
    run.save(preflight=[{"difference": -math.inf}])
    run.close("finished")
    line = (run.folder / "completions.jsonl").read_text()
    stored = json.loads(line, parse_constant=no_constant)
    assert (stored["prompt_tokens"], stored["latency"]) == (None, None)
    text = (run.folder / "run.json").read_text()
    assert json.loads(text, parse_constant=no_constant)["preflight"] == [{"difference": None}]


def test_lone_surrogates_can_be_stored_anywhere(tmp_path: Path) -> None:
    """Audit 24: in an error message, a heading or a model id they lost verdicts."""
    odd = "a\ud800b"
    case = Case("move", replace(PUZZLE, id=odd, set=odd, themes=(odd,)))
    run = Run(tmp_path / "run")
    run.add_completion(case, 0, Completion(content=odd, error=odd, model=odd), odd)
    judged = Record.of(case, Verdict(Outcome.MISSED, odd, odd, odd, {"heading": odd}), odd)
    assert judged.case == case.key
    run.add_verdict(replace(judged, model=odd))
    run.close("finished", models={odd: odd})
    assert read_run(run.folder).records[case.key].checks == {"heading": "a\\ud800b"}
    assert json.loads((run.folder / "completions.jsonl").read_text())["content"] == "a\\ud800b"


def test_a_rating_of_any_size_can_be_stored(tmp_path: Path) -> None:
    """Audit 29: no rating ends a session."""
    for number, rating in enumerate((-(10**20), 10**6, 10**400)):
        run = Run(tmp_path / str(number))
        run.add_verdict(record(rating=rating))
        run.close("finished")
        assert [each.rating for each in read_run(run.folder).records.values()] == [rating]


# --- who answered ---


def test_answers_of_other_models_than_the_one_asked_are_counted(tmp_path: Path) -> None:
    """Audit 30: a gateway that fell back to another model was invisible."""
    run = Run(tmp_path / "run")
    for who in ("adapter", None, "other", "other", "third"):
        run.add_completion(CASE, 0, Completion(content="{}", model=who), "adapter")
    run.close("finished")
    assert manifest(run)["answered_by"] == {"adapter": {"other": 2, "third": 1}}
    line = json.loads((run.folder / "completions.jsonl").read_text().splitlines()[2])
    assert (line["asked"], line["model"]) == ("adapter", "other")


def test_a_run_whose_answers_are_all_of_the_model_that_was_asked_says_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.add_completion(CASE, 0, Completion(content="{}", model="adapter"), "adapter")
    run.close("finished")
    assert "answered_by" not in manifest(run)


# --- reading it back ---


def test_a_run_is_read_back_as_it_was_judged(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    judged = [
        record("solved" if n % 2 else "missed", n, model="m", detail="\u2028 \x85 \x1c") for n in range(5)
    ]
    for each in judged:
        run.add_verdict(each)
    run.close("finished", planned={"move": 5})
    stored = read_run(run.folder)
    assert list(stored.records.values()) == judged
    assert (stored.models, stored.unjudged, stored.manifest["status"]) == ("m", 0, "finished")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", b"{", "run.json is not JSON"),
        ("run.json", b"\xff{}", "run.json is not JSON"),
        ("run.json", b"[" * 100_000, "run.json is not JSON"),
        ("run.json", b"[]", "run.json is not the manifest of a run"),
        ("run.json", b'{"planned": {"move": "many"}}', "run.json is not the manifest of a run"),
        ("verdicts.jsonl", b"{}\n", "verdicts.jsonl:1: no whole verdict"),
        ("verdicts.jsonl", b"\n\n[1]\n", "verdicts.jsonl:3: no whole verdict"),
        ("verdicts.jsonl", b"\xff\n", "verdicts.jsonl:1: no whole verdict"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """Audit 16: a traceback, or no line."""
    run = Run(tmp_path / "run")
    run.close("finished")
    (run.folder / name).write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_run(run.folder)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_two_verdicts_on_one_case_are_two_sessions_in_one_folder(tmp_path: Path) -> None:
    """Audit 23: mixed runs of before are not read as one."""
    run = Run(tmp_path / "run")
    run.add_verdict(record())
    run.close("finished")
    with (run.folder / "verdicts.jsonl").open("a") as file:
        file.write(record("missed").to_json() + "\n")
    with pytest.raises(RunError, match=r"verdicts\.jsonl:2: a second verdict on move:s/0"):
        read_run(run.folder)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none is not a run: run\.json cannot be read: No such file"):
        read_run(tmp_path / "none")


# --- beside the lines ---


def test_puzzles_are_kept_as_lichess_rows_with_their_set(tmp_path: Path) -> None:
    write_puzzles(tmp_path, [PUZZLE])
    with (tmp_path / "puzzles.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["Set"] == "mine"
    assert {name: row[name] for name in PUZZLE.to_row()} == PUZZLE.to_row()


def test_outside_of_git_there_is_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"commit": None, "dirty": None}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")
def test_a_checkout_has_a_commit_and_is_dirty_once_changed(tmp_path: Path) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    state = git_state(tmp_path)
    assert len(str(state["commit"])) == 40
    assert state["dirty"] is False
    (tmp_path / "new").touch()
    assert git_state(tmp_path) == {"commit": state["commit"], "dirty": True}
