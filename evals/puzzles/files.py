"""Reads puzzle files row by row: CSV, `.csv.zst`, Parquet. Parses nothing and holds no file whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import zstandard

from evals.puzzles.draw import Row
from evals.puzzles.puzzle import COLUMNS

SUFFIXES = (".csv", ".csv.zst", ".parquet")
REQUIRED = ("PuzzleId", "FEN", "Moves", "Rating")
CHUNK = 1 << 16


class PuzzleFileError(Exception):
    """A puzzle file that cannot be used; names the file, the line (0: the whole file) and what is wrong."""

    def __init__(self, file: str | Path, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file = str(file)
        self.line = line
        self.message = message


def rows(file: Path, set_name: str) -> Iterator[Row]:
    """Every row of a puzzle file, cells in the order of `COLUMNS`, whatever the file's own order is.

    :raises PuzzleFileError: the file cannot be read, is empty, cut short, or lacks a column.
    """
    try:
        yield from _parquet_rows(file, set_name) if file.suffix == ".parquet" else _csv_rows(file, set_name)
    except OSError as error:
        raise PuzzleFileError(file, 0, f"cannot be read: {error.strerror or error}") from error


def _order(file: Path, columns: Sequence[str]) -> list[int | None]:
    """Where each of `COLUMNS` stands in this file."""
    if missing := [column for column in REQUIRED if column not in columns]:
        raise PuzzleFileError(
            file, 1, f"wrong header: no {', '.join(missing)}; a puzzle file starts with {','.join(COLUMNS)!r}"
        )
    return [columns.index(column) if column in columns else None for column in COLUMNS]


# --- CSV ---


def _csv_rows(file: Path, set_name: str) -> Iterator[Row]:
    name = str(file)
    lines = enumerate(_zst_lines(file) if file.suffix == ".zst" else _plain_lines(file), start=1)
    _, head = next(lines, (0, b""))
    if not head.strip():
        raise PuzzleFileError(file, 0, "the file is empty")
    columns = _split(head.removeprefix(b"\xef\xbb\xbf"))
    order = _order(file, columns)
    in_order = columns == list(COLUMNS)
    for number, line in lines:
        cells = _split(line)
        broken = ""
        if len(cells) != len(columns):
            if not line.strip():
                continue
            broken = f"{len(cells)} cells, but the header has {len(columns)}"
            cells = (cells + [""] * len(columns))[: len(columns)]
        if not in_order:
            cells = ["" if at is None else cells[at] for at in order]
        yield Row(set_name, name, number, cells, broken)


def _split(line: bytes) -> list[str]:
    text = line.decode(errors="replace").rstrip("\r\n")
    # Lichess never quotes a cell, and a plain split is many times faster than the csv module.
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text]))
    except csv.Error:
        return [text]  # one cell, which is never the right number


def _plain_lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream


def _zst_lines(file: Path) -> Iterator[bytes]:
    """The lines of a compressed file; zstandard's stream reader would take one that is cut short as whole."""
    # 2 GiB windows: what `zstd --ultra --long=31` may ask for.
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    frame = decompressor.decompressobj()
    started, rest = False, b""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            while chunk:
                if frame.eof:
                    frame = decompressor.decompressobj()
                try:
                    *whole, rest = (rest + frame.decompress(chunk)).split(b"\n")
                except zstandard.ZstdError as error:
                    raise PuzzleFileError(file, 0, f"not a sound Zstandard file: {error}") from error
                yield from whole
                started, chunk = True, frame.unused_data
    if started and not frame.eof:
        raise PuzzleFileError(file, 0, "the compressed file is cut short: get it again")
    if rest:
        yield rest


# --- Parquet ---


def _parquet_rows(file: Path, set_name: str) -> Iterator[Row]:
    """Hub datasets have numbers and lists, not text; newer ones of Lichess have `GameId`, not `GameUrl`."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise PuzzleFileError(
            file, 0, "Parquet files need pyarrow: pip install 'eighth-rank[parquet]'"
        ) from error

    try:
        with ParquetFile(file, pre_buffer=False) as table:
            columns: list[str] = table.schema_arrow.names
            order = _order(file, columns)
            game = columns.index("GameId") if "GameId" in columns and "GameUrl" not in columns else None
            used = [at for at in (*order, game) if at is not None]
            number = 0
            for batch in table.iter_batches(batch_size=4096, columns=[columns[at] for at in used]):
                place = {name: at for at, name in enumerate(batch.schema.names)}
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    cells = [_text(values[place[name]]) if name in place else "" for name in COLUMNS]
                    if game is not None:
                        cells[COLUMNS.index("GameUrl")] = f"https://lichess.org/{values[place['GameId']]}"
                    yield Row(set_name, str(file), number, cells)
    except ArrowException as error:
        raise PuzzleFileError(file, 0, f"not a sound Parquet file: {error}") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
