"""`python -m serve`: print a vLLM command line, run a server, check one, compare it with PEFT."""

from __future__ import annotations

import argparse
import io
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

from serve.arguments import parser
from serve.endpoint import preflight
from serve.endpoint.attach import attach
from serve.endpoint.endpoint import Endpoint
from serve.errors import ServeError
from serve.local.machine import cores, detect_device
from serve.local.process import VLLM, LocalServer
from serve.printable import printable
from serve.reference import parity
from serve.reference.model import Reference
from serve.sources.hub import ADAPTER_FILES, HubSource
from serve.sources.resolve import check_folders, resolve
from serve.spec import ServeSpec, is_folder, load_spec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 where something is wrong."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no such letters shows their numbers.
            stream.reconfigure(errors="backslashreplace")
    # What follows `--` is a command of its own, with options of its own.
    split = arguments.index("--") if "--" in arguments else len(arguments)
    args = parser(__doc__).parse_args(arguments[:split])
    args.around = arguments[split + 1 :]
    commands = {"command": run_command, "local": run_local, "preflight": run_preflight, "parity": run_parity}
    try:
        return commands[args.command](args)
    except ServeError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def run_command(args: argparse.Namespace) -> int:
    """Print environment and command line, ready for a shell."""
    spec = load_spec(args.spec)
    check_folders(spec)
    device = detect_device() if args.device == "auto" else args.device
    paths: dict[str, str] = {}
    if args.resolve:
        resolution = resolve(spec)
        spec, paths = resolution.spec, resolution.paths
    words = [
        f"{name}={_word(value)}" for name, value in spec.environment(device=device, cores=cores()).items()
    ]
    words += ["python", "-m", VLLM]
    for argument in spec.argv(device=device, port=args.port, paths=paths):
        name, equals, source = argument.partition("=")
        if name in spec.adapters and equals and source not in paths.values() and not is_folder(source):
            words.append(f'{name}="$({_download(source)})"')
        else:
            words.append(_word(argument))
    _show(" ".join(words), limit=1_000_000)
    return 0


def _word(text: str) -> str:
    """A word as a shell reads it, and as a terminal may show it."""
    if printable(text, len(text) or 1) == text:
        return shlex.quote(text)
    # Bash, zsh and ksh read printable's escapes in such quotes.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(escaped, 10 * len(escaped))}'"


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
    for check in checks:
        _show(str(check))
    return 1 if any(check.status == "fail" for check in checks) else 0


def run_parity(args: argparse.Namespace) -> int:
    """Ask vLLM, then PEFT, the same prompts, and print how far they agree."""
    spec = load_spec(args.spec)
    prompts = parity.read_prompts(args.prompts) if args.prompts else parity.positions(args.count, args.seed)
    names = [spec.served_base, *spec.adapters]
    wanted: list[str] = args.model or names
    for model in wanted:
        if model not in names:
            raise ServeError(f"model {model!r} is not served; served are: {', '.join(names)}")
    if args.base_url:
        served = _ask_all(attach(args.base_url, api_key_env=args.api_key_env), wanted, prompts)
        dtype = spec.dtype
    else:
        log = Path(tempfile.mkdtemp(prefix="eighth-rank-")) / "vllm.log"
        with LocalServer.start(spec, log_path=log) as server:
            served = _ask_all(server.wait(progress=_say), wanted, prompts)
            dtype = _dtype(spec, server.manifest["device"])
    limit: float = parity.MAX_DIFFERENCE.get(dtype, parity.COARSE)
    if args.max_difference is not None:
        limit = args.max_difference

    _say("loading the PEFT reference")
    reference = Reference(resolve(spec))
    _say(f"passes at agreement >= {args.min_agreement:.0%} and largest difference <= {limit:g} ({dtype})")
    passed = True
    for model in wanted:
        result = parity.compare(served[model], parity.ask_reference(reference, model, prompts))
        good = result.passed(min_agreement=args.min_agreement, max_difference=limit)
        passed = passed and good
        _show(f"{'ok' if good else 'FAIL':4}  {model}: {result}")
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


def _show(text: str, limit: int = 4_000) -> None:
    """Print a result."""
    print(printable(text, limit, newlines=True), flush=True)


def _say(text: str) -> None:
    """Print progress, or an error."""
    print(printable(text, 10_000, newlines=True), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
