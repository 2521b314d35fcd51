"""A run: the folder that keeps everything one session asked, got and judged, written as it happens.

run.json            the manifest: what was asked of what, and how it ended
completions.jsonl   what the server sent back, one line a request, in order of arrival
verdicts.jsonl      the judged cases, one line each
puzzles.csv         the puzzles, so that the run can be judged again without their source
"""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from evals.puzzles.puzzle import COLUMNS, Puzzle
from evals.words import Case, Completion, Record


class Run:
    """The open folder of a run. One process writes it; safe to call from several of its threads.

    :param folder: made with its parents.
    :raises FileExistsError: the folder already holds a run.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "run.json").exists():
            raise FileExistsError(f"{folder} already holds a run: give another --run-dir")
        self.folder = folder
        self.manifest: dict[str, Any] = {"status": "running", "started": now()}
        self.records: list[Record] = []
        self._judged: set[str] = set()
        self._lock = threading.Lock()
        self._completions = self._open("completions.jsonl")
        self._verdicts = self._open("verdicts.jsonl")

    def _open(self, name: str) -> IO[str]:
        return (self.folder / name).open("a", encoding="utf-8", buffering=1)

    def add_completion(self, case: Case, turn: int, completion: Completion, model: str) -> None:
        """Keep one completion, the moment it arrives, with the model that was asked for it."""
        line = {"case": case.key, "task": case.task, "asked": model, "turn": turn, **asdict(completion)}
        with self._lock:
            if not self._completions.closed:
                self._completions.write(json.dumps(line) + "\n")

    def add_verdict(self, record: Record) -> None:
        """Keep one judged case; a case that was judged before in this run is not counted twice."""
        with self._lock:
            if record.case in self._judged:
                return
            self._judged.add(record.case)
            self.records.append(record)
            self._verdicts.write(record.to_json() + "\n")

    def save(self, **facts: Any) -> None:
        """Merge facts into the manifest and write it, whole or not at all."""
        self.manifest.update(facts)
        draft = self.folder / "run.json.part"
        draft.write_text(json.dumps(self.manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(self.folder / "run.json")

    def close(self, status: str, **facts: Any) -> None:
        """Write the last manifest with the counts of each task's outcomes, and close the files."""
        counts: dict[str, Counter[str]] = {}
        for record in self.records:
            counts.setdefault(record.task, Counter())[record.outcome] += 1
        self.save(status=status, ended=now(), counts={task: dict(c) for task, c in counts.items()}, **facts)
        with self._lock:
            self._completions.close()
            self._verdicts.close()


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def default_folder(root: Path, model: str) -> Path:
    """`runs/<time>-<model>` below `root`; numbered when two runs start in one second."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{re.sub(r'[^A-Za-z0-9._-]+', '-', model).strip('-.')}"
    folder = root / "runs" / name
    for number in range(2, 1000):
        if not folder.exists():
            return folder
        folder = root / "runs" / f"{name}-{number}"
    return folder


def point_latest(folder: Path) -> None:
    """Let `latest` beside the run's folder point at it. Two sessions may do this at once."""
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name)
    draft.replace(folder.parent / "latest")


def write_puzzles(folder: Path, puzzles: Iterable[Puzzle]) -> None:
    """Keep the asked puzzles as `puzzles.csv`, Lichess columns after the set's name."""
    with (folder / "puzzles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["Set", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"Set": puzzle.set, **puzzle.to_row()} for puzzle in puzzles)


def versions(*packages: str) -> Mapping[str, str | None]:
    """The installed version of each package, or None."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def git_state(root: Path) -> Mapping[str, str | bool | None]:
    """The commit of the checkout at `root` and whether it has changes; None outside of git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changes = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}
