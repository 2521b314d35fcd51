"""What runs inside a container: the spec's vLLM, started and waited for as on this machine.

Knows nothing of Modal, so a test runs it as a plain process with the real vLLM.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from serve.local.process import LocalServer
from serve.printable import printable
from serve.spec import ServeSpec, is_folder

MODELS = "/eighth-rank"
"""Where local folders of a spec lie in the container."""
KEY = "VLLM_API_KEY"
"""The variable of a Modal secret; where it is set, vLLM asks every client for this key."""
LINE = 4_000
"""Characters of a line of the log."""


def containerised(spec: ServeSpec) -> tuple[ServeSpec, Mapping[str, str]]:
    """The spec as it reads inside a container, and the folders to put there: here -> there.

    Pure. For a spec of this machine; one that was deployed reads so already.
    """
    folders = [source for source in (spec.base, *spec.adapters.values()) if is_folder(source)]
    there = {folder: f"{MODELS}/{number}-{Path(folder).name}" for number, folder in enumerate(folders)}
    adapters = {name: there.get(source, source) for name, source in spec.adapters.items()}
    # An adapter's configuration names the base's folder on this machine, which is another in the container.
    aliases = spec.base_aliases
    if spec.base in there:
        aliases = (*aliases, spec.base, Path(spec.base).name)
    base = there.get(spec.base, spec.base)
    return spec.model_copy(update={"base": base, "adapters": adapters, "base_aliases": aliases}), there


def serve(
    spec: ServeSpec,
    *,
    port: int,
    log_path: Path,
    timeout: float,
    host: str = "0.0.0.0",
    device: Literal["auto", "cpu", "gpu"] = "gpu",
) -> LocalServer:
    """Start vLLM and return when it answers; its log also goes to stdout, where the platform collects it.

    :raises ServeError: vLLM died (at once) or is not ready in time; nothing is left running.
    """
    key = KEY if os.environ.get(KEY) else None
    server = LocalServer.start(spec, log_path=log_path, port=port, host=host, device=device, api_key_env=key)
    threading.Thread(target=_echo, args=(log_path, server), daemon=True).start()
    try:
        server.wait(timeout, progress=_show)
    except BaseException:
        server.stop()
        raise
    return server


def _echo(log_path: Path, server: LocalServer) -> None:
    """Copy a growing log to stdout for as long as the server runs."""
    with log_path.open(encoding="utf-8", errors="replace") as log:
        while server.running:
            if line := log.readline(LINE):
                _show(line.removesuffix("\n"))
            else:
                time.sleep(0.5)


def _show(text: str) -> None:
    print(printable(text, LINE), flush=True)
