"""When a session may say "promote", from the outside: never where something is missing, broken or in part."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from aiohttp import web

from tests.loopback import Body, Loopback, chat, position_of
from tests.sessions import WORKERS, Evaluate, N, Player, every_third

MOVE = '[[gate]]\nname = "solved"\ntask = "move"\nrate = "solved"\nat_least = 0.5\n'
BOARD = '[[gate]]\nname = "pieces"\ntask = "board"\nrate = "solved"\nat_least = 0.0\n'


class Everything(Player):
    """Plays, and answers anything else with an empty object."""

    async def __call__(self, body: Body) -> web.StreamResponse:
        if '"move"' in body["messages"][0]["content"]:
            return await super().__call__(body)
        return chat("{}")


def verdict(output: str) -> str:
    """The last word of a session."""
    return next(line for line in output.splitlines() if line.startswith("verdict  ")).removeprefix(
        "verdict  "
    )


@pytest.mark.parametrize("workers", WORKERS)
def test_a_gate_that_was_not_judged_keeps_a_run_from_promoting(
    evaluate: Evaluate, server: Loopback, workers: str
) -> None:
    """Audit 1: all answers right, but the gate on board was never judged."""
    ended = evaluate(server, "-n", workers, gates=MOVE + BOARD)
    assert ended.status == 6
    assert verdict(ended.output).startswith("not enough evidence")
    assert "INCONCLUSIVE  pieces" in ended.output


def test_a_run_that_no_gate_judged_does_not_promote(evaluate: Evaluate, server: Loopback) -> None:
    """Audit 1: `gate = []`."""
    ended = evaluate(server, gates="gate = []\n")
    assert ended.status == 6
    assert verdict(ended.output).startswith("not enough evidence")


def test_one_task_with_gates_on_it_alone_promotes_and_says_on_what(
    evaluate: Evaluate, server: Loopback
) -> None:
    """Audit 1: `-m move` stays a whole run."""
    ended = evaluate(server)
    assert ended.status == 0
    assert verdict(ended.output) == "promote, on move alone"


def test_the_gates_file_is_named_and_another_models_is_warned_of(
    evaluate: Evaluate, server: Loopback
) -> None:
    """Audit 1: which file, which digest, and whose thresholds."""
    ended = evaluate(server, gates='models = ["pawn*"]\n' + MOVE)
    path = evaluate.tmp_path / "gates.toml"
    assert f"gates: {path}" in ended.output
    assert ended.manifest["gates_file"]["path"] == str(path)
    assert ended.manifest["gates_file"]["digest"] in ended.output
    assert "pawn*" in next(line for line in ended.output.splitlines() if line.startswith("warning"))


BROKEN = {
    "setup": "import pytest\n@pytest.fixture\ndef broken():\n    raise OSError('disk')\n"
    "def test_it(broken): pass\n",
    "teardown": "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    raise OSError('disk')\n"
    "def test_it(broken): pass\n",
    "call": "def test_it(): assert False\n",
}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(
    ("where", "word"), [("setup", "not enough"), ("teardown", "not enough"), ("call", "do not")]
)
def test_a_test_that_breaks_keeps_a_run_from_promoting(
    evaluate: Evaluate, server: Loopback, tmp_path: Path, where: str, word: str, workers: str
) -> None:
    """Audit 2: an error in a fixture is no evidence about the model; a failed test is evidence against it."""
    (tmp_path / "test_mine.py").write_text(BROKEN[where])
    mine = str(tmp_path / "test_mine.py")
    ended = evaluate(server, "-n", workers, "-m", "move or not cases", "evals/test_moves.py", mine)
    assert ended.status == 1
    assert verdict(ended.output).startswith(word)
    named = [line for line in ended.output.splitlines() if line.startswith(("FAIL  ", "INCONCLUSIVE  "))]
    assert any("::test_it" in line for line in named)


@pytest.mark.slow  # three interpreters, one after the other
def test_a_crashed_worker_keeps_a_run_from_promoting(
    evaluate: Evaluate, server: Loopback, tmp_path: Path
) -> None:
    """Audit 2: also where every case was judged before the crash."""
    (tmp_path / "crash_late.py").write_text(
        "import os\n"
        "def pytest_runtest_teardown(item):\n"
        "    if 'p005' in item.name and hasattr(item.config, 'workerinput'):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    ended = evaluate(server, "-n", "2", "-p", "crash_late", env={"PYTHONPATH": str(tmp_path)})
    assert ended.status == 1
    assert verdict(ended.output).startswith("not enough evidence")


def test_a_partial_run_fails_only_where_the_rest_could_not_turn_it(evaluate: Evaluate) -> None:
    """Audit 3: a third of the cases, all wrong, against a threshold of a half."""
    with Loopback(Player({"*": '{"move": "a1a1"}'})) as server:
        ended = evaluate(server, "-k", "p00")
        assert verdict(ended.output).startswith("not enough evidence")
        ended = evaluate(server, "-k", "p00 or p01 or p020", least=0.9)
        assert verdict(ended.output).startswith("do not promote")


def test_cases_of_alike_names_are_told_apart(evaluate: Evaluate, server: Loopback, puzzles: Path) -> None:
    """Audit 7: `tactics` + `hard-p000` and `tactics-hard` + `p000`."""
    rows = puzzles.read_text().splitlines()
    one, other = evaluate.tmp_path / "tactics.csv", evaluate.tmp_path / "tactics-hard.csv"
    one.write_text("\n".join([rows[0], "hard-" + rows[1]]) + "\n")
    other.write_text("\n".join([rows[0], rows[2].replace("p001", "p000")]) + "\n")
    ended = evaluate(server, "--puzzles", str(one), "--puzzles", str(other), least=0.0)
    assert set(ended.outcomes) == {"move:tactics/hard-p000", "move:tactics-hard/p000"}
    assert len(server.bodies) == 2


def test_a_position_that_is_in_two_files_counts_once(
    evaluate: Evaluate, server: Loopback, puzzles: Path
) -> None:
    """Audit 4: overlapping `--puzzles`."""
    again = evaluate.tmp_path / "again.csv"
    again.write_text(puzzles.read_text())
    ended = evaluate(server, "--puzzles", str(puzzles), "--puzzles", str(again))
    assert len(ended.outcomes) == N
    assert "their positions are asked already" in ended.output


def test_a_mistake_is_a_line_with_what_was_played_and_what_was_best(evaluate: Evaluate) -> None:
    """Audit 19: `--cases strict` printed 31 lines for each."""
    with Loopback(Player(every_third('{"move": "e1e2"}'))) as server:
        ended = evaluate(server, "--cases", "strict", "--show", "0")
    assert len(ended.output.splitlines()) < 45
    assert "FAILURES" not in ended.output


@pytest.mark.parametrize("workers", WORKERS)
def test_a_gate_is_printed_once_and_named_after_its_file(evaluate: Evaluate, workers: str) -> None:
    """Audit 19: each was printed up to three times, as `evals/gates.toml::` whatever file was given."""
    with Loopback(Player(every_third('{"move": "e1e2"}'))) as server:
        junit = evaluate.tmp_path / "junit.xml"
        ended = evaluate(server, "-n", workers, "--junit-xml", str(junit), least=0.99)
    assert ended.output.count("must be at least 99.0%") == 1
    cases = [case for case in ET.parse(junit).iter("testcase") if case.get("name") == "gate[solved]"]
    assert len(cases) == 1
    assert "gates" in str(cases[0].get("classname"))
    assert "evals" not in str(cases[0].get("classname"))


def test_one_fault_of_the_server_is_said_once(evaluate: Evaluate) -> None:
    """Audit 31: a server that answers 401 printed a block for each case."""
    refused = web.json_response({"error": {"message": "wrong key"}}, status=401)
    with Loopback(Player({"*": refused})) as server:
        ended = evaluate(server)
    assert ended.status == 1
    assert ended.output.count("wrong key") == 1
    assert (
        "unanswered 24: HTTP 401: wrong key (first: evals/test_moves.py::test_move[mates/p000])"
        in ended.output
    )


def test_a_run_that_judged_nothing_is_not_finished(
    evaluate: Evaluate, server: Loopback, tmp_path: Path
) -> None:
    """Audit 22: a run with 0 of 24 judged."""
    (tmp_path / "skip_all.py").write_text(
        "import pytest\ndef pytest_runtest_setup(item):\n    pytest.skip('not today')\n"
    )
    ended = evaluate(server, "-p", "skip_all", env={"PYTHONPATH": str(tmp_path)})
    assert ended.status == 1
    assert ended.manifest["status"] == "incomplete"


HOSTILE = (
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1b[2J",
    "\n::error::pwned",
    "\ud800",
    "\u202egnp.exe",
    "\x00\x9b31m",
)


@pytest.mark.parametrize("workers", WORKERS)
def test_no_text_of_a_model_reaches_terminal_or_junit_as_it_is(evaluate: Evaluate, workers: str) -> None:
    """Audit 24, 26: escapes, commands of CI, lone surrogates and invisible characters."""

    async def hostile(body: Body) -> web.StreamResponse:
        text = HOSTILE[hash(position_of(body)) % len(HOSTILE)]
        return web.json_response(
            {
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"content": json.dumps({"move": text})}}
                ],
                "usage": {},
                "model": text,
            }
        )

    with Loopback(hostile, models=("base", "adapter")) as server:
        junit = evaluate.tmp_path / "junit.xml"
        ended = evaluate(
            server, "-n", workers, "-v", "--cases", "strict", "--show", "24", "--junit-xml", str(junit)
        )
    assert ended.status == 1
    assert len(ended.outcomes) == N
    for text in (ended.output, junit.read_text()):
        assert not {"\x1b", "\x07", "\x00", "\x9b", "\u202e"} & set(text)
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_two_sessions_cannot_share_a_run_folder(evaluate: Evaluate, server: Loopback) -> None:
    """Audit 23: the folder is claimed before the server is asked anything."""
    folder = evaluate.tmp_path / "shared"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    ended = evaluate(server, "--run-dir", str(folder))
    assert ended.status == 4
    assert "already holds a run" in ended.output
    assert not server.bodies
    assert (folder / "run.json").read_text() == "{}"


def test_a_key_that_the_server_echoes_is_kept_nowhere(evaluate: Evaluate) -> None:
    """Audit 27: in completions, verdicts, JUnit or on the terminal."""

    async def echo(body: Body) -> web.StreamResponse:
        return chat("k3y-v4lue is your key") if hash(position_of(body)) % 2 else web.json_response(
            {"error": {"message": "the key k3y-v4lue is not known"}}, status=401
        )  # fmt: skip

    with Loopback(echo) as server:
        junit = evaluate.tmp_path / "junit.xml"
        key = {"SECRET_FOR_TEST": "k3y-v4lue"}
        ended = evaluate(server, "--api-key-env", "SECRET_FOR_TEST", "--junit-xml", str(junit), env=key)
    kept = "".join(path.read_text() for path in ended.folder.iterdir())
    assert "k3y-v4lue" not in kept + ended.output + junit.read_text()


class Held(Everything):
    """A server that holds answers to their schema, and does not think."""

    async def __call__(self, body: Body) -> web.StreamResponse:
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        canary = schema.get("properties", {}).get("canary")
        return chat(json.dumps({"canary": canary["enum"][0]})) if canary else await super().__call__(body)


@pytest.mark.parametrize("workers", WORKERS)
def test_a_task_that_the_model_cannot_be_asked_is_left_out_and_said(evaluate: Evaluate, workers: str) -> None:
    """Audit 13: reasoning on a model that does not think, with the README's own command."""
    with Loopback(Held()) as server:
        ended = evaluate(server, "-n", workers, "-m", "move or reasoning", preflight=True)
        assert ended.status == 0, ended.output
        assert "reasoning is left out: adapter does not think" in ended.output
        assert verdict(ended.output) == "promote, on move alone"
        assert len(ended.outcomes) == N
        assert ended.manifest["not_asked"].keys() == {"reasoning"}
        alone = evaluate(server, "-n", workers, "-m", "reasoning", preflight=True)
        assert alone.status == 4
        assert "--reasoning-parser" in alone.output


