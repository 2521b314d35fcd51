"""The puzzles of a session: read from their sets, filtered, drawn, checked, and no position twice.

One pass over every file, one row in memory at a time. Only rows that are drawn are parsed and checked, so
that the whole Lichess file, five million rows, goes through in bounded memory.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.puzzles.dialect import LICHESS, Dialect
from evals.puzzles.draw import FEN, ID, RATING, THEMES, Draw, Filter, Row, stratum
from evals.puzzles.files import PuzzleFileError, rows
from evals.puzzles.puzzle import COLUMNS, UNRATED, Puzzle, PuzzleError, same_solution
from evals.puzzles.sets import SETS, PuzzleSet, find_sets
from evals.puzzles.split import EVALUATION_SHARE, is_held_out
from evals.puzzles.trained import Trained
from serve.printable import printable

__all__ = ["SETS", "Loaded", "PuzzleFileError", "PuzzleSet", "SelectionError", "load", "read_quarantine"]

MOST_THEMES = 1000
"""Names of themes that are remembered to suggest one of them; Lichess has about 70."""

SPARE = (1, 20, 400)
"""How many more rows than asked for are drawn, in multiples of `100 + limit / 4`: first, and where that is
not enough because they are bad or repeat a position, in a second and in a last pass. So memory stays bounded.
"""


class SelectionError(Exception):
    """No puzzle is left to ask, or none has a theme that is asked for; says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The puzzles to ask, in a stable order, no position twice, and where they come from."""

    puzzles: tuple[Puzzle, ...]
    sets: tuple[PuzzleSet, ...]
    notes: tuple[str, ...] = ()
    """What a user has to know of how they were chosen, a sentence each."""
    trained: tuple[Trained, ...] = ()
    """The files that the model was trained on."""

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked: set, id, position and line of every puzzle, whatever the order."""
        lines = sorted("\t".join((p.set, p.id, p.fen, *p.moves)) for p in self.puzzles)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load(
    sources: Sequence[str | Path],
    *,
    limit: int | None = None,
    seed: int = 0,
    themes: Collection[str] = (),
    ratings: tuple[int, int] | None = None,
    skip_bad: bool = False,
    quarantine: Collection[str] = (),
    stratify: bool = False,
    held_out: bool = False,
    dialect: Dialect = LICHESS,
) -> Loaded:
    """Load all puzzles in the order of their files, or `limit` of them in the order of a seeded draw.

    Of several puzzles whose position is the same up to mirroring, whatever their ids and their files are,
    only the first in that order is asked: the others would count as evidence of their own.

    :param sources: `.csv`, `.csv.zst` and `.parquet` files, folders of these, and
        `hf://datasets/<owner>/<name>[@revision][/path]`.
    :param themes: a puzzle is wanted that has any of these; empty: every puzzle.
    :param ratings: the lowest and the highest rating that is wanted.
    :param skip_bad: pass over rows that break the format or the rules of chess, and count them; with
        `limit`, the next rows of the draw stand in for them, as they do for repeated positions.
    :param quarantine: ids of puzzles never to ask.
    :param stratify: draw evenly over sets, rating bands and goals (see `evals.puzzles.draw.Draw`).
    :param held_out: only puzzles that the split keeps for evaluation (see `evals.puzzles.split`).
    :param dialect: what the columns are called in these files, and whose position the FEN is.
    :raises PuzzleFileError: a file is missing, empty, or not a puzzle file; two sets have one name; or,
        without `skip_bad`, a row that was drawn is bad.
    :raises SelectionError: the filters leave no puzzle, no puzzle has one of the themes, or every row is bad.
    :raises ValueError: `limit` is less than 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, got {limit!r}")
    wanted = Filter(frozenset(themes), ratings, unrated=dialect.own)
    reader = _Reader(find_sets(sources), wanted, frozenset(quarantine), skip_bad, held_out, dialect)
    if limit is None:
        puzzles = tuple(reader.parse(reader.matching()))
    else:
        puzzles = reader.draw(limit, seed, sorted(themes) if stratify else None)
    reader.refuse_unknown_themes()
    if not puzzles:
        raise SelectionError(reader.reason())
    return Loaded(puzzles, reader.sets, tuple(reader.notes(len(puzzles), limit)))


class _Reader:
    """Reads the rows of sets and says what happened to them; the counts in the sets are of its last pass."""

    def __init__(
        self,
        sets: tuple[PuzzleSet, ...],
        wanted: Filter,
        quarantine: frozenset[str],
        skip_bad: bool,
        held_out: bool,
        dialect: Dialect,
    ) -> None:
        self.sets = sets
        self._dialect = dialect
        for each in sets:
            each.columns, each.convention = dict(dialect.columns), dialect.convention
        self._wanted, self._quarantine, self._skip_bad = wanted, quarantine, skip_bad
        self._held_out = held_out
        self._unknown = set(wanted.themes)  # those that no row has had yet
        self._themes: set[str] = set()  # those that occur, looked for while there are unknown ones
        self._left_undrawn = False
        self._without_rating = 0  # rows

    def matching(self) -> Iterator[Row]:
        """One pass: every row that passes the filters."""
        self._without_rating = 0
        for each in self.sets:
            each.reset()
            for file in each.files:
                for row in rows(file, each.name, self._dialect):
                    each.rows += 1
                    self._without_rating += not row.cells[RATING]
                    if self._unknown:
                        self._meet(row.cells[THEMES].split())
                    if row.cells[ID] in self._quarantine:
                        each.quarantined += 1
                    elif self._wanted(row):
                        each.matched += 1
                        yield row
            if not each.rows:
                raise PuzzleFileError(each.source, 0, "there is a header, but no puzzle")

    def _meet(self, themes: Sequence[str]) -> None:
        self._unknown.difference_update(themes)
        if len(self._themes) < MOST_THEMES:
            self._themes.update(themes)

    def draw(self, limit: int, seed: int, strata: Sequence[str] | None) -> tuple[Puzzle, ...]:
        """The first `limit` good puzzles of the draw, or what there is.

        Bad rows and repeated positions show only after the draw. So it is larger than asked for, and done
        again where even that was not enough: cheaper than parsing every row.

        :param strata: the themes that strata are made of before others; None makes no strata.
        """
        puzzles: list[Puzzle] = []
        for times in SPARE:
            # The split shows after the draw as well.
            share = EVALUATION_SHARE if self._held_out else 1
            size = share * (limit + times * (100 + limit // 4))
            draw = Draw(size, seed)
            for row in self.matching():
                draw.offer(row, "" if strata is None else stratum(row, strata))
            drawn = draw.rows()
            puzzles.clear()
            for puzzle in self.parse(drawn):
                puzzles.append(puzzle)
                if len(puzzles) == limit:
                    return tuple(puzzles)
            self._left_undrawn = len(drawn) == size
            if not self._left_undrawn:
                break
        return tuple(puzzles)

    def parse(self, rows: Iterable[Row]) -> Iterator[Puzzle]:
        """Parse and check rows, and pass over positions that were there.

        A second row of the same set and id is bad, whatever its position.
        """
        by_name = {each.name: each for each in self.sets}
        seen: dict[tuple[str, str], Row] = {}
        asked: dict[str, Puzzle] = {}
        for row in rows:
            each = by_name[row.set]
            try:
                if row.broken:
                    raise PuzzleError(row.broken)
                puzzle = self._dialect.parse(dict(zip(COLUMNS, row.cells, strict=True)), row.set)
                first = seen.setdefault((puzzle.set, puzzle.id), row)
                # Made of the position and the line, an id is there twice where they are.
                repeated = self._dialect.own and first.cells[FEN] == row.cells[FEN]
                if first is not row and not repeated:
                    there = f"{first.file}:{first.line}"
                    raise PuzzleError(f"puzzle {puzzle.id!r} is there twice, first in {there}")
            except PuzzleError as error:
                problem = PuzzleFileError(row.file, row.line, str(error))
                if not self._skip_bad:
                    raise problem from error
                each.count_bad(str(problem))
                continue
            if self._held_out and not is_held_out(puzzle.position_key):
                each.for_training += 1
            elif (twin := asked.setdefault(puzzle.position_key, puzzle)) is puzzle:
                each.unrated += puzzle.rating == UNRATED
                yield puzzle
            else:
                each.duplicates += 1
                each.contradictions += not same_solution(twin, puzzle)

    def refuse_unknown_themes(self) -> None:
        """After a pass: a theme that no row has is a slip, and the run would not be about what was asked.

        :raises SelectionError: there is one; names similar ones, or some that there are.
        """
        names = {name.lower(): name for name in self._themes if len(name) < 40 and printable(name) == name}
        clauses: list[str] = []
        for theme in sorted(self._unknown):
            if close := [names[name] for name in difflib.get_close_matches(theme.lower(), names)]:
                offer = f"did you mean {' or '.join(close)}?"
            elif names:
                offer = f"there are {', '.join(sorted(names.values())[:20])}"
            else:
                offer = "they have no themes"
            clauses.append(f"no puzzle has the theme {theme!r} ({offer})")
        if clauses:
            raise SelectionError("; ".join(clauses))

    # --- what happened, in words ---

    def notes(self, found: int, limit: int | None) -> Iterator[str]:
        """What a user has to know of puzzles that were found."""
        if bad := sum(each.bad for each in self.sets):
            yield f"{_counted('bad row', bad)} skipped, {self._first_problem()}"
        for each in self.sets:
            if each.unrated:
                yield f"{_counted('puzzle', each.unrated)} of {each.name} have no rating: no strength follows"
            if count := each.for_training:
                left_out = f"{_counted('puzzle', count)} of {each.name} left out"
                yield f"{left_out}: the split has them for training (--held-out)"
            if count := each.duplicates:
                note = f"{_counted('puzzle', count)} of {each.name} left out: "
                note += "their positions are asked already (a mirror image is the same one)"
                if each.contradictions:
                    note += f"; where the solutions differ ({each.contradictions}) the one read first counts"
                yield note
        if limit is not None and found < limit:
            if self._left_undrawn:
                yield f"--limit {limit}: found {found} puzzles, too many rows are bad or repeat a position"
            else:
                yield f"--limit {limit} asks for more puzzles than there are: {found}"

    def reason(self) -> str:
        """Why no puzzle is left."""
        read, matched = sum(each.rows for each in self.sets), sum(each.matched for each in self.sets)
        given = ["--themes"] * bool(self._wanted.themes) + ["--ratings"] * (self._wanted.ratings is not None)
        if matched and (trained := sum(each.for_training for each in self.sets)):
            why = f": --held-out, and the split has {trained} of them for training"
        elif matched:
            bad = sum(each.bad for each in self.sets)
            why = f": all {bad} that were tried are bad, {self._first_problem()}"
        elif sum(each.quarantined for each in self.sets) == read:
            why = ": all of them are in quarantine"
        elif self._wanted.ratings is not None and self._without_rating == read:
            why = ": none has a rating; leave --ratings out, or say which column it is: --columns rating=NAME"
        else:
            why = f" after {' and '.join(given)}: widen them"
        return f"no puzzle is left of {read}{why}"

    def _first_problem(self) -> str:
        return "the first: " + next(problem for each in self.sets for problem in each.problems)


def _counted(noun: str, count: int) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def read_quarantine(path: Path = SETS / "quarantine.txt") -> frozenset[str]:
    """The ids of puzzles that are known to be wrong: one per line, `#` starts a comment.

    :raises PuzzleFileError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PuzzleFileError(path, 0, f"the quarantine list cannot be read: {error}") from error
    ids = (line.partition("#")[0].strip() for line in text.splitlines())
    return frozenset(each for each in ids if each)
