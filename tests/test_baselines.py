"""Sessions with a baseline, from the outside: what may pass, what is blessed, and what is never believed."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from evals.harness.against import setup_of
from evals.harness.options import Options
from evals.harness.shared import Shared
from evals.puzzles.loading import load
from evals.results.baselines import digest_of
from evals.results.comparable import check_asking
from evals.tasks import cases_for
from tests.loopback import Body, Loopback
from tests.mates import solver_fen, write_mates
from tests.sessions import WORKERS, Ended, Evaluate, N, Player, every_third
from tests.test_verdicts import Everything, verdict

pytestmark = pytest.mark.slow  # whole sessions by the dozen

NOT_WORSE = '[[gate]]\nname = "not-worse"\ntask = "move"\nnot_worse_than = {margin}\n{more}\n'
BETTER = '[[gate]]\nname = "better"\ntask = "move"\nbetter = true\n'
WRONG = '{"move": "e1e2"}'


def not_worse(margin: float = 0.2, more: str = "") -> str:
    return NOT_WORSE.format(margin=margin, more=more)


class Two:
    """Serves two models that play differently; the others play as the first."""

    def __init__(self, **players: Player) -> None:
        self.players = players

    async def __call__(self, body: Body) -> web.StreamResponse:
        return await self.players.get(body["model"], next(iter(self.players.values())))(body)


def line(ended: Ended, name: str) -> str:
    """What a session says of one gate."""
    found = [each for each in ended.output.splitlines() if each[14:].startswith(f"{name}: ")]
    assert len(found) == 1, ended.output
    return found[0]


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blessed run in which everything is solved."""
    folder = tmp_path_factory.mktemp("perfect")
    path = folder / "v1.jsonl"
    with Loopback(Player()) as server:
        evaluate = Evaluate(folder, write_mates(folder / "mates.csv", N))
        assert evaluate(server, "--bless", str(path)).status == 0
    return path


@pytest.fixture
def baseline(perfect: Path, tmp_path: Path) -> Path:
    """A copy of it, called `v1`."""
    return Path(shutil.copy(perfect, tmp_path))


@pytest.fixture
def blessed(evaluate: Evaluate) -> Callable[..., Path]:
    """Runs a session whose run is blessed; returns the file."""

    def bless(player: Player | None = None, *arguments: str, name: str = "v1") -> Path:
        path = evaluate.tmp_path / f"{name}.jsonl"
        with Loopback(player or Player()) as server:
            ended = evaluate(server, "--bless", str(path), *arguments, least=0.3)
        assert ended.status == 0, ended.output
        assert f"bless    blessed as {path}" in ended.output
        return path

    return bless


# --- the verdict and the exit status ---


@pytest.mark.parametrize("workers", WORKERS)
def test_a_candidate_as_good_as_the_baseline_passes_and_a_worse_one_fails(
    evaluate: Evaluate, server: Loopback, baseline: Path, workers: str
) -> None:
    alike = evaluate(server, "-n", workers, "--baseline", str(baseline), gates=not_worse())
    assert alike.status == 0, alike.output
    assert line(alike, "not-worse").startswith("PASS")
    assert line(alike, "slices").startswith("PASS")
    with Loopback(Player({"*": WRONG})) as weak:
        worse = evaluate(weak, "-n", workers, "--baseline", str(baseline), gates=not_worse())
    assert worse.status == 1
    assert line(worse, "not-worse").startswith("FAIL")
    assert "seen 0.0% against 100.0%, -100.0 points" in line(worse, "not-worse")
    assert line(worse, "slices").startswith("FAIL")
    assert verdict(worse.output) == "do not promote: not-worse, slices"


