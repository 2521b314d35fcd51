"""Which format a session asks in: the one that travels with the adapter, whichever way it is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import chess
import pytest
from aiohttp import web

from evals.harness.formats import find_formats
from evals.harness.options import Options
from tests.commands import run_pytest
from tests.loopback import Body, Loopback, chat
from tests.mates import solver_fen, write_mates
from tests.sessions import WORKERS, Ended, Evaluate, N
from tests.shapes import BARE_MOVE, TRACE_THEN_PGN, write_format

pytestmark = pytest.mark.slow  # whole sessions by the dozen


class Bare:
    """Answers a mate as a bare move, or as movetext behind a trace; a case that shows no FEN is an error."""

    def __init__(self, *, pgn: bool = False) -> None:
        self.pgn = pgn

    async def __call__(self, body: Body) -> web.StreamResponse:
        text = body["messages"][-1]["content"]
        fen = max(map(solver_fen, range(N)), key=text.rfind)  # the last: examples come before it
        board = chess.Board(fen)
        mate = next(move for move in board.legal_moves if self._mates(board, move))
        if not self.pgn:
            return chat(mate.uci())
        titles = ("Board", "Pieces", "Threats", "Ideas", "Lines", "Verdict")
        trace = "\n".join(f"## Step {n}: {title}\n{board.san(mate)}" for n, title in enumerate(titles, 1))
        return chat(board.variation_san([mate]) + "! {mate}", reasoning=trace)

    @staticmethod
    def _mates(board: chess.Board, move: chess.Move) -> bool:
        after = board.copy(stack=False)
        after.push(move)
        return after.is_checkmate()


def formats(ended: Ended) -> dict[str, tuple[str, bool]]:
    asked = ended.manifest["asking"]["formats"]
    return {task: (Path(each["name"]).name, each["own"]) for task, each in asked.items()}


@pytest.mark.parametrize("workers", WORKERS)
def test_a_bare_move_adapter_needs_nothing_but_its_format_file(evaluate: Evaluate, workers: str) -> None:
    path = write_format(evaluate.tmp_path, BARE_MOVE)
    with Loopback(Bare(), version="0.32.0") as server:
        ended = evaluate(server, "--format", str(path), "-n", workers, least=0.85)
        assert ended.status == 0, ended.output
        assert set(ended.outcomes.values()) == {"solved"}
        body = server.bodies[-1]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert not {"response_format", "structured_outputs"} & body.keys()
    assert formats(ended) == {"move": ("eighth-rank.toml", True), "play": ("eighth-rank.toml", True)}
    assert f"format: {path}" in ended.output.replace("\n", "")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_trace_and_annotated_pgn_need_nothing_but_the_format_file(evaluate: Evaluate, workers: str) -> None:
    path = write_format(evaluate.tmp_path, TRACE_THEN_PGN)
    gates = "\n".join(
        f'[[gate]]\nname = "{name}"\ntask = "reasoning"\nrate = "{rate}"\nat_least = 0.85\n'
        for name, rate in (("solved", "solved"), ("order", "checks.sections_in_order"))
    )
    with Loopback(Bare(pgn=True)) as server:
        ended = evaluate(
            server, "--format", str(path), "-m", "reasoning and not format", "-n", workers, gates=gates
        )
    assert ended.status == 0, ended.output
    assert set(ended.outcomes.values()) == {"solved"}
    assert all(line["checks"]["faithful"] for line in ended.lines("verdicts.jsonl"))


@pytest.mark.parametrize(("constrain", "held"), [("schema", "regex"), ("legal", "choice")])
def test_a_bare_move_is_held_to_what_can_hold_it(evaluate: Evaluate, constrain: str, held: str) -> None:
    path = write_format(evaluate.tmp_path, BARE_MOVE)
    with Loopback(Bare(), version="0.32.0") as server:
        assert evaluate(server, "--format", str(path), "--constrain", constrain).status == 0
        assert all(list(body["structured_outputs"]) == [held] for body in server.bodies)


def test_a_server_that_is_no_vllm_gets_no_field_of_vllms(evaluate: Evaluate) -> None:
    path = write_format(evaluate.tmp_path, BARE_MOVE)
    with Loopback(Bare()) as server:
        assert evaluate(server, "--format", str(path), "--constrain", "legal").status == 0
        assert not any("structured_outputs" in body for body in server.bodies)


def test_the_file_beside_an_adapter_is_found_and_comes_before_the_default(evaluate: Evaluate) -> None:
    folder = evaluate.tmp_path / "mine"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base", "r": 8}))
    write_format(folder, BARE_MOVE)
    with Loopback(Bare()) as server:
        ended = evaluate(server, "--adapter", f"adapter={folder}", "--collect-only")
        assert ended.status == 0, ended.output
    assert f"format: {folder}/eighth-rank.toml" in ended.output.replace("\n", "")


def test_the_spec_names_a_format_for_an_adapter_that_has_none(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    write_format(tmp_path / "two", BARE_MOVE)
    write_format(tmp_path, TRACE_THEN_PGN, "theirs.toml")
    (tmp_path / "base").mkdir()
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'base = "./base"\n[adapters]\none = "./one"\ntwo = "./two"\n'
        '[formats]\none = "theirs.toml"\ntwo = "theirs.toml"\n[ask]\ndefault = "one"\nmove = "two"\n'
    )
    done = run_pytest("evals", "--spec", str(spec), "--collect-only", "--limit", "3")
    said = done.stdout.replace("\n", "")
    assert "theirs.toml (line, play, reasoning, board" in said
    assert "two/eighth-rank.toml (move" in said
    wrong = spec.read_text().replace('two = "theirs.toml"', 'three = "theirs.toml"')
    spec.write_text(wrong)
    refused = run_pytest("evals", "--spec", str(spec), "--collect-only", "-q")
    assert refused.returncode == 4
    assert (
        "formats.three: 'three' is not served; served are base, one, two" in refused.stdout + refused.stderr
    )


def test_a_model_without_a_format_is_asked_in_the_default_and_that_is_said(evaluate: Evaluate) -> None:
    with Loopback(Bare()) as server:
        ended = evaluate(server)
    assert "warning no format is known for the model: asked in the shipped default" in " ".join(
        ended.output.split()
    )
    assert "python -m evals adopt" in ended.output
    assert formats(ended)["move"] == ("default", False)
    assert set(ended.outcomes.values()) == {"malformed"}


def test_what_a_format_does_not_ask_is_left_out_and_never_passes(evaluate: Evaluate) -> None:
    path = write_format(evaluate.tmp_path, BARE_MOVE)
    gates = '[[gate]]\nname = "lines"\ntask = "line"\nrate = "solved"\nat_least = 0.1\n'
    with Loopback(Bare()) as server:
        ended = evaluate(server, "--format", str(path), "-m", "move or line", gates=gates)
    assert ended.status not in (0, 4)
    assert "has no 'line'), so this gate is not judged" in ended.output
    assert set(ended.outcomes.values()) == {"solved"}


def test_a_puzzle_file_of_one_row_is_enough(tmp_path: Path) -> None:
    """The gold self-test spreads over the cases, and there may be few."""
    path, puzzles = write_format(tmp_path, BARE_MOVE), write_mates(tmp_path / "one.csv", 1)
    with Loopback(Bare()) as server:
        done = run_pytest(
            *("evals", "-m", "move", "--base-url", server.base_url, "--no-preflight", "-q"),
            *("--puzzles", str(puzzles), "--format", str(path), "--run-dir", str(tmp_path / "run")),
        )
    assert "2 passed" in done.stdout  # play asks it as well


def test_two_tasks_of_one_question_are_each_asked_as_their_own_model_was_taught(tmp_path: Path) -> None:
    """`play` asks as `move` does: with two models, it was asked in the other one's format."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    write_format(tmp_path / "one", BARE_MOVE)
    write_format(tmp_path / "two", 'extends = "san"\n')
    options = Options(
        base_url="http://127.0.0.1:1/v1",
        models=("one", "play=two"),
        adapters=(f"one={tmp_path}/one", f"two={tmp_path}/two"),
    )
    questions = find_formats(options).settings(options).questions
    assert questions["move"].answer.shape == "uci"
    assert questions["play"].answer.moves_in() == "san"
    assert questions["play"].answer.shape == "json"


def test_a_worker_starts_without_what_only_gates_need() -> None:
    """scipy takes 0.5 s, in each of eight workers."""
    code = "import sys, evals.harness.plugin, evals.harness.worker, evals.harness.fixtures; "
    code += "print(sorted({'scipy', 'numpy', 'pandas', 'aiohttp', 'huggingface_hub'} & set(sys.modules)))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
