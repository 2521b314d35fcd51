"""The command line of `python -m serve`: its commands and options, each value checked when it is read."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from serve.endpoint.keys import VARIABLE
from serve.printable import printable
from serve.reference.parity import MIN_AGREEMENT

Value = TypeVar("Value", int, float)
DAY = 86_400
MOST = 100_000


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one printable sentence, and not how everything is used."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"error: {printable(message)}; see {self.prog} --help\n")


def _checked(
    kind: Callable[[str], Value], allowed: Callable[[Value], bool], what: str, wanted: str
) -> Callable[[str], Value]:
    """A `type=` that reads a value, or says what is wanted."""

    def read(text: str) -> Value:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if allowed(value):
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}: give {wanted}")

    return read


port = _checked(int, lambda n: 1 <= n <= 65_535, "a port", "a whole number from 1 to 65535")
seconds = _checked(float, lambda s: 0 < s <= DAY, "a time", f"seconds above 0, up to {DAY}")
count = _checked(int, lambda n: 1 <= n <= MOST, "a number of positions", f"a whole number from 1 to {MOST}")
seed = _checked(int, lambda _: True, "a seed", "a whole number")
share = _checked(float, lambda x: 0 <= x <= 1, "a share", "a number from 0 to 1")
difference = _checked(float, lambda x: 0 <= x < math.inf, "a difference", "a number from 0")


def variable(text: str) -> str:
    """The name of an environment variable. An error does not show it: it may be the key itself."""
    if not VARIABLE.fullmatch(text):
        raise argparse.ArgumentTypeError("give the name of an environment variable with the key, not the key")
    return text


def parser(description: str | None) -> argparse.ArgumentParser:
    """The command line; each command's name is in `command`."""
    top = Parser(prog="python -m serve", description=description)
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _command(commands.add_parser("command", help="print the exact vLLM command line of a spec"))
    around = "serve a spec on this machine until Ctrl-C, or while a command runs: local SPEC -- COMMAND"
    _local(commands.add_parser("local", help=around))
    _preflight(commands.add_parser("preflight", help="check a running server"))
    _parity(commands.add_parser("parity", help="compare vLLM with PEFT: did serving change the model?"))
    return top


def _command(command: argparse.ArgumentParser) -> None:
    _add_spec(command)
    command.add_argument("--device", choices=["auto", "cpu", "gpu"], default="gpu")
    command.add_argument("--port", type=port, default=8000)
    command.add_argument("--resolve", action="store_true", help="resolve revisions and download adapters now")


def _local(command: argparse.ArgumentParser) -> None:
    _add_spec(command)
    command.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    command.add_argument("--engine", choices=["vllm", "peft"], default="vllm")
    command.add_argument("--port", type=port, help="default: a free one")
    command.add_argument("--log", type=Path, help="where the server's output goes")
    _add_key(command, "variable with the key that clients must send")
    _add_timeout(command, 600)


def _preflight(command: argparse.ArgumentParser) -> None:
    command.add_argument("--base-url", required=True)
    command.add_argument("--model", help="default: the only adapter served")
    command.add_argument("--thinking", action="store_true", help="check it as for a task with reasoning")
    _add_key(command, "variable with the server's key")
    _add_timeout(command, 60)


def _parity(command: argparse.ArgumentParser) -> None:
    _add_spec(command)
    command.add_argument("--model", action="append", help="served model (repeatable; default: all)")
    command.add_argument("--base-url", help="a vLLM that serves the spec already; default: start one")
    _add_key(command, "variable with the server's key")
    command.add_argument("--prompts", type=Path, metavar="FILE", help="one JSON list of messages a line")
    command.add_argument("--count", type=count, default=32, help="random positions to ask (default: 32)")
    command.add_argument("--seed", type=seed, default=1)
    command.add_argument("--min-agreement", type=share, default=MIN_AGREEMENT)
    command.add_argument("--max-difference", type=difference, help="default: 0.01 in float32, else 0.25")


def _add_spec(command: argparse.ArgumentParser) -> None:
    command.add_argument("spec", help="shipped spec (pawn, chess-puzzle, chess-reasoning) or a .toml file")


def _add_key(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--api-key-env", type=variable, metavar="NAME", help=what)


def _add_timeout(command: argparse.ArgumentParser, default: float) -> None:
    command.add_argument("--startup-timeout", type=seconds, default=default, metavar="SECONDS")
