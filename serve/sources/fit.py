"""Whether an adapter fits its base, the spec and vLLM, told from its configuration and its tensors' shapes.

Before anything starts: a wrong adapter found here costs a second, in vLLM half a minute and a stack trace.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serve.errors import ServeError
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


def check_adapter(name: str, folder: Path, spec: ServeSpec, base_config: Mapping[str, Any]) -> None:
    """Check an adapter against the base and the spec.

    :raises ServeError: names the adapter, what is wrong, and the setting.
    """
    config = read_json(folder / "adapter_config.json", f"adapter {name!r}")
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
    for key in UNSUPPORTED:
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
        # LoRA's A has the shape rank x inputs, B outputs x rank. The hidden state is what q_proj reads and
        # what o_proj writes.
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


def check_parser(spec: ServeSpec, folder: Path) -> None:
    """Check that the model thinks where the spec has a reasoning parser.

    :raises ServeError: its chat template knows no thinking.
    """
    template = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja")))
    if not template and (folder / "tokenizer_config.json").is_file():
        template = str(read_json(folder / "tokenizer_config.json", "base").get("chat_template") or "")
    if spec.reasoning_parser and template and spec.thinks is None and "enable_thinking" not in template:
        raise ServeError(
            f"serve spec {spec.name!r}: reasoning_parser = {spec.reasoning_parser!r}, but the chat "
            f"template of {spec.base!r} has no enable_thinking: vLLM would wait for '</think>' and "
            "never enforce the schema. Remove the parser, or set thinks = true if the model does think"
        )


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object from a file; `what` names it in an error.

    :raises ServeError: the file is not there, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServeError(f"{what}: {path.parent} has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise ServeError(f"{what}: {path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ServeError(f"{what}: {path} holds no JSON object")
    return value
