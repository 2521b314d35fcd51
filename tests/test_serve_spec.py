"""The serve spec: what it refuses, and the command line that vLLM gets from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import ServeError
from serve.spec import SPECS, ServeSpec, load_spec, parse_spec

SHIPPED = sorted(path.stem for path in SPECS.glob("*.toml"))


def test_shipped_specs_load() -> None:
    assert SHIPPED == ["chess-puzzle", "chess-reasoning", "pawn"]
    specs = {name: load_spec(name) for name in SHIPPED}
    assert specs["chess-puzzle"].reasoning_parser is None
    assert specs["chess-reasoning"].reasoning_parser == "qwen3"
    assert specs["chess-reasoning"].max_model_len == 4096
    assert all(spec.max_loras >= 2 for spec in specs.values())
    assert specs["pawn"].model_for("reasoning") == "pawn-reasoning"
    assert specs["pawn"].model_for("line") == "pawn-move-v2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "o/m"\nmax_model_length = 1\n', r"x.toml:2: .*_length'; did you mean 'max_model_len'"),
        ('base = "o/m"\n[modal]\ngpus = "L4"\n', r"x.toml:3: unknown key 'modal.gpus'; did you mean 'gpu'"),
        ('base = "o/m"\n[modal]\ngpu = "RTX4090"\n', r"x.toml:3: modal.gpu = 'RTX4090': no GPU that"),
        ('base = "o/m"\nmax_lora_rank = 24\n', r"x.toml:2: max_lora_rank = 24"),
        ("eager = true\n", r"x.toml: the key 'base' is missing"),
        ('base = "o/m"\n[ask]\ndefault = "z"\n', r"ask.default: 'z' is not served; served are m"),
        ('base = "Qwen/Qwen3-4B-Instruct-2507"\nreasoning_parser = "qwen3"\n', r"does not think"),
        ('base = "o/m"\n[structured_outputs]\nbackend = "outlines"\n', r"whitespace needs xgrammar"),
        ('base = "o/m"\n[adapters]\n"a b" = "o/a"\n', r"adapters"),
        ('base = "o/m"\n[adapters]\nm = "o/a"\n', r"'m' is also the base's name"),
        ("base = \n", r"x.toml: not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_spec_says_where_and_what(text: str, message: str) -> None:
    with pytest.raises(ServeError, match=message):
        parse_spec(text, Path("x.toml"))


def test_fast_boot_is_eager_whatever_the_file_says() -> None:
    assert load_spec("chess-puzzle").eager is False
    assert load_spec("chess-puzzle", fast_boot=True).eager is True
    assert load_spec("pawn", fast_boot=True) == load_spec("pawn")


@pytest.mark.parametrize("arguments", ['"--api-key", "s3cret"', '"--api_key=s3cret"'])
def test_a_key_in_a_spec_is_refused_and_not_shown(arguments: str) -> None:
    """Audit 27: it would be printed with the command line and stored with the run."""
    with pytest.raises(ServeError, match="extra_args: a key does not belong in a file") as raised:
        parse_spec(f'base = "o/m"\nextra_args = [{arguments}]\n', Path("x.toml"))
    assert "s3cret" not in str(raised.value)


def test_an_unknown_spec_lists_the_shipped_ones() -> None:
    with pytest.raises(
        ServeError, match=r"no serve spec 'quen': shipped are chess-puzzle, chess-reasoning, pawn"
    ):
        load_spec("quen")


def test_folders_are_relative_to_the_spec(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('base = "./base"\n[adapters]\nnew = "../new"\nhub = "o/a@v1"\n')
    spec = load_spec(file)
    assert spec.name == spec.model_copy().name == "own"
    assert spec.base == str(tmp_path / "base")
    assert spec.served_base == "base"
    assert spec.adapters == {"new": str(tmp_path.parent / "new"), "hub": "o/a@v1"}


def test_the_command_line_says_what_the_spec_says() -> None:
    spec = ServeSpec(
        name="s",
        base="o/m",
        revision="abc",
        adapters={"one": "o/a@v1", "two": "/two"},
        batch_invariance=True,
        dynamic_adapters=True,
        extra_args=("--seed", "7"),
    )
    argv = spec.argv(device="gpu", port=9, paths={"o/a@v1": "/cache/a"})
    line = " ".join(argv)
    assert "--model o/m --served-model-name m --host 127.0.0.1 --port 9 --revision abc" in line
    assert "--lora-modules one=/cache/a two=/two" in line
    assert "--max-loras 2" in line
    assert "--structured-outputs-config.disable_any_whitespace true" in line
    assert argv[-2:] == ["--seed", "7"]
    gpu, cpu = spec.environment(device="gpu"), spec.environment(device="cpu", cores=4)
    assert gpu["VLLM_BATCH_INVARIANT"] == "1"
    assert gpu["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert "VLLM_BATCH_INVARIANT" not in cpu
    assert cpu["OMP_NUM_THREADS"] == "3"


def test_on_a_cpu_one_adapter_slot_more_than_there_are_adapters() -> None:
    """What lies in the last slot would answer for the base in a mixed batch."""
    pawn = load_spec("pawn")
    argv = pawn.argv(device="cpu")
    assert int(argv[argv.index("--max-loras") + 1]) > len(pawn.adapters) == pawn.max_loras


@given(
    length=st.integers(16, 40_000),
    loras=st.integers(1, 9),
    names=st.lists(st.from_regex(r"\A[a-z][a-z0-9.-]{0,9}\Z"), unique=True, max_size=4),
)
def test_the_command_line_is_well_formed(length: int, loras: int, names: list[str]) -> None:
    adapters = {f"x{name}": f"owner/{name}" for name in names}
    spec = ServeSpec(name="s", base="o/m", max_model_len=length, max_loras=loras, adapters=adapters)
    for device in ("cpu", "gpu"):
        argv = spec.argv(device=device)
        assert argv.count("--max-model-len") == 1
        assert argv[argv.index("--max-model-len") + 1] == str(length)
        assert ("--lora-modules" in argv) == bool(adapters)
        assert all(f"{name}={source}" in argv for name, source in adapters.items())
        assert all(isinstance(word, str) and word for word in argv)


PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
for argv in json.load(sys.stdin):
    args = parser.parse_args(argv)
    so = args.structured_outputs_config
    print(json.dumps([args.max_model_len, args.enable_lora, len(args.lora_modules),
        so.backend, so.disable_any_whitespace, args.reasoning_parser, args.enforce_eager]))
"""


@pytest.mark.vllm
def test_the_installed_vllm_understands_every_shipped_spec() -> None:

    specs = [load_spec(name) for name in SHIPPED]
    lines = [spec.argv(device=device) for spec in specs for device in ("cpu", "gpu")]
    done = subprocess.run(
        [sys.executable, "-c", PARSE], input=json.dumps(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parsed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    expected = [
        [
            *(spec.max_model_len, True, len(spec.adapters), spec.structured_outputs.backend, True),
            *(spec.reasoning_parser or "", spec.eager or device == "cpu"),
        ]
        for spec in specs
        for device in ("cpu", "gpu")
    ]
    assert parsed == expected
