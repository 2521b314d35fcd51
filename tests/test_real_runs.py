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
