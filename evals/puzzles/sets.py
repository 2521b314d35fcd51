"""Puzzle sets: the files of a path, a folder or a dataset of the Hub, and what is found in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evals.puzzles.files import SUFFIXES, PuzzleFileError, first_line
from evals.puzzles.puzzle import Convention

SETS = Path(__file__).parents[1] / "sets"
"""The folder of the puzzle sets of our own."""

HUB = "hf://"
MOST_PROBLEMS = 100
"""Bad rows that are described one by one; there may be millions."""


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
    """Rows left out because their puzzle is known to be wrong."""
    bad: int = 0
    """Rows that were drawn and passed over because they break the format or the rules of chess."""
    problems: list[str] = field(default_factory=list[str])
    """What was wrong with the first `MOST_PROBLEMS` of these."""
    duplicates: int = 0
    """Puzzles that were drawn and passed over because their position, up to mirroring, is asked already."""
    unrated: int = 0
    """Puzzles whose rating is not known."""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields whose columns have other names than Lichess's, and these names."""
    convention: Convention = "before"
    """Whose position the FEN is."""
    for_training: int = 0
    """Puzzles that were drawn and passed over because the split has them for training."""
    contradictions: int = 0
    """Those of them whose solution is another one."""

    def count_bad(self, problem: str) -> None:
        """Count a bad row, and keep what is wrong with it."""
        self.bad += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def reset(self) -> None:
        """Forget what was found."""
        self.rows = self.matched = self.quarantined = self.bad = self.duplicates = self.contradictions = 0
        self.unrated = self.for_training = 0
        self.problems.clear()


def find_sets(sources: Iterable[str | Path]) -> tuple[PuzzleSet, ...]:
    """The sets of all sources, no two of one name.

    :param sources: see `evals.puzzles.loading.load`.
    :raises PuzzleFileError: there is no puzzle file, or two sets have one name.
    """
    sets: list[PuzzleSet] = []
    for source in sources:
        try:
            sets += _find(source)
        except OSError as error:
            raise PuzzleFileError(source, 0, f"cannot be read: {error.strerror or error}") from error
    first: dict[str, PuzzleSet] = {}
    for each in sets:
        if (other := first.setdefault(each.name, each)) is not each:
            message = f"the puzzle set {each.name!r} is already there as {other.source}"
            raise PuzzleFileError(each.source, 0, message)
    return tuple(sets)


def _find(source: str | Path) -> Iterator[PuzzleSet]:
    if isinstance(source, str) and source.startswith(HUB):
        yield _from_hub(source)
        return
    if isinstance(source, str) and re.match(r"[a-z0-9+.-]+://", source, re.IGNORECASE):
        raise _web_address_error(source)
    path = Path(source)
    endings = ", ".join(SUFFIXES)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
        if not files:
            raise PuzzleFileError(path, 0, f"no puzzle file ({endings}) in this folder")
    else:
        files = [path]
    for file in files:
        if not file.exists():
            raise PuzzleFileError(file, 0, "no such puzzle file")
        if not file.name.endswith(SUFFIXES):
            raise PuzzleFileError(file, 0, f"not a kind of puzzle file: its name ends in none of {endings}")
        yield PuzzleSet(_stem(file.name), str(file), (file,), _digest([file]))


def _web_address_error(address: str) -> PuzzleFileError:
    """Says what to do instead; the address is shown without a password or a signature that may be in it."""
    shown = re.sub(r"//[^/?#]*@", "//", re.sub(r"[?#].*", "", address))
    dataset = re.match(r"https?://(?:www\.)?huggingface\.co/datasets/([^/]+/[^/]+)", shown)
    if dataset:
        return PuzzleFileError(shown, 0, f"to read this dataset write '{HUB}datasets/{dataset[1]}'")
    return PuzzleFileError(
        shown,
        0,
        "puzzles are not read from the web: download the file and give its path, or name a dataset of the "
        f"Hub: '{HUB}datasets/<owner>/<name>'",
    )


def _from_hub(address: str) -> PuzzleSet:
    """The Parquet files of a Hub dataset (or its CSV files, where it has no Parquet), at one commit."""
    resolved, files = files_on_hub(address, (".parquet", ".csv", ".csv.zst"))
    return PuzzleSet(resolved.split("/")[4].partition("@")[0], resolved, files, _digest(files))


def files_on_hub(address: str, suffixes: Sequence[str]) -> tuple[str, tuple[Path, ...]]:
    """The address of a Hub dataset with its commit, and its files of the first suffix that there are any of,
    or the file that the address names.

    `snapshot_download` needs no network for a commit that is in the cache.

    :raises PuzzleFileError: there are none, or the Hub does not give them.
    """
    # Imported here because it takes 0.5 s.
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
    patterns = [inside] if inside else [f"*{suffix}" for suffix in suffixes]
    for pattern in patterns:
        try:
            folder = snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=pattern)
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            message = f"the dataset cannot be had from the Hub: {first_line(error)}"
            raise PuzzleFileError(address, 0, message) from error
        root = Path(folder)
        if files := sorted(file for file in root.rglob(pattern) if file.name.endswith(tuple(suffixes))):
            resolved = f"{HUB}datasets/{name}@{root.name}" + (f"/{inside}" if inside else "")
            return resolved, tuple(files)
    raise PuzzleFileError(address, 0, f"the dataset has no file {' or '.join(patterns)}")


def _stem(name: str) -> str:
    """The name of a file's set, which becomes part of test ids."""
    suffix = next(suffix for suffix in reversed(SUFFIXES) if name.endswith(suffix))
    return re.sub(r"\s+", "-", "".join(c if c.isprintable() else " " for c in name.removesuffix(suffix)))


def _digest(files: Sequence[Path]) -> str:
    digests: list[str] = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
