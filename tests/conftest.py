"""What several test files share: whole sessions, and one real vLLM with the embedded model and its adapters.

A test that uses vLLM carries `@pytest.mark.xdist_group("vllm")`, so that one worker starts it, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.endpoint.endpoint import Endpoint
from serve.local.process import LocalServer
from serve.spec import load_spec
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.sessions import Evaluate, N, Player


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A vLLM on the CPU that serves the spec `pawn`; about 30 s to start."""
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with LocalServer.start(load_spec("pawn"), log_path=log, device="cpu") as server:
        yield server.wait(timeout=300)


@pytest.fixture
def puzzles(tmp_path: Path) -> Path:
    """A set of N mates in one, called `mates`."""
    return write_mates(tmp_path / "mates.csv", N)


@pytest.fixture
def evaluate(tmp_path: Path, puzzles: Path) -> Evaluate:
    """Runs sessions that ask these puzzles."""
    return Evaluate(tmp_path, puzzles)


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server that solves every one of them."""
    with Loopback(Player()) as loopback:
        yield loopback
