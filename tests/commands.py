"""`python -m MODULE` as a user runs it: in a process of its own, which starts quickly.

A new interpreter needs a second to import pytest, scipy, aiohttp and our own modules, and some hundred tests
would wait for that. So one process imports them once, and each command is a fork of it with its own
arguments, environment, output and exit status.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

IMPORTED = ["execnet", "pytest", "evals.harness.controller", "evals.harness.worker"]
"""What takes most of the time. Nothing that reads the environment while it is imported, as huggingface_hub
does, and not `evals.harness.plugin`, in which pytest rewrites assertions."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(IMPORTED)


def run_pytest(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """`python -m pytest` with the plugins that the harness needs and no others."""
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", **(env or {})}
    return run_module(
        "pytest", "-p", "xdist", "-p", "syrupy", "-p", "no:cacheprovider", *arguments, env=alone, cwd=cwd
    )


def run_module(
    module: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE` in the root of this repository, or in `cwd`. `env` is added to this process's
    environment.

    :raises subprocess.TimeoutExpired: it did not end within `timeout` seconds and was killed.
    """
    command = [module, *arguments]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _forks.Process(target=_become, args=(command, {**os.environ, **(env or {})}, out, err, cwd))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, process.exitcode, out.read_text(), err.read_text())


def _become(command: list[str], env: dict[str, str], out: Path, err: Path, cwd: Path) -> None:
    gc.freeze()  # pytest collects garbage five times at its end, and everything imported is in the way
    for path, stream in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = [str(cwd), *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
