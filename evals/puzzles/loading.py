"""Where puzzles come from: files, folders and datasets on the Hugging Face Hub.

One pass over every file, one row in memory at a time. Only rows that are drawn are parsed and checked, so
that the whole Lichess file, five million rows, goes through in bounded memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.puzzles import files as puzzle_files
from evals.puzzles.draw import ID, Draw, Filter, Row, stratum
from evals.puzzles.files import PuzzleFileError
from evals.puzzles.puzzle import COLUMNS, Puzzle, PuzzleError, parse_row

__all__ = ["SETS", "Loaded", "PuzzleFileError", "PuzzleSet", "load", "read_quarantine"]

SETS = Path(__file__).parents[1] / "sets"
"""The folder of the puzzle sets of our own."""

HUB = "hf://"


@dataclass(slots=True)
class PuzzleSet:
    """One puzzle set and what was found in it."""

    name: str
    source: str
    """The path, or the dataset's address with the commit that it was resolved to."""
    files: tuple[Path, ...]
    digest: str
    """SHA-256 of the file as it is stored (of the files' digests, where there are several)."""
    rows: int = 0
    """Rows read, before any filter."""
    matched: int = 0
    """Rows that passed the filters."""
    quarantined: int = 0
    problems: list[str] = field(default_factory=list[str])
    """What was wrong with each row that was passed over as bad."""

    @property
    def bad(self) -> int:
        return len(self.problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The puzzles to ask, in a stable order, and where they come from."""

    puzzles: tuple[Puzzle, ...]
    sets: tuple[PuzzleSet, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.sets)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.sets)

    @property
    def bad(self) -> int:
        return sum(each.bad for each in self.sets)

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
) -> Loaded:
    """Load all puzzles in the order of their files, or `limit` of them in the order of a seeded draw.

    :param sources: `.csv`, `.csv.zst` and `.parquet` files, folders of these, and
        `hf://datasets/<owner>/<name>[@revision][/path]`.
    :param themes: a puzzle is wanted that has any of these; empty: every puzzle.
    :param ratings: the lowest and the highest rating that is wanted.
    :param skip_bad: pass over rows that break the format or the rules of chess, and count them; with
        `limit`, the next rows of the draw stand in for them.
    :param quarantine: ids of puzzles never to ask.
    :param stratify: draw evenly over sets, rating bands and goals (see `evals.puzzles.draw.Draw`).
    :raises PuzzleFileError: a file is missing, empty, or not a puzzle file; two sets have one name; or,
        without `skip_bad`, a row that was drawn is bad.
    :raises ValueError: `limit` is less than 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, got {limit!r}")
    sets = [each for source in sources for each in _find(source)]
    _refuse_same_names(sets)
    wanted, banned = Filter(frozenset(themes), ratings), frozenset(quarantine)
    if limit is None:
        return Loaded(tuple(_parse(_matching(sets, wanted, banned), sets, skip_bad)), tuple(sets))

    # Bad rows show only after the draw. So it is larger than asked for, and repeated where even that was not
    # enough: cheaper than parsing every row.
    preferred = sorted(themes)
    spare = 100 + limit // 4 if skip_bad else 0
    while True:
        draw = Draw(limit + spare, seed)
        for row in _matching(sets, wanted, banned):
            draw.offer(row, stratum(row, preferred) if stratify else "")
        drawn = draw.rows()
        puzzles: list[Puzzle] = []
        for puzzle in _parse(drawn, sets, skip_bad):
            puzzles.append(puzzle)
            if len(puzzles) == limit:
                break
        if len(puzzles) == limit or len(drawn) < limit + spare:
            return Loaded(tuple(puzzles), tuple(sets))
        spare *= 10


def _matching(sets: Iterable[PuzzleSet], wanted: Filter, quarantine: frozenset[str]) -> Iterator[Row]:
    """Every row that passes the filters; counts into the sets, afresh on each pass."""
    for each in sets:
        each.rows = each.matched = each.quarantined = 0
        each.problems.clear()
        for file in each.files:
            for row in puzzle_files.rows(file, each.name):
                each.rows += 1
                if row.cells[ID] in quarantine:
                    each.quarantined += 1
                elif wanted(row):
                    each.matched += 1
                    yield row
        if not each.rows:
            raise PuzzleFileError(each.source, 0, "there is a header, but no puzzle")


def _parse(rows: Iterable[Row], sets: Iterable[PuzzleSet], skip_bad: bool) -> Iterator[Puzzle]:
    """Parse and check rows; a second row with the same set and id is bad too."""
    by_name = {each.name: each for each in sets}
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        try:
            if row.broken:
                raise PuzzleError(row.broken)
            puzzle = parse_row(dict(zip(COLUMNS, row.cells, strict=True)), row.set)
            first = seen.setdefault((puzzle.set, puzzle.id), row)
            if first is not row:
                raise PuzzleError(f"puzzle {puzzle.id!r} is there twice, first in {first.file}:{first.line}")
        except PuzzleError as error:
            problem = PuzzleFileError(row.file, row.line, str(error))
            if not skip_bad:
                raise problem from error
            by_name[row.set].problems.append(str(problem))
        else:
            yield puzzle


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


# --- finding the files of a source ---


def _find(source: str | Path) -> Iterator[PuzzleSet]:
    if isinstance(source, str) and source.startswith(HUB):
        yield _from_hub(source)
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(puzzle_files.SUFFIXES))
        if not files:
            raise PuzzleFileError(
                path, 0, f"no puzzle file ({', '.join(puzzle_files.SUFFIXES)}) in this folder"
            )
    else:
        files = [path]
    for file in files:
        if not file.exists():
            raise PuzzleFileError(file, 0, "no such puzzle file")
        if not file.name.endswith(puzzle_files.SUFFIXES):
            raise PuzzleFileError(
                file,
                0,
                f"not a kind of puzzle file: its name ends in none of {', '.join(puzzle_files.SUFFIXES)}",
            )
        yield PuzzleSet(_stem(file.name), str(file), (file,), _digest([file]))


