"""The command line of the harness, and its values checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import pytest

from evals.asking.body import Sampling
from evals.tasks import TASKS
from evals.words import Constraint, Notation

SUITES = Path(__file__).parents[1]
Serving = Literal["local", "modal", "peft"]
Device = Literal["auto", "cpu", "gpu"]
Policy = Literal["gated", "strict"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `model` is asked every task that `routes` gives to no other."""

    base_url: str | None
    model: str | None
    routes: Mapping[str, str]
    api_key_env: str | None
    serve: Serving
    spec: str
    attach: str | None
    fast_boot: bool
    device: Device
    adapters: tuple[str, ...]
    startup_timeout: float
    preflight: bool
    puzzles: tuple[str, ...]
    limit: int | None
    seed: int
    themes: tuple[str, ...]
    ratings: tuple[int, int] | None
    stratify: bool
    skip_bad_puzzles: bool
    mirror: bool
    full: bool
    notation: Notation
    constrain: Constraint
    prompts: Path | None
    reasoning_format: Literal["json", "text"]
    samples: int
    sampling: Sampling
    concurrency: int
    request_timeout: float
    policy: Policy
    gates: Path
    format_of: str | None
    engine: str | None
    show: int
    run_dir: Path | None


def add_options(parser: pytest.Parser) -> None:
    """Add every option under one heading of `pytest --help`."""
    group = parser.getgroup("eighth rank", "Eighth Rank: evaluation of chess LoRA adapters")
    add = group.addoption
    add("--base-url", metavar="URL", help="ask the OpenAI-compatible server at URL instead of starting one")
    add("--model", metavar="[TASK=]ID", action="append", default=[],
        help="served model or adapter to ask (default: the serve spec's, or the only adapter served); "
        "TASK=ID asks one task of another model; repeatable")  # fmt: skip
    add("--api-key-env", metavar="NAME", help="environment variable that holds the server's API key")
    add("--serve", choices=get_args(Serving), default="local",
        help="how to start a server when no --base-url is given (default: local)")  # fmt: skip
    add("--spec", default="pawn", metavar="NAME|FILE", help="serve spec to start (default: pawn, embedded)")
    add(
        "--attach",
        nargs="?",
        const="",
        metavar="APP",
        help="with --serve modal: ask a deployed app (default: the spec's) and start none",
    )
    add("--fast-boot", action="store_true", help="start the server eager: sooner up, slower to answer")
    add("--device", choices=get_args(Device), default="auto", help="where a local vLLM runs")
    add("--adapter", metavar="NAME=SOURCE", action="append", default=[],
        help="load an adapter (repo@revision or folder) into a running server for this session")  # fmt: skip
    add("--startup-timeout", type=float, default=600.0, metavar="S",
        help="how long to wait for the server to be ready (default: 600)")  # fmt: skip
    add("--no-preflight", action="store_true", help="ask puzzles without checking the server first")
    add("--puzzles", metavar="PATH", action="append", default=[],
        help="puzzle file: Lichess .csv, .csv.zst, .parquet or hf://datasets/...; repeatable "
        "(default: the sets in evals/sets)")  # fmt: skip
    add("--limit", type=int, metavar="N", help="ask a reproducible sample of N puzzles")
    add("--seed", type=int, default=0, metavar="N", help="seed of the sample and of the sampling")
    add("--themes", metavar="A,B", default="", help="only puzzles with one of these themes")
    add("--ratings", metavar="LO-HI", help="only puzzles rated from LO to HI")
    add("--stratify", action="store_true", help="draw --limit evenly over rating bands and themes")
    add("--skip-bad-puzzles", action="store_true", help="leave bad puzzle rows out and count them")
    add("--mirror", action="store_true", help="ask every puzzle with colours swapped as well")
    add("--scope", choices=("quick", "full"), default="quick",
        help="quick asks the slower tasks on part of the shipped sets, full on all of them")  # fmt: skip
    add("--notation", choices=get_args(Notation), default="uci", help="how moves are answered")
    add("--constrain", choices=get_args(Constraint), default="schema",
        help="hold answers to the JSON schema, to this position's legal moves, or to nothing")  # fmt: skip
    add("--prompts", metavar="DIR", type=Path, help="folder of prompt files that replace the shipped ones")
    add("--reasoning-format", choices=("json", "text"), default="json", help="answer that follows a trace")
    add("--samples", type=int, default=1, metavar="K", help="ask every case K times")
    add("--temperature", type=float, default=0.0, metavar="T", help="sampling temperature (default: 0)")
    add("--top-p", type=float, default=1.0, metavar="P", help="nucleus sampling (default: 1)")
    add("--concurrency", type=int, default=64, metavar="N",
        help="requests in flight for the whole session, whatever -n is (default: 64)")  # fmt: skip
    add("--request-timeout", type=float, default=300.0, metavar="S", help="limit of one request")
    add("--cases", choices=get_args(Policy), default="gated",
        help="gated: the gates decide; strict: every mistake of the model fails its test")  # fmt: skip
    add("--gates", metavar="FILE", type=Path, default=SUITES / "gates.toml", help="gates to judge the run by")
    add(
        "--format-of",
        metavar="ID",
        help="model version whose stored reasoning format is expected (default: the model that is asked)",
    )
    add("--engine", metavar="PATH", help="UCI engine for centipawn loss beside the outcome")
    add("--show", type=int, default=1, metavar="N", help="mistakes to show with their board (default: 1)")
    add("--run-dir", metavar="DIR", type=Path, help="where the run is kept (default: runs/<time>-<model>)")


