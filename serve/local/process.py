"""vLLM (or the PEFT reference) as a local process: started at once, waited for, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from serve.endpoint.attach import Progress, attach, silent
from serve.endpoint.endpoint import Endpoint
from serve.endpoint.keys import keys_of, redact
from serve.endpoint.wire import UnreachableError, send
from serve.errors import ServeError
from serve.local import reaper
from serve.local.diagnosis import diagnose, log_tail
from serve.local.environment import server_environment
from serve.local.machine import (
    LOOPBACK,
    check_device,
    check_installed,
    check_port,
    cores,
    detect_device,
    free_port,
)
from serve.sources.resolve import Resolution, resolve
from serve.spec import Device, ServeSpec

# `python -m` and not the `vllm` script: under the CPU build the script looks up a distribution called `vllm`.
VLLM = "vllm.entrypoints.openai.api_server"
PEFT = "serve.reference.server"
Engine = Literal["vllm", "peft"]
TERM_GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL at the end."""
POLL = 0.25

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


@dataclass(slots=True)
class LocalServer:
    """A server that this process started. Use `start`, `wait`, `stop`; or `with` to stop at the end."""

    base_url: str
    log_path: Path
    manifest: Mapping[str, Any]
    """What was started, for the record of a run: command line, device, spec. No secret."""
    api_key_env: str | None
    """The variable with the key that the server wants, if it wants one."""
    _process: subprocess.Popen[bytes]
    _reaper: subprocess.Popen[bytes]
    _begun: float = field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls,
        spec: ServeSpec,
        *,
        log_path: Path,
        port: int | None = None,
        device: Literal["auto", "cpu", "gpu"] = "auto",
        host: str = LOOPBACK,
        engine: Engine = "vllm",
        resolution: Resolution | None = None,
        api_key_env: str | None = None,
        extra_args: Sequence[str] = (),
    ) -> LocalServer:
        """Start a server and return at once; its output goes to `log_path`.

        :param port: None for a free one.
        :param engine: vLLM, or the slow PEFT reference (see `serve.reference.model`).
        :param resolution: the spec's sources where they are resolved already.
        :param api_key_env: the variable with the key that clients shall have to send.
        :raises ServeError: vLLM is not installed, the port is taken, the log cannot be written, a source is
            missing or does not fit.
        """
        if engine == "vllm":
            check_installed()
        resolution = resolution or resolve(spec)
        chosen = "cpu" if engine == "peft" else detect_device() if device == "auto" else check_device(device)
        port = free_port(host) if port is None else check_port(host, port)
        argv = [*command(engine, resolution, device=chosen, host=host, port=port), *extra_args]
        environment = server_environment(resolution.spec, chosen, api_key_env)
        process, watcher = _spawn(argv, environment, log_path)
        manifest = {
            "engine": engine,
            "spec": spec.name,
            "device": chosen,
            "argv": argv,
            "environment": spec.environment(device=chosen, cores=cores()),
        }
        url = f"http://{host if host != '0.0.0.0' else LOOPBACK}:{port}/v1"
        return cls(url, log_path, manifest, api_key_env, process, watcher)

    def wait(self, timeout: float = 600.0, progress: Progress = silent) -> Endpoint:
        """Wait until a model is listed and a request held to a schema is answered.

        :raises ServeError: vLLM died (raised at once, with the end of its log), or took `timeout` seconds.
        """
        said = 0.0
        endpoint: Endpoint | None = None
        while endpoint is None:
            self._check_alive()
            elapsed = time.monotonic() - self._begun
            if elapsed > timeout:
                raise ServeError(
                    f"{self._name} was not ready after {timeout:.0f} s; wait longer with --startup-timeout. "
                    f"{self._without_key(log_tail(self.log_path))}"
                )
            if elapsed - said >= 5:
                said = elapsed
                progress(f"{self._name} is starting ({elapsed:.0f} s)")
            time.sleep(POLL)
            # A bare connection is cheap; attach only once something listens.
            if self._listens():
                left = self._begun + timeout - time.monotonic()
                endpoint = attach(self.base_url, api_key_env=self.api_key_env, startup_timeout=left)
        self._ask(endpoint, max(1.0, self._begun + timeout - time.monotonic()))
        progress(f"{self._name} is ready ({time.monotonic() - self._begun:.0f} s)")
        return endpoint

    def _listens(self) -> bool:
        try:
            return send(self.base_url.removesuffix("/v1") + "/health", timeout=5).status == 200
        except UnreachableError:
            return False

    def _ask(self, endpoint: Endpoint, timeout: float) -> None:
        """One request held to a strict schema: only now are all parts of the server loaded."""
        body = {
            "model": endpoint.models[0].id,
            "messages": [{"role": "user", "content": "ready?"}],
            "max_tokens": 16,
            "temperature": 0,
            "chat_template_kwargs": {"enable_thinking": False},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "ready", "strict": True, "schema": SCHEMA},
            },
        }
        try:
            answer = endpoint.send("/chat/completions", body, timeout=timeout)
        except UnreachableError as error:
            time.sleep(1)
            self._check_alive()
            raise ServeError(f"{self._name} lists its models but does not answer: {error}") from error
        if answer.status != 200:
            raise ServeError(f"{self._name} answers {answer.status} to its first request: {answer.error}")

    def _check_alive(self) -> None:
        code = self._process.poll()
        if code is not None:
            self.stop()
            how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
            why = self._without_key(diagnose(self.log_path))
            raise ServeError(f"{self._name} ended while starting ({how}). {why}")

    def _without_key(self, text: str) -> str:
        return redact(text, keys_of([self.api_key_env] if self.api_key_env else []))

    @property
    def _name(self) -> str:
        return "vLLM" if self.manifest["engine"] == "vllm" else "the PEFT reference"

    @property
    def pid(self) -> int:
        """The server's process, which leads its process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the server's process lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop the server and all its children; safe to call again."""
        group = self._process.pid
        if reaper.alive(group):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
            deadline = time.monotonic() + TERM_GRACE
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            # Engine and worker processes that did not end with the server.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._process.wait()
        if self._reaper.stdin and not self._reaper.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._reaper.stdin.write(b"done\n")
                self._reaper.stdin.close()
        self._reaper.wait()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def command(engine: Engine, resolution: Resolution, *, device: Device, host: str, port: int) -> list[str]:
    """The module to run with `python -m`, and its arguments."""
    spec = resolution.spec
    if engine == "peft":
        return [PEFT, "--host", host, "--port", str(port), "--spec", spec.model_dump_json()]
    return [VLLM, *spec.argv(device=device, host=host, port=port, paths=resolution.paths)]


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], log_path: Path
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """The server's process, and the reaper's that watches over it.

    :raises ServeError: the log cannot be written.
    """
    try:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        opened = log_path.open("ab", buffering=0)
    except OSError as error:
        raise ServeError(f"the server's log {str(log_path)!r} cannot be written: {error.strerror}") from error
    with opened as log:
        watcher = start_reaper()
        process = subprocess.Popen(
            [sys.executable, "-m", *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # Its own session: the terminal's Ctrl-C is ours to handle, and killpg reaches its children.
            start_new_session=True,
        )
    assert watcher.stdin
    watcher.stdin.write(f"{process.pid}\n".encode())
    watcher.stdin.flush()
    return process, watcher


def start_reaper() -> subprocess.Popen[bytes]:
    """The process that kills the server where this one dies without stopping it."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", reaper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
