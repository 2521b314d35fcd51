"""`python -m serve`: print a vLLM command line, run a server, check one, compare it with PEFT."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from serve.endpoint import preflight
from serve.endpoint.attach import attach
from serve.endpoint.endpoint import Endpoint
from serve.errors import ServeError
from serve.local.machine import cores, detect_device
from serve.local.process import VLLM, LocalServer
from serve.reference import parity
from serve.reference.model import Reference
from serve.sources.hub import ADAPTER_FILES, HubSource
from serve.sources.resolve import resolve
from serve.spec import ServeSpec, is_folder, load_spec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 where something is wrong."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    # What follows `--` is a command of its own, with options of its own.
    split = arguments.index("--") if "--" in arguments else len(arguments)
    args = parser().parse_args(arguments[:split])
    args.around = arguments[split + 1 :]
    try:
        return args.run(args)
    except ServeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m serve", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    spec_help = "shipped spec (pawn, chess-puzzle, chess-reasoning) or a .toml file"

    command = commands.add_parser("command", help="print the exact vLLM command line of a spec")
    command.add_argument("spec", help=spec_help)
    command.add_argument("--device", choices=["auto", "cpu", "gpu"], default="gpu")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument("--resolve", action="store_true", help="resolve revisions and download adapters now")
    command.set_defaults(run=run_command)

    local = commands.add_parser(
        "local",
        help="serve a spec on this machine until Ctrl-C, or while a command runs: local SPEC -- COMMAND",
    )
    local.add_argument("spec", help=spec_help)
    local.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    local.add_argument("--engine", choices=["vllm", "peft"], default="vllm")
    local.add_argument("--port", type=int, help="default: a free one")
    local.add_argument("--log", type=Path, help="where the server's output goes")
    local.add_argument("--api-key-env", metavar="NAME", help="variable with the key that clients must send")
    local.add_argument("--startup-timeout", type=float, default=600, metavar="SECONDS")
    local.set_defaults(run=run_local)

    check = commands.add_parser("preflight", help="check a running server")
    check.add_argument("--base-url", required=True)
    check.add_argument("--model", help="default: the only adapter served")
    check.add_argument("--thinking", action="store_true", help="check it as for a task with reasoning")
    check.add_argument("--api-key-env", metavar="NAME")
    check.add_argument("--startup-timeout", type=float, default=60, metavar="SECONDS")
    check.set_defaults(run=run_preflight)

    same = commands.add_parser("parity", help="compare vLLM with PEFT: did serving change the model?")
    same.add_argument("spec", help=spec_help)
    same.add_argument("--model", action="append", help="served model (repeatable; default: all of the spec)")
    same.add_argument("--base-url", help="a vLLM that serves the spec already; default: start one")
    same.add_argument("--api-key-env", metavar="NAME")
    same.add_argument("--prompts", type=Path, metavar="FILE", help="one JSON list of messages a line")
    same.add_argument("--count", type=int, default=32, help="random positions to ask (default: 32)")
    same.add_argument("--seed", type=int, default=1)
    same.add_argument("--min-agreement", type=float, default=parity.MIN_AGREEMENT)
    same.add_argument("--max-difference", type=float, help="default: 0.01 in float32, else 0.25")
    same.set_defaults(run=run_parity)
    return top


def run_command(args: argparse.Namespace) -> int:
    """Print environment and command line, ready for a shell."""
    spec = load_spec(args.spec)
    device = detect_device() if args.device == "auto" else args.device
    paths: dict[str, str] = {}
    if args.resolve:
        resolution = resolve(spec)
        spec, paths = resolution.spec, resolution.paths
    words = [
        f"{name}={shlex.quote(value)}"
        for name, value in spec.environment(device=device, cores=cores()).items()
    ]
    words += ["python", "-m", VLLM]
    for argument in spec.argv(device=device, port=args.port, paths=paths):
        name, equals, source = argument.partition("=")
        if name in spec.adapters and equals and source not in paths.values() and not is_folder(source):
            words.append(f'{name}="$({_download(source)})"')
        else:
            words.append(shlex.quote(argument))
    print(" ".join(words))
    return 0


def _download(source: str) -> str:
    """The shell command that downloads an adapter and prints its folder; vLLM itself takes no revision."""
    hub = HubSource.parse(source)
    revision = ["--revision", hub.revision] if hub.revision else []
    include = [word for file in ADAPTER_FILES[:2] for word in ("--include", file)]
    return shlex.join(["hf", "download", hub.repo, *revision, *include, "--quiet"])


def run_local(args: argparse.Namespace) -> int:
    """Serve in the foreground, or around a command that finds the server in EIGHTH_RANK_BASE_URL."""
    spec = load_spec(args.spec)
    log = args.log or Path(tempfile.mkdtemp(prefix="eighth-rank-")) / f"{args.engine}.log"
    signal.signal(signal.SIGTERM, _interrupt)
    server = LocalServer.start(
        spec,
        log_path=log,
        port=args.port,
        device=args.device,
        engine=args.engine,
        api_key_env=args.api_key_env,
    )
    with server:
        endpoint = server.wait(args.startup_timeout, _say)
        _say(f"{endpoint.base_url} serves {', '.join(model.id for model in endpoint.models)}; log: {log}")
        if args.around:
            environment = {**os.environ, "EIGHTH_RANK_BASE_URL": endpoint.base_url}
            try:
                return subprocess.run(args.around, env=environment, check=False).returncode
            except OSError as error:
                raise ServeError(f"{args.around[0]!r} cannot be run: {error.strerror}") from error
        while server.running:
            time.sleep(0.5)
        raise ServeError(f"the server ended by itself; its log is {log}")


def run_preflight(args: argparse.Namespace) -> int:
    """Check a running server and print a line per check."""
    endpoint = attach(
        args.base_url, api_key_env=args.api_key_env, startup_timeout=args.startup_timeout, progress=_say
    )
    checks = preflight.preflight(endpoint, endpoint.choose(args.model).id, thinking=args.thinking)
    print("\n".join(map(str, checks)))
    return 1 if any(check.status == "fail" for check in checks) else 0


def run_parity(args: argparse.Namespace) -> int:
    """Ask vLLM, then PEFT, the same prompts, and print how far they agree."""
    spec = load_spec(args.spec)
    prompts = parity.read_prompts(args.prompts) if args.prompts else parity.positions(args.count, args.seed)
    wanted: list[str] = args.model or [spec.served_base, *spec.adapters]
    if args.base_url:
        served = _ask_all(attach(args.base_url, api_key_env=args.api_key_env), wanted, prompts)
        dtype = spec.dtype
    else:
        log = Path(tempfile.mkdtemp(prefix="eighth-rank-")) / "vllm.log"
        with LocalServer.start(spec, log_path=log) as server:
            served = _ask_all(server.wait(progress=_say), wanted, prompts)
            dtype = _dtype(spec, server.manifest["device"])
    limit = args.max_difference or parity.MAX_DIFFERENCE.get(dtype, parity.COARSE)

    _say("loading the PEFT reference")
    reference = Reference(resolve(spec))
    _say(f"passes at agreement >= {args.min_agreement:.0%} and largest difference <= {limit:g} ({dtype})")
    passed = True
    for model in wanted:
        result = parity.compare(served[model], parity.ask_reference(reference, model, prompts))
        good = result.passed(min_agreement=args.min_agreement, max_difference=limit)
        passed = passed and good
        print(f"{'ok' if good else 'FAIL':4}  {model}: {result}", flush=True)
    return 0 if passed else 1


def _ask_all(
    endpoint: Endpoint, models: Sequence[str], prompts: Sequence[parity.Messages]
) -> dict[str, list[parity.Greedy]]:
    return {model: parity.ask_server(endpoint, endpoint.choose(model).id, prompts) for model in models}


def _dtype(spec: ServeSpec, device: str) -> str:
    return spec.cpu.dtype if device == "cpu" else spec.dtype


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a server as Ctrl-C does."""
    raise KeyboardInterrupt


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