@pytest.mark.parametrize("workers", WORKERS)
def test_too_few_puzzles_are_inconclusive_with_how_many_would_do(
    evaluate: Evaluate, server: Loopback, baseline: Path, workers: str
) -> None:
    ended = evaluate(server, "-n", workers, "--baseline", str(baseline), gates=not_worse(0.05))
    assert ended.status == 6, ended.output
    assert "52 puzzles would do" in line(ended, "not-worse")
    assert verdict(ended.output) == "not enough evidence: not-worse"
    plan = [each for each in ended.output.splitlines() if each.startswith("plan: ")]
    assert len(plan) == 1
    assert "not-worse: power to show not worse by 5 points on 24 positions: 0% if 0.00" in plan[0]
    assert ended.output.index("plan: ") < ended.output.index("%]")


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(("mapped", "status"), [("pass", 0), ("fail", 1)])
def test_what_is_inconclusive_may_count_as_passed_or_failed(
    evaluate: Evaluate, server: Loopback, mapped: str, status: int, workers: str
) -> None:
    ended = evaluate(server, "-n", workers, "--inconclusive", mapped, gates=BETTER)
    assert ended.status == status
    assert verdict(ended.output).startswith("not enough evidence")
    assert line(ended, "better").startswith("INCONCLUSIVE")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_damaged_run_is_never_excused(evaluate: Evaluate, workers: str) -> None:
    """A failing server and --inconclusive pass: pytest alone would have ended with 1, the mapping with 0."""
    with Loopback(Player(every_third(web.json_response({}, status=400)))) as server:
        ended = evaluate(server, "-n", workers, "--inconclusive", "pass", least=0.0)
    assert ended.status == 1
    with Loopback(Player()) as server:
        assert evaluate(server, "-k", "p00", "-n", workers, "--inconclusive", "pass", least=0.0).status == 1


def test_a_gate_against_a_baseline_that_is_not_given_says_which_option_gives_one(
    evaluate: Evaluate, server: Loopback, baseline: Path
) -> None:
    ended = evaluate(server, gates=not_worse())
    assert ended.status == 6
    assert "this session has no baseline: give one with --baseline NAME" in line(ended, "not-worse")
    assert "plan: not-worse: no baseline, so this gate cannot be decided" in ended.output
    other = evaluate(server, "--baseline", str(baseline), gates=not_worse(more='baseline = "anchor"'))
    assert other.status == 6
    assert "no baseline called 'anchor': give one" in line(other, "not-worse")


def test_a_gate_names_one_of_several_baselines_and_means_the_first_if_it_names_none(
    evaluate: Evaluate, server: Loopback, blessed: Callable[..., Path]
) -> None:
    weak, strong = blessed(Player(every_third(WRONG)), name="weak"), blessed(name="strong")
    both = ["--baseline", str(weak), "--baseline", str(strong)]
    ended = evaluate(server, *both, gates=BETTER + not_worse(more='baseline = "strong"'))
    assert line(ended, "better").startswith("PASS")
    assert "better than that of weak" in line(ended, "better")
    assert "8 gained, 0 lost" in line(ended, "better")
    assert "not worse than that of strong" in line(ended, "not-worse")
    assert ended.status == 0
    swapped = evaluate(server, *both[2:], *both[:2], gates=BETTER)
    assert line(swapped, "better").startswith("INCONCLUSIVE")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_gate_against_a_baseline_is_one_item_with_the_name_of_its_file(
    evaluate: Evaluate, server: Loopback, baseline: Path, workers: str
) -> None:
    junit = evaluate.tmp_path / "junit.xml"
    evaluate(server, "-n", workers, "--baseline", str(baseline), "--junit-xml", str(junit), gates=not_worse())
    items = [case for case in ET.parse(junit).iter("testcase") if "gate[" in str(case.get("name"))]
    assert [item.get("name") for item in items] == ["gate[complete]", "gate[not-worse]", "gate[slices]"]
    assert all("gates" in str(item.get("classname")) for item in items)


@pytest.mark.slow  # three interpreters, one after the other
@pytest.mark.parametrize("arguments", [["-n", "2", "-p", "crash_once"], ["-n", "2", "-k", "not p001"]])
def test_a_gate_is_one_item_where_a_worker_crashed_or_cases_were_left_out(
    evaluate: Evaluate, server: Loopback, baseline: Path, arguments: list[str]
) -> None:
    (evaluate.tmp_path / "crash_once.py").write_text(
        "import os\n"
        "def pytest_runtest_call(item):\n"
        "    if 'p005' in item.name and hasattr(item.config, 'workerinput'):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    junit = evaluate.tmp_path / "junit.xml"
    given = [*arguments, "--baseline", str(baseline), "--junit-xml", str(junit), "--inconclusive", "pass"]
    ended = evaluate(server, *given, gates=not_worse(), env={"PYTHONPATH": str(evaluate.tmp_path)})
    assert ended.status == 1
    assert line(ended, "not-worse").startswith("INCONCLUSIVE")
    names = [str(case.get("name")) for case in ET.parse(junit).iter("testcase")]
    assert names.count("gate[not-worse]") == names.count("gate[slices]") == 1


def test_part_of_the_cases_passes_nothing_against_a_baseline(
    evaluate: Evaluate, server: Loopback, baseline: Path
) -> None:
    ended = evaluate(server, "--baseline", str(baseline), "-k", "not p001", gates=not_worse())
    assert ended.status == 1
    assert line(ended, "not-worse").startswith("INCONCLUSIVE")
    assert line(ended, "slices").startswith("INCONCLUSIVE")


# --- what cannot be compared ---


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--limit", "20"], "the runs differ in their puzzles"),
        (["--temperature", "0.5"], "the runs differ in 'sampling'"),
        (["--constrain", "none"], "the runs differ in 'asking'"),
    ],
)
def test_what_was_asked_differently_is_inconclusive_with_the_reason(
    evaluate: Evaluate,
    server: Loopback,
    baseline: Path,
    arguments: list[str],
    reason: str,
) -> None:
    ended = evaluate(server, "--baseline", str(baseline), *arguments, gates=not_worse())
    assert ended.status == 6, ended.output
    assert reason in line(ended, "not-worse")
    assert reason in line(ended, "slices")


