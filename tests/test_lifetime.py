"""The server's life: started once, and gone however the session ends. With the real vLLM and model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mates import write_mates
from tests.processes import children, group_alive

ROOT = Path(__file__).parents[1]
TOKEN = "XDG_EIGHTH_RANK_TEST"
"""Of a family of variables that a server inherits."""

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@dataclass
class Session:
    """A `pytest evals` in the background; everything it starts inherits its token."""

    process: subprocess.Popen[str]
    token: str
    folder: Path

    def alive(self) -> list[int]:
        """The processes that have the token in their environment, ours excepted."""
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"{TOKEN}={self.token}".encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:
                continue
        return found

    def workers(self) -> list[int]:
        """The xdist workers: pytest's children that read their program from standard input, or are titled.

        Found by their parent, because setting a process's title overwrites its environment in /proc.
        """
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*/status"):
            try:
                child = f"PPid:\t{self.process.pid}\n" in entry.read_text()
                command = (entry.parent / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if child and ("stdin.readline" in command or "xdist" in command):
                found.append(int(entry.parent.name))
        return found

    def wait_for(self, text: str, file: str = "server.log", seconds: float = 240) -> None:
        """Wait until a file of the run says something."""
        deadline = time.monotonic() + seconds
        path = self.folder / file
        while time.monotonic() < deadline and self.process.poll() is None:
            if path.exists() and text in path.read_text(errors="replace"):
                return
            time.sleep(0.1)
        raise AssertionError(f"{file} never said {text!r}")

    def server(self) -> int:
        """vLLM, which leads a process group. Not found by its token: it sets its title."""
        (server,) = children(self.process.pid, "vllm.entrypoints")
        return server

    def assert_nothing_left(self, server: int) -> None:
        """The session ended, and within the reaper's time nothing of it is alive."""
        deadline = time.monotonic() + 30
        while (self.alive() or group_alive(server)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.alive() == []
        assert not group_alive(server)


def start(tmp_path: Path, *arguments: str) -> Session:
    token, folder = uuid.uuid4().hex, tmp_path / "run"
    command = [sys.executable, "-m", "pytest", "evals", "-m", "move", "-p", "no:cacheprovider"]
    command += ["--no-preflight", "--run-dir", str(folder), *arguments]
    command += ["--puzzles", str(write_mates(tmp_path / "mates.csv", 120))]
    environment = {**os.environ, TOKEN: token, "PYTEST_ADDOPTS": ""}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A job in the background inherits an ignored Ctrl-C, and would pass it on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return Session(process, token, folder)


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_signal_while_the_server_starts_leaves_no_process(
    tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    session = start(tmp_path, "-n", workers)
    session.wait_for("vLLM", seconds=120)
    server = session.server()
    session.process.send_signal(number)
    output, _ = session.process.communicate(timeout=60)
    session.assert_nothing_left(server)
    if number is signal.SIGKILL:
        return
    assert session.process.returncode == 2
    assert json.loads((session.folder / "run.json").read_text())["status"] == "not started"
    assert "INTERNALERROR" not in output


def test_a_killed_worker_ends_nothing_but_itself_and_the_server_is_stopped_after_the_run(
    tmp_path: Path,
) -> None:
    session = start(tmp_path, "-n", "2")
    session.wait_for('"case"', "verdicts.jsonl", seconds=400)
    server, workers = session.server(), session.workers()
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    output, _ = session.process.communicate(timeout=300)
    session.assert_nothing_left(server)
    manifest = json.loads((session.folder / "run.json").read_text())
    assert manifest["status"] == "incomplete"
    assert session.process.returncode == 1, output
    # What the dead worker was about to judge is missing, and so nothing passes; all completions are kept.
    assert manifest["verdict"] != "PASS"
    completions = (session.folder / "completions.jsonl").read_text().splitlines()
    assert len({json.loads(line)["case"] for line in completions}) == len(completions) == 120
