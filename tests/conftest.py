"""What several test files share: one real vLLM with the embedded model and all its adapters.

A test that uses it carries `@pytest.mark.xdist_group("vllm")`, so that one worker starts it, once.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serve.endpoint.endpoint import Endpoint
from serve.local.process import LocalServer
from serve.spec import load_spec


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A vLLM on the CPU that serves the spec `pawn`; about 30 s to start."""
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with LocalServer.start(load_spec("pawn"), log_path=log, device="cpu") as server:
        yield server.wait(timeout=300)
