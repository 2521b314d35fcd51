"""What a container of the platform runs, as a plain process here."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.endpoint.attach import attach
from serve.endpoint.preflight import preflight, require
from serve.errors import ServeError
from serve.local.machine import free_port
from serve.modal import container
from serve.modal.container import MODELS, containerised
from serve.spec import ServeSpec, load_spec
from tests.processes import group_alive

PAWN = load_spec("pawn")


def test_local_folders_travel_into_the_container() -> None:
    spec, folders = containerised(load_spec("pawn"))
    assert spec.base == folders[load_spec("pawn").base] == "/eighth-rank/0-base"
    assert sorted(folders.values()) == sorted([spec.base, *spec.adapters.values()])
    assert ServeSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("here", [f"{MODELS}/base", f"{MODELS}-2/base", f"{MODELS}/0-base"])
def test_a_folder_is_sent_wherever_it_lies_on_this_machine(here: str) -> None:
    """Audit 20: no path tells whether a folder is in the container already."""
    spec, folders = containerised(PAWN.model_copy(update={"base": here, "adapters": {}, "ask": {}}))
    assert folders == {here: spec.base} == {here: f"{MODELS}/0-{Path(here).name}"}


@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_the_container_serves_with_a_key_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the Modal class runs, as a plain process on the CPU."""
    monkeypatch.setenv("VLLM_API_KEY", "right")
    monkeypatch.setenv("WRONG", "wrong")
    monkeypatch.setenv("OTHER_SERVICES_TOKEN", "stays here")
    one = PAWN.model_copy(update={"adapters": {"tuned": PAWN.adapters["pawn-move-v1"]}, "ask": {}})
    server = container.serve(
        one, port=free_port(), log_path=tmp_path / "vllm.log", timeout=300, host="127.0.0.1", device="cpu"
    )
    try:
        with pytest.raises(ServeError, match="says 401: the key in WRONG is wrong for this server"):
            attach(server.base_url, api_key_env="WRONG")
        with pytest.raises(ServeError, match="says 401: it wants a key"):
            attach(server.base_url)
        endpoint = attach(server.base_url, api_key_env="VLLM_API_KEY")
        require(preflight(endpoint, endpoint.choose().id))
        assert "right" not in str(server.manifest)
        assert b"stays here" not in Path(f"/proc/{server.pid}/environ").read_bytes()
    finally:
        server.stop()
    server.stop()
    assert not group_alive(server.pid)
    assert "vLLM is ready" in capsys.readouterr().out
    assert "right" not in (tmp_path / "vllm.log").read_text()
