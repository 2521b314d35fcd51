"""The puzzles of a session. A puzzle file can have millions of rows, so only one process reads it
(`evals.harness.shared`).
"""

from __future__ import annotations

from evals.harness.options import Options
from evals.puzzles.dialect import Dialect
from evals.puzzles.files import PuzzleFileError
from evals.puzzles.loading import SETS, Loaded, SelectionError, load, read_quarantine

DRAWING_ERRORS = (PuzzleFileError, SelectionError)
"""What a user can cause here."""


def draw(options: Options) -> Loaded:
    """The puzzles and where they come from.

    :raises PuzzleFileError: a puzzle file is missing or bad.
    :raises SelectionError: no puzzle is left, or none has a theme that is asked for.
    """
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
