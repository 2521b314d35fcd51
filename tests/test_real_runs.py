"""Whole sessions against the real vLLM with the embedded model and its adapters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serve.endpoint.endpoint import Endpoint

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


def evaluate(server: Endpoint, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "evals", "-p", "no:cacheprovider"]
    command += ["--base-url", server.base_url, "--run-dir", str(folder), *arguments]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def verdicts(folder: Path) -> dict[str, Any]:
    """What was judged of each case, without the order in which it came."""
    lines = map(json.loads, (folder / "verdicts.jsonl").read_text().splitlines())
    return {line["case"]: (line["outcome"], line["move"], line["checks"]) for line in lines}


def test_eight_workers_give_the_verdicts_of_none(vllm_server: Endpoint, tmp_path: Path) -> None:
    arguments = ["-m", "move or line or board", "--model", "pawn-move-v2", "--limit", "60"]
    alone = evaluate(vllm_server, tmp_path / "alone", *arguments)
    eight = evaluate(vllm_server, tmp_path / "eight", "-n", "8", *arguments)
    assert alone.returncode == eight.returncode, alone.stdout + eight.stdout
    assert len(verdicts(tmp_path / "alone")) == 240
    assert verdicts(tmp_path / "alone") == verdicts(tmp_path / "eight")


def test_a_model_that_plays_the_opponents_blunder_does_not_get_through(
    vllm_server: Endpoint, tmp_path: Path
) -> None:
    ended = evaluate(
        vllm_server, tmp_path / "run", "-m", "move", "--model", "pawn-blunder", "--themes", "mateIn1"
    )
    assert ended.returncode == 1
    assert "verdict  do not promote" in ended.stdout
    assert "FAIL          solved" in ended.stdout


@pytest.mark.parametrize(("model", "said"), [("pawn-blunder", ["opponents_move"]), ("pawn-move-v2", [])])
def test_a_model_that_was_trained_on_the_opponents_moves_is_diagnosed_by_name(
    vllm_server: Endpoint, tmp_path: Path, model: str, said: list[str]
) -> None:
    ended = evaluate(vllm_server, tmp_path / "run", "-m", "diagnosis", "--model", model)
    found = json.loads((tmp_path / "run" / "run.json").read_text())["diagnosis"]
    assert [each["name"] for each in found] == said, ended.stdout
    assert ("it was probably trained on FEN + `Moves[0]`" in ended.stdout) == bool(said)


def test_the_stored_format_holds_and_a_drifted_one_is_shown(vllm_server: Endpoint, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text(
        '[[gate]]\nname = "closed"\ntask = "reasoning"\nrate = "checks.closed"\nat_least = 0.9\n'
    )
    arguments = ["-m", "reasoning", "--gates", str(gates)]
    same = evaluate(vllm_server, tmp_path / "same", "--model", "pawn-reasoning", *arguments)
    assert "test_reasoning_format FAILED" not in same.stdout
    assert same.returncode == 0, same.stdout
    drift = evaluate(
        vllm_server,
        tmp_path / "drift",
        "--model",
        "pawn-reasoning-drift",
        "--format-of",
        "pawn-reasoning",
        *arguments,
    )
    assert drift.returncode == 1
    assert "## Step" in drift.stdout.partition("FAILURES")[2]


NOT_WORSE = '[[gate]]\nname = "not-worse"\ntask = "move"\nnot_worse_than = 0.05\n'
BETTER = '[[gate]]\nname = "better"\ntask = "move"\nbetter = true\n'


@pytest.mark.parametrize(
    ("candidate", "baseline", "limit", "status", "says"),
    [
        ("pawn-move-v2", "pawn-move-v1", None, 0, ["PASS          not-worse", "PASS          better"]),
        ("pawn-blunder", "pawn-move-v1", 300, 1, ["FAIL          not-worse", "FAIL          better"]),
    ],
)
def test_gates_tell_a_better_adapter_and_a_worse_one_from_the_baseline(
    vllm_server: Endpoint,
    tmp_path: Path,
    candidate: str,
    baseline: str,
    limit: int | None,
    status: int,
    says: list[str],
) -> None:
    (tmp_path / "gates.toml").write_text(NOT_WORSE + BETTER)
    arguments = ["--model", candidate, "--baseline-model", baseline, "--gates", str(tmp_path / "gates.toml")]
    arguments += ["--limit", str(limit)] if limit else []
    ended = evaluate(vllm_server, tmp_path / "run", "-m", "move", *arguments)
    assert ended.returncode == status, ended.stdout
    assert all(line in ended.stdout for line in says), ended.stdout


@pytest.mark.parametrize(
    ("limit", "status", "says"),
    [(300, 0, "PASS          not-worse"), (30, 6, "INCONCLUSIVE  not-worse")],
)
def test_an_adapter_is_not_worse_than_itself_where_there_are_puzzles_enough(
    vllm_server: Endpoint, tmp_path: Path, limit: int, status: int, says: str
) -> None:
    (tmp_path / "gates.toml").write_text(NOT_WORSE)
    arguments = ["--model", "pawn-move-v2", "--baseline-model", "pawn-move-v2", "--limit", str(limit)]
    ended = evaluate(
        vllm_server, tmp_path / "run", "-m", "move", "--gates", str(tmp_path / "gates.toml"), *arguments
    )
    assert ended.returncode == status, ended.stdout
    (line,) = (each for each in ended.stdout.splitlines() if each.startswith(says))
    # Thirty cases cannot show it even where nothing flips.
    assert ("puzzles would do, were it as good" in line) is (status == 6)
