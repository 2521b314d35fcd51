"""A run: the folder that keeps everything one session asked, got and judged, written as it happens.

run.json            the manifest: what was asked of what, and how it ended
completions.jsonl   what the server sent back, one line a request, in order of arrival
diagnosis.jsonl     the same of what is asked for the diagnosis alone, where it is asked
verdicts.jsonl      the judged cases, one line each
puzzles.csv         the puzzles, so that the run can be judged again without their source
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import platform
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

from evals.puzzles.puzzle import COLUMNS, Puzzle
from evals.tasks import is_gated
from evals.words import Case, Completion, Record, storable
from serve.printable import printable


class Run:
    """The open folder of a run. One process writes it; safe to call from several of its threads.

    The folder belongs to whoever makes its run.json, which only one of two sessions can do.

    :param folder: made with its parents.
    :raises FileExistsError: the folder already holds a run, or is a file.
    :raises OSError: it cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(f"{printable(str(folder))} is a file: give a folder as --run-dir")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.manifest: dict[str, Any] = {"status": "running", "started": now()}
        self.records: list[Record] = []
        self.answered_by: dict[str, Counter[str]] = {}
        """How many completions each other model sent, in the server's words, by the model that was asked."""
        self._judged: set[str] = set()
        self._lock = threading.Lock()
        with contextlib.ExitStack() as undo:
            self._claim("run.json", undo).close()
            self._completions = self._claim("completions.jsonl", undo)
            self._verdicts = self._claim("verdicts.jsonl", undo)
            undo.pop_all()
        self.save()

    def _claim(self, name: str, undo: contextlib.ExitStack) -> IO[str]:
        path = self.folder / name
        try:
            file = path.open("x", encoding="utf-8", buffering=1)
        except FileExistsError as error:
            taken = f"{printable(str(self.folder))} already holds a run: give another --run-dir"
            raise FileExistsError(taken) from error
        undo.callback(path.unlink)
        return file

    def add_completion(self, case: Case, turn: int, completion: Completion, model: str) -> None:
        """Keep one completion, the moment it arrives, with the model that was asked for it."""
        line = {"case": case.key, "task": case.task, "asked": model, "turn": turn, **asdict(completion)}
        with self._lock:
            if self._completions.closed:
                return
            text = json.dumps(strict(line), allow_nan=False) + "\n"
            if is_gated(case.task):
                self._completions.write(text)
            else:
                with (self.folder / "diagnosis.jsonl").open("a", encoding="utf-8") as file:
                    file.write(text)
            if completion.model not in (None, model):
                self.answered_by.setdefault(model, Counter())[completion.model] += 1

    def add_verdict(self, record: Record) -> None:
        """Keep one judged case; a case that was judged before in this run is not counted twice."""
        record = replace(record, model=storable(record.model))
        with self._lock:
            if record.case in self._judged or self._verdicts.closed:
                return
            self._judged.add(record.case)
            self.records.append(record)
            self._verdicts.write(record.to_json() + "\n")

    def save(self, **facts: Any) -> None:
        """Merge facts into the manifest and write it, whole or not at all."""
        self.manifest.update(facts)
        text = json.dumps(strict(self.manifest), indent=2, ensure_ascii=False, allow_nan=False)
        draft = self.folder / "run.json.part"
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(self.folder / "run.json")

    def read_back(self) -> dict[str, Any]:
        """The manifest as a reader of run.json gets it."""
        return json.loads(json.dumps(strict(self.manifest)))

    def close(self, status: str, **facts: Any) -> None:
        """Write the last manifest with the counts of each task's outcomes, and close the files.

        :param status: how the session ended. A session that `finished` without judging every case that the
            manifest says was `planned` is `incomplete`.
        """
        counts: dict[str, Counter[str]] = {}
        for record in self.records:
            counts.setdefault(record.task, Counter())[record.outcome] += 1
        planned: Mapping[str, int] = self.manifest.get("planned", {})
        judged = {task: outcomes.total() for task, outcomes in counts.items()}
        if status == "finished" and (not judged or any(judged.get(t, 0) < n for t, n in planned.items())):
            status = "incomplete"
        others = {"answered_by": self.answered_by} if self.answered_by else {}
        self.save(status=status, ended=now(), counts=counts, **others, **facts)
        with self._lock:
            self._completions.close()
            self._verdicts.close()


def strict(value: Any) -> Any:
    """The value as JSON that every reader takes: no NaN, no infinity, no lone surrogate."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {strict(key): strict(each) for key, each in items}
    if isinstance(value, list | tuple):
        return [strict(each) for each in cast(Iterable[Any], value)]
    return value


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def default_folder(root: Path, model: str) -> Path:
    """Make `runs/<time>-<model>` below `root`, numbered where there is one of this second, and return it."""
    (root / "runs").mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")[:100]
    number = 1
    while True:
        name = "-".join(filter(None, [stamp, short, str(number) if number > 1 else ""]))
        try:
            (root / "runs" / name).mkdir()
        except FileExistsError:
            number += 1
        else:
            return root / "runs" / name


def point_latest(folder: Path) -> None:
    """Let `latest` beside the run's folder point at it, where links can be made. Two may do this at once."""
    draft = folder.parent / f".latest-{os.getpid()}"
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
        draft.symlink_to(folder.name)
        draft.replace(folder.parent / "latest")


def write_puzzles(folder: Path, puzzles: Iterable[Puzzle]) -> None:
    """Keep the asked puzzles as `puzzles.csv`: set, whose position FEN is, whether the model was
    trained on it, then the Lichess columns.
    """
    with (folder / "puzzles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["Set", "Convention", "Seen", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {
                "Set": puzzle.set,
                "Convention": puzzle.convention,
                "Seen": "yes" if puzzle.seen else "",
                **puzzle.to_row(),
            }
            for puzzle in puzzles
        )


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
