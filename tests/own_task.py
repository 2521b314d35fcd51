"""A user's repository with a task in it: the files that docs/tasks.md shows, and who answers its cases."""

from __future__ import annotations

import re
from pathlib import Path

import chess
from aiohttp import web

from tests.commands import ROOT
from tests.loopback import Body, chat

BLOCK = re.compile(r"^```\w+\n# (?P<name>[\w.]+\.\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block of a page that is a file: its first line is a comment with the file's name."""
WORTH = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9, "k": 0}


def write_example(folder: Path, page: str = "tasks.md") -> dict[str, Path]:
    """Write each file that a page of the documentation shows into `folder`; returns them by their names."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    written: dict[str, Path] = {}
    for found in BLOCK.finditer(text):
        written[found["name"]] = folder / found["name"]
        written[found["name"]].write_text(f"# {found['name']}\n{found['text']}", encoding="utf-8")
    return written


class Accountant:
    """Says who has more material, or always the same; and mates in one where it is asked for a move."""

    def __init__(self, always: str | None = None) -> None:
        self.always = always

    async def __call__(self, body: Body) -> web.StreamResponse:
        asked = body["messages"][-1]["content"]
        fen = asked.split("FEN: ")[1].split("\n")[0]
        if "material" not in asked:
            return chat(f'{{"move": "{_mate(fen)}"}}')
        return chat(self.always or _ahead(fen.split()[0]))


def _ahead(placement: str) -> str:
    white = sum(WORTH[letter.lower()] for letter in placement if letter.isupper())
    black = sum(WORTH[letter] for letter in placement if letter.islower())
    return "equal" if white == black else "white" if white > black else "black"


def _mate(fen: str) -> str:
    board = chess.Board(fen)
    for move in board.legal_moves:
        board.push(move)
        if board.is_checkmate():
            return move.uci()
        board.pop()
    raise AssertionError(f"no mate in {fen}")
