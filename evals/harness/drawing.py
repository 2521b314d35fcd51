"""The puzzles of a session. A puzzle file can have millions of rows, so only one process reads it
(`evals.harness.shared`).
"""

from __future__ import annotations

import dataclasses

from evals.harness.options import Options
from evals.puzzles.dialect import Dialect
from evals.puzzles.files import PuzzleFileError
from evals.puzzles.loading import SETS, Loaded, SelectionError, load, read_quarantine
from evals.puzzles.trained import mark_trained, read_training_file

DRAWING_ERRORS = (PuzzleFileError, SelectionError)
"""What a user can cause here."""


def draw(options: Options) -> Loaded:
    """The puzzles and where they come from.

    :raises PuzzleFileError: a puzzle file, or one that the model was trained on, is missing or bad.
    :raises SelectionError: no puzzle is left, none has a theme that is asked for, or the model was trained on
        all of them.
    """
    loaded = load(
        options.puzzles or (SETS,),
        limit=options.limit,
        seed=options.seed,
        themes=options.themes,
        ratings=options.ratings,
        skip_bad=options.skip_bad_puzzles,
        quarantine=read_quarantine(),
        stratify=options.stratify,
        held_out=options.held_out,
        dialect=Dialect(options.columns, options.position),
    )
    return with_trained(loaded, options)


def with_trained(loaded: Loaded, options: Options) -> Loaded:
    """The puzzles, marked where a file of `--trained-on` has them.

    :raises PuzzleFileError: such a file is missing or has no positions.
    :raises SelectionError: no puzzle is left that the model was not trained on.
    """
    if not options.trained_on:
        return loaded
    files = [read_training_file(text, options.trained_columns) for text in options.trained_on]
    puzzles, trained = mark_trained(loaded.puzzles, files)
    if all(puzzle.seen for puzzle in puzzles):
        raise SelectionError(
            f"all {len(puzzles)} positions are in the files of --trained-on, so none is left to judge the "
            "model on: give other puzzles, or --held-out"
        )
    notes = list(loaded.notes)
    for each in trained:
        note = f"{each.matched} of {len(puzzles)} positions are in {each.source} ({each.rows:,} rows)"
        if each.bad:
            note += f"; {each.bad:,} of them skipped, the first: {each.problem}"
        notes.append(note)
    return dataclasses.replace(loaded, puzzles=puzzles, notes=tuple(notes), trained=trained)
