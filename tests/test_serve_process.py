"""A server's beginning and end: with a key, dead while starting, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve.errors import ServeError
from serve.local.process import LocalServer
from serve.spec import CpuSettings, load_spec
from tests.processes import children, group_alive

pytestmark = pytest.mark.timeout(900)
PAWN = load_spec("pawn")


@pytest.mark.vllm
def test_vllm_that_dies_while_starting_says_which_setting_to_lower(tmp_path: Path) -> None:
    greedy = PAWN.model_copy(update={"cpu": CpuSettings(kv_cache_gib=100_000)})
    log = tmp_path / "vllm.log"
    server = LocalServer.start(greedy, log_path=log, device="cpu")
    with pytest.raises(ServeError) as raised:
        server.wait(timeout=300)
    message = str(raised.value)
    assert "vLLM ended while starting (exit status 1)" in message
    assert "lower cpu.kv_cache_gib in the serve spec" in message
    assert "ValueError: Available memory on node 0" in message
    assert str(log) in message
    assert not group_alive(server.pid)


@pytest.mark.vllm
def test_a_killed_owner_leaves_no_server(tmp_path: Path) -> None:
    """kill -9 of the process that started it; the reaper does the rest."""
    log = tmp_path / "vllm.log"
    owner = subprocess.Popen(
        [sys.executable, "-m", "serve", "local", "pawn", "--log", str(log)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (servers := children(owner.pid, "vllm.entrypoints")) and time.monotonic() < deadline:
        time.sleep(0.05)
    (server,) = servers
    assert group_alive(server)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    while group_alive(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_alive(server)


@pytest.mark.usefixtures("vllm_installed")
def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ServeError, match=rf"port {port} on 127.0.0.1 cannot be used .*--base-url"):
            LocalServer.start(PAWN, log_path=tmp_path / "log", port=port, device="cpu")


@pytest.mark.usefixtures("vllm_installed")
def test_a_log_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    """Audit 16."""
    (tmp_path / "file").touch()
    for log in (tmp_path, tmp_path / "file" / "log"):
        with pytest.raises(ServeError, match=r"the server's log '.*' cannot be written"):
            LocalServer.start(PAWN, log_path=log, device="cpu")


def test_vllm_that_is_not_installed_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ServeError, match=r"pip install 'eighth-rank\[local\]'"):
        LocalServer.start(PAWN, log_path=tmp_path / "log")


@pytest.mark.train
def test_a_command_runs_around_a_server() -> None:
    """`local SPEC -- COMMAND` with the quick reference server; the exit status is the command's."""
    code = (
        "import os, urllib.request as u; u.urlopen(os.environ['EIGHTH_RANK_BASE_URL'] + '/models'); exit(7)"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "serve",
            "local",
            "pawn",
            "--engine",
            "peft",
            "--",
            sys.executable,
            "-c",
            code,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "serves pawn, pawn-move-v1" in done.stderr
