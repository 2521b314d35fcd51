"""Every suite from the outside: a server that knows all the answers solves every case."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import chess
import pytest
from aiohttp import web

from evals.puzzles.puzzle import COLUMNS, Puzzle
from evals.tasks import is_gated, task_names
from evals.tasks.board import SKILLS
from evals.words import Case
from tests.asking import asking
from tests.commands import run_pytest
from tests.loopback import Body, Loopback, chat, position_of
from tests.positions import random_puzzles
from tests.sessions import WORKERS
from tests.test_tasks import right_answer
from tests.traces import write_answer, write_trace

PUZZLES = tuple(random_puzzles(seed=77, count=20))

GATES = """
[[gate]]
name = "solved"
task = "move"
rate = "solved"
at_least = 0.5
"""


class Solver:
    """Answers every prompt of the suites from the puzzles' own solutions."""

    def __init__(self, puzzles: tuple[Puzzle, ...]) -> None:
        self.known = {
            puzzle.board(ply).fen(): (puzzle, ply)
            for puzzle in puzzles
            for ply in range(0, len(puzzle.solution), 2)
        }
        self.before = {puzzle.fen: puzzle.moves[0] for puzzle in puzzles}
        self.prompts = {question.system: name for name, question in asking().questions.items()}

    async def __call__(self, body: Body) -> web.StreamResponse:
        if (fen := position_of(body)) not in self.known:
            # Before the opponent's move: any move but that one.
            moves = [move.uci() for move in chess.Board(fen).legal_moves]
            return chat(json.dumps({"move": next(each for each in moves if each != self.before[fen])}))
        puzzle, ply = self.known[fen]
        name = self.prompts[body["messages"][0]["content"]]
        if name == "reasoning":
            return chat(write_answer(puzzle), reasoning=write_trace(puzzle))
        return chat(json.dumps(self.answer(name, puzzle, ply)))

    def answer(self, name: str, puzzle: Puzzle, ply: int) -> Mapping[str, object]:
        """The right JSON to a prompt."""
        if name in ("move", "play"):
            return {"move": puzzle.solution[ply]}
        if name == "line":
            return {"line": puzzle.solution}
        return right_answer(Case("board", puzzle, variant=name.removeprefix("board.")))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", WORKERS)
def test_right_answers_solve_every_case_of_every_suite(tmp_path: Path, workers: str) -> None:
    puzzles, run = tmp_path / "random.csv", tmp_path / "run"
    with puzzles.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *(puzzle.to_row().values() for puzzle in PUZZLES)])
    gates = tmp_path / "gates.toml"
    gates.write_text(GATES, encoding="utf-8")
    with Loopback(Solver(PUZZLES)) as server:
        command = ["evals", "--no-preflight", "-m", "not format", "-n", workers]
        command += ["--base-url", server.base_url, "--puzzles", str(puzzles)]
        done = run_pytest(*command, "--run-dir", str(run), "--gates", str(gates))
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [json.loads(line) for line in (run / "verdicts.jsonl").read_text().splitlines()]
    assert Counter(each["task"] for each in verdicts) == dict.fromkeys(
        filter(is_gated, task_names()), len(PUZZLES)
    )
    assert {each["outcome"] for each in verdicts} == {"solved"}
    assert {each["variant"] for each in verdicts if each["task"] == "board"} == {*SKILLS} - {"themes"}
    assert all(each["checks"]["faithful"] for each in verdicts if each["task"] == "reasoning")
