"""`pytest evals` from the outside: exit status, output and files, against a loopback server."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from aiohttp import web

from evals.puzzles.puzzle import COLUMNS
from tests.loopback import Body, Loopback
from tests.mates import MATES
from tests.sessions import WORKERS, Ended, Evaluate, N, Player, every_third

ONE_CASE = "evals/test_moves.py::test_move[mates/p001]"


@pytest.mark.parametrize(
    "workers",
    [
        ["-n", "2"],
        pytest.param(["-n", "4", "--dist", "worksteal"], marks=pytest.mark.slow),
        pytest.param(["-n", "2", "--dist", "loadfile"], marks=pytest.mark.slow),
    ],
)
def test_every_case_is_asked_once_and_judged_the_same_with_and_without_workers(
    evaluate: Evaluate, server: Loopback, workers: list[str]
) -> None:
    sent: list[int] = []
    ended: list[Ended] = []
    for arguments in ([], workers):
        before = len(server.bodies)
        ended.append(evaluate(server, *arguments))
        sent.append(len(server.bodies) - before)
    assert [each.status for each in ended] == [0, 0], ended[0].output
    assert sent == [N, N]
    assert ended[1].outcomes == ended[0].outcomes
    assert len(ended[0].outcomes) == N
    assert "verdict  promote" in ended[0].output


@pytest.mark.slow  # workers, and a server that takes its time
def test_requests_in_flight_do_not_depend_on_the_workers(evaluate: Evaluate) -> None:
    import asyncio

    async def slow(body: Body) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return await Player()(body)

    with Loopback(slow) as server:
        assert evaluate(server, "-n", "2", "--concurrency", "16").status == 0
        assert server.most_in_flight == 16


def test_the_run_says_what_was_asked_of_what(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--limit", "10", "--seed", "3")
    manifest = ended.manifest
    assert manifest["status"] == "finished"
    assert manifest["verdict"] == "PASS"
    assert manifest["models"]["move"]["id"] == "adapter"
    assert manifest["counts"] == {"move": {"solved": 10}}
    assert manifest["puzzles"]["seed"] == 3
    assert manifest["sampling"]["temperature"] == 0
    asked = manifest["asking"]["formats"]["move"]
    assert (asked["name"], asked["own"], len(asked["questions"]["move"])) == ("default", False, 16)
    assert len(ended.lines("completions.jsonl")) == 10
    again = evaluate(server, "--limit", "10", "--seed", "3")
    assert again.outcomes.keys() == ended.outcomes.keys()
    assert again.manifest["puzzles"]["digest"] == manifest["puzzles"]["digest"]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_threshold_out_of_reach_is_exit_status_1_with_a_sentence(evaluate: Evaluate, workers: str) -> None:
    wrong = every_third('{"move": "e1e2"}')
    junit = evaluate.tmp_path / "junit.xml"
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "-n", workers, "--junit-xml", str(junit), least=0.99)
    assert ended.status == 1
    assert "solved: move solved must be at least 99.0%; seen 66.7% (16 of 24 cases)" in ended.output
    assert "verdict  do not promote: solved" in ended.output
    case = ET.parse(junit).find(".//testcase[@name='gate[solved]']")
    assert case is not None
    assert case.find("failure") is not None


def test_a_missed_case_is_reported_but_not_red(evaluate: Evaluate) -> None:
    wrong = every_third('{"move": "e1e2"}')
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "-v", least=0.4)
    assert ended.status == 0
    assert "MISSED" in ended.output
    assert "8 missed" in ended.output
    assert "f3f7" in ended.output or "Qxf7#" in ended.output


@pytest.mark.parametrize("workers", WORKERS)
def test_strict_fails_every_mistake(evaluate: Evaluate, workers: str) -> None:
    wrong = every_third('{"move": "e1e2"}')
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "--cases", "strict", "-n", workers)
    assert ended.status == 1
    mistakes = [line for line in ended.output.splitlines() if "missed      evals/test_moves.py" in line]
    assert len(mistakes) == 8
    assert all("played K" in line and "best " in line for line in mistakes)
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("workers", WORKERS)
def test_a_case_without_an_answer_is_an_error_and_nothing_passes(evaluate: Evaluate, workers: str) -> None:
    wrong = every_third(web.json_response({"error": {"message": "engine died"}}, status=400))
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "-n", workers, least=0.0)
    assert ended.status == 1
    assert "8 unanswered" in ended.output.splitlines()[-1]
    assert "8 unanswered, so nothing can pass" in ended.output
    assert "verdict  not enough evidence" in ended.output
    assert ended.manifest["counts"] == {"move": {"solved": 16, "unanswered": 8}}


@pytest.mark.parametrize("arguments", [["-k", "p00"], [ONE_CASE], ["evals/", f"--deselect={ONE_CASE}"]])
def test_part_of_the_cases_passes_nothing(evaluate: Evaluate, server: Loopback, arguments: list[str]) -> None:
    ended = evaluate(server, *arguments)
    assert ended.status == 1
    assert "left out, so nothing can pass" in ended.output


def test_stopping_at_the_first_error_stops_asking_and_passes_nothing(evaluate: Evaluate) -> None:
    wrong: dict[str, str | web.Response] = {"*": '{"move": "a1a1"}'}
    with Loopback(Player(wrong)) as server:
        ended = evaluate(server, "-x", "--cases", "strict", "--concurrency", "1")
        assert len(server.bodies) < N
    assert ended.status == 1
    assert "stopped early" in ended.output
    assert ended.manifest["status"] == "stopped early"


@pytest.mark.slow  # three interpreters, one after the other
def test_a_crashed_worker_leaves_a_run_that_passes_nothing_or_is_whole(
    evaluate: Evaluate, server: Loopback, tmp_path: Path
) -> None:
    (tmp_path / "crash_once.py").write_text(
        "import os\n"
        "def pytest_runtest_call(item):\n"
        "    if 'p005' in item.name and hasattr(item.config, 'workerinput'):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    ended = evaluate(server, "-n", "2", "-p", "crash_once", env={"PYTHONPATH": str(tmp_path)})
    assert ended.status == 1
    assert "1 not judged, so nothing can pass" in ended.output
    assert len(ended.outcomes) == N - 1
    assert len(server.bodies) == N


def test_the_key_is_sent_and_kept_nowhere(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--api-key-env", "SECRET_FOR_TEST", env={"SECRET_FOR_TEST": "k3y-v4lue"})
    assert ended.status == 0, ended.output
    assert server.headers[0]["Authorization"] == "Bearer k3y-v4lue"
    kept = "".join(path.read_text() for path in ended.folder.iterdir())
    assert "k3y-v4lue" not in kept + ended.output


def test_only_what_is_served_can_be_asked(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server, "--model", "pawn-move-v9")
    assert ended.status == 4
    assert "pawn-move-v9" in ended.output
    assert "adapter" in ended.output
    assert "Traceback" not in ended.output


BAD_PUZZLES = {
    "missing": (None, "no such puzzle file"),
    "empty": ("", "empty"),
    "header": ("a,b,c\n1,2,3\n", "header"),
    "fen": (",".join(COLUMNS) + "\np1,8/8/8 w - - 0 1,e2e4 e7e5,1500,80,90,10,mate,,\n", ":2"),
    "move": (",".join(COLUMNS) + f"\np1,{MATES[0][0]},a7a6 f3f8,1500,80,90,10,mate,,\n", ":2"),
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", BAD_PUZZLES)
def test_a_bad_puzzle_file_is_one_clean_error(
    evaluate: Evaluate, server: Loopback, tmp_path: Path, kind: str, workers: str
) -> None:
    text, message = BAD_PUZZLES[kind]
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    ended = evaluate(server, "--puzzles", str(path), "-n", workers)
    assert ended.status == 4, ended.output
    assert "bad.csv" in ended.output
    assert message.lower() in ended.output.lower()
    assert "Traceback" not in ended.output
    assert not server.bodies


def test_bad_rows_can_be_skipped_and_are_counted(evaluate: Evaluate, server: Loopback, puzzles: Path) -> None:
    with puzzles.open("a") as file:
        file.write(f"bad,{MATES[0][0]},a7a6 f3f8,1500,80,90,10,mate,,\n")
    ended = evaluate(server, "--skip-bad-puzzles")
    assert ended.status == 0
    assert "1 bad row" in ended.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ratings", "high"], "give two numbers"),
        (["--themes", "mate", "--ratings", "3000-3100"], "no puzzle is left"),
        (["--concurrency", "0"], "must be at least 1"),
        (["--samples", "3"], "--temperature above 0"),
        (["--model", "a", "--model", "b"], "a run is about one model"),
        (["--gates", "nowhere.toml"], "cannot be read"),
        (["--format", "nowhere"], "there is no format"),
        (["--engine", "deeper-blue"], "is not there"),
    ],
)
def test_bad_options_are_usage_errors(
    evaluate: Evaluate, server: Loopback, arguments: list[str], message: str
) -> None:
    ended = evaluate(server, *arguments)
    assert ended.status == 4
    assert message in ended.output
    assert "Traceback" not in ended.output


def test_a_run_folder_is_not_written_over(evaluate: Evaluate, server: Loopback) -> None:
    ended = evaluate(server)
    again = evaluate(server, "--run-dir", str(ended.folder))
    assert again.status == 4
    assert "already holds a run" in again.output


def test_collecting_only_needs_no_server(evaluate: Evaluate) -> None:
    ended = evaluate("http://127.0.0.1:9/v1", "--collect-only", "-q")
    assert ended.status == 0
    assert "test_move[mates/p000]" in ended.output


def test_mirrored_and_repeated_cases_are_cases_of_their_own(evaluate: Evaluate) -> None:
    with Loopback(Player()) as server:
        ended = evaluate(server, "--mirror", "--samples", "2", "--temperature", "0.5", "--limit", "5")
        assert len({(body["seed"]) for body in server.bodies}) == 2
    assert len(ended.outcomes) == 20
    assert sum("mirrored" in case for case in ended.outcomes) == 10


@pytest.mark.parametrize("workers", WORKERS)
def test_what_a_user_has_to_know_of_the_puzzles_is_said(
    evaluate: Evaluate, server: Loopback, puzzles: Path, workers: str
) -> None:
    """Audit 4, 17: repeated positions, and a limit above what there is."""
    copy = puzzles.with_name("copy.csv")
    copy.write_text(puzzles.read_text().replace("\np0", "\nx0"))
    both = ["--puzzles", str(puzzles), "--puzzles", str(copy)]
    ended = evaluate(server, *both, "--limit", "99", "-n", workers)
    assert ended.status == 0, ended.output
    assert len(ended.outcomes) == len(server.bodies) == N
    assert "of copy left out: their positions are asked already" in ended.output
    assert f"--limit 99 asks for more puzzles than there are: {N}" in ended.output
