"""Adapters: found on the Hub or in a folder, pinned, and held against the spec before anything starts.

The Hub here is a loopback server behind HF_ENDPOINT that speaks the few requests that are used. It is read
when huggingface_hub is imported, so these tests ask a process of its own, by the command line.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from serve.endpoint.dynamic import parse_adapter
from serve.errors import ServeError
from serve.printable import printable
from serve.sources.fit import UNSUPPORTED, problems
from serve.sources.hub import HubSource
from serve.sources.resolve import BLOCK, digest, resolve, resolve_adapter
from serve.spec import ServeSpec, load_spec
from tests.commands import run_module

pytestmark = pytest.mark.slow  # each starts a process of its own, or a loopback Hub

COMMIT = "c0ffee" + "0" * 34
PAWN = load_spec("pawn")
ADAPTER = Path(PAWN.adapters["pawn-move-v1"])


def config_of(**changes: Any) -> dict[str, Any]:
    return {**json.loads((ADAPTER / "adapter_config.json").read_text()), **changes}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A copy of a real adapter, to be broken."""
    return Path(shutil.copytree(ADAPTER, tmp_path / "adapter"))


def pawn_with(adapter: Path, **changes: Any) -> ServeSpec:
    return PAWN.model_copy(update={"adapters": {"new": str(adapter)}, "ask": {}, **changes})


def test_the_embedded_adapters_fit_and_have_digests() -> None:
    record = resolve(PAWN).record()
    assert list(record) == ["pawn", *PAWN.adapters]
    assert all(identity.startswith("digest:") for identity in record.values())
    assert len(set(record.values())) == len(record)


def test_a_digest_follows_the_bytes_and_not_the_place(adapter: Path) -> None:
    before = resolve_adapter(str(adapter)).identity
    assert before == resolve_adapter(str(ADAPTER)).identity
    (adapter / "README.md").write_text("a word about it")
    assert resolve_adapter(str(adapter)).identity == before
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert resolve_adapter(str(adapter)).identity != before


def test_a_digest_is_of_names_sizes_and_bytes_in_order(tmp_path: Path) -> None:
    """It names runs that are on disk already, so it may never change."""
    files = {"b.bin": bytes(3 * BLOCK + 7), "a.json": b"{}"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    expected = hashlib.blake2b(digest_size=16)
    for name, data in sorted(files.items()):
        expected.update(name.encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
    assert digest(tmp_path) == expected.hexdigest()


def test_a_digest_holds_no_whole_file_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(64 * BLOCK)
    tracemalloc.start()
    try:
        digest(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * BLOCK


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_model_name_or_path": "Qwen/Qwen3-8B"}, "trained on 'Qwen/Qwen3-8B', not on .* base_aliases"),
        ({"r": 64}, "its rank 64 is above max_lora_rank = 8"),
        ({"rank_pattern": {"q_proj": 32}}, "its rank 32 is above"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "trains biases"),
        ({"modules_to_save": ["lm_head"]}, "replaces whole modules"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"target_modules": ["o_proj", "up_proj"]}, "changes up_proj, which lora_target_modules"),
    ],
)
def test_what_vllm_would_refuse_is_refused_before(
    adapter: Path, changes: dict[str, Any], message: str
) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps(config_of(**changes)))
    with pytest.raises(ServeError, match=rf"adapter 'new' \(.*\): .*{message}"):
        resolve(pawn_with(adapter))


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_a_kind_of_lora_that_vllm_does_not_know_is_refused(key: str) -> None:
    assert problems(config_of(**{key: True}), PAWN) == [f"it uses {key}, which vLLM does not support"]


def test_a_harmless_initialisation_is_no_problem() -> None:
    assert problems(config_of(init_lora_weights="gaussian"), PAWN) == []


