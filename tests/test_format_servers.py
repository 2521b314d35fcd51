"""Whole sessions in every shape that real adapters were trained in, with nothing but the format file: a
server that is always right solves everything in order, and one that is always wrong nothing.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from evals.formats.file import load_format
from evals.puzzles.puzzle import COLUMNS, Puzzle
from evals.tasks import TaskSettings, build_tasks
from evals.words import Completion
from tests.asking import cases_of
from tests.commands import run_pytest
from tests.loopback import Body, Loopback, chat
from tests.positions import random_puzzles
from tests.shapes import FORMATS, write_format
from tests.test_format_shapes import wrong_puzzle

pytestmark = pytest.mark.slow  # a session for each shape, twice

PUZZLES = [
    dataclasses.replace(each, set="random", themes=("fork", "mateIn2"))
    for each in random_puzzles(seed=21, count=30)
]


class Player:
    """Knows what to say to each chat that a session can send."""

    def __init__(self, path: Path, wrong: bool) -> None:
        settings = TaskSettings(load_format(path).questions)
        self.asks = {name.partition(".")[0] for name in settings.questions} - {"play"}  # which asks as `move`
        self.said: dict[str, Completion] = {}
        rng = random.Random(3)
        for name in self.asks & set(build_tasks(settings)):
            task = build_tasks(settings)[name]
            for case in cases_of(name, PUZZLES, settings):
                puzzle = self.mistaken(case.puzzle, name, rng) if wrong else case.puzzle
                chats = next(task.turns(case)).messages
                answers = task.right_answers(dataclasses.replace(case, puzzle=puzzle))  # type: ignore[attr-defined]
                self.said[json.dumps(chats)] = answers[0]

    @staticmethod
    def mistaken(puzzle: Puzzle, task: str, rng: random.Random) -> Puzzle:
        """The puzzle as one who is always wrong sees it: another move is best, or another position there."""
        if task != "board":
            return wrong_puzzle(puzzle, rng)
        other = PUZZLES[(PUZZLES.index(puzzle) + 7) % len(PUZZLES)]
        return dataclasses.replace(other, themes=("skewer",))

    async def __call__(self, body: Body) -> web.StreamResponse:
        said = self.said[json.dumps(body["messages"])]
        more: Mapping[str, str] = {"reasoning": said.reasoning} if said.reasoning else {}
        return chat(said.content, **more)


def run(tmp_path: Path, text: str, wrong: bool) -> tuple[int, list[dict[str, object]], str]:
    path, puzzles = write_format(tmp_path, text), tmp_path / "random.csv"
    with puzzles.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *(puzzle.to_row().values() for puzzle in PUZZLES)])
    player = Player(path, wrong)
    gates = tmp_path / "gates.toml"
    gates.write_text(
        "".join(
            f'[[gate]]\nname = "{task}"\ntask = "{task}"\nrate = "solved"\nat_least = 0.85\n'
            for task in sorted(player.asks)
        )
    )
    folder = tmp_path / "run"
    with Loopback(player, version="0.32.0") as server:
        done = run_pytest(
            *("evals", "-q", "--base-url", server.base_url, "--no-preflight", "--format", str(path)),
            *("-m", f"({' or '.join(sorted(player.asks))}) and not format", "-k", "not test_play"),
            *("--puzzles", str(puzzles), "--gates", str(gates), "--run-dir", str(folder)),
        )
    lines = (folder / "verdicts.jsonl").read_text().splitlines()
    return done.returncode, [json.loads(line) for line in lines], done.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_a_server_that_is_always_right_solves_everything_in_order(tmp_path: Path, name: str) -> None:
    status, verdicts, output = run(tmp_path, FORMATS[name], wrong=False)
    assert status == 0, output
    assert len(verdicts) == len(PUZZLES)
    assert {each["outcome"] for each in verdicts} == {"solved"}
    for check in ("sections_in_order", "faithful", "exact"):
        found = [each["checks"].get(check, True) for each in verdicts]  # type: ignore[attr-defined]
        assert all(found)


@pytest.mark.parametrize("name", FORMATS)
def test_a_server_that_is_always_wrong_solves_nothing(tmp_path: Path, name: str) -> None:
    status, verdicts, output = run(tmp_path, FORMATS[name], wrong=True)
    assert status == 1, output
    same = [each for each in verdicts if each["outcome"] == "solved"]
    # The captures of two positions may be the same, if there are none.
    assert all(each["variant"] == "captures" and not each["solution"] for each in same)
    assert len(same) < len(verdicts) / 4