def read_options(config: pytest.Config) -> Options:
    """Check the values and put them into one object.

    :raises pytest.UsageError: a value that cannot be used.
    """

    def get(option: str) -> Any:
        return config.getoption(option)

    model, routes = _models(get("--model"))
    for option, least in (("--limit", 1), ("--samples", 1), ("--concurrency", 1), ("--show", 0)):
        value = get(option)
        if value is not None and value < least:
            raise pytest.UsageError(f"{option} {value}: must be at least {least}")
    if get("--samples") > 1 and get("--temperature") <= 0:
        raise pytest.UsageError("--samples asks a case several times: give a --temperature above 0 with it")
    return Options(
        base_url=get("--base-url"),
        model=model,
        routes=routes,
        api_key_env=get("--api-key-env"),
        serve=get("--serve"),
        spec=get("--spec"),
        attach=get("--attach"),
        fast_boot=get("--fast-boot"),
        device=get("--device"),
        adapters=tuple(get("--adapter")),
        startup_timeout=get("--startup-timeout"),
        preflight=not get("--no-preflight"),
        puzzles=tuple(get("--puzzles")),
        limit=get("--limit"),
        seed=get("--seed"),
        themes=tuple(filter(None, cast(str, get("--themes")).split(","))),
        ratings=_ratings(get("--ratings")),
        stratify=get("--stratify"),
        skip_bad_puzzles=get("--skip-bad-puzzles"),
        mirror=get("--mirror"),
        full=get("--scope") == "full",
        notation=get("--notation"),
        constrain=get("--constrain"),
        prompts=_absolute(get("--prompts")),
        reasoning_format=get("--reasoning-format"),
        samples=get("--samples"),
        sampling=Sampling(temperature=get("--temperature"), top_p=get("--top-p"), seed=get("--seed")),
        concurrency=get("--concurrency"),
        request_timeout=get("--request-timeout"),
        policy=get("--cases"),
        gates=cast(Path, get("--gates")).absolute(),
        format_of=get("--format-of"),
        engine=get("--engine"),
        show=get("--show"),
        run_dir=_absolute(get("--run-dir")),
    )


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _models(values: list[str]) -> tuple[str | None, dict[str, str]]:
    model: str | None = None
    routes: dict[str, str] = {}
    for value in values:
        task, equals, name = value.partition("=")
        if equals and task in TASKS:
            routes[task] = name
        elif model is None:
            model = value
        else:
            raise pytest.UsageError(
                f"--model {model} and --model {value}: a run is about one model; "
                f"TASK=ID asks one task ({', '.join(TASKS)}) of another"
            )
    return model, routes


def _ratings(value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    low, dash, high = value.partition("-")
    try:
        band = int(low), int(high)
    except ValueError:
        band = (1, 0)
    if not dash or band[0] > band[1]:
        raise pytest.UsageError(f"--ratings {value!r}: give two numbers such as 1200-1600")
    return band
