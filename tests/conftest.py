"""What several test files share: whole sessions, loopback servers, one real vLLM with the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_httpserver import HTTPServer

from serve.endpoint.endpoint import Endpoint
from serve.local.process import LocalServer
from serve.spec import load_spec
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.sessions import Evaluate, N, Player

# No test fails because a machine is busy.
settings.register_profile("any machine", settings(), deadline=None)
# `make check` has a minute; `make test` asks five times as many examples of each property.
settings.register_profile("quick", settings(), deadline=None, max_examples=20)
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has all tests that are marked `vllm`: it starts the server once, and never two at a time."""
    for item in items:
        if item.get_closest_marker("vllm"):
            item.add_marker(pytest.mark.xdist_group("vllm"))


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """Where pytest-httpserver listens: on a free port of an address that needs no look-up."""
    return "127.0.0.1", 0


@pytest.fixture
def vllm_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if vLLM were installed, for what is said before it is started."""
    monkeypatch.setattr("serve.local.process.check_installed", lambda: None)


@pytest.fixture(scope="session")
def second_httpserver() -> Iterator[HTTPServer]:
    """Started once, because stopping takes it half a second."""
    with HTTPServer("127.0.0.1", 0) as server:
        yield server


@pytest.fixture
def elsewhere(second_httpserver: HTTPServer) -> HTTPServer:
    """A second server beside `httpserver`."""
    second_httpserver.clear()
    return second_httpserver


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
