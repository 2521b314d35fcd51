"""What to serve: one spec for vLLM on this machine, vLLM on Modal, and the PEFT reference server.

A spec is a small TOML file. From it, and from nothing else, come vLLM's command line (`ServeSpec.argv`) and
its environment (`ServeSpec.environment`); both are pure, so a test holds them against vLLM's own parser.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from serve.errors import ServeError
from serve.explain import explain

SPECS = Path(__file__).parent / "specs"
Device = Literal["cpu", "gpu"]
Rank = Literal[1, 8, 16, 32, 64, 128, 256, 320, 512]
"""The ranks for which vLLM has kernels (`--max-lora-rank`)."""
SERVED_NAME = re.compile(r"[\w.-]+")
"""What a served model may be called."""
GUESTS = 3
"""Adapters that may be loaded beside the spec's own while the server runs."""
GIB = 2**30


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StructuredOutputs(_Table):
    """How the JSON schema of a request is enforced."""

    backend: Literal["xgrammar", "guidance", "outlines", "auto"] = "guidance"
    """guidance spaces JSON as the request says, so as the model was trained; xgrammar knows no space at all,
    or any amount of it."""
    disable_any_whitespace: bool = True
    """Without it, weak models emit white space until `max_tokens`. Needs xgrammar or guidance."""


class CpuSettings(_Table):
    """What differs where vLLM runs on a CPU."""

    dtype: str = "float32"
    """float32: greedy answers must not depend on which requests share a batch."""
    kv_cache_gib: float = Field(default=1.0, gt=0)
    max_num_seqs: int = Field(default=64, ge=1)
    max_num_batched_tokens: int = Field(default=2048, ge=64)
    block_size: int = 32
    """Tokens per cache block. vLLM's own 128 on a CPU never shares a system prompt shorter than that."""


