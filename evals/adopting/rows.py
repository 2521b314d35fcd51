"""Training rows, a few dozen of them: from JSON lines, CSV, Parquet, or a dataset of the Hub."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from evals.puzzles.files import PuzzleFileError, first_line, parquet_values
from evals.puzzles.sets import HUB, files_on_hub
from serve.printable import printable

SUFFIXES = (".parquet", ".jsonl", ".csv")
LONGEST = 1 << 20
"""Bytes of a line or a value: traces are long, but none is this long."""
LOOKED_THROUGH = 5000
"""The rows from whose start to whose end the chosen ones are spread."""

Row = Mapping[str, Any]


class AdoptError(Exception):
    """Rows of which no format can be made, or not without an option; says which rows and what to do."""


def read_rows(source: str, count: int) -> tuple[str, list[tuple[int, Row]]]:
    """Where the rows are from, with the commit of a dataset, and up to `count` of them with their numbers
    (from 1), spread evenly over the first `LOOKED_THROUGH`.

    :raises AdoptError: the source cannot be read, or has no row.
    """
    try:
        resolved, files = (
            files_on_hub(source, SUFFIXES) if source.startswith(HUB) else (source, (Path(source),))
        )
        numbered = list(enumerate(islice(_rows(files[0]), LOOKED_THROUGH), start=1))
    except PuzzleFileError as error:
        raise AdoptError(str(error)) from error
    except OSError as error:
        raise AdoptError(f"{printable(source)} cannot be read: {error.strerror or error}") from error
    if not numbered:
        raise AdoptError(f"{printable(source)} has no row")
    if len(files) > 1:
        resolved += f" ({files[0].name})"
    step = max(1.0, (len(numbered) - 1) / max(1, count - 1))
    chosen = sorted({round(place * step) for place in range(count)})
    return resolved, [numbered[place] for place in chosen if place < len(numbered)]


def _rows(file: Path) -> Iterator[Row]:
    match file.suffix:
        case ".parquet":
            return parquet_values(file, lambda columns: columns, LONGEST)
        case ".csv":
            return _csv(file)
        case ".jsonl":
            return _json_lines(file)
        case _:
            raise AdoptError(f"{printable(str(file))}: training rows are read from {', '.join(SUFFIXES)}")


def _json_lines(file: Path) -> Iterator[Row]:
    with file.open("rb") as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST + 1), b""), start=1):
            if len(line) > LONGEST:
                raise AdoptError(f"{printable(str(file))}:{number}: a line of more than {LONGEST:,} bytes")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise AdoptError(f"{printable(str(file))}:{number}: not JSON: {first_line(error)}") from error
            if not isinstance(row, dict):
                raise AdoptError(f"{printable(str(file))}:{number}: not an object with the columns of a row")
            yield row


def _csv(file: Path) -> Iterator[Row]:
    limit = csv.field_size_limit(LONGEST)
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            for row in csv.DictReader(stream, strict=True):
                if None in row or None in row.values():
                    raise AdoptError(f"{printable(str(file))}: a row has not as many cells as the header")
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise AdoptError(f"{printable(str(file))}: not a sound CSV file: {first_line(error)}") from error
    finally:
        csv.field_size_limit(limit)
