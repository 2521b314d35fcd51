"""The real vLLM with the embedded model: several models at once, both canaries failing on purpose, adapters
that come and go, and the same answers as PEFT."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evals.formats.file import load_format
from serve import __main__ as command_line
from serve.endpoint.dynamic import loaded
from serve.endpoint.endpoint import Endpoint
from serve.endpoint.preflight import PROMPT, Check, preflight, require
from serve.errors import ServeError
from serve.local.process import LocalServer
from serve.reference import parity
from serve.spec import load_spec

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
PAWN = load_spec("pawn")
ADAPTER = Path(PAWN.adapters["pawn-move-v1"])
QUESTIONS = load_format("default").questions


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def first_logprobs(endpoint: Endpoint, model: str) -> dict[str, float]:
    (answer,) = parity.ask_server(endpoint, model, [PROMPT])
    return dict(answer.first)


def test_one_server_serves_the_base_and_its_adapters_at_once(vllm_server: Endpoint) -> None:
    """Each as if it were alone: in float32 an answer must not depend on what shares its batch."""
    models = ["pawn", "pawn-move-v1", "pawn-move-v2"]
    alone = [first_logprobs(vllm_server, model) for model in models]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(partial(first_logprobs, vllm_server), models * 4))
    for number, answer in enumerate(together):
        assert answer == pytest.approx(alone[number % 3], abs=1e-3)
    assert alone[0] != pytest.approx(alone[1], abs=1e-2)
    assert alone[1] != pytest.approx(alone[2], abs=1e-2)


def test_preflight_finds_nothing_wrong(vllm_server: Endpoint) -> None:
    checks = preflight(vllm_server, "pawn-move-v2")
    require(checks)
    assert [check.name for check in checks] == ["served", "schema", "adapter", "version", "sampling"]
    assert {check.status for check in checks} == {"ok"}
    assert named(checks)["schema"].facts["schema_by"] == "response_format"


def test_preflight_of_a_model_that_is_not_served(vllm_server: Endpoint) -> None:
    with pytest.raises(ServeError, match="served: model 'pawn-move-v9' is not served"):
        require(preflight(vllm_server, "pawn-move-v9"))


def test_a_reasoning_parser_on_an_adapter_that_does_not_think_is_caught(vllm_server: Endpoint) -> None:
    """Without enable_thinking=false vLLM's parser takes the whole answer for a thought: no schema holds."""
    checks = preflight(vllm_server, "pawn-move-v2", vllm=False)
    assert named(checks)["schema"].status == "fail"
    with pytest.raises(ServeError, match=r"all text arrived in reasoning.*without --reasoning-parser"):
        require(checks)


def test_an_adapter_that_thinks_is_held_to_the_schema_after_its_thought(vllm_server: Endpoint) -> None:
    messages = [{"role": "system", "content": QUESTIONS["reasoning"].system}, PROMPT[1]]
    check = named(preflight(vllm_server, "pawn-reasoning", thinking=True, messages=messages))["schema"]
    assert (check.status, check.facts["reasoning_in"]) == ("ok", "reasoning"), check.detail


def test_an_adapter_that_does_not_think_is_caught_when_asked_to(vllm_server: Endpoint) -> None:
    messages = [{"role": "system", "content": QUESTIONS["move"].system}, PROMPT[1]]
    check = named(preflight(vllm_server, "pawn-move-v2", thinking=True, messages=messages))["schema"]
    assert check.status == "fail"
    assert "waits for a '</think>' that 'pawn-move-v2' does not write" in check.detail