def test_only_a_schema_that_is_sent_has_to_be_enforced(evaluate: Evaluate, server: Loopback) -> None:
    """Audit 14: `--constrain none` sends none."""
    free = evaluate(server, "--constrain", "none", preflight=True)
    assert free.status == 0, free.output
    held = evaluate(server, preflight=True)
    assert held.status == 4
    assert "not enforced" in held.output


def test_a_model_without_a_stored_format_is_not_a_failure(evaluate: Evaluate) -> None:
    """Audit 19: it is inconclusive, with the command that stores one."""
    with Loopback(Everything(), models=("base", "newcomer")) as server:
        ended = evaluate(server, "-m", "reasoning or move", "--model", "newcomer", "--limit", "3", least=0.0)
    assert ended.status == 6
    assert verdict(ended.output).startswith("not enough evidence")
    assert "--snapshot-update" in ended.output


class Guided(Player):
    """A vLLM of before 0.12 that enforces `guided_json` and ignores `response_format`."""

    async def __call__(self, body: Body) -> web.StreamResponse:
        if "guided_json" not in body:
            return chat("The rook, I think.")
        canary = body["guided_json"]["properties"].get("canary")
        return chat(json.dumps({"canary": canary["enum"][0]})) if canary else await super().__call__(body)


def test_a_schema_is_sent_in_the_way_that_preflight_found_to_be_enforced(evaluate: Evaluate) -> None:
    """Audit 10: preflight found `guided_json`, and the run sent `response_format`."""
    with Loopback(Guided(), version="0.11.0") as server:
        ended = evaluate(server, preflight=True)
    assert ended.status == 0, ended.output
    assert list(ended.outcomes.values()) == ["solved"] * N
