"""The benchmark of the gates: a promise that does not hold is an exit status, not a line to overlook."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.bench_gates import PARTS, Row, report

SIMULATED = [part for part in PARTS if part.__name__ not in ("absolute", "not_worse", "better")]


def row(measured: float) -> Row:
    return Row("absolute", "false PASS", measured, 0.0, 0.05, "n 36")


@pytest.mark.parametrize(
    ("measured", "status"), [([0.05], 0), ([0.0, 0.051, 0.0], 1), ([float("nan")], 1), ([], 1)]
)
def test_the_exit_status_is_one_unless_every_promise_holds(measured: list[float], status: int) -> None:
    assert report(row(each) for each in measured) == status


def test_a_promise_that_does_not_hold_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    report([row(0.02), row(0.104)])
    _, good, bad = capsys.readouterr().out.splitlines()
    assert "ok  n 36" in good
    assert "10.40%" in bad
    assert "NO  n 36" in bad


@pytest.mark.slow  # simulations
@pytest.mark.parametrize("part", SIMULATED)
def test_every_part_measures_something_even_with_few_runs(part: Callable[[int], Iterator[Row]]) -> None:
    rows = list(part(20))
    assert rows
    assert all(abs(each.measured) <= 1 for each in rows)