def test_other_puzzles_under_the_same_names_are_not_compared(
    evaluate: Evaluate, server: Loopback, baseline: Path, puzzles: Path
) -> None:
    rows = write_mates(evaluate.tmp_path / "more.csv", 2 * N).read_text().splitlines()
    other = [row.replace(f"p{N + n:03}", f"p{n:03}") for n, row in enumerate(rows[N + 1 :])]
    puzzles.write_text("\n".join([rows[0], *other]) + "\n")
    # The digest covers the puzzles; without it the positions still do.
    for drop in (False, True):
        if drop:
            first, _, rest = baseline.read_text().partition("\n")
            header = json.loads(first)
            del header["puzzles"]
            header["digest"] = digest_of(header, rest.encode())
            baseline.write_text(json.dumps(header) + "\n" + rest)
        ended = evaluate(server, "--baseline", str(baseline), gates=not_worse())
        assert ended.status == 6
        reason = "differ in the position of move:mates/p000" if drop else "differ in their puzzles"
        assert reason in line(ended, "not-worse")


def test_a_baseline_of_more_tasks_is_compared_on_those_that_are_asked(evaluate: Evaluate) -> None:
    path = evaluate.tmp_path / "v1.jsonl"
    with Loopback(Everything()) as server:
        assert "blessed as" in evaluate(server, "-m", "move or board", "--bless", str(path)).output
        ended = evaluate(server, "--baseline", str(path), gates=not_worse())
    assert ended.status == 0, ended.output
    assert line(ended, "not-worse").startswith("PASS")


@pytest.mark.parametrize("how", ["unanswered", "interrupted"])
def test_half_a_run_is_no_baseline(evaluate: Evaluate, server: Loopback, how: str) -> None:
    with Loopback(Player(every_third(web.json_response({}, status=400)))) as broken:
        run = evaluate(broken if how == "unanswered" else server).folder
    if how == "interrupted":
        manifest = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    ended = evaluate(server, "--baseline", str(run), gates=not_worse())
    assert ended.status == 6
    assert how in line(ended, "not-worse")


# --- blessing ---


def test_a_blessed_run_is_one_sorted_line_for_each_case_behind_what_must_match(
    blessed: Callable[..., Path],
) -> None:
    path = blessed(None, "--tried", "10")
    first, *rest = path.read_text().splitlines()
    header = json.loads(first)
    assert header["tried"] == 10
    assert header["models"] == {"move": {"id": "adapter"}}
    assert {"asking", "sampling", "grading", "puzzles", "versions", "planned"} <= header.keys()
    assert "base_url" not in first
    cases = [json.loads(each) for each in rest]
    assert [each["case"] for each in cases] == [f"move:mates/p{n:03}" for n in range(N)]
    assert cases[0]["outcome"] == "solved"
    assert "detail" not in cases[0]


def test_the_same_run_is_blessed_to_the_same_cases(blessed: Callable[..., Path]) -> None:
    one, other = blessed(name="one").read_text(), blessed(name="other").read_text()
    assert one.splitlines()[1:] == other.splitlines()[1:]


@pytest.mark.parametrize("arguments", [["-k", "p00"], []])
def test_half_a_run_is_not_blessed(evaluate: Evaluate, arguments: list[str]) -> None:
    path = evaluate.tmp_path / "v1.jsonl"
    wrong = {} if arguments else every_third(web.json_response({}, status=400))
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "--bless", str(path), *arguments, least=0.0)
    assert ended.status == 1
    assert "bless    not blessed: " in ended.output
    assert not path.exists()


