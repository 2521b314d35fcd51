"""Tasks that others bring: how they are registered, what they need not say, and what is wrong with some."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.harness.shared import Shared
from evals.harness.snapshots import snapshots_root
from evals.tasks import TaskError, TaskSettings, build_tasks, task, task_names
from evals.tasks import registry as tasks_registry
from evals.tasks.registry import watch
from evals.words import Case, Completion, Outcome, Request, Verdict
from tests.commands import run_pytest
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.own_task import Accountant, write_example
from tests.sessions import N


class Plain:
    """A task that says nothing but how it asks and judges."""

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        yield Request(({"role": "user", "content": case.puzzle.id},), max_tokens=1)

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        return Verdict(Outcome.SOLVED, detail=f"{case.id}: {len(completions)}")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The registry, which a test may add to."""
    factories = dict(tasks_registry._factories)  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(tasks_registry, "_factories", factories)
    return factories


@pytest.mark.usefixtures("registered")
def test_what_a_task_does_not_say_is_filled_in() -> None:
    kind = type("Plain2", (Plain,), {})
    assert task("plain")(kind) is kind
    built = build_tasks(TaskSettings())["plain"]
    assert (built.name, built.questions, built.checks) == ("plain", (), {})
    assert task_names()[-1] == "plain"


@pytest.mark.usefixtures("registered")
def test_what_a_task_says_is_kept() -> None:
    def settle(self: Any, settings: TaskSettings) -> None:
        self.settings = settings

    members = {"questions": ("move",), "checks": {"sure": bool}, "__init__": settle}
    task("plain")(type("Plain3", (Plain,), members))
    settings = TaskSettings(board_skills=3)
    built: Any = build_tasks(settings)["plain"]
    assert (built.name, built.questions, built.checks) == ("plain", ("move",), {"sure": bool})
    assert built.settings is settings


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("two words", Plain, "'two words' is no name for a task"),
        ("move", Plain, r"two tasks are called 'move': evals\.tasks\.move\.MoveTask and .*Plain"),
        ("half", type("Half", (), {"turns": Plain.turns}), "the task 'half' .*Half.* has no method 'judge'"),
        ("mute", type("Mute", (), {"judge": Plain.judge}), "the task 'mute' .*Mute.* has no method 'turns'"),
        ("one", type("Other", (Plain,), {"name": "another"}), "the task 'one' .* calls itself 'another'"),
    ],
)
def test_a_task_that_cannot_be_registered_is_named(
    registered: dict[str, Any], name: str, kind: Any, why: str
) -> None:
    before = dict(registered)
    with pytest.raises(TaskError, match=why):
        task(name)(kind)
    assert registered == before


@pytest.mark.usefixtures("registered")
def test_who_watches_is_told_of_tasks_until_he_stops() -> None:
    seen: list[str] = []
    stop = watch(seen.append)
    task("first")(type("First", (Plain,), {}))
    stop()
    task("second")(type("Second", (Plain,), {}))
    assert seen == ["first"]


def session(folder: Path, server: Loopback, *arguments: str, path: Path | None = None) -> tuple[int, str]:
    """A session in a folder of its own, without a warning overlooked; its status and what it said."""
    write_mates(folder / "mates.csv", N)
    command = ["--base-url", server.base_url, "--puzzles", "mates.csv", "--no-preflight", "--strict-markers"]
    env = {"PYTHONPATH": str(path)} if path else None
    done = run_pytest(*command, "--gates", "gates.toml", *arguments, cwd=folder, env=env)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def accountant() -> Generator[Loopback]:
    with Loopback(Accountant()) as server:
        yield server


@pytest.fixture
def late(tmp_path: Path) -> Path:
    """A repository whose task is registered by the module of its tests, which also uses the mark by hand."""
    written = write_example(tmp_path)
    written["conftest.py"].write_text('pytest_plugins = ["evals.harness.plugin"]\n')
    test = written["test_material.py"]
    test.write_text("import material\n" + test.read_text() + "\n\npytestmark = pytest.mark.material\n")
    return tmp_path


def test_a_mark_is_registered_even_where_its_task_is_imported_by_the_tests(
    late: Path, accountant: Loopback
) -> None:
    status, said = session(late, accountant, "test_material.py", "-m", "material")
    assert status == 0, said
    assert "promote, on material alone" in said


@pytest.mark.slow  # two workers
def test_a_task_that_only_the_workers_know_is_not_asked_and_the_session_says_so(
    late: Path, accountant: Loopback
) -> None:
    status, said = session(late, accountant, "test_material.py", "-n", "2")
    assert status != 0
    assert "the task 'material' is registered too late to be asked in this session" in said
    assert "conftest.py" in said
    assert not accountant.bodies


def test_a_task_that_comes_after_the_suites_were_set_up_is_not_asked_and_the_session_says_so(
    late: Path, accountant: Loopback
) -> None:
    (late / "gates.toml").write_text("")
    status, said = session(late, accountant, "--pyargs", "evals", "test_material.py")
    assert status != 0
    assert "the task 'material' is registered too late to be asked in this session" in said
    assert not accountant.bodies


