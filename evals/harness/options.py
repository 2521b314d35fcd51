"""The command line of the harness: every option declared once, its value checked where it is read."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import pytest

from evals.asking.body import Sampling
from evals.harness.values import absolute, column_names, comma_separated, number, rating_band, seconds, whole
from evals.puzzles.dialect import FIELDS
from evals.puzzles.puzzle import Convention
from evals.results.baseline_place import place_of
from evals.tasks import task_names
from evals.words import Constraint

SUITES = Path(__file__).parents[1]
"""The folder of the suites, with their sets, prompts, gates and snapshots."""
SHIPPED_GATES = SUITES / "gates.toml"
Serving = Literal["local", "modal", "peft"]
Device = Literal["auto", "cpu", "gpu"]
Policy = Literal["gated", "strict"]
Scope = Literal["quick", "full"]
Inconclusive = Literal["pass", "fail"]
RECHECKED = 100
"""Cases of a stored baseline that are asked again, where its adapter is served."""
PREFIX = "eighth_rank_"
"""In front of the names under which pytest keeps our options."""


class Flag:
    """The flag of an option, its help, and whatever else argparse is told of it."""

    def __init__(self, flag: str, help: str, **how: Any) -> None:
        self.flag, self.how = flag, {"help": help, **how}


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    base_url: Annotated[
        str | None,
        Flag("--base-url", "ask the OpenAI-compatible server at URL instead of starting one", metavar="URL"),
    ] = None
    models: Annotated[
        tuple[str, ...],
        Flag(
            "--model",
            (
                "served model or adapter to ask (default: the serve spec's, or the only adapter served); "
                "TASK=ID asks one task of another model; repeatable"
            ),
            metavar="[TASK=]ID",
            action="append",
        ),
    ] = ()
    api_key_env: Annotated[
        str | None,
        Flag("--api-key-env", "environment variable that holds the server's API key", metavar="NAME"),
    ] = None
    serve: Annotated[
        Serving,
        Flag(
            "--serve",
            "how to start a server when no --base-url is given (default: local)",
            choices=get_args(Serving),
        ),
    ] = "local"
    spec: Annotated[
        str, Flag("--spec", "serve spec to start (default: pawn, embedded)", metavar="NAME|FILE")
    ] = "pawn"
    attach: Annotated[
        str | None,
        Flag(
            "--attach",
            "with --serve modal: ask a deployed app (default: the spec's) and start none",
            metavar="APP",
            nargs="?",
            const="",
        ),
    ] = None
    fast_boot: Annotated[
        bool, Flag("--fast-boot", "start the server eager: sooner up, slower to answer", action="store_true")
    ] = False
    device: Annotated[Device, Flag("--device", "where a local vLLM runs", choices=get_args(Device))] = "auto"
    adapters: Annotated[
        tuple[str, ...],
        Flag(
            "--adapter",
            "load an adapter (repo@revision or folder) into a running server for this session",
            metavar="NAME=SOURCE",
            action="append",
        ),
    ] = ()
    startup_timeout: Annotated[
        float,
        Flag(
            "--startup-timeout",
            "how long to wait for the server to be ready (default: 600)",
            metavar="S",
            type=seconds(),
        ),
    ] = 600.0
    no_preflight: Annotated[
        bool, Flag("--no-preflight", "ask puzzles without checking the server first", action="store_true")
    ] = False
    puzzles: Annotated[
        tuple[str, ...],
        Flag(
            "--puzzles",
            (
                "puzzle file: Lichess .csv, .csv.zst, .parquet or hf://datasets/...; repeatable "
                "(default: the sets in evals/sets)"
            ),
            metavar="PATH",
            action="append",
        ),
    ] = ()
    columns: Annotated[
        tuple[tuple[str, str], ...],
        Flag(
            "--columns",
            (
                "what columns of the --puzzles files are called, such as fen=question_fen,moves=solution; of "
                f"{', '.join(FIELDS)} only fen and moves have to be there, with moves in UCI or SAN"
            ),
            metavar="FIELD=NAME,...",
            type=column_names,
        ),
    ] = ()
    position: Annotated[
        Convention,
        Flag(
            "--position",
            (
                "whose position the FEN of the --puzzles files is. before: the one before the opponent's "
                "move, with which the moves start (default, as in Lichess files); solver: the solver's, with "
                "whose move they start"
            ),
            choices=get_args(Convention),
        ),
    ] = "before"
    limit: Annotated[
        int | None, Flag("--limit", "ask a reproducible sample of N puzzles", metavar="N", type=whole(1))
    ] = None
    seed: Annotated[
        int, Flag("--seed", "seed of the sample and of the sampling", metavar="N", type=whole(0))
    ] = 0
    themes: Annotated[
        tuple[str, ...],
        Flag("--themes", "only puzzles with one of these themes", metavar="A,B", type=comma_separated),
    ] = ()
    ratings: Annotated[
        tuple[int, int] | None,
        Flag("--ratings", "only puzzles rated from LO to HI", metavar="LO-HI", type=rating_band),
    ] = None
    stratify: Annotated[
        bool, Flag("--stratify", "draw --limit evenly over rating bands and themes", action="store_true")
    ] = False
    held_out: Annotated[
        bool,
        Flag(
            "--held-out",
            "only puzzles that the split keeps for evaluation, one position in 16",
            action="store_true",
        ),
    ] = False
    trained_on: Annotated[
        tuple[str, ...],
        Flag(
            "--trained-on",
            (
                "file that the model was trained on, in any form that --puzzles reads; COLUMN has its FENs "
                "(default: FEN): positions in it are reported beside the others and count for no gate; "
                "repeatable"
            ),
            metavar="FILE[:COLUMN]",
            action="append",
        ),
    ] = ()
    trained_columns: Annotated[
        tuple[tuple[str, str], ...],
        Flag(
            "--trained-columns",
            "what columns of the --trained-on files are called, such as fen=question_fen,moves=solution",
            metavar="FIELD=NAME,...",
            type=column_names,
        ),
    ] = ()
    skip_bad_puzzles: Annotated[
        bool, Flag("--skip-bad-puzzles", "leave bad puzzle rows out and count them", action="store_true")
    ] = False
    mirror: Annotated[
        bool, Flag("--mirror", "ask every puzzle with colours swapped as well", action="store_true")
    ] = False
    scope: Annotated[
        Scope,
        Flag(
            "--scope",
            "quick asks the slower tasks on part of the shipped sets, full on all of them",
            choices=get_args(Scope),
        ),
    ] = "quick"
    format: Annotated[
        str | None,
        Flag(
            "--format",
            (
                "how the model was taught to be asked: a .toml file, hf://owner/name[@revision], or a "
                "shipped format's name (default: the one that lies with the adapter, else the serve spec's)"
            ),
            metavar="FORMAT",
        ),
    ] = None
    constrain: Annotated[
        Constraint | None,
        Flag(
            "--constrain",
            (
                "hold answers to their shape, to this position's legal moves, or to nothing "
                "(default: as the format says)"
            ),
            choices=get_args(Constraint),
        ),
    ] = None
    samples: Annotated[int, Flag("--samples", "ask every case K times", metavar="K", type=whole(1))] = 1
    temperature: Annotated[
        float,
        Flag(
            "--temperature",
            "sampling temperature (default: 0)",
            metavar="T",
            type=number(0, 100, "a number from 0"),
        ),
    ] = 0.0
    top_p: Annotated[
        float,
        Flag(
            "--top-p",
            "nucleus sampling (default: 1)",
            metavar="P",
            type=number(0, 1, "a number above 0 and up to 1", above=True),
        ),
    ] = 1.0
    concurrency: Annotated[
        int,
        Flag(
            "--concurrency",
            "requests in flight for the whole session, whatever -n is (default: 64)",
            metavar="N",
            type=whole(1),
        ),
    ] = 64
    request_timeout: Annotated[
        float, Flag("--request-timeout", "limit of one request (default: 300)", metavar="S", type=seconds())
    ] = 300.0
    policy: Annotated[
        Policy,
        Flag(
            "--cases",
            "gated: the gates decide; strict: every mistake of the model fails its test",
            choices=get_args(Policy),
        ),
    ] = "gated"
    gates: Annotated[Path, Flag("--gates", "gates to judge the run by", metavar="FILE", type=absolute)] = (
        SHIPPED_GATES
    )
    baselines: Annotated[
        tuple[str, ...],
        Flag(
            "--baseline",
            "run to hold this one against: a blessed one's name, a .jsonl file or a run's folder; repeatable",
            metavar="NAME|PATH",
            action="append",
        ),
    ] = ()
    baseline_model: Annotated[
        str | None,
        Flag(
            "--baseline-model", "served model to ask the same cases, as a baseline of this run", metavar="ID"
        ),
    ] = None
    recheck: Annotated[
        int | None,
        Flag(
            "--recheck",
            (
                "ask N cases of a stored baseline's adapter again, where it is served, to see whether the "
                f"baseline is stale (default: {RECHECKED}; 0: none)"
            ),
            metavar="N",
            type=whole(0),
        ),
    ] = None
    bless: Annotated[
        str | None,
        Flag(
            "--bless",
            "keep this run as a baseline in evals/baselines, or in a .jsonl file",
            metavar="NAME|PATH",
        ),
    ] = None
    tried: Annotated[
        int,
        Flag(
            "--tried",
            "with --bless: how many candidates this one was chosen from (default: 1)",
            metavar="N",
            type=whole(1),
        ),
    ] = 1
    inconclusive: Annotated[
        Inconclusive | None,
        Flag(
            "--inconclusive",
            "exit status of a whole run where no gate failed and one is inconclusive: 0 or 1 (default: 6)",
            choices=get_args(Inconclusive),
        ),
    ] = None
    format_of: Annotated[
        str | None,
        Flag(
            "--format-of",
            "model version whose stored reasoning format is expected (default: the model that is asked)",
            metavar="ID",
        ),
    ] = None
    engine: Annotated[
        str | None, Flag("--engine", "UCI engine for centipawn loss beside the outcome", metavar="PATH")
    ] = None
    show: Annotated[
        int, Flag("--show", "mistakes to show with their board (default: 1)", metavar="N", type=whole(0))
    ] = 1
    run_dir: Annotated[
        Path | None,
        Flag(
            "--run-dir", "where the run is kept (default: runs/<time>-<model>)", metavar="DIR", type=absolute
        ),
    ] = None

    @property
    def sampling(self) -> Sampling:
        """How the server draws tokens."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, seed=self.seed)

    @property
    def routes(self) -> Mapping[str, str]:
        """Task -> the model that it alone is asked of."""
        return {task: model for task, model in map(_route, self.models) if task}

    @property
    def model(self) -> str | None:
        """The model that every other task is asked of."""
        return next((model for task, model in map(_route, self.models) if not task), None)


