"""Reads puzzle files row by row: CSV, `.csv.zst`, Parquet. Parses nothing and holds no file whole.

A file may come from anywhere, so what it makes this process hold is bounded: a line, what a piece of a
compressed file unpacks to, a batch of a Parquet file.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from evals.puzzles.dialect import LICHESS, ColumnError, Dialect
from evals.puzzles.draw import Row
from evals.puzzles.puzzle import COLUMNS
from serve.printable import printable

SUFFIXES = (".csv", ".csv.zst", ".parquet")

LONGEST_LINE = 1 << 14
"""Bytes; also what a value of a Parquet file may have. A Lichess row has a few hundred."""
MOST_EMPTY_LINES = 10_000

CHUNK = 1 << 10
"""Bytes that are unpacked at a time: to 32 MiB at most, since Zstandard can pack 128 KiB into four bytes."""
MOST_UNPACKED = 1 << 20
"""Bytes that they may unpack to: a thousand times their number, and Lichess rows to about four times."""
BOMB = "unpacks to more than 1,000 times its size: no puzzle file"
WINDOW = 1 << 27
"""Bytes that unpacking looks back at most, as many as the `zstd` command allows."""

GAME_URL = COLUMNS.index("GameUrl")
BATCH = 4096
"""Rows of a Parquet file that are read at a time."""


class PuzzleFileError(Exception):
    """A puzzle file that cannot be used; names the file, the line (0: the whole file) and what is wrong."""

    def __init__(self, file: str | Path, line: int, message: str) -> None:
        where = f"{file}:{line}" if line else str(file)
        super().__init__(f"{printable(where, LONGEST_LINE)}: {printable(message, 500)}")
        self.file = str(file)
        self.line = line
        self.message = message


def rows(file: Path, set_name: str, dialect: Dialect = LICHESS) -> Iterator[Row]:
    """Every row of a puzzle file, cells in the order of `COLUMNS`, whatever the file's own order and names.

    :raises PuzzleFileError: the file cannot be read, is empty, cut short, lacks a column, or is far larger
        when unpacked, or in a line, than puzzles are.
    """
    try:
        read = _parquet_rows if file.suffix == ".parquet" else _csv_rows
        if not dialect.own:  # the whole of Lichess's file passes here
            yield from read(file, set_name, dialect)
            return
        for row in read(file, set_name, dialect):
            yield row._replace(cells=dialect.cells(row.cells))
    except OSError as error:
        raise PuzzleFileError(file, 0, f"cannot be read: {first_line(error.strerror or error)}") from error


def first_line(error: object) -> str:
    """The first line of what a library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _names(file: Path, columns: Sequence[str], dialect: Dialect) -> list[str | None]:
    """What each of `COLUMNS` is called in this file; None where it has no such column."""
    try:
        return dialect.names(columns)
    except ColumnError as error:
        raise PuzzleFileError(file, 1, str(error)) from error


# --- CSV ---


def _csv_rows(file: Path, set_name: str, dialect: Dialect) -> Iterator[Row]:
    name = str(file)
    lines = _lines(file)
    _, head = next(lines, (0, b""))
    if not head.strip():
        raise PuzzleFileError(file, 0, "the file is empty")
    columns = _split(head.removeprefix(b"\xef\xbb\xbf"))
    order = [None if name is None else columns.index(name) for name in _names(file, columns, dialect)]
    in_order = order == list(range(len(columns)))
    empty = 0
    for number, line in lines:
        cells = _split(line)
        broken = ""
        if len(cells) != len(columns):
            if not line.strip():
                empty += 1
                if empty > MOST_EMPTY_LINES:
                    raise PuzzleFileError(file, number, f"more than {MOST_EMPTY_LINES:,} empty lines")
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


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, counted from 1."""
    lines = _zst_lines(file) if file.suffix == ".zst" else _plain_lines(file)
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise PuzzleFileError(file, number, f"a line of more than {LONGEST_LINE:,} bytes: no puzzle file")
        yield number, line


def _plain_lines(file: Path) -> Iterator[bytes]:
    """The lines of a file, the part of a line that is too long included."""
    with file.open("rb") as stream:
        yield from iter(partial(stream.readline, LONGEST_LINE + 1), b"")


def _zst_lines(file: Path) -> Iterator[bytes]:
    """The same of a compressed file."""
    rest = b""
    for piece in _unpacked(file):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            break
    if rest:
        yield rest


def _unpacked(file: Path) -> Iterator[bytes]:
    """What a compressed file holds; zstandard's stream reader would take one that is cut short as whole."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    frame = decompressor.decompressobj()
    started = False
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            unpacked = 0
            while chunk:
                if frame.eof:
                    frame = decompressor.decompressobj()
                try:
                    piece = frame.decompress(chunk)
                except zstandard.ZstdError as error:
                    message = f"not a sound Zstandard file, or packed with --long: {first_line(error)}"
                    raise PuzzleFileError(file, 0, message) from error
                unpacked += len(piece)
                if unpacked > MOST_UNPACKED:
                    raise PuzzleFileError(file, 0, BOMB)
                yield piece
                started, chunk = True, frame.unused_data
    if started and not frame.eof:
        raise PuzzleFileError(file, 0, "the compressed file is cut short: get it again")