def entry_point(folder: Path, value: str) -> Path:
    """A package `chess-tasks` that names its task `material` by an entry point, as an installer leaves it."""
    info = folder / "chess_tasks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chess-tasks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[eighth_rank.tasks]\nmaterial = {value}\n")
    return folder


UNDECORATED: Callable[[str], str] = lambda text: text.replace('@task("material")\n', "")  # noqa: E731


@pytest.mark.parametrize(
    ("value", "decorated"),
    [("material:MaterialTask", True), ("material:MaterialTask", False), ("material", True)],
)
def test_a_package_brings_a_task_by_an_entry_point(
    tmp_path: Path, accountant: Loopback, value: str, decorated: bool
) -> None:
    installed, repository = tmp_path / "installed", tmp_path / "repository"
    installed.mkdir()
    repository.mkdir()
    written = write_example(repository)
    text = written.pop("material.py").read_text()
    (repository / "material.py").unlink()
    (installed / "material.py").write_text(text if decorated else UNDECORATED(text))
    written["conftest.py"].write_text('pytest_plugins = ["evals.harness.plugin"]\n')
    path = entry_point(installed, value)
    status, said = session(repository, accountant, "test_material.py", path=path)
    assert status == 0, said
    assert "promote, on material alone" in said


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nowhere:Task", "ModuleNotFoundError: No module named 'nowhere'"),
        ("material:Nothing", "AttributeError: module 'material' has no attribute 'Nothing'"),
        ("collections:OrderedDict", "has no method 'turns'"),
    ],
)
def test_an_entry_point_that_cannot_be_loaded_ends_the_session_with_its_package(
    tmp_path: Path, accountant: Loopback, value: str, why: str
) -> None:
    """What would pass wrongly: a task that is silently not there."""
    write_example(tmp_path)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["evals.harness.plugin"]\n')
    status, said = session(tmp_path, accountant, path=entry_point(tmp_path, value))
    assert status == 4, said
    assert f"the task 'material' of chess-tasks cannot be loaded from {value}" in said
    assert why in said
    assert "Traceback" not in said


def test_a_task_that_cannot_ask_ends_the_session_with_its_line(tmp_path: Path, accountant: Loopback) -> None:
    task = write_example(tmp_path)["material.py"]
    lines = task.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if "asked = f" in line)
    lines.insert(at, "        raise KeyError(case.puzzle.id)")
    task.write_text("\n".join(lines))
    status, said = session(tmp_path, accountant, "test_material.py")
    assert status == 4, said
    assert f"the task 'material' cannot ask p000: KeyError: 'p000' (material.py:{at + 1})" in said
    assert "Traceback" not in said


def test_what_is_shared_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(os.getpid())
        return len(made)

    one, other, third = (Shared("number", make) for _ in range(3))
    one.share_in(tmp_path)
    other.share_in(tmp_path)
    assert (other.value, one.value, made) == (1, 1, [os.getpid()])
    assert third.value == 2  # shares with nobody
    third.share_in(tmp_path)
    fourth = Shared("number", make)
    fourth.share_in(tmp_path)
    assert fourth.value == 2


def test_what_cannot_be_made_is_tried_again_by_the_next(tmp_path: Path) -> None:
    def fail() -> int:
        raise OSError("no such puzzle file")

    for make in (fail, fail, lambda: 3):
        shared = Shared("number", make)
        shared.share_in(tmp_path)
        if make is fail:
            with pytest.raises(OSError, match="no such puzzle file"):
                _ = shared.value
        else:
            assert shared.value == 3


@pytest.mark.parametrize(
    ("suite", "own", "update", "expected"),
    [
        ("project/checks/test_a.py", False, False, "project/checks/__snapshots__"),
        ("project/checks/test_a.py", True, True, "project/checks/__snapshots__"),
        ("project/.venv/lib/site-packages/evals/test_a.py", False, True, "project/__snapshots__"),
        ("lib/site-packages/evals/test_a.py", False, True, "project/__snapshots__"),
        ("lib/site-packages/evals/test_a.py", True, False, "project/__snapshots__"),
        ("lib/site-packages/evals/test_a.py", False, False, "lib/site-packages/evals/__snapshots__"),
    ],
)
def test_formats_are_never_stored_where_a_package_is_installed(
    tmp_path: Path, suite: str, own: bool, update: bool, expected: str
) -> None:
    """:param own: the user has stored a format of the model, too, for which one is shipped."""
    project, test_file = tmp_path / "project", tmp_path / suite
    (test_file.parent / "__snapshots__" / "model").mkdir(parents=True)
    if own:
        (project / "__snapshots__" / "model").mkdir(parents=True)
    assert snapshots_root(test_file, "model", project, update=update) == tmp_path / expected
    unknown = snapshots_root(test_file, "other", project, update=update)
    assert "site-packages" not in unknown.parts
