"""The documentation is true: what docs/tasks.md shows runs as it says."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.commands import run_pytest
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.own_task import Accountant, write_example
from tests.sessions import WORKERS, N

MEMBERS = ("conftest.py", "gates.toml", "material.py", "test_material.py")


def ask(folder: Path, server: Loopback, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A session in a folder of its own that asks N mates."""
    write_mates(folder / "mates.csv", N)
    command = ["--base-url", server.base_url, "--puzzles", "mates.csv", "--no-preflight"]
    return run_pytest("--strict-markers", *command, *arguments, cwd=folder)


def outcomes(folder: Path) -> Counter[tuple[str, str]]:
    """How often each task of the latest run had each outcome."""
    lines = (folder / "runs" / "latest" / "verdicts.jsonl").read_text().splitlines()
    return Counter((each["task"], each["outcome"]) for each in map(json.loads, lines))


def test_the_example_of_a_task_has_thirty_lines(tmp_path: Path) -> None:
    written = write_example(tmp_path)
    assert tuple(sorted(written)) == MEMBERS
    assert len(written["material.py"].read_text().rstrip().splitlines()) <= 31


@pytest.mark.parametrize("workers", WORKERS)
def test_a_task_of_the_users_own_is_asked_judged_and_gated(tmp_path: Path, workers: str) -> None:
    write_example(tmp_path)
    with Loopback(Accountant()) as server:
        done = ask(tmp_path, server, "test_material.py", "--gates", "gates.toml", "-n", workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(tmp_path) == {("material", "solved"): N}
    assert "PASS          material: material solved must be at least 60.0%" in done.stdout
    assert "PASS          one-word: material checks.one_word must be at least 80.0%" in done.stdout
    assert "promote, on material alone" in done.stdout
    assert "gates: " in done.stdout
    assert "no format is known" not in done.stdout  # it brings its own prompts


def test_the_gates_of_a_users_own_task_fail_a_model_that_does_not_know(tmp_path: Path) -> None:
    write_example(tmp_path)
    with Loopback(Accountant("Whoever moves next.")) as server:
        done = ask(tmp_path, server, "test_material.py", "--gates", "gates.toml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(tmp_path) == {("material", "unparseable"): N}
    assert "FAIL          material" in done.stdout
    assert "FAIL          one-word" in done.stdout


@pytest.mark.parametrize("workers", WORKERS)
def test_a_users_own_task_is_asked_beside_the_suites(tmp_path: Path, workers: str) -> None:
    write_example(tmp_path)
    with Loopback(Accountant()) as server:
        suites = ["--pyargs", "evals", "test_material.py", "-m", "move or material"]
        done = ask(tmp_path, server, *suites, "--gates", "gates.toml", "-n", workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(tmp_path) == {("material", "solved"): N, ("move", "solved"): N}
    assert "no format is known for the model" in done.stdout


def test_the_name_of_a_task_is_a_mark_of_its_cases(tmp_path: Path) -> None:
    write_example(tmp_path)
    with Loopback(Accountant()) as server:
        done = ask(tmp_path, server, "-m", "not material", "--gates", "gates.toml")
    assert done.returncode == 5, done.stdout + done.stderr
    assert f"{N} deselected" in done.stdout


def test_a_gate_on_a_check_that_the_task_does_not_declare_is_an_error_of_the_file(tmp_path: Path) -> None:
    gates = write_example(tmp_path)["gates.toml"]
    gates.write_text(gates.read_text().replace("checks.one_word", "checks.one_wrod"))
    with Loopback(Accountant()) as server:
        done = ask(tmp_path, server, "test_material.py", "--gates", "gates.toml")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "did you mean" in done.stderr
    assert "checks.one_word" in done.stderr
    assert not server.bodies