def test_preflight_by_hand(vllm_server: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["preflight", "--base-url", vllm_server.base_url, "--model", "pawn-move-v1"]
    assert command_line.main(asked) == 0
    assert "ok    adapter: applied" in capsys.readouterr().out


@pytest.fixture
def empty_adapter(tmp_path: Path) -> Path:
    """An adapter whose B matrices are zero: PEFT and vLLM load it, and it changes nothing."""
    folder = Path(shutil.copytree(ADAPTER, tmp_path / "empty"))
    weights = folder / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if "lora_B" in name:
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            data[begin:end] = bytes(end - begin)
    weights.write_bytes(bytes(data))
    return folder


def test_an_adapter_that_changes_nothing_is_caught(vllm_server: Endpoint, empty_adapter: Path) -> None:
    with loaded(vllm_server, {"empty": str(empty_adapter)}) as (endpoint, _):
        check = named(preflight(endpoint, "empty"))["adapter"]
    assert check.status == "fail"
    assert "answers exactly as its base 'pawn'" in check.detail


def test_an_adapter_is_loaded_for_a_session(vllm_server: Endpoint) -> None:
    with loaded(vllm_server, {"guest": str(ADAPTER)}) as (endpoint, resolved):
        assert endpoint.choose("guest").parent == "pawn"
        assert resolved["guest"].identity.startswith("digest:")
        assert first_logprobs(endpoint, "guest") == pytest.approx(
            first_logprobs(endpoint, "pawn-move-v1"), abs=1e-3
        )
    with pytest.raises(ServeError, match="'guest' is not served"):
        vllm_server.refresh().choose("guest")


def test_a_session_adapter_may_not_hide_a_served_model(vllm_server: Endpoint) -> None:
    with (
        pytest.raises(ServeError, match="serves a model of that name"),
        loaded(vllm_server, {"pawn-move-v1": str(ADAPTER)}),
    ):
        pass


def test_a_session_adapter_that_vllm_refuses(vllm_server: Endpoint, empty_adapter: Path) -> None:
    config: dict[str, Any] = json.loads((empty_adapter / "adapter_config.json").read_text())
    (empty_adapter / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))
    with (
        pytest.raises(ServeError, match=r"the server refuses adapter 'dora'.*DoRA"),
        loaded(vllm_server, {"dora": str(empty_adapter)}),
    ):
        pass


@pytest.fixture(scope="module")
def peft_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The reference server with the same spec."""
    pytest.importorskip("peft")
    log = tmp_path_factory.mktemp("peft") / "peft.log"
    with LocalServer.start(PAWN, log_path=log, engine="peft") as server:
        yield server.wait(timeout=300)


@pytest.mark.parametrize("model", ["pawn", "pawn-move-v2"])
def test_vllm_answers_as_peft_does(vllm_server: Endpoint, peft_server: Endpoint, model: str) -> None:
    prompts = parity.positions(12, seed=1)
    result = parity.compare(
        parity.ask_server(vllm_server, model, prompts), parity.ask_server(peft_server, model, prompts)
    )
    assert result.passed(min_agreement=0.9, max_difference=parity.MAX_DIFFERENCE["float32"]), str(result)


def test_parity_by_hand(vllm_server: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["parity", "pawn", "--base-url", vllm_server.base_url, "--model", "pawn-move-v2", "--count", "4"]
    assert command_line.main(asked) == 0
    assert "ok    pawn-move-v2: greedy agreement 4/4" in capsys.readouterr().out


def test_parity_notices_another_adapter(vllm_server: Endpoint, peft_server: Endpoint) -> None:
    prompts = parity.positions(6, seed=1)
    result = parity.compare(
        parity.ask_server(vllm_server, "pawn-move-v1", prompts),
        parity.ask_server(peft_server, "pawn-move-v2", prompts),
    )
    assert not result.passed(min_agreement=0.9, max_difference=parity.MAX_DIFFERENCE["float32"])


def test_the_reference_server_passes_preflight(peft_server: Endpoint) -> None:
    checks = preflight(peft_server, "pawn-move-v2")
    require(checks)
    assert named(checks)["schema"].status == named(checks)["adapter"].status == "ok"


def test_a_server_that_loads_no_adapters_says_so(peft_server: Endpoint) -> None:
    with (
        pytest.raises(ServeError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"),
        loaded(peft_server, {"guest": str(ADAPTER)}),
    ):
        pass
