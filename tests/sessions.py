"""Whole sessions of `pytest evals` for tests: a server that plays, and what came of the session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess
import pytest
from aiohttp import web

from tests.commands import run_pytest
from tests.loopback import Body, Loopback, chat, position_of
from tests.mates import solver_fen

N = 24
"""Puzzles in the set `mates` that a session asks."""

WORKERS = ["0", pytest.param("2", marks=pytest.mark.slow)]
"""For `-n`. A session with two workers starts two interpreters, which takes them a second each."""


class Player:
    """Answers with a mate, except where it was told what to say.

    :param wrong: FEN -> what to say there instead; `*` stands for every position.
    """

    def __init__(self, wrong: Mapping[str, str | web.Response] | None = None) -> None:
        self.wrong = wrong or {}

    async def __call__(self, body: Body) -> web.StreamResponse:
        fen = position_of(body)
        board = chess.Board(fen)
        for said in (self.wrong.get(fen), self.wrong.get("*")):
            if isinstance(said, web.Response):
                return web.Response(body=said.body, status=said.status, content_type=said.content_type)
            if said is not None:
                return chat(said)
        for move in board.legal_moves:
            board.push(move)
            if board.is_checkmate():
                return chat(json.dumps({"move": move.uci()}))
            board.pop()
        raise AssertionError(f"no mate in {fen}")


GATES = """
[[gate]]
name = "solved"
task = "move"
rate = "solved"
at_least = {least}
"""


@dataclass
class Ended:
    """A session that ended."""

    status: int
    output: str
    folder: Path

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "run.json").read_text())

    @property
    def outcomes(self) -> dict[str, str]:
        return {line["case"]: line["outcome"] for line in self.lines("verdicts.jsonl")}


class Evaluate:
    """Runs `pytest evals -m move` with a run folder and gates of its own."""

    def __init__(self, tmp_path: Path, puzzles: Path) -> None:
        self.tmp_path, self.puzzles = tmp_path, puzzles
        self.count = 0

    def __call__(
        self,
        server: Loopback | str,
        *arguments: str,
        least: float = 0.5,
        gates: str | None = None,
        preflight: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Ended:
        self.count += 1
        folder = self.tmp_path / f"run{self.count}"
        file = self.tmp_path / "gates.toml"
        file.write_text(GATES.format(least=least) if gates is None else gates)
        url = server if isinstance(server, str) else server.base_url
        command = ["-m", "move", "--base-url", url]
        command += [] if preflight else ["--no-preflight"]
        command += ["--gates", str(file), "--run-dir", str(folder)]
        if "--puzzles" not in arguments:
            command += ["--puzzles", str(self.puzzles)]
        if not any(argument.startswith("evals/") for argument in arguments):
            command += ["evals"]
        done = run_pytest(*command, *arguments, env=env)
        return Ended(done.returncode, done.stdout + done.stderr, folder)


def every_third(reply: str | web.Response) -> dict[str, str | web.Response]:
    """What a `Player` is to say instead to a third of the N puzzles: 8 of 24."""
    return {solver_fen(number): reply for number in range(0, N, 3)}
