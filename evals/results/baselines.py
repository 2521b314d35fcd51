"""Baselines: runs that later ones are held against, kept in git as `evals/baselines/<name>.jsonl`.

The first line says what has to be the same (puzzles, asking, sampling, grading) and where the run came from;
then one short line for each case, sorted, so that two blessed runs can be read as a diff.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from evals.results.gates import GateResult
from evals.results.run import strict
from evals.results.stored_run import RunError, StoredRun, mapping_of, model_ids, read_run, records_of
from evals.statistics.rates import Decision
from serve.printable import printable

KEPT = ("asking", "sampling", "grading", "puzzles", "planned", "versions")
"""What of a run's manifest stays in the first line as it is."""
NEEDED = ("complete", "errors")
"""Gates of a run that have to pass before it is blessed: they say whether it is whole."""


class _Header(BaseModel):
    """What has to stand in the first line."""

    blessed: int
    digest: str
    planned: dict[str, int]


def read_baseline(path: Path) -> StoredRun:
    """Read a blessed run, or the folder of one that was not.

    :raises RunError: it is neither, is damaged, or was changed after it was blessed.
    """
    if path.is_dir():
        return read_run(path)
    name = printable(str(path))
    try:
        content = path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise RunError(f"the baseline {name} cannot be read: {error.strerror}") from error
    first, _, lines = content.partition(b"\n")
    try:
        manifest: Any = json.loads(first)
        header = _Header.model_validate(manifest)
    except (ValueError, RecursionError, ValidationError) as error:
        raise RunError(f"{name}:1: not the first line of a blessed run: bless it again") from error
    records = records_of(lines, path, first=2)
    if header.digest != digest_of(cast("dict[str, Any]", manifest), lines):
        raise RunError(f"{name} was changed after it was blessed: bless it again")
    models = model_ids(manifest)
    asked = {key: replace(each, model=models.get(each.task, "")) for key, each in records.items()}
    return StoredRun(path, cast("Mapping[str, Any]", manifest), asked, header.planned)


def digest_of(header: Mapping[str, Any], lines: bytes) -> str:
    """Names a whole file: all of its first line but the digest itself, and the lines of the cases."""
    said = {name: value for name, value in header.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode() + b"\n" + lines).hexdigest()[:16]


def why_not_blessed(status: str, results: list[GateResult]) -> str | None:
    """Why a run cannot be a baseline; None where it can. A model may fail its gates and be one."""
    if status != "finished":
        return f"the run is {status!r}, not finished"
    for result in results:
        if result.name in NEEDED and result.verdict is not Decision.PASS:
            return result.sentence
    return None if any(result.name == "complete" for result in results) else "nothing was asked"


def bless(run: StoredRun, path: Path, **facts: Any) -> None:
    """Write a run as a baseline, whole or not at all.

    :param facts: what else the first line says.
    :raises OSError: it cannot be written.
    """
    lines = "".join(f"{run.records[key].to_compact_json()}\n" for key in sorted(run.records)).encode()
    manifest = run.manifest
    models = model_ids(manifest)
    header = {
        "blessed": 1,
        "status": "finished",
        "run": run.folder.name,
        "models": {task: {"id": model} for task, model in models.items()},
        "identities": {
            name: identity
            for name, identity in mapping_of(manifest.get("identities")).items()
            if name in models.values()
        },
        "server": mapping_of(manifest.get("endpoint")).get("version"),
        **{name: _placeless(manifest[name]) for name in KEPT if name in manifest},
        **facts,
    }
    # As a reader gets it: what it is compared with comes from JSON too.
    said = json.loads(json.dumps(strict(header)))
    first = json.dumps(said | {"digest": digest_of(said, lines)}, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(first.encode() + b"\n" + lines)
    draft.replace(path)


def _placeless(value: Any) -> Any:
    """The value with absolute paths shortened to two parts: they differ from machine to machine."""
    if isinstance(value, dict):
        return {name: _placeless(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_placeless(each) for each in cast("list[Any]", value)]
    if isinstance(value, str) and Path(value).is_absolute():
        return "/".join(Path(value).parts[-2:])
    return value
