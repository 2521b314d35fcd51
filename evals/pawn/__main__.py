"""`python -m evals.pawn STAGE`: make pawn and its adapters (`make pawn` lists the stages).

What needs torch is imported in the stages that do: it takes 3 s, and the other stages start in 1 s.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import time
from itertools import islice, takewhile
from pathlib import Path

import chess.engine
from transformers import AutoTokenizer

from evals.formats.format import FILE_NAME
from evals.pawn.positions import Source, read_lines, read_puzzles, write_held_out, write_lines
from evals.pawn.questions import FORMATS, OWN_PROMPTS, format_file
from evals.pawn.recipes import ADAPTERS, PLANS, Plan
from evals.pawn.tactics import tactics
from evals.pawn.tokenizer import build_tokenizer
from evals.results.engine import EngineError, start_uci

TINY = Plan(2, 1024)


def main(arguments: list[str] | None = None) -> None:
    """Run one stage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except FileNotFoundError as error:
        raise SystemExit(f"there is no file {error.filename}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.pawn", description="Make pawn and its adapters.")
    stages = parser.add_subparsers(required=True, metavar="STAGE")

    stage = stages.add_parser("positions", help="lines to train on, from a Lichess puzzle file or from games")
    stage.add_argument("--puzzles", type=Path, help="a Lichess puzzle CSV; without it mates of random games")
    stage.add_argument("--count", type=int, default=20_000, help="lines to make without a file")
    stage.add_argument("--out", type=Path, default=Path("build/pawn/lines.txt"))
    stage.set_defaults(run=_positions)

    stage = stages.add_parser("tactics", help="lines to train on, made with Stockfish; appends to the file")
    stage.add_argument("--puzzles", type=Path, help="lines of the stage `positions` that games start from")
    stage.add_argument("--count", type=int, default=20_000, help="tactics to make")
    stage.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    stage.add_argument("--seed", type=int, default=0, help="another one for each run, or it repeats itself")
    stage.add_argument("--out", type=Path, default=Path("build/pawn/tactics.txt"))
    stage.set_defaults(run=_tactics)

    stage = stages.add_parser(
        "held-out", help="the puzzles of a file that training leaves out, to evaluate on"
    )
    stage.add_argument("--puzzles", type=Path, required=True, help="a Lichess puzzle CSV")
    stage.add_argument("--out", type=Path, default=Path("build/pawn/held-out.csv"))
    stage.set_defaults(run=_held_out)

    stage = stages.add_parser("tokenizer", help="write the tokenizer")
    stage.add_argument("--out", type=Path, default=Path("build/pawn/base"))
    stage.set_defaults(run=_tokenizer)

    stage = stages.add_parser("pretrain", help="train the base")
    stage.add_argument("--start", type=Path, help="go on from this base, a shorter and slower leg")
    stage.add_argument("--out", type=Path, default=Path("build/pawn/base"))
    _add_training(stage)
    stage.set_defaults(run=_pretrain)

    stage = stages.add_parser("finetune", help="train one adapter")
    stage.add_argument("name", choices=ADAPTERS)
    stage.add_argument("--base", type=Path, default=Path("build/pawn/base"))
    stage.add_argument("--out", type=Path, default=Path("build/pawn/adapters"), help="folder of the adapters")
    stage.add_argument("--start", type=Path, help="go on from this adapter")
    _add_training(stage)
    stage.set_defaults(run=_finetune)

    stage = stages.add_parser("exam", help="ask an adapter held-out puzzles, each as it was trained")
    stage.add_argument("name", choices=ADAPTERS)
    stage.add_argument("--base", type=Path, default=Path("build/pawn/base"))
    stage.add_argument("--adapters", type=Path, default=Path("build/pawn/adapters"))
    stage.add_argument("--exam", type=Path, nargs="+", required=True, help="puzzle CSVs")
    stage.set_defaults(run=_exam)
    return parser