# --- Parquet ---


def _parquet_rows(file: Path, set_name: str, dialect: Dialect) -> Iterator[Row]:
    """Hub datasets have numbers and lists, not text; newer ones of Lichess have `GameId`, not `GameUrl`."""
    names: list[str | None] = []

    def used(columns: list[str]) -> list[str]:
        names[:] = _names(file, columns, dialect)
        game = ["GameId"] if "GameId" in columns and names[GAME_URL] is None else []
        return list(dict.fromkeys([*(name for name in names if name is not None), *game]))

    for number, values in enumerate(parquet_values(file, used), start=1):
        cells = ["" if name is None else _text(values[name]) for name in names]
        if names[GAME_URL] is None and "GameId" in values:
            cells[GAME_URL] = f"https://lichess.org/{values['GameId']}"
        yield Row(set_name, str(file), number, cells)


def parquet_values(
    file: Path, choose: Callable[[list[str]], list[str]], longest: int = LONGEST_LINE
) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, each by the names of its columns.

    :param choose: which of the file's columns are read.
    :param longest: bytes that a value may have.
    :raises PuzzleFileError: see `rows`.
    """
    try:
        # Imported here because it is an extra, and takes 0.3 s.
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise PuzzleFileError(
            file, 0, "Parquet files need pyarrow: pip install 'eighth-rank[parquet]'"
        ) from error

    try:
        with ParquetFile(file, pre_buffer=False) as table:
            used = choose(table.schema_arrow.names)
            _refuse_bomb(file, table, used, longest)
            for batch in table.iter_batches(batch_size=BATCH, columns=used):
                names = batch.schema.names
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield dict(zip(names, values, strict=True))
    except (ArrowException, UnicodeDecodeError, MemoryError) as error:
        raise PuzzleFileError(file, 0, f"not a sound Parquet file: {first_line(error)}") from error


def _refuse_bomb(file: Path, table: Any, columns: list[str], most: int) -> None:
    """Look before reading: in a Parquet file a row can take less than a bit, and a value of megabytes no more
    space where it stands in every row than where it stands in one.

    :raises PuzzleFileError: the rows, or a value of these columns, would not fit into memory.
    """
    from pyarrow import compute, types
    from pyarrow.parquet import ParquetFile

    arrow: Any = compute  # its functions are made at run time
    size = file.stat().st_size
    groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)
    if table.metadata.num_rows > size or unpacked > MOST_UNPACKED + MOST_UNPACKED // CHUNK * size:
        raise PuzzleFileError(file, 0, BOMB)

    leaves = [table.schema.column(index) for index in range(len(table.schema))]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    # With a row's dictionary come the values of all rows of its group, each once.
    with ParquetFile(file, pre_buffer=False, read_dictionary=texts) as dictionaries:
        for index in range(len(groups)):
            row = next(dictionaries.iter_batches(batch_size=1, row_groups=[index], columns=columns), None)
            for column in [] if row is None else row.columns:
                values = column.flatten() if types.is_list(column.type) else column
                if not types.is_dictionary(values.type):
                    continue
                longest = arrow.min_max(arrow.binary_length(values.dictionary))["max"].as_py()
                if longest is not None and longest > most:
                    message = f"a value of more than {most:,} bytes: no puzzle file"
                    raise PuzzleFileError(file, 0, message)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
