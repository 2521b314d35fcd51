"""Stockfish, which some tests hold our own chess against."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRED = "EIGHTH_RANK_REQUIRE_STOCKFISH"


def find_stockfish() -> str:
    """Where it is. A test is skipped without it, or fails where CI says that it has to be there."""
    found = shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games:/usr/local/games")
    if found is None:
        give_up = pytest.fail if os.environ.get(REQUIRED) else pytest.skip
        give_up(
            f"stockfish is not installed; on Debian: apt install stockfish ({REQUIRED}=1 makes this fail)"
        )
    return found