def _add_training(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("--lines", type=Path, help="lines of the stage `positions`; else own games")
    stage.add_argument("--steps", type=int, help="training steps (default: those of the shipped weights)")
    stage.add_argument("--tokens", type=int, help="tokens in a batch (default: as above)")
    stage.add_argument("--learning-rate", type=float, help="at its highest (default: as above)")
    stage.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    stage.add_argument("--workers", type=int, default=0, help="processes that make examples")
    stage.add_argument("--seed", type=int, default=0)
    stage.add_argument(
        "--exam", type=Path, nargs="*", default=[], help="puzzle CSVs; held-out ones are asked"
    )
    stage.add_argument("--tiny", action="store_true", help="a model for tests: two steps, no use")


def _positions(options: argparse.Namespace) -> None:
    source = Source(seed=0)
    games = (source.blunder() for _ in range(options.count))
    lines = read_puzzles(options.puzzles) if options.puzzles else games
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{write_lines(lines, options.out)} lines written to {options.out}")


def _held_out(options: argparse.Namespace) -> None:
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{write_held_out(options.puzzles, options.out)} puzzles written to {options.out}")


def _tactics(options: argparse.Namespace) -> None:
    puzzles = read_lines(options.puzzles) if options.puzzles else None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with start_uci("stockfish") as engine:
            end = time.monotonic() + options.seconds
            lines = islice(tactics(engine, options.seed, puzzles), options.count)
            count = write_lines(takewhile(lambda _: time.monotonic() < end, lines), options.out, append=True)
    except EngineError as error:
        raise SystemExit(str(error)) from error
    except chess.engine.EngineError as error:
        raise SystemExit(f"engine 'stockfish' failed: {error}") from error
    print(f"{count} tactics appended to {options.out}")


def _tokenizer(options: argparse.Namespace) -> None:
    from evals.pawn.model import save_tokenizer

    tokenizer = build_tokenizer(OWN_PROMPTS.values())
    save_tokenizer(tokenizer, options.out)
    print(f"tokenizer of {len(tokenizer)} tokens written to {options.out}")


def _plan(options: argparse.Namespace, name: str) -> Plan:
    """What is trained by, each of its numbers given or the default."""
    default = TINY if options.tiny else PLANS[name]
    return Plan(
        options.steps or default.steps,
        options.tokens or default.tokens,
        options.learning_rate or default.learning_rate,
    )


def _pretrain(options: argparse.Namespace) -> None:
    from evals.pawn.pretrain import pretrain
    from evals.pawn.training import Schedule

    plan = _plan(options, "base, second leg" if options.start else "base")
    pretrain(
        build_tokenizer(OWN_PROMPTS.values()),
        options.out,
        Schedule(plan.steps, plan.learning_rate, options.seconds, warmup=200),
        lines=options.lines,
        start=options.start,
        seed=options.seed,
        workers=options.workers,
        tokens=plan.tokens,
        tiny=options.tiny,
    )
    _examine(options.exam, options.out)


def _finetune(options: argparse.Namespace) -> None:
    from evals.pawn.finetune import finetune
    from evals.pawn.training import Schedule

    plan = _plan(options, options.name)
    finetune(
        options.name,
        AutoTokenizer.from_pretrained(str(options.base)),
        options.base,
        options.out / options.name,
        Schedule(plan.steps, plan.learning_rate, options.seconds, warmup=10, report_every=10),
        start=options.start,
        lines=options.lines,
        seed=options.seed,
        workers=options.workers,
        tokens=plan.tokens,
    )
    if options.name in FORMATS and not (options.out / options.name / FILE_NAME).exists():
        shutil.copy(format_file(options.name), options.out / options.name)
    _examine(options.exam, options.base, options.out / options.name)


def _exam(options: argparse.Namespace) -> None:
    _examine(options.exam, options.base, options.adapters / options.name)


def _examine(files: list[Path], base: Path, adapter: Path | None = None) -> None:
    """Print how the weights that were written do on the held-out puzzles of each file."""
    if not files:
        return
    from evals.pawn.exam import load, read_exam, report

    model, tokenizer = load(base, adapter)
    name = adapter.name if adapter else "base"
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            puzzles = read_exam(csv.DictReader(file), per_kind=300)
        print(f"{name} on {path.name}\n{report(model, tokenizer, puzzles, name)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
