"""A tournament of several runs: what is shown of all pairs at once, what to expect of the winner."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.__main__ import main
from evals.results.comparable import CompareError
from evals.results.run import Run
from evals.results.stored_run import StoredRun, read_run
from evals.results.tournament import check_entrants, decide, standings, tournament_lines, tried_in
from evals.statistics.paired import Paired, difference_interval
from evals.statistics.rates import Decision
from evals.words import Outcome
from tests.records import record

pytestmark = pytest.mark.slow  # whole sessions, and commands on their runs

FACTS: dict[str, Any] = {"asking": {}, "sampling": {}, "grading": 1, "puzzles": {"digest": "d"}}


def write_run(folder: Path, cases: int = 400, **solved: set[int]) -> StoredRun:
    """A run that solved these puzzles of each task."""
    run = Run(folder)
    run.save(planned=dict.fromkeys(solved, cases))
    for task, numbers in solved.items():
        for n in range(cases):
            outcome = Outcome.SOLVED if n in numbers else Outcome.MISSED
            run.add_verdict(record(outcome, n, task=task, model=folder.name, set="s"))
    run.close("finished", **FACTS)
    return read_run(folder)


def edit(run: StoredRun, **facts: Any) -> StoredRun:
    """The run with something changed in its manifest."""
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    return read_run(run.folder)


def three(folder: Path) -> list[StoredRun]:
    """Runs of 25%, 60% and 50%, in this order."""
    return [
        write_run(folder / "low", move=set(range(100))),
        write_run(folder / "high", move=set(range(100, 340))),
        write_run(folder / "middle", move=set(range(50, 250))),
    ]


def tournament_of(runs: Sequence[StoredRun]) -> int:
    return main(["tournament", *(str(run.folder) for run in runs)])


def test_every_pair_is_there_once_with_the_better_run_first(tmp_path: Path) -> None:
    ((found),) = standings(three(tmp_path))
    assert list(found.rates.items()) == [("high", 0.6), ("middle", 0.5), ("low", 0.25)]
    assert list(found.differences) == [("high", "middle"), ("high", "low"), ("middle", "low")]
    assert (found.best, found.cases, found.positions) == ("high", 400, 400)


def test_intervals_of_all_pairs_are_wider_than_that_of_one(tmp_path: Path) -> None:
    ((found),) = standings(three(tmp_path))
    low, high = found.differences["high", "middle"]
    # 90 puzzles only `high` solved, 50 only `middle`.
    alone = difference_interval(Paired.table(150, 90, 50, 110), 0.95)
    assert low < alone.low < 0.1 < alone.high < high


def test_a_lead_that_one_comparison_would_show_is_not_shown_among_many(tmp_path: Path) -> None:
    rng = random.Random(1)
    runs = [write_run(tmp_path / f"equal-{n}", move=set(rng.sample(range(400), 160))) for n in range(5)]
    best = write_run(tmp_path / "best", move=set(rng.sample(range(400), 192)))
    assert decide(standings([runs[0], best])) is Decision.PASS
    assert decide(standings([*runs, best])) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("high", "status", "verdict"),
    [
        (range(40, 400), 0, "verdict  PASS: high is better than every other"),
        (range(195, 400), 6, "verdict  INCONCLUSIVE: no run is shown to be better than every other"),
    ],
)
def test_a_tournament_ends_with_a_verdict_and_its_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], high: range, status: int, verdict: str
) -> None:
    low, _, middle = three(tmp_path)
    runs = [low, write_run(tmp_path / "new" / "high", move=set(high)), middle]
    assert tournament_of(runs) == status
    assert capsys.readouterr().out.splitlines()[-1] == verdict


def test_the_others_may_be_alike_where_the_best_run_is_shown(tmp_path: Path) -> None:
    alike = [write_run(tmp_path / name, move=set(range(100))) for name in "ab"]
    best = write_run(tmp_path / "best", move=set(range(300)))
    assert decide(standings([*alike, best])) is Decision.PASS


def test_different_winners_of_two_tasks_are_no_winner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some, most = set(range(100)), set(range(300))
    runs = [write_run(tmp_path / "a", move=some, line=most), write_run(tmp_path / "b", move=most, line=some)]
    assert tournament_of(runs) == 1
    said = capsys.readouterr().out
    assert said.count("better\n") == 2
    assert said.endswith("verdict  FAIL: different runs are the best in different tasks\n")


def test_one_task_that_is_not_decided_leaves_the_winner_open(tmp_path: Path) -> None:
    some, most = set(range(100)), set(range(300))
    runs = [write_run(tmp_path / "a", move=some, line=some), write_run(tmp_path / "b", move=most, line=some)]
    assert decide(standings(runs)) is Decision.INCONCLUSIVE


def test_the_winner_is_expected_to_do_worse_than_it_was_seen_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(7)
    runs = [write_run(tmp_path / f"r{n}", move=set(rng.sample(range(400), 150 + 5 * n))) for n in range(5)]
    tournament_of(runs)
    line = next(each for each in capsys.readouterr().out.splitlines() if each.startswith("winner"))
    assert line.startswith("winner   r4: 42.5% seen, about ")
    expected = float(line.split("about ")[1].split("%")[0])
    assert 40 <= expected < 42.5
    assert "the best of 5 tried" in line


def test_a_blessed_run_brings_the_candidates_that_it_was_chosen_from(tmp_path: Path) -> None:
    low, high, middle = three(tmp_path)
    assert tried_in([low, high, middle]) == 3
    assert tried_in([low, edit(high, tried=4), edit(middle, tried="many")]) == 6


def test_runs_of_one_model_are_told_apart_by_their_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_run(tmp_path / "monday" / "v1", move={1, 2})
    other = write_run(tmp_path / "tuesday" / "v1", move={2, 3})
    assert tournament_of([one, other]) == 6
    said = capsys.readouterr().out
    assert f"v1 in {one.folder}" in said
    assert f"v1 in {other.folder}" in said


def test_runs_that_answer_alike_have_no_winner(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, move=set(range(200))) for name in "abc"]
    assert decide(standings(runs)) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"sampling": {"temperature": 1}}, "high and .*middle: the runs differ in 'sampling'"),
        ({"asking": {"constrain": "none"}}, "high and .*middle: the runs differ in 'asking'"),
        ({"puzzles": {"digest": "e"}}, "high and .*middle: the runs differ in their puzzles"),
        ({"status": "interrupted"}, "middle is 'interrupted', not finished"),
        ({"planned": {"move": 500}}, "only 400 of 500 cases of .*middle are judged"),
    ],
)
def test_each_pair_has_to_be_comparable(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    low, high, middle = three(tmp_path)
    with pytest.raises(CompareError, match=message):
        tournament_lines([high, edit(middle, **facts)])
    # Wherever the odd one stands, the pair that is named has it in it.
    for runs in ([low, high, middle], [middle, high, low]):
        with pytest.raises(CompareError, match="middle"):
            check_entrants([read_run(run.folder) for run in runs])


def test_the_same_run_is_no_rival_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "v1", move={1})
    assert main(["tournament", str(run.folder), f"{run.folder}/../v1"]) == 2
    assert capsys.readouterr().err == f"python -m evals: {run.folder} is given twice: name each run once\n"


def test_a_name_holds_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    """Audit 26: model ids are text of servers."""
    runs: list[StoredRun] = []
    for name in "ab":
        run = Run(tmp_path / name)
        run.add_verdict(record(set="\x1b[2J", model=f"::error::{name}\x07"))
        run.close("finished", **FACTS)
        runs.append(read_run(run.folder))
    lines, _ = tournament_lines(runs)
    assert all(line.isprintable() for line in lines)