MODAL_GPUS = (
    *("T4", "L4", "A10", "A10G", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000"),
    *("H100", "H100!", "H200", "B200", "B200+", "B300"),
)


def _known_gpu(name: str) -> str:
    """Modal takes any string here and fails only when a container is to start."""
    kind, _, count = name.partition(":")
    if kind.upper() not in MODAL_GPUS or (count and not count.isdigit()):
        raise ValueError(f"no GPU that Modal knows: {', '.join(MODAL_GPUS)}; several as L4:2")
    return name


class ModalSettings(_Table):
    """Where and how long vLLM runs on Modal, and how much of it."""

    gpu: Annotated[str, AfterValidator(_known_gpu)] = "L4"
    idle_timeout: int = Field(default=300, ge=2)
    """Seconds without a request after which the container stops."""
    startup_timeout: int = Field(default=1200, ge=1)
    """Seconds until the first answer, downloads and compilation included."""
    max_containers: int = Field(default=1, ge=1)
    max_inputs: int = Field(default=256, ge=1)
    """Requests in flight in one container."""
    region: str = "us-east"


class ServeSpec(_Table):
    """A base model, its adapters, and how vLLM serves them."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    base: str
    """Hub repository, or a local folder where it starts with `.`, `/` or `~`."""
    revision: str | None = None
    """Commit, tag or branch of a Hub base."""
    base_name: str = ""
    """The model id under which the base is served; default: the repository's or folder's name."""
    base_aliases: tuple[str, ...] = ()
    """Other names of the same weights, as adapters may have been trained on them."""
    adapters: dict[Annotated[str, Field(pattern=rf"^{SERVED_NAME.pattern}$")], str] = {}
    """Served model id -> `repo@revision` on the Hub, or a local folder."""
    formats: dict[str, str] = {}
    """Served model id -> the format that it was taught, where that does not lie with the model itself: a
    .toml file, or `hf://owner/name[@revision]`."""
    ask: dict[str, str] = {}
    """Task -> the served model that it is asked of; `default` stands for every task not listed."""
    max_model_len: int = Field(default=4096, ge=16)
    max_lora_rank: Rank = 16
    max_loras: int = Field(default=2, ge=1)
    """Adapters in one batch. vLLM's default is 1, which makes candidate and baseline wait for each other."""
    lora_target_modules: tuple[str, ...] = ()
    """The only modules that adapters may change, as PEFT names them; empty: all. Fewer are faster."""
    dynamic_adapters: bool = False
    """Allow adapters to be loaded while the server runs. Never on a public address without a key."""
    reasoning_parser: str | None = None
    """vLLM's parser for `<think>`. On a model that does not think it switches the schema off."""
    thinks: bool | None = None
    """Whether the model thinks; None: its chat template says so, once its files are here."""
    structured_outputs: StructuredOutputs = StructuredOutputs()
    dtype: str = "auto"
    eager: bool = False
    """True starts in a quarter of the time and answers several times slower (23 s, not 87 s, on one H200)."""
    gpu_memory_utilization: float = Field(default=0.90, gt=0, le=1)
    max_num_seqs: int | None = Field(default=None, ge=1)
    batch_invariance: bool = False
    """Same answer whatever else is in the batch (NVIDIA 8.0 and later), at 20 to 35% of the throughput."""
    extra_args: tuple[str, ...] = ()
    """More arguments for vLLM, put last so that they win."""
    pass_environment: tuple[str, ...] = ()
    """More environment variables, by name, that vLLM inherits; by itself it gets only what it needs."""
    cpu: CpuSettings = CpuSettings()
    modal: ModalSettings = ModalSettings()

    @model_validator(mode="after")
    def _consistent(self) -> ServeSpec:
        served = [self.served_base, *self.adapters]
        named = {f"ask.{task}": model for task, model in self.ask.items()}
        named |= {f"formats.{model}": model for model in self.formats}
        for key, model in named.items():
            if model not in served:
                raise ValueError(f"{key}: {model!r} is not served; served are {', '.join(served)}")
        if self.served_base in self.adapters:
            raise ValueError(f"adapters: {self.served_base!r} is also the base's name")
        if self.structured_outputs.disable_any_whitespace and self.structured_outputs.backend not in (
            "xgrammar",
            "guidance",
        ):
            raise ValueError("structured_outputs: disable_any_whitespace needs xgrammar or guidance")
        if self.reasoning_parser and (self.thinks is False or "instruct-2507" in self.base.lower()):
            raise ValueError(
                f"reasoning_parser: {self.base!r} does not think, so {self.reasoning_parser!r} waits for "
                "'</think>' for ever and the schema is never enforced; remove it"
            )
        if any(re.match("--api[_-]key", argument) for argument in self.extra_args):
            raise ValueError(
                "extra_args: a key does not belong in a file or a command line that others can read: put it "
                "into an environment variable and name that with --api-key-env"
            )
        return self

    @property
    def served_base(self) -> str:
        """The model id of the base."""
        return self.base_name or Path(self.base).name

    def model_for(self, task: str) -> str | None:
        """The served model that `task` is asked of by default; None where the spec does not say."""
        return self.ask.get(task, self.ask.get("default"))

    def argv(
        self,
        *,
        device: Device,
        host: str = "127.0.0.1",
        port: int = 8000,
        paths: Mapping[str, str] | None = None,
    ) -> list[str]:
        """vLLM's arguments, without the program.

        `paths` gives the folder of each source that has been resolved; a source without one stays as it is.
        """
        paths = paths or {}
        base = paths.get(self.base, self.base)
        args = ["--model", base, "--served-model-name", self.served_base, "--host", host, "--port", str(port)]
        if self.revision and base == self.base:
            args += ["--revision", self.revision]
        args += ["--max-model-len", str(self.max_model_len)]
        args += self._device_args(device)
        if self.adapters or self.dynamic_adapters:
            args += self._lora_args(device, paths)
        if self.reasoning_parser:
            args += ["--reasoning-parser", self.reasoning_parser]
        args += ["--structured-outputs-config.backend", self.structured_outputs.backend]
        if self.structured_outputs.disable_any_whitespace:
            args += ["--structured-outputs-config.disable_any_whitespace", "true"]
        # One line per request in the log would hide the ones that say what went wrong.
        return [*args, "--disable-uvicorn-access-log", *self.extra_args]

    def _device_args(self, device: Device) -> list[str]:
        if device == "cpu":
            cpu = self.cpu
            args = ["--dtype", cpu.dtype, "--enforce-eager", "--block-size", str(cpu.block_size)]
            args += ["--kv-cache-memory-bytes", str(int(cpu.kv_cache_gib * GIB))]
            args += ["--max-num-seqs", str(self.max_num_seqs or cpu.max_num_seqs)]
            return [*args, "--max-num-batched-tokens", str(cpu.max_num_batched_tokens)]
        args = ["--dtype", self.dtype, "--gpu-memory-utilization", str(self.gpu_memory_utilization)]
        if self.eager:
            args.append("--enforce-eager")
        if self.max_num_seqs:
            args += ["--max-num-seqs", str(self.max_num_seqs)]
        return args

    def _lora_args(self, device: Device, paths: Mapping[str, str]) -> list[str]:
        slots = self.max_loras
        if device == "cpu":
            # vLLM's CPU kernels take "no adapter" (-1) for the last slot: a request to the base that shares a
            # batch with one to an adapter was answered with whatever adapter lies there. So it stays empty.
            slots = max(slots, len(self.adapters)) + (GUESTS if self.dynamic_adapters else 0) + 1
        args = ["--enable-lora", "--max-loras", str(slots)]
        args += ["--max-cpu-loras", str(max(slots, len(self.adapters) + GUESTS))]
        args += ["--max-lora-rank", str(self.max_lora_rank)]
        if self.lora_target_modules:
            args += ["--lora-target-modules", *self.lora_target_modules]
        if self.adapters:
            modules = (f"{name}={paths.get(source, source)}" for name, source in self.adapters.items())
            args += ["--lora-modules", *modules]
        return args

    def environment(self, *, device: Device, cores: int = 2) -> dict[str, str]:
        """The variables that vLLM needs beside its arguments; `cores` are those that it may use."""
        env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "NO_COLOR": "1"}
        if self.dynamic_adapters:
            env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
        if device == "cpu":
            # In one process the engine and its worker import vLLM once: 15 to 20 s less to start on 2 cores.
            # vLLM then binds no threads, so their number is said here. One core is left to the API server:
            # OpenMP threads that spin on a core they share answered five times slower (20 -> 4 requests/s).
            # Without dynamo nothing is compiled at the first request for log probabilities (20 s).
            env |= {
                "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
                "OMP_NUM_THREADS": str(max(1, cores - 1)),
                "TORCHDYNAMO_DISABLE": "1",
            }
        elif self.batch_invariance:
            env["VLLM_BATCH_INVARIANT"] = "1"
        return env


