"""A run that ended, read back from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from evals.words import Record
from serve.printable import printable


class RunError(Exception):
    """A folder that holds no run, or a damaged one; says which file and line."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run's manifest, and its records by case."""

    folder: Path
    manifest: Mapping[str, Any]
    records: Mapping[str, Record]
    planned: Mapping[str, int]
    """How many cases of each task the session set out to judge, as far as it said so."""

    @property
    def name(self) -> str:
        """The folder, printable."""
        return printable(str(self.folder))

    @property
    def models(self) -> str:
        """The models that were asked, in words."""
        asked = sorted({record.model for record in self.records.values()} - {""})
        return ", ".join(map(printable, asked)) or self.name

    @property
    def unjudged(self) -> int:
        """How many cases were planned but not judged."""
        return max(0, sum(self.planned.values()) - len(self.records))


def mapping_of(value: object) -> Mapping[str, Any]:
    """What of a manifest should be a table; an empty one where it is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def model_ids(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """The served model that each task was asked of, as far as a manifest says so."""
    try:
        models = _Models.model_validate(manifest).models
    except ValidationError:
        return {}
    return {task: model.id for task, model in models.items()}


def read_run(folder: Path) -> StoredRun:
    """Read a run's manifest and records, whatever its status.

    :raises RunError: a file is not there or damaged.
    """
    manifest, planned = _read_manifest(folder / "run.json")
    path = folder / "verdicts.jsonl"
    return StoredRun(folder, manifest, records_of(_read(path), path, first=1), planned)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        folder = printable(str(path.parent))
        raise RunError(f"{folder} is not a run: {path.name} cannot be read: {error.strerror}") from error


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    models: dict[str, _Model] = {}


class _Plan(BaseModel):
    """The part of a manifest that has to be of a certain form."""

    planned: dict[str, int] = {}


def _read_manifest(path: Path) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    content = _read(path)
    try:
        manifest = json.loads(content)
        return manifest, _Plan.model_validate(manifest).planned
    except ValidationError as error:
        raise RunError(f"{printable(str(path))} is not the manifest of a run") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{printable(str(path))} is not JSON: {printable(str(error))}") from error


def records_of(content: bytes, path: Path, first: int) -> Mapping[str, Record]:
    """Records by case from lines of JSON.

    :param first: the number of the first line in the file.
    :raises RunError: a line is no record, or the second one of its case.
    """
    records: dict[str, Record] = {}
    # Lines end in \n alone: other characters that end a line for Python may stand in a record.
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=first):
        where = f"{printable(str(path))}:{number}"
        if not line:
            continue
        try:
            record = Record.from_json(line)
        except ValueError as error:
            raise RunError(
                f"{where}: no whole verdict; it was torn, or written by another version: run it again"
            ) from error
        if record.case in records:
            raise RunError(f"{where}: a second verdict on {printable(record.case)}: run it again")
        records[record.case] = record
    return records
