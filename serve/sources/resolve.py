"""Which bytes a spec means: every source resolved to a folder and to a commit or a digest, and checked.

Before anything starts: a wrong adapter found here costs a second, in vLLM half a minute and a stack trace.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.errors import ServeError
from serve.sources.hub import ADAPTER_FILES, COMMIT, HubSource, download, resolve_commit
from serve.spec import ServeSpec, is_folder

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
SUPPORTED_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Values of `init_lora_weights` that leave the base as it is; others (PiSSA, OLoRA) change it."""
UNSUPPORTED = (
    "alora_invocation_tokens",
    "layer_replication",
    "target_parameters",
    "use_bdlora",
    "use_qalora",
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """One source of a spec, found."""

    source: str
    path: str
    """Folder on this machine; for a Hub base, whose files vLLM downloads itself, the repository."""
    identity: str
    """`commit:<sha>` on the Hub, `digest:<blake2b of the files>` of a local folder."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A spec with every source resolved."""

    spec: ServeSpec
    """The spec with its base pinned to the commit."""
    base: Resolved
    adapters: Mapping[str, Resolved]

    @property
    def paths(self) -> dict[str, str]:
        """The folder of each source."""
        return {found.source: found.path for found in (self.base, *self.adapters.values())}

    @property
    def pinned(self) -> ServeSpec:
        """The spec with every Hub source pinned to its commit, for a machine that downloads by itself."""
        adapters = {
            name: f"{found.source.partition('@')[0]}@{found.identity.removeprefix('commit:')}"
            if found.identity.startswith("commit:")
            else found.source
            for name, found in self.adapters.items()
        }
        return self.spec.model_copy(update={"adapters": adapters})

    def record(self) -> dict[str, str]:
        """Served model id -> identity, for the manifest of a run."""
        adapters = {name: found.identity for name, found in self.adapters.items()}
        return {self.spec.served_base: self.base.identity, **adapters}


def resolve(spec: ServeSpec) -> Resolution:
    """Resolve and check all that a spec names; downloads adapters that are not cached.

    :raises ServeError: something is not there, or an adapter does not fit the base or the spec.
    """
    base, config = _resolve_base(spec)
    if base.identity.startswith("commit:"):
        spec = spec.model_copy(update={"revision": base.identity.removeprefix("commit:")})
    adapters = {name: resolve_adapter(source) for name, source in spec.adapters.items()}
    for name, found in adapters.items():
        check_adapter(name, Path(found.path), spec, config)
    return Resolution(spec, base, adapters)


def _resolve_base(spec: ServeSpec) -> tuple[Resolved, dict[str, Any]]:
    """The base and its `config.json`."""
    if is_folder(spec.base):
        folder = Path(spec.base)
        config = _read_json(folder / "config.json", f"base {spec.base!r}")
        _check_parser(spec, folder)
        return Resolved(spec.base, spec.base, f"digest:{digest(folder)}"), config
    source = HubSource.parse(spec.base)
    source = HubSource(source.repo, source.revision or spec.revision)
    commit = resolve_commit(source)
    folder = download(HubSource(source.repo, commit), ("config.json", "tokenizer_config.json", "*.jinja"))
    _check_parser(spec, folder)
    config = _read_json(folder / "config.json", f"base {spec.base!r}")
    return Resolved(spec.base, source.repo, f"commit:{commit}"), config


def resolve_adapter(source: str) -> Resolved:
    """Find one adapter, on the Hub or in a folder.

    :raises ServeError: it is not there.
    """
    if is_folder(source):
        folder = Path(source).expanduser()
        _read_json(folder / "adapter_config.json", f"adapter {source!r}")
        return Resolved(source, str(folder.resolve()), f"digest:{digest(folder)}")
    hub_source = HubSource.parse(source)
    commit = hub_source.revision or ""
    if not COMMIT.fullmatch(commit):
        commit = resolve_commit(hub_source)
    # The cache gives each commit a folder of its own, which vLLM needs: loaded again from the same path,
    # an adapter meets prefix-cache blocks computed with its old weights. Asked by its name, the cache also
    # remembers what the name stands for, for offline use.
    folder = download(hub_source, ADAPTER_FILES)
    if folder.name != commit:
        # The branch moved between the two requests.
        folder = download(HubSource(hub_source.repo, commit), ADAPTER_FILES)
    return Resolved(source, str(folder), f"commit:{commit}")


def check_adapter(name: str, folder: Path, spec: ServeSpec, base_config: Mapping[str, Any]) -> None:
    """Check an adapter against the base and the spec.

    :raises ServeError: names the adapter, what is wrong, and the setting.
    """
    config = _read_json(folder / "adapter_config.json", f"adapter {name!r}")
    for problem in problems(config, spec):
        raise ServeError(f"adapter {name!r} ({folder}): {problem}")
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        raise ServeError(f"adapter {name!r} ({folder}) has no {' or '.join(WEIGHTS)}")
    if weights.suffix == ".safetensors" and (problem := _misfit(_shapes(weights), base_config)):
        raise ServeError(f"adapter {name!r} ({folder}) is for another base than {spec.base!r}: {problem}")


def problems(config: Mapping[str, Any], spec: ServeSpec) -> list[str]:
    """What in an `adapter_config.json` does not fit the spec, or vLLM; empty where it fits. Pure."""
    found: list[str] = []
    if config.get("peft_type", "LORA") != "LORA":
        found.append(f"peft_type is {config['peft_type']!r}; vLLM serves only LORA")
    trained_on = str(config.get("base_model_name_or_path") or "")
    known = {spec.base.lower(), Path(spec.base).name.lower(), *(alias.lower() for alias in spec.base_aliases)}
    if trained_on and not is_folder(trained_on) and trained_on.lower() not in known:
        found.append(
            f"it was trained on {trained_on!r}, not on {spec.base!r}; if they are the same weights, add "
            "that name to base_aliases in the serve spec"
        )
    ranks = [int(config.get("r") or 0), *map(int, (config.get("rank_pattern") or {}).values())]
    if max(ranks) > spec.max_lora_rank:
        found.append(f"its rank {max(ranks)} is above max_lora_rank = {spec.max_lora_rank} in the serve spec")
    if config.get("use_dora"):
        found.append("it uses DoRA (use_dora), which vLLM does not support")
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        found.append("it trains biases (bias, lora_bias), which vLLM does not support")
    if config.get("modules_to_save"):
        found.append(f"it replaces whole modules (modules_to_save = {config['modules_to_save']}): merge it")
    for key in (
        "alora_invocation_tokens",
        "layer_replication",
        "use_qalora",
        "use_bdlora",
        "target_parameters",
    ):
        if config.get(key):
            found.append(f"it uses {key}, which vLLM does not support")
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower() not in SUPPORTED_INITS:
        found.append(f"init_lora_weights = {init!r} changes the base's weights: convert it with PEFT first")
    targets = config.get("target_modules")
    if spec.lora_target_modules and isinstance(targets, list):
        outside = sorted(set(map(str, targets)) - set(spec.lora_target_modules))
        if outside:
            found.append(f"it changes {', '.join(outside)}, which lora_target_modules of the spec leaves out")
    return found


def _misfit(shapes: Mapping[str, tuple[int, ...]], base_config: Mapping[str, Any]) -> str:
    """Where the adapter's tensors cannot belong to the base; empty where they can."""
    layers, hidden = base_config.get("num_hidden_layers"), base_config.get("hidden_size")
    for name, shape in shapes.items():
        parts = name.split(".")
        if "layers" in parts and layers is not None:
            layer = int(parts[parts.index("layers") + 1])
            if layer >= layers:
                return f"it has a layer {layer}, the base only {layers}"
        # LoRA's A has the shape rank x inputs, B outputs x rank; attention's inputs and what comes of it in
        # the end are the hidden state.
        width = shape[-1] if "q_proj.lora_A" in name else shape[0] if "o_proj.lora_B" in name else hidden
        if hidden is not None and width != hidden:
            return f"its hidden size is {width}, the base's {hidden}"
    return ""


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape, from the header of a safetensors file (8 bytes of length, then JSON)."""
    try:
        with weights.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, struct.error, ValueError) as error:
        raise ServeError(f"{weights} is not a safetensors file: {error}") from error
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _check_parser(spec: ServeSpec, folder: Path) -> None:
    """Refuse a reasoning parser on a base whose chat template knows no thinking."""
    template = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja")))
    if not template and (folder / "tokenizer_config.json").is_file():
        template = str(_read_json(folder / "tokenizer_config.json", "base").get("chat_template") or "")
    if spec.reasoning_parser and template and spec.thinks is None and "enable_thinking" not in template:
        raise ServeError(
            f"serve spec {spec.name!r}: reasoning_parser = {spec.reasoning_parser!r}, but the chat "
            f"template of {spec.base!r} has no enable_thinking: vLLM would wait for '</think>' and "
            "never enforce the schema. Remove the parser, or set thinks = true if the model does think"
        )


def digest(folder: Path) -> str:
    """One digest for the names and bytes of a folder's files; texts about the model do not count."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix != ".md" and not path.name.startswith("."):
            data = path.read_bytes()
            total.update(f"{path.name}\0{len(data)}\0".encode())
            total.update(data)
    return total.hexdigest()


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServeError(f"{what}: {path.parent} has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise ServeError(f"{what}: {path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ServeError(f"{what}: {path} holds no JSON object")
    return value