def is_folder(source: str) -> bool:
    """True where a source names a local folder, and not a Hub repository."""
    return source.startswith((".", "/", "~"))


def load_spec(name_or_path: str | Path, *, fast_boot: bool = False) -> ServeSpec:
    """Load a shipped spec by its name, or one from a TOML file; its folders are relative to the file.

    :param fast_boot: eager, whatever the file says: for smoke runs.
    :raises ServeError: there is no such spec, or it is wrong: names the key and its line.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        path = SPECS / f"{name_or_path}.toml"
        if not path.is_file():
            shipped = ", ".join(sorted(spec.stem for spec in SPECS.glob("*.toml")))
            raise ServeError(
                f"no serve spec {str(name_or_path)!r}: shipped are {shipped}; or give a .toml file"
            )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"serve spec {str(path)!r} cannot be read: {error}") from error
    spec = parse_spec(text, path)
    return spec.model_copy(update={"eager": True}) if fast_boot else spec


def parse_spec(text: str, path: Path) -> ServeSpec:
    """Read a spec's TOML text; `path` is where it came from.

    :raises ServeError: see `load_spec`.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ServeError(f"{path}: not valid TOML: {error}") from error
    try:
        spec = ServeSpec.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        raise ServeError(explain(error, text, path, ServeSpec)) from error
    folder = path.resolve().parent

    def absolute(source: str) -> str:
        return str((folder / Path(source).expanduser()).resolve()) if is_folder(source) else source

    def beside(file: str) -> str:
        return file if file.startswith("hf://") else str((folder / Path(file).expanduser()).resolve())

    return spec.model_copy(
        update={
            "base": absolute(spec.base),
            "base_name": spec.served_base,
            "adapters": {name: absolute(source) for name, source in spec.adapters.items()},
            "formats": {name: beside(file) for name, file in spec.formats.items()},
        }
    )