def test_an_adapter_of_other_shape_is_refused(adapter: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(PAWN.base, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(ServeError, match=r"for another base than .*: it has a layer \d+, the base only 2"):
        resolve(pawn_with(adapter, base=str(base)))
    (base / "config.json").write_text(json.dumps({**config, "hidden_size": 2560}))
    with pytest.raises(
        ServeError, match=r"for another base than .*: its hidden size is 256, the base's 2560"
    ):
        resolve(pawn_with(adapter, base=str(base)))


def test_a_parser_on_a_template_that_does_not_think_is_refused(adapter: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(PAWN.base, tmp_path / "base"))
    (base / "chat_template.jinja").write_text("{{ messages }}")
    spec = pawn_with(adapter, base=str(base))
    with pytest.raises(ServeError, match=r"chat template of .* has no enable_thinking"):
        resolve(spec)
    assert resolve(spec.model_copy(update={"thinks": True}))
    assert resolve(spec.model_copy(update={"reasoning_parser": None}))


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_that_is_no_adapter(adapter: Path, missing: str) -> None:
    (adapter / missing).unlink()
    with pytest.raises(ServeError, match=missing):
        resolve(pawn_with(adapter))


@given(st.text(max_size=20))
def test_any_text_is_a_source_or_a_clear_error(text: str) -> None:
    try:
        source = HubSource.parse(text)
    except ServeError as error:
        assert printable(repr(text)) in str(error)  # noqa: PT017
    else:
        assert str(source) == text


@pytest.mark.parametrize("text", ["name", "=x", "name=", "a b=o/r"])
def test_a_session_adapter_is_name_and_source(text: str) -> None:
    assert parse_adapter("new=o/r@v1") == ("new", "o/r@v1")
    with pytest.raises(ServeError, match="expected name=repo@revision"):
        parse_adapter(text)


# --- the Hub -----------------------------------------------------------------------------------------------


def hub(request: Request) -> Response:
    """The Hub: `good/adapter` exists at `main` and `v1`, `shut/adapter` is private, `down/adapter` is 503."""
    if "/shut/" in request.path and "Authorization" not in request.headers:
        return _json({"error": "Invalid username or password."}, 401)
    if "/down/" in request.path:
        return _json({"error": "maintenance"}, 503)
    if "/shut/" not in request.path and "good/adapter" not in request.path:
        return _json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
    if "nope" in request.path:
        return _json({"error": "Invalid rev id: nope"}, 404, {"X-Error-Code": "RevisionNotFound"})
    return _repository(request.path)


def _repository(path: str) -> Response:
    files = {file.name: file.read_bytes() for file in ADAPTER.iterdir() if file.is_file()}
    if "/tree/" in path:
        return _json(
            [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
        )
    if "/resolve/" in path:
        data = files.get(path.rsplit("/", 1)[1])
        if data is None:
            return Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return Response(data, headers={"ETag": etag, "X-Repo-Commit": COMMIT})
    return _json({"id": "good/adapter", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


class HubClient:
    """`python -m serve command --resolve` of the embedded base with an adapter from the loopback Hub."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def resolve(self, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
        spec = self.folder / "own.toml"
        spec.write_text(
            f'base = "{PAWN.base}"\nbase_aliases = ["eighth-rank/pawn"]\n[adapters]\nnew = "{source}"\n'
        )
        cache = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
        unset = dict.fromkeys(("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN"), "")
        return run_module("serve", "command", str(spec), "--resolve", env={**unset, **cache, **environment})


@pytest.fixture
def client(httpserver: HTTPServer, tmp_path: Path) -> HubClient:
    httpserver.expect_request(re.compile("")).respond_with_handler(hub)
    return HubClient(httpserver.url_for(""), tmp_path)


def test_a_revision_becomes_a_commit_and_a_folder_of_its_own(client: HubClient) -> None:
    done = client.resolve("good/adapter@v1")
    assert done.returncode == 0, done.stderr
    (word,) = [word for word in done.stdout.split() if word.startswith("new=")]
    folder = Path(word.removeprefix("new="))
    assert folder.name == COMMIT
    weights = "adapter_model.safetensors"
    assert (folder / weights).read_bytes() == (ADAPTER / weights).read_bytes()

    again = client.resolve("good/adapter@v1", HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert word in again.stdout


@pytest.mark.parametrize(
    ("source", "environment", "message"),
    [
        ("good/adapter@nope", {}, "'good/adapter' has no revision 'nope' on the Hub"),
        ("no/such", {}, "'no/such' is not on the Hub"),
        ("shut/adapter", {}, "set HF_TOKEN"),
        ("down/adapter", {}, "says 503 to down/adapter; try again later"),
        ("good/adapter", {"HF_HUB_OFFLINE": "1"}, "not in the cache, and HF_HUB_OFFLINE is set"),
        ("good/adapter", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "does not answer"),
        ("nonsense", {}, "neither a Hub repository"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(
    client: HubClient, source: str, environment: dict[str, str], message: str
) -> None:
    done = client.resolve(source, **environment)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_private_adapter_is_fetched_with_the_token(client: HubClient) -> None:
    done = client.resolve("shut/adapter", HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    assert "hf_secret" not in done.stdout + done.stderr