def _route(value: str) -> tuple[str, str]:
    """`TASK=ID` as task and model; a value without a task's name in front is a model."""
    task, _, model = value.partition("=")
    return (task, model) if task in task_names() and model else ("", value)


def add_options(parser: pytest.Parser) -> None:
    """Add every option under one heading of `pytest --help`."""
    group = parser.getgroup("eighth rank", "Eighth Rank: evaluation of chess LoRA adapters")
    for name, (flag, default) in flags().items():
        repeatable = flag.how.get("action") == "append"
        group.addoption(flag.flag, dest=PREFIX + name, default=[] if repeatable else default, **flag.how)


def flags() -> Mapping[str, tuple[Flag, Any]]:
    """Each field of `Options` with its flag and its default."""
    hints = get_type_hints(Options, include_extras=True)
    return {field.name: (hints[field.name].__metadata__[0], field.default) for field in fields(Options)}


def read_options(config: pytest.Config) -> Options:
    """The options of this session.

    :raises pytest.UsageError: two of them do not go together.
    """
    values: dict[str, Any] = {each.name: config.getoption(PREFIX + each.name) for each in fields(Options)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    options = Options(**values)
    if (problem := conflict(options)) is not None:
        raise pytest.UsageError(problem)
    return options


def conflict(options: Options) -> str | None:
    """What is asked for and cannot be had together, or would be ignored; None where all is well. Pure."""
    return (
        _conflict_of_models(options.models)
        or _conflict_of_serving(options)
        or _conflict_of_draw(options)
        or _conflict_of_baselines(options)
    )


def _conflict_of_models(models: tuple[str, ...]) -> str | None:
    plain = [value for value in models if not _route(value)[0]]
    for value in plain:
        task, equals, model = value.partition("=")
        if equals and (near := difflib.get_close_matches(task, task_names(), n=1)):
            return f"--model {value}: there is no task {task!r}; did you mean {near[0]}={model}?"
    if len(plain) > 1:
        return (
            f"--model {plain[0]} and --model {plain[1]}: a run is about one model; "
            f"TASK=ID asks one task ({', '.join(task_names())}) of another"
        )
    return None


def _conflict_of_serving(options: Options) -> str | None:
    default = Options()
    starts = {"--serve": "serve", "--spec": "spec", "--fast-boot": "fast_boot", "--device": "device"}
    given = [flag for flag, name in starts.items() if getattr(options, name) != getattr(default, name)]
    if options.base_url and given:
        return f"{given[0]} starts a server, and --base-url asks one that runs: give one of the two"
    if options.attach is not None and (options.serve != "modal" or options.base_url):
        return "--attach asks an app that is deployed on Modal: give --serve modal with it"
    if options.attach is not None and options.fast_boot:
        return "--fast-boot has no effect on an app that is deployed already: give it without --attach"
    if options.serve != "local" and options.device != "auto":
        return f"--device says where a local vLLM runs, and --serve {options.serve} starts none"
    return None


def _conflict_of_draw(options: Options) -> str | None:
    if options.samples > 1 and options.temperature <= 0:
        return "--samples asks a case several times: give a --temperature above 0 with it"
    if (options.columns or options.position != "before") and not options.puzzles:
        given = "--columns" if options.columns else f"--position {options.position}"
        return f"{given} says how your own puzzle files are read: give --puzzles with it"
    if options.trained_columns and not options.trained_on:
        return "--trained-columns says how files of --trained-on are read: give one with it"
    if options.stratify and options.limit is None:
        return "--stratify says how --limit draws: give a --limit with it"
    return None


def _conflict_of_baselines(options: Options) -> str | None:
    if options.bless is not None and place_of(options.bless) is None:
        return f"--bless {options.bless}: give a name of letters, digits and '._@-', or a .jsonl file"
    if options.tried > 1 and options.bless is None:
        return "--tried is written into what --bless keeps: give a --bless with it"
    if options.recheck is not None and not options.baselines:
        return "--recheck asks a stored baseline's adapter again: give a --baseline with it"
    return None
