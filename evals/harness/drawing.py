"""The puzzles of a session: drawn once by the controller, and left to the workers in a file.

A puzzle file can have millions of rows, so only one process reads it.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from evals.harness.options import Options
from evals.puzzles.dialect import Dialect
from evals.puzzles.files import PuzzleFileError
from evals.puzzles.loading import SETS, Loaded, SelectionError, load, read_quarantine

DRAWING_ERRORS = (PuzzleFileError, SelectionError)
"""What a user can cause here."""


class Drawing:
    """The drawn puzzles, read when they are first needed."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._loaded: Loaded | None = None
        self._shared: Path | None = None

    @property
    def loaded(self) -> Loaded:
        """The puzzles and where they come from; from the controller's file, where there is one.

        :raises PuzzleFileError: a puzzle file is missing or bad.
        :raises SelectionError: no puzzle is left, or none has a theme that is asked for.
        """
        if self._loaded is None:
            self._loaded = pickle.loads(self._shared.read_bytes()) if self._shared else self._draw()
            assert self._loaded is not None
        return self._loaded

    def leave_in(self, folder: Path) -> Path:
        """Leave the puzzles in `folder` for the workers; returns the file.

        :raises PuzzleFileError, SelectionError: see `loaded`.
        """
        path = folder / "puzzles.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(self.loaded))
        return path

    def take_from(self, path: Path) -> None:
        """Take the puzzles from the controller's file once they are needed."""
        self._shared = path

    def _draw(self) -> Loaded:
        options = self._options
        return load(
            options.puzzles or (SETS,),
            limit=options.limit,
            seed=options.seed,
            themes=options.themes,
            ratings=options.ratings,
            skip_bad=options.skip_bad_puzzles,
            quarantine=read_quarantine(),
            stratify=options.stratify,
            dialect=Dialect(options.columns, options.position),
        )