def test_a_run_that_fails_its_gates_may_be_blessed(evaluate: Evaluate) -> None:
    path = evaluate.tmp_path / "v1.jsonl"
    with Loopback(Player(every_third(WRONG))) as server:
        ended = evaluate(server, "--bless", str(path), least=0.99)
    assert ended.status == 1
    assert path.exists()


def test_a_run_that_cannot_be_blessed_does_not_end_with_0(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--bless", "/proc/v1.jsonl")
    assert ended.status == 1
    assert "not blessed: /proc/v1.jsonl cannot be written" in ended.output


def test_what_is_blessed_says_how_often_it_differed_from_its_baseline(
    evaluate: Evaluate, server: Loopback, blessed: Callable[..., Path]
) -> None:
    path = evaluate.tmp_path / "v2.jsonl"
    evaluate(server, "--baseline", str(blessed(Player(every_third(WRONG)))), "--bless", str(path))
    assert json.loads(path.read_text().splitlines()[0])["compared"] == {"move": pytest.approx(1 / 3)}
    ended = evaluate(server, "--baseline", str(path), gates=not_worse())
    assert "if 0.33 go differently (as last time)" in ended.output


# --- a baseline that is asked in the same session ---


@pytest.mark.parametrize("workers", WORKERS)
def test_a_baselines_adapter_is_asked_beside_the_candidate_and_counts_in_none_of_its_figures(
    evaluate: Evaluate, workers: str
) -> None:
    with Loopback(Two(v2=Player(), v1=Player(every_third(WRONG))), models=("base", "v1", "v2")) as server:
        ended = evaluate(
            server, "-n", workers, "--model", "v2", "--baseline-model", "v1", gates=BETTER + not_worse()
        )
        asked = [body["model"] for body in server.bodies]
    assert ended.status == 0, ended.output
    assert (asked.count("v1"), asked.count("v2")) == (N, N)
    assert ended.manifest["counts"] == {"move": {"solved": N}}
    assert len(ended.outcomes) == N
    assert "8 gained, 0 lost of 24 cases" in line(ended, "better")
    theirs = Ended(0, "", ended.folder / "baselines" / "v1")
    assert theirs.manifest["status"] == "finished"
    assert (
        theirs.manifest["counts"] == {"move": {"solved": 16, "missed": 8}}
        or sum(theirs.manifest["counts"]["move"].values()) == N
    )
    assert theirs.outcomes.keys() == ended.outcomes.keys()
    assert len(theirs.lines("completions.jsonl")) == N
    assert {each["asked"] for each in theirs.lines("completions.jsonl")} == {"v1"}
    assert {each["case"] for each in theirs.lines("completions.jsonl")} == set(ended.outcomes)


def test_the_two_are_asked_the_same_case_one_after_the_other(evaluate: Evaluate) -> None:
    with Loopback(Player(), models=("base", "v1", "v2")) as server:
        evaluate(server, "--model", "v2", "--baseline-model", "v1", "--concurrency", "1", gates=BETTER)
        asked = [body["model"] for body in server.bodies]
        assert server.most_in_flight == 1
    # What a test waits for goes first, so the order is not exactly every other; but neither comes first.
    assert {"v1", "v2"} == set(asked[: N // 2]) == set(asked[N:])


def test_a_run_beside_a_baseline_that_did_not_answer_is_inconclusive(evaluate: Evaluate) -> None:
    broken = Player({solver_fen(3): web.json_response({}, status=400)})
    with Loopback(Two(v2=Player(), v1=broken), models=("base", "v1", "v2")) as server:
        ended = evaluate(server, "--model", "v2", "--baseline-model", "v1", gates=not_worse())
    assert ended.status == 6
    assert "1 cases of" in line(ended, "not-worse")
    assert "unanswered" in line(ended, "not-worse")


def test_a_baseline_that_another_model_answered_for_is_said(evaluate: Evaluate) -> None:
    """A gateway that falls back to the candidate would make any two adapters equal."""

    async def gateway(body: Body) -> web.StreamResponse:
        answer = await Player()(body)
        assert isinstance(answer, web.Response)
        return web.json_response({**json.loads(answer.text or ""), "model": "v2"})

    with Loopback(gateway, models=("base", "v1", "v2")) as server:
        ended = evaluate(server, "--model", "v2", "--baseline-model", "v1", gates=not_worse())
    assert "24 completions came from 'v2' where 'v1' was asked" in ended.output


def test_the_same_adapter_on_both_sides_passes_not_worse_and_is_said(evaluate: Evaluate) -> None:
    with Loopback(Player(), models=("base", "v1")) as server:
        ended = evaluate(server, "--baseline-model", "v1", gates=BETTER + not_worse())
        assert len(server.bodies) == 2 * N
    assert line(ended, "not-worse").startswith("PASS")
    assert line(ended, "better").startswith("INCONCLUSIVE")
    assert "baseline v1: the candidate and the baseline are the same adapter" in ended.output


def test_each_adapter_is_asked_in_its_own_format(evaluate: Evaluate, puzzles: Path) -> None:
    for name in ("v1", "v2"):
        folder = evaluate.tmp_path / name
        folder.mkdir()
        extended = "default" if name == "v1" else "san"
        (folder / "eighth-rank.toml").write_text(f'extends = "{extended}"\n')
    options = Options(adapters=tuple(f"{name}={evaluate.tmp_path / name}" for name in ("v1", "v2")))
    loaded = load([puzzles])
    drawing = Shared("puzzles", lambda: loaded)
    v1, v2 = (setup_of(options, drawing, {"move": name}) for name in ("v1", "v2"))
    case = cases_for(v1.tasks["move"], loaded.puzzles)[0]
    one, other = (next(setup.tasks["move"].turns(case)).messages for setup in (v1, v2))
    assert one != other
    assert check_asking(v1.asking, v1.asking, ["move"]) == []
    (note,) = check_asking(v1.asking, v2.asking, ["move"])
    assert "each in its own format" in note


def test_stopping_early_does_not_wait_for_the_baseline(evaluate: Evaluate) -> None:
    with Loopback(Player({"*": WRONG}), models=("base", "v1", "v2")) as server:
        ended = evaluate(
            server, "--model", "v2", "--baseline-model", "v1", "-x", "--cases", "strict", "--concurrency", "1"
        )
        assert len(server.bodies) < 2 * N
    assert ended.status == 1
    theirs = Ended(0, "", ended.folder / "baselines" / "v1")
    assert theirs.manifest["status"] == "stopped early"


# --- a baseline that went stale ---


def test_a_baseline_that_answers_otherwise_now_is_stale(evaluate: Evaluate, baseline: Path) -> None:
    with Loopback(Two(v2=Player(), adapter=Player({"*": WRONG})), models=("base", "adapter", "v2")) as server:
        ended = evaluate(
            server, "--model", "v2", "--baseline", str(baseline), "--recheck", "20", gates=not_worse()
        )
        assert [body["model"] for body in server.bodies].count("adapter") == 20
        assert ended.status == 6, ended.output
        assert "v1 is stale (20 cases of v1 asked again, 0 gained and 20 lost" in line(ended, "not-worse")
        assert "v1 is stale" in line(ended, "slices")
        unchecked = evaluate(
            server, "--model", "v2", "--baseline", str(baseline), "--recheck", "0", gates=not_worse()
        )
        assert unchecked.status == 0
    assert Ended(0, "", ended.folder / "baselines" / "v1").manifest["counts"]["move"]


def test_a_baseline_that_answers_as_before_is_checked_without_being_asked_for_it(
    evaluate: Evaluate, baseline: Path
) -> None:
    with Loopback(Player(), models=("base", "adapter", "v2")) as server:
        ended = evaluate(server, "--model", "v2", "--baseline", str(baseline), gates=not_worse())
        assert [body["model"] for body in server.bodies].count("adapter") == N
    assert ended.status == 0
    assert (
        "24 cases of v1 asked again, 0 gained and 0 lost (p = 1): it is not shown to be stale" in ended.output
    )


@pytest.mark.parametrize(
    ("models", "asked", "reason"),
    [
        (("base", "v2"), "v2", "its model is not served"),
        (("base", "adapter"), "adapter", "the candidate is served under the same name, adapter"),
    ],
)
def test_a_baseline_that_cannot_be_asked_again_is_said_not_to_be_checked(
    evaluate: Evaluate, baseline: Path, models: tuple[str, ...], asked: str, reason: str
) -> None:
    with Loopback(Player(), models=models) as server:
        ended = evaluate(server, "--model", asked, "--baseline", str(baseline), gates=not_worse())
        assert len(server.bodies) == N
    assert ended.status == 0
    assert f"whether v1 is stale was not checked: {reason}" in ended.output
