"""Engine: a second opinion on a move that is not the solution's, beside the outcome and never instead of it.

Both moves are searched to the same fixed depth with one thread and an empty hash table, so an opinion
depends on nothing but the engine, the position and the move, and can be kept: a cache file makes the next
session free.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Self

import chess
import chess.engine

from evals.words import Case, Outcome, Verdict

DEPTH = 14
MARGIN = 30
"""Centipawns up to which two moves count as equally good."""
CAP = 1000
"""Centipawns that a move can lose at most, as usual for average centipawn loss; a mate missed is this much.
"""

_MATE_SCORE = 100_000


START_LIMIT = 10.0
"""Seconds that an engine has to answer `uci`; Stockfish needs less than one."""
SETTINGS = {"Threads": 1, "Hash": 16}
"""UCI options that an engine is started with, where it has them: with more threads it would not repeat
itself.
"""


class EngineError(RuntimeError):
    """The engine cannot be used; says why."""


class Engine:
    """A UCI engine with a cache of what it said. Use `open_engine`.

    :param cache: SQLite file, made if it is not there and shared by any number of processes; None keeps the
        opinions in memory.
    """

    def __init__(
        self, engine: chess.engine.SimpleEngine, *, depth: int, margin: int, cache: Path | None = None
    ) -> None:
        self._engine, self.depth, self.margin = engine, depth, margin
        self.name = str(engine.id.get("name", "engine"))
        self._cache = sqlite3.connect(":memory:" if cache is None else cache, timeout=60)
        with self._cache:
            self._cache.execute(
                "CREATE TABLE IF NOT EXISTS scores"
                " (engine TEXT, depth INTEGER, fen TEXT, move TEXT, score INTEGER,"
                " PRIMARY KEY (engine, depth, fen, move))"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the engine's process."""
        self._cache.close()
        self._engine.close()

    def score(self, board: chess.Board, move: chess.Move) -> int:
        """Centipawns of a legal move from its mover's side; a mate in n is 100,000 - n."""
        key = (self.name, self.depth, board.fen(), move.uci())
        found = self._cache.execute(
            "SELECT score FROM scores WHERE engine = ? AND depth = ? AND fen = ? AND move = ?", key
        ).fetchone()
        if found is not None:
            return int(found[0])
        # A new game each time: what was searched before must not change what is said now.
        info = self._engine.analyse(
            board, chess.engine.Limit(depth=self.depth), root_moves=[move], game=object()
        )
        score = info["score"].pov(board.turn).score(mate_score=_MATE_SCORE)  # pyright: ignore[reportTypedDictNotRequiredAccess]
        with self._cache:
            self._cache.execute("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?)", (*key, score))
        return score

    def loss(self, board: chess.Board, played: chess.Move, best: chess.Move) -> int:
        """Centipawns that `played` gives away against `best`, from 0 to `CAP`."""
        return max(0, min(CAP, self.score(board, best) - self.score(board, played)))

    def annotate(self, case: Case, verdict: Verdict) -> Verdict:
        """Add `centipawn_loss` and `equally_good` to the checks of a missed move; any other verdict stays
        as it is.
        """
        ply = verdict.checks.get("ply", 0)
        if verdict.outcome is not Outcome.MISSED or not verdict.move or not verdict.solution:
            return verdict
        if not isinstance(ply, int) or ply % 2 or case.task == "board":
            return verdict  # the opponent's reply in a line, or no move at all
        board = case.puzzle.board(ply)
        loss = self.loss(board, chess.Move.from_uci(verdict.move), chess.Move.from_uci(verdict.solution))
        opinion = {"centipawn_loss": loss, "equally_good": loss <= self.margin}
        return replace(verdict, checks={**verdict.checks, **opinion})


def open_engine(name: str, *, depth: int = DEPTH, margin: int = MARGIN, cache: Path | None = None) -> Engine:
    """Start the engine of this name or path; it is a context manager that ends it.

    :raises EngineError: see `start_uci`.
    """
    return Engine(start_uci(name), depth=depth, margin=margin, cache=cache)


def start_uci(name: str, *, limit: float = START_LIMIT) -> chess.engine.SimpleEngine:
    """Start the UCI engine of this name or path with `SETTINGS`; it is a context manager that ends it.

    :param limit: seconds that it has to answer.
    :raises EngineError: there is none, it cannot be run, or it does not answer as a UCI engine.
    """
    # Debian puts games where the PATH of a service does not look.
    path = shutil.which(name) or shutil.which(name, path="/usr/games:/usr/local/games")
    if path is None:
        if Path(name).exists():
            raise EngineError(f"engine {name!r} is no program that can be run")
        raise EngineError(
            f"engine {name!r} is not there: install it (on Debian: apt install stockfish) or give its path"
        )
    engine = None
    try:
        engine = chess.engine.SimpleEngine.popen_uci(path, timeout=limit)
        engine.configure({option: value for option, value in SETTINGS.items() if option in engine.options})
        engine.ping()
    except (OSError, chess.engine.EngineError) as error:
        if engine is not None:
            engine.close()
        reason = f"no answer in {limit:g} s" if isinstance(error, TimeoutError) else error
        raise EngineError(f"engine {path!r} does not answer as a UCI engine: {reason}") from error
    return engine
