"""docs/gates.md: every example is a gates file that can be read, and nothing that one can say is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.results.gates_file import CLAIMS, KEYS, RATES, load_gates
from evals.tasks import build_tasks, is_gated
from tests.asking import asking
from tests.bench_gates import PARTS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
CHECKS = {name: task.checks for name, task in build_tasks(asking()).items() if is_gated(name)}
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_gates_file(example: str, tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(example, encoding="utf-8")
    assert load_gates(path, CHECKS).gates


def test_the_reference_names_everything_that_a_gates_file_can_say() -> None:
    assert len(EXAMPLES) == 3
    keys = [key for table in KEYS.values() for key in table]
    checks = {name for task in CHECKS.values() for name, kind in task.items() if kind is bool}
    known = {*keys, *CLAIMS, *RATES, *checks, "checks.NAME", *CHECKS}
    assert [name for name in sorted(known) if not re.search(rf"`{re.escape(name)}\b", PAGE)] == []


def test_every_key_and_claim_is_in_an_example() -> None:
    text = "\n".join(EXAMPLES)
    keys = {key for table in KEYS.values() for key in table} - {"gate", "at_most"}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key} = ", text)] == []


def links() -> Iterator[str]:
    yield from re.findall(r"\]\((?!https?:)([^)]+)\)", PAGE)


def test_links_lead_to_headings_and_files_that_are_there() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    }
    for link in links():
        if link.startswith("#"):
            assert link[1:] in headings
        else:
            assert (ROOT / "docs" / link).exists(), link


def test_the_table_of_the_benchmark_has_all_of_its_claims_and_none_that_does_not_hold() -> None:
    table = PAGE.rpartition("\nclaim  ")[2]
    rows = [line for line in table.splitlines() if "%" in line]
    claims = {line[:16].strip() for line in rows}
    assert len(claims) >= len(PARTS) - 1  # `clustered` measures more of `absolute`
    assert all(" ok  " in f"{line}  " for line in rows)
