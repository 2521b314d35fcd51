"""The package as it is installed: what the wheel holds, and that it works where no checkout is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evals.formats.format import SHIPPED
from tests.commands import ROOT
from tests.loopback import Loopback
from tests.mates import write_mates
from tests.own_task import Accountant, write_example
from tests.sessions import N

pytestmark = [
    pytest.mark.slow,  # compresses 16 MB of weights, and starts interpreters that import everything
    pytest.mark.timeout(300),
]

BLIND = """import sys
from pathlib import Path

here = str(Path(__file__).parent)
sys.path[:] = [path for path in sys.path if path == here or not Path(path, "evals", "__init__.py").exists()]
"""
"""A `sitecustomize` that takes a checkout, which is installed as editable, out of Python's sight."""

WHERE = """from importlib.util import find_spec
from pathlib import Path

import evals
import serve


def test_the_installed_package_is_tested():
    for package in (evals, serve):
        assert Path(package.__file__).parents[1] == Path({site!r})
    assert find_spec("tests") is None
"""

UNTAUGHT = """
[[gate]]
name = "solved"
task = "move"
rate = "solved"
at_least = 0.5
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of this checkout as `pip wheel` builds it."""
    pytest.importorskip("hatchling", reason="hatchling (extra check) builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """The wheel, unpacked into `site`, and a folder of the user's where sessions run."""

    site: Path
    folder: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in the user's folder, with the installed package alone."""
        env = {**os.environ, "PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist -p syrupy"}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=200, check=False
        )

    def pytest(self, server: Loopback, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m pytest ARGUMENTS` that asks a server N mates."""
        asked = ["--base-url", server.base_url, "--no-preflight", "--puzzles", "mates.csv"]
        return self.python("-m", "pytest", "-p", "no:cacheprovider", *asked, *arguments)

    @property
    def files(self) -> dict[str, int]:
        """Every installed file, with when it was written."""
        return {str(path): path.stat().st_mtime_ns for path in self.site.rglob("*")}


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[Installed]:
    """A fresh installation, to which nothing is written."""
    site, folder = tmp_path / "lib" / "site-packages", tmp_path / "project"
    folder.mkdir()
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    (site / "sitecustomize.py").write_text(BLIND)
    write_mates(folder / "mates.csv", N)
    (folder / "test_where.py").write_text(WHERE.format(site=str(site)))
    both = Installed(site, folder)
    before = both.files
    for path in [*site.rglob("*"), site]:
        path.chmod(path.stat().st_mode & ~0o222)
    yield both
    assert both.files == before
    for path in [site, *site.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def test_the_wheel_holds_what_sessions_read_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = subprocess.run(
        ["git", "ls-files", "evals", "serve"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert set(shipped.stdout.split()) - names == set()
    assert f"evals/formats/shipped/{next(SHIPPED.glob('*.toml')).name}" in names
    for needed in (
        "evals/gates.toml",
        "evals/test_moves.py",
        "evals/sets/mate-in-1.csv",
        "evals/sets/quarantine.txt",
        "evals/__snapshots__/pawn-reasoning/test_reasoning/test_reasoning_format.txt",
        "serve/specs/pawn.toml",
        "serve/pawn/base/model.safetensors",
        "serve/pawn/adapters/move-v2/adapter_model.safetensors",
        "serve/pawn/adapters/move-v2/eighth-rank.toml",
    ):
        assert needed in names
    outside = {name.split("/")[0] for name in names} - {"evals", "serve"}
    assert all(name.endswith(".dist-info") for name in outside), outside
    assert not [name for name in names if "__pycache__" in name or name.startswith("runs")]


def test_nothing_that_turns_the_plugin_on_is_in_the_wheel(wheel: Path) -> None:
    """Its options have names that other plugins use: who wants it says so."""
    with zipfile.ZipFile(wheel) as file:
        assert not [name for name in file.namelist() if name.endswith("entry_points.txt")]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_suites_run_by_the_name_of_their_package(installed: Installed, workers: str) -> None:
    (installed.folder / "gates.toml").write_text(UNTAUGHT)
    (installed.folder / "pytest.ini").write_text("[pytest]\n")
    with Loopback(Accountant()) as server:
        plugin = ["-p", "evals.harness.plugin", "--strict-markers", "-n", workers]
        suites = ["--pyargs", "evals", "test_where.py", "-m", "move or not cases"]
        chosen = ["--deselect", "test_reasoning.py", "--gates", "gates.toml"]
        done = installed.pytest(server, *suites, *plugin, *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"gates: {installed.folder / 'gates.toml'} (1, digest " in done.stdout
    assert "format: default" in done.stdout
    assert "promote, on move alone" in done.stdout
    run = installed.folder / "runs" / "latest"
    assert len((run / "verdicts.jsonl").read_text().splitlines()) == N
    assert json.loads((run / "run.json").read_text())["git"] == {"commit": None, "dirty": None}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_task_of_the_users_own_runs_on_an_installed_package(installed: Installed, workers: str) -> None:
    write_example(installed.folder)
    with Loopback(Accountant()) as server:
        own = ["test_material.py", "test_where.py", "--gates", "gates.toml", "-n", workers]
        done = installed.pytest(server, *own, "--strict-markers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "promote, on material alone" in done.stdout


def test_the_shipped_puzzles_gates_specs_and_formats_are_found(installed: Installed) -> None:
    """Without a server: all that is read before one is asked. The shipped gates are for pawn."""
    plugin = ["-p", "evals.harness.plugin", "-p", "no:cacheprovider"]
    collect = ["--pyargs", "evals", "--collect-only", "-m", "move"]
    done = installed.python("-m", "pytest", *collect, *plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"gates: {installed.site / 'evals' / 'gates.toml'}" in done.stdout
    assert "mate-in-1/" in done.stdout
    spec = installed.python("-m", "serve", "command", "pawn")
    assert spec.returncode == 0, spec.stdout + spec.stderr
    assert str(installed.site / "serve" / "pawn" / "base") in spec.stdout


def test_formats_of_models_are_compared_and_stored_in_the_users_folder(installed: Installed) -> None:
    shipped = installed.python("-m", "evals", "diff-format", "pawn-reasoning", "pawn-reasoning-drift")
    assert shipped.returncode == 1, shipped.stdout + shipped.stderr
    assert "Position Summary" in shipped.stdout
    own = installed.folder / "__snapshots__" / "mine" / "test_reasoning"
    own.mkdir(parents=True)
    name = "test_reasoning_format.txt"
    stored = installed.site / "evals" / "__snapshots__" / "pawn-reasoning" / "test_reasoning" / name
    (own / name).write_text(stored.read_text())
    same = installed.python("-m", "evals", "diff-format", "pawn-reasoning", "mine")
    assert same.returncode == 0, same.stdout + same.stderr