def _from_hub(address: str) -> PuzzleSet:
    """The Parquet files of a Hub dataset (or its CSV files, where it has no Parquet), at one commit.

    `snapshot_download` needs no network for a commit that is in the cache.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    match = re.fullmatch(
        r"hf://datasets/([^/@]+/[^/@]+)(?:@(refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(.+))?", address
    )
    if match is None:
        raise PuzzleFileError(
            address, 0, "not a dataset's address: 'hf://datasets/<owner>/<name>[@revision]'"
        )
    name, revision, inside = match.groups()
    patterns = [inside] if inside else ["*.parquet", "*.csv", "*.csv.zst"]
    for pattern in patterns:
        try:
            folder = snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=pattern)
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise PuzzleFileError(address, 0, f"the dataset cannot be had from the Hub: {reason}") from error
        root = Path(folder)
        if files := sorted(file for file in root.rglob(pattern) if file.name.endswith(puzzle_files.SUFFIXES)):
            resolved = f"{HUB}datasets/{name}@{root.name}" + (f"/{inside}" if inside else "")
            return PuzzleSet(name.partition("/")[2], resolved, tuple(files), _digest(files))
    raise PuzzleFileError(address, 0, f"the dataset has no file {' or '.join(patterns)}")


def _stem(name: str) -> str:
    suffix = next(suffix for suffix in reversed(puzzle_files.SUFFIXES) if name.endswith(suffix))
    return re.sub(r"\s+", "-", name.removesuffix(suffix))


def _refuse_same_names(sets: Sequence[PuzzleSet]) -> None:
    first: dict[str, PuzzleSet] = {}
    for each in sets:
        if (other := first.setdefault(each.name, each)) is not each:
            raise PuzzleFileError(
                each.source,
                0,
                f"the puzzle set {each.name!r} is already there as {other.source}",
            )


def _digest(files: Sequence[Path]) -> str:
    digests: list[str] = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
