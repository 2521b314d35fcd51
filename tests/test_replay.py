"""A stored run judged again, without a server: `python -m evals replay`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from evals.puzzles.puzzle import Puzzle, mirror
from evals.results.replay import read_puzzles
from evals.results.run import write_puzzles
from tests.commands import run_module
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.sessions import Ended, Evaluate, N, Player, every_third

pytestmark = pytest.mark.slow  # whole sessions by the dozen

WRONG = '{"move": "e1e2"}'
NOT_WORSE = '[[gate]]\nname = "not-worse"\ntask = "move"\nnot_worse_than = 0.2\n'


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("original")
    with Loopback(Player(every_third(WRONG))) as server:
        return Evaluate(folder, write_mates(folder / "mates.csv", N))(server, least=0.3)


@pytest.fixture
def stored(original: Ended, tmp_path: Path) -> Ended:
    """A run in which 16 of 24 cases are solved."""
    shutil.copytree(original.folder, tmp_path / "stored")
    return Ended(original.status, original.output, tmp_path / "stored")


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("evals", "replay", str(folder), *arguments)


def gates(folder: Path, least: float) -> str:
    path = folder / "other.toml"
    path.write_text(f'[[gate]]\nname = "solved"\ntask = "move"\nrate = "solved"\nat_least = {least}\n')
    return str(path)


def edit(path: Path, **facts: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def test_a_run_that_is_judged_again_by_the_same_rules_is_the_same(stored: Ended) -> None:
    before = {path.name: path.read_bytes() for path in stored.folder.iterdir() if path.is_file()}
    done = replay(stored.folder)
    assert done.returncode == stored.status == 0, done.stdout + done.stderr
    assert "changed  0 of 24 cases are judged otherwise than they were" in done.stdout
    assert "PASS          solved: move solved must be at least 30.0%; seen 66.7%" in done.stdout
    assert done.stdout.splitlines()[-1] == "verdict  promote, on move alone"
    assert {path.name: path.read_bytes() for path in stored.folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(("least", "status", "changed"), [(0.95, 1, "FAIL"), (0.6, 6, "INCONCLUSIVE")])
def test_other_gates_judge_the_same_answers(
    stored: Ended, tmp_path: Path, least: float, status: int, changed: str
) -> None:
    done = replay(stored.folder, "--gates", gates(tmp_path, least))
    assert done.returncode == status
    assert f"changed  gate solved: PASS -> {changed}" in done.stdout


def test_verdicts_come_from_the_completions_alone(stored: Ended) -> None:
    """A verdict that was edited by hand is found and does not count."""
    path = stored.folder / "verdicts.jsonl"
    path.write_text(path.read_text().replace('"missed"', '"solved"'))
    done = replay(stored.folder)
    assert "changed  8 of 24 cases are judged otherwise than they were" in done.stdout
    assert "move:mates/p000  solved e1e2 -> missed e1e2" in done.stdout
    assert "seen 66.7%" in done.stdout


def test_a_run_that_was_asked_otherwise_than_the_options_say_is_refused(stored: Ended) -> None:
    done = replay(stored.folder, "--constrain", "none")
    assert done.returncode == 2
    assert "was not asked as these options ask: the runs differ in 'asking'" in done.stderr
    edit(stored.folder / "run.json", asking=None)
    assert "do not both say how they were asked" in replay(stored.folder).stderr


def test_what_is_missing_passes_nothing(stored: Ended) -> None:
    path = stored.folder / "completions.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    done = replay(stored.folder, "--inconclusive", "pass")
    assert done.returncode == 1
    assert "1 planned cases have no completion, so nothing can pass" in done.stdout


@pytest.mark.parametrize("status", ["interrupted", "running", "stopped early"])
def test_a_run_that_did_not_finish_passes_nothing_and_may_end_in_half_a_line(
    stored: Ended, status: str
) -> None:
    edit(stored.folder / "run.json", status=status)
    with (stored.folder / "completions.jsonl").open("a") as file:
        file.write('{"case": "move:ma')
    done = replay(stored.folder)
    assert done.returncode == 1
    assert f"the run is '{status}', not finished" in done.stdout


def test_an_answer_that_never_came_is_unanswered_again(evaluate: Evaluate) -> None:
    with Loopback(Player(every_third(web.json_response({}, status=400)))) as server:
        ended = evaluate(server, least=0.1)
    done = replay(ended.folder)
    assert done.returncode == 1
    assert "8 unanswered, so nothing can pass" in done.stdout
    assert "changed  0 of 24" in done.stdout


Damage = tuple[str, Callable[[str], str] | None, str]
DAMAGED: list[Damage] = [
    ("completions.jsonl", lambda text: text + "{}\n", ":25: no whole completion"),
    ("completions.jsonl", lambda text: text + text.splitlines()[0] + "\n", ":25: no whole completion"),
    ("completions.jsonl", lambda text: text.replace("mates/p001", "mates/p999"), "but no puzzle"),
    ("completions.jsonl", None, "completions.jsonl cannot be read"),
    ("puzzles.csv", None, "puzzles.csv cannot be read"),
    ("puzzles.csv", lambda text: text.replace("d1d8", "d1a7"), "puzzles.csv: puzzle"),
    ("puzzles.csv", lambda text: text.splitlines()[0] + "\n", "has no puzzle"),
    ("run.json", None, "is not a run"),
]


@pytest.mark.parametrize(("name", "change", "message"), DAMAGED)
def test_a_damaged_run_is_one_sentence(
    stored: Ended, name: str, change: Callable[[str], str] | None, message: str
) -> None:
    path = stored.folder / name
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    done = replay(stored.folder)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_test_that_failed_in_the_run_still_counts(evaluate: Evaluate, tmp_path: Path) -> None:
    mine = tmp_path / "test_mine.py"
    mine.write_text("def test_it(): assert False\n")
    with Loopback(Player()) as server:
        ended = evaluate(server, "-m", "move or not cases", "evals/test_moves.py", str(mine))
    done = replay(ended.folder)
    assert done.returncode == 1
    assert "test_it (in the run itself)" in done.stdout


def test_mirrored_copies_and_samples_are_found_again(evaluate: Evaluate) -> None:
    with Loopback(Player()) as server:
        ended = evaluate(server, "--mirror", "--samples", "2", "--temperature", "0.5", "--limit", "5")
    done = replay(ended.folder, "--gates", gates(evaluate.tmp_path, 0.3))
    assert "complete: 20 of 20 cases answered and judged" in done.stdout
    assert "changed  0 of 20" in done.stdout


def test_puzzles_that_show_the_solvers_position_and_have_no_rating_are_read_again(tmp_path: Path) -> None:
    puzzle = Puzzle(
        "p1", "6k1/5ppp/8/8/8/8/r4PPP/3R2K1 w - - 0 1", ("d1d8",), 0, set="s", convention="solver"
    )
    write_puzzles(tmp_path, [puzzle, mirror(puzzle)])
    found = read_puzzles(tmp_path)
    assert found == [puzzle, mirror(puzzle)]
    assert [each.convention for each in found] == ["solver", "solver"]
    assert found[0].solution == ("d1d8",)


def test_baselines_are_judged_again_too(evaluate: Evaluate) -> None:
    async def two(body: dict[str, Any]) -> web.StreamResponse:
        return await Player(every_third(WRONG) if body["model"] == "v1" else {})(body)

    with Loopback(two, models=("base", "v1", "v2")) as server:
        ended = evaluate(server, "--model", "v2", "--baseline-model", "v1", gates=NOT_WORSE)
        assert ended.status == 0, ended.output
        stored = evaluate(server, "--model", "v2", "--baseline", str(ended.folder), gates=NOT_WORSE)
    done = replay(ended.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 gained, 0 lost of 24 cases" in done.stdout
    assert "seen 100.0% against 100.0%" in replay(stored.folder).stdout
    theirs = ended.folder / "baselines" / "v1" / "completions.jsonl"
    theirs.write_text("".join(theirs.read_text().splitlines(keepends=True)[: N - 1]))
    done = replay(ended.folder)
    assert done.returncode == 6
    assert "they cannot be compared: only 23 of 24 cases" in done.stdout


def test_an_option_that_no_session_has_is_refused(stored: Ended) -> None:
    done = replay(stored.folder, "--gatess", "x")
    assert done.returncode == 2
    assert "unrecognized arguments: --gatess" in done.stderr
