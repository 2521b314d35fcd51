"""Tests the harness itself: can it tell pawn's adapters apart, whose order is known? Runs `pytest evals` with
each of them on one real vLLM.

    python -m evals.pawn.ladder [--runs DIR] [-n WORKERS]

v2 must beat v1, blunder must lose to v1, fail the gates and be diagnosed by name, and drift must fail
reasoning's format snapshot.
Prints each comparison and exits 0 only where all of that is found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.formats.format import FILE_NAME
from evals.results.comparable import check_comparable
from evals.results.comparison import compare, pairs_by_set
from evals.results.run import now
from evals.results.stored_run import StoredRun, read_run
from evals.statistics.relative import two_sided
from serve.endpoint.endpoint import Endpoint
from serve.local.process import LocalServer
from serve.spec import load_spec

ROOT = Path(__file__).parents[2]
MOVERS = ("pawn", "pawn-move-v1", "pawn-move-v2", "pawn-blunder")
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Ladder:
    """The runs of all adapters, against one server."""

    endpoint: Endpoint
    runs: Path
    workers: str

    def evaluate(self, model: str, task: str, *more: str, name: str = "") -> str:
        """One session, asked as the model was trained unless `more` says otherwise; returns its output.

        The run's folder has the model's name, or another one.
        """
        if "--format" not in more:
            more = (*more, "--format", str(own_format(model)))
        command = [sys.executable, "-m", "pytest", "evals", "-q", "-m", task, "-n", self.workers]
        command += ["--base-url", self.endpoint.base_url, "--model", model, *more]
        command += ["--run-dir", str(self.runs / (name or model))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"--- {model} -m {task} {' '.join(more)}: exit status {done.returncode}")
        return done.stdout

    def run(self, model: str) -> StoredRun:
        """The run of a model."""
        return read_run(self.runs / model)


def own_format(model: str) -> Path:
    """The format file of pawn, or of one of its adapters."""
    folder = ROOT / "serve" / "pawn"
    adapter = model.removeprefix("pawn").removeprefix("-")
    return (folder / "adapters" / adapter if adapter else folder / "base") / FILE_NAME


def p_value(baseline: StoredRun, candidate: StoredRun, name: str) -> tuple[float, float]:
    """The candidate's difference on one set, and its two-sided p-value."""
    check_comparable(baseline, candidate)
    (pairs,) = [pairs for _, each, pairs in pairs_by_set(baseline, candidate) if each == name]
    return pairs.difference, two_sided(pairs)


def verdicts(run: StoredRun) -> set[str]:
    """The verdicts of a run's gates, without those on tasks that it did not ask, which are inconclusive."""
    gates: list[dict[str, Any]] = run.manifest["gates"]
    return {gate["verdict"] for gate in gates if gate["judged"]}


def diagnosed(run: StoredRun) -> set[str]:
    """What a run says of where its answers came from, by name."""
    found: list[dict[str, Any]] = run.manifest["diagnosis"]
    print("\n".join(f"{run.models}: {each['sentence']}" for each in found))
    return {each["name"] for each in found}


def ask_both_ways(ladder: Ladder) -> tuple[StoredRun, StoredRun]:
    """The adapter of bare moves, asked in its own format, and in the shipped one that it was not taught."""
    ladder.evaluate("pawn-uci", "move")
    in_json = ("--format", "default", "--constrain", "none", "--limit", "100")
    ladder.evaluate("pawn-uci", "move", *in_json, name="uci-in-json")
    return ladder.run("pawn-uci"), ladder.run("uci-in-json")


def climb(ladder: Ladder) -> list[tuple[str, bool]]:
    """Run every adapter; returns what had to be found and whether it was."""
    for model in MOVERS:
        ladder.evaluate(model, "move or diagnosis")
    v1, v2, blunder = (ladder.run(name) for name in MOVERS[1:])
    for baseline, candidate in ((v1, v2), (v1, blunder)):
        print("\n".join(["", *compare(baseline, candidate), ""]))
    better, worse = p_value(v1, v2, "mate-in-1"), p_value(v1, blunder, "mate-in-1")
    ladder.evaluate("pawn-reasoning", "reasoning")
    said = ladder.evaluate("pawn-reasoning-drift", "reasoning", "--format-of", "pawn-reasoning")
    reasoning, drift = (verdicts(ladder.run(name)) for name in ("pawn-reasoning", "pawn-reasoning-drift"))
    noticed = [line for line in said.splitlines() if line.startswith(("-  ", "+  "))]
    print("\n".join(noticed))
    as_trained, in_json = ask_both_ways(ladder)
    print("\n".join(["", *compare(v2, as_trained), ""]))
    lost = p_value(v2, as_trained, "mate-in-1")[0]
    return [
        ("v2 beats v1 on mates in one", better[0] > 0 and better[1] < SIGNIFICANT),
        ("v2 passes the gates", verdicts(v2) == {"PASS"}),
        ("blunder loses to v1 on mates in one", worse[0] < 0 and worse[1] < SIGNIFICANT),
        ("blunder fails the gates", "FAIL" in verdicts(blunder)),
        ("blunder is diagnosed by name", diagnosed(blunder) == {"opponents_move"}),
        ("the others are not", not diagnosed(v1) | diagnosed(v2)),
        ("reasoning passes, its format snapshot included", reasoning == {"PASS"}),
        ("drift fails the format snapshot of reasoning", "FAIL" in drift and bool(noticed)),
        ("uci, asked as it was trained, passes the gates", verdicts(as_trained) == {"PASS"}),
        ("and loses less than 10 points of mates in one to v2", lost > -0.10),
        ("uci, asked in JSON, fails and is told why", diagnosed(in_json) == {"other_shape"}),
    ]


def main() -> int:
    """Start the server, run every adapter, and say what was found."""
    parser = argparse.ArgumentParser(description="run every pawn adapter and check that differences show")
    stamp = now().replace(":", "").replace("+0000", "")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / f"ladder-{stamp}")
    parser.add_argument("-n", dest="workers", default="0")
    given = parser.parse_args()
    with LocalServer.start(load_spec("pawn"), log_path=given.runs / "server.log") as server:
        found = climb(Ladder(server.wait(600, print), given.runs.absolute(), given.workers))
    for claim, holds in found:
        print(f"{'yes' if holds else 'NO':<4} {claim}")
    return 0 if all(holds for _, holds in found) else 1


if __name__ == "__main__":
    sys.exit(main())
