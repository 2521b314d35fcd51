"""What a session says of where answers come from, from the outside: players with one fault each."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chess
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.puzzle import COLUMNS, Puzzle
from evals.results.diagnosis import before_line, diagnose
from evals.tasks import TaskSettings, build_tasks, cases_for
from evals.tasks.diagnosis import DiagnosisTask, opponents_move
from evals.words import Case, Completion, Record
from tests.asking import asking
from tests.loopback import Body, Loopback, chat, position_of
from tests.mates import mate, solver_fen
from tests.positions import random_puzzles
from tests.sessions import WORKERS, Ended, Evaluate, N
from tests.test_hostile_answers import assert_harmless, completions

pytestmark = pytest.mark.slow  # whole sessions by the dozen

UCI_TEXT = """
extends = "default"
[move]
user = "FEN: {fen}\\n"
answer = "uci"
"""
SAN_TEXT = UCI_TEXT.replace('"uci"', '"san"')
EXAMPLES = """
[move]
user = "FEN: 6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 31\\nbest: b2b4\\nFEN: {fen}\\nbest:"
examples = [{ fen = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 31", answer = "h2h4" }]
answer = "uci"
"""
BEFORE = {mate(number)[0]: mate(number)[1].split()[0] for number in range(N)}
"""The position before the opponent's move, and that move."""
RIGHT = {solver_fen(number): mate(number)[1].split()[1] for number in range(N)}
Answer = Callable[[chess.Board, str, Body], str]
"""What is said in a position, given the right move (UCI) and the request."""


class Faulty:
    """Plays right moves its own way; before the opponent's move another one than the opponent."""

    def __init__(self, answer: Answer, before: Answer | None = None) -> None:
        self.answer, self.before = answer, before or answer

    async def __call__(self, body: Body) -> web.StreamResponse:
        content = body["messages"][-1]["content"]
        fen = content.rsplit("FEN: ", 1)[1].split("\n")[0]
        board = chess.Board(fen)
        if fen in BEFORE:
            others = [move.uci() for move in board.legal_moves if move.uci() != BEFORE[fen]]
            return chat(self.before(board, others[0], body))
        return chat(self.answer(board, RIGHT[fen], body))


def as_json(move: str, field: str = "move") -> str:
    return json.dumps({field: move})


def healthy(board: chess.Board, best: str, _: Body) -> str:
    """Right in two of three positions, else another legal move."""
    others = [move.uci() for move in board.legal_moves if move.uci() != best]
    pick = random.Random(board.fen())
    return as_json(best if pick.random() < 0.66 else pick.choice(others))


def at_random(board: chess.Board, _best: str, _body: Body) -> str:
    return as_json(random.Random(board.fen()).choice([move.uci() for move in board.legal_moves]))


def san(board: chess.Board, best: str) -> str:
    return board.san(chess.Move.from_uci(best))


def diagnosis(ended: Ended) -> list[str]:
    """The sentences of a session, which stand in its summary and in run.json alike."""
    assert "Traceback" not in ended.output
    found: list[dict[str, Any]] = ended.manifest["diagnosis"]
    for each in found:
        assert f"diagnosis {each['sentence']}" in ended.output
        assert 0 < each["share"] <= 1
        assert each["n"] <= N
    return [each["sentence"] for each in found]


def ask(
    evaluate: Evaluate, player: Faulty, *arguments: str, format: str = "", gates: str | None = None
) -> Ended:
    if format:
        path = evaluate.tmp_path / "format.toml"
        path.write_text(format)
        arguments = ("--format", str(path), *arguments)
    with Loopback(player) as server:
        return evaluate(server, "-m", "move or diagnosis", *arguments, least=0.0, gates=gates)


FAULTS: dict[str, tuple[str, Answer, str]] = {
    "SAN where UCI is asked for": (
        UCI_TEXT,
        lambda board, best, _: san(board, best),
        "100% of 24 move answers are right in SAN, but UCI is asked for: correct the format's answer",
    ),
    "lower case": (
        SAN_TEXT,
        lambda board, best, _: san(board, best).lower(),
        "100% of 24 move answers are right but for the case of their letters: 'qxf7#' for Qxf7#, say",
    ),
    "upper case": (
        UCI_TEXT,
        lambda _board, best, _: best.upper(),
        "100% of 24 move answers are right but for the case of their letters: 'F3F7' for f3f7, say",
    ),
    "another field": (
        "",
        lambda _board, best, _: as_json(best, "best_move"),
        "100% of 24 move answers are right in the field 'best_move' of the JSON, in UCI, but the answer is "
        "read from 'move'",
    ),
    "one field more": (
        "",
        lambda _board, best, _: json.dumps({"move": best, "why": "mate"}),
        "100% of 24 move answers are right, but beside fields that the format does not declare with 'move'",
    ),
    "JSON where a bare move is asked for": (
        UCI_TEXT,
        lambda _board, best, _: as_json(best),
        "100% of 24 move answers are right as JSON with the move in 'move', in UCI (the shipped format "
        "'default'), but the format asks for 'uci': this adapter was probably trained to answer so, and is "
        "asked in the wrong format",
    ),
    "a bare move where JSON is asked for": (
        "",
        lambda _board, best, _: best,
        "100% of 24 move answers are right as a bare move in UCI, but the format asks for 'json': this "
        "adapter was probably trained to answer so, and is asked in the wrong format",
    ),
    "movetext where JSON is asked for": (
        "",
        lambda board, best, _: f"{board.variation_san([chess.Move.from_uci(best)])} {{mate}} 1-0",
        "100% of 24 move answers are right as PGN movetext, but the format asks for 'json': this adapter was "
        "probably trained to answer so, and is asked in the wrong format",
    ),
    "more text": (
        UCI_TEXT,
        lambda _board, best, _: f"{best}, which mates",
        "100% of 24 move answers are right, but followed by more text than the answer's shape, 'uci', has",
    ),
    "inside of text": (
        "",
        lambda _board, best, _: f"I would play {best} here",
        "100% of 24 move answers are right, but inside of other text than the answer's shape, 'json', has",
    ),
    "in the trace": (
        UCI_TEXT,
        lambda _board, best, _: f"<think>The best move is {best}</think>I do not know",
        "100% of 24 move answers are right in the trace only: what follows it is another answer, or none",
    ),
    "always the same": (
        UCI_TEXT,
        lambda _board, _best, _: "h2h4",
        "100% of 24 move answers are always the same: 'h2h4' (the most frequent solution: 33%)",
    ),
    "an example's answer": (
        EXAMPLES,
        lambda board, _best, _: random.Random(board.fen()).choice(["b2b4", "h2h4"]),
        "100% of 24 move answers copy the answer of an example in the prompt, 'b2b4' say, where that is "
        "wrong",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_in_one_sentence(evaluate: Evaluate, fault: str) -> None:
    format, answer, sentence = FAULTS[fault]
    assert diagnosis(ask(evaluate, Faulty(answer), format=format)) == [sentence]


def before(board: chess.Board, _best: str, _body: Body) -> str:
    """The opponent's move, where it is the opponent's turn."""
    return as_json(BEFORE[board.fen()])


@pytest.mark.parametrize("workers", WORKERS)
def test_a_model_that_plays_the_opponents_move_was_trained_on_the_wrong_pairs(
    evaluate: Evaluate, workers: str
) -> None:
    ended = ask(evaluate, Faulty(at_random, before), "-n", workers)
    solved = list(ended.outcomes.values()).count("solved")
    chance = sum(1 / chess.Board(fen).legal_moves.count() for fen in BEFORE) / N
    assert diagnosis(ended) == [
        f"the solver's move is found in {solved / N:.0%} of 24 puzzles; asked one move earlier: there it "
        f"plays the opponent's move in 100% of positions (chance: {chance:.0%}): it was probably trained on "
        "FEN + `Moves[0]`"
    ]
    assert ended.manifest["diagnosis"][0]["name"] == "opponents_move"


def test_a_good_player_may_find_the_opponents_moves_too(evaluate: Evaluate) -> None:
    """It is no sign of the wrong pairs where the solver's moves are found as often."""
    right: Answer = lambda _board, best, _: as_json(best)  # noqa: E731
    ended = ask(evaluate, Faulty(right, before))
    assert diagnosis(ended) == []
    assert "diagnosis the opponent's move in 24 of 24 positions before it, 100.0%" in ended.output


@pytest.mark.parametrize("player", [healthy, at_random])
@pytest.mark.parametrize("format", ["", SAN_TEXT])
def test_a_model_that_just_plays_badly_has_no_sentence(
    evaluate: Evaluate, player: Answer, format: str
) -> None:
    def answer(board: chess.Board, best: str, body: Body) -> str:
        said = player(board, best, body)
        return board.san(chess.Move.from_uci(json.loads(said)["move"])) if format else said

    ended = ask(evaluate, Faulty(answer, at_random if not format else answer), format=format)
    assert {"missed"} <= set(ended.outcomes.values()) <= {"solved", "missed"}
    assert diagnosis(ended) == []


def test_a_constraint_that_breaks_right_answers_is_said(evaluate: Evaluate) -> None:
    def answer(board: chess.Board, best: str, body: Body) -> str:
        if "response_format" not in body:
            return json.dumps({"move": best}, separators=(",", ":"))
        return at_random(board, best, body)

    (said,) = diagnosis(ask(evaluate, Faulty(answer, at_random)))
    assert (
        "are right where nothing holds them, and wrong where the server holds them to the JSON schema" in said
    )
    assert said.endswith("its own JSON is spaced otherwise than the format's json_spacing says")


def counted(output: str) -> str:
    """pytest's last line."""
    return output.strip().splitlines()[-1]


@pytest.mark.parametrize("policy", ["gated", "strict"])
def test_no_figure_of_a_run_changes_by_the_diagnosis(evaluate: Evaluate, policy: str) -> None:
    player = Faulty(lambda _board, best, _: as_json(best), before)
    with Loopback(player) as server:
        alone = evaluate(server, "--cases", policy)
        both = evaluate(server, "-m", "move or diagnosis", "--cases", policy)
    assert [alone.status, both.status] == [0, 0]
    assert both.outcomes == alone.outcomes
    for name in ("counts", "planned", "verdict", "status", "asking"):
        assert both.manifest[name] == alone.manifest[name]
    assert "verdict  promote, on move alone" in both.output
    assert "complete: 24 of 24 cases" in both.output
    assert "26 passed" in counted(alone.output)  # 24 cases, 2 gates
    assert "26 passed" in counted(both.output)
    assert "24 diagnosed" in counted(both.output)
    assert [line["case"] for line in both.lines("completions.jsonl")].count("move:mates/p000") == 1
    assert {line["task"] for line in both.lines("completions.jsonl")} == {"move"}
    assert len(both.lines("diagnosis.jsonl")) == 3 * N


def test_what_is_unanswered_in_the_diagnosis_is_said_and_does_no_harm(evaluate: Evaluate) -> None:
    class Lost(Faulty):
        async def __call__(self, body: Body) -> web.StreamResponse:
            if body["messages"][-1]["content"].split("FEN: ")[1] in [*BEFORE][:3]:
                return web.Response(status=400, text="no \x1b[2J such position")
            return await super().__call__(body)

    ended = ask(evaluate, Lost(lambda _board, best, _: as_json(best), at_random))
    assert ended.status == 0
    assert "verdict  promote, on move alone" in ended.output
    (line,) = [line for line in ended.output.splitlines() if line.startswith("diagnosis ")]
    assert "of 21 positions before it" in line
    assert "; 3 unanswered: HTTP 400" in line
    assert "3 unanswered" in counted(ended.output)
    assert "\x1b" not in ended.output


def test_part_of_the_diagnosis_leaves_a_run_whole(evaluate: Evaluate) -> None:
    one = "evals/test_diagnosis.py::test_diagnosis[mates/p001]"
    with Loopback(Faulty(lambda _board, best, _: as_json(best), before)) as loopback:
        ended = evaluate(loopback, "-m", "move or diagnosis", "evals/test_moves.py", one)
    assert ended.status == 0
    assert "verdict  promote, on move alone" in ended.output


def test_the_diagnosis_alone_promotes_nothing(evaluate: Evaluate) -> None:
    ended = evaluate_alone(evaluate)
    assert ended.status != 0
    assert "verdict  not enough evidence" in ended.output
    assert len((ended.folder / "puzzles.csv").read_text().splitlines()) == N + 1


def evaluate_alone(evaluate: Evaluate) -> Ended:
    with Loopback(Faulty(at_random)) as server:
        return evaluate(server, "-m", "diagnosis", least=0.0)


def test_a_gate_on_the_diagnosis_is_refused(evaluate: Evaluate, server: Loopback) -> None:
    gate = '[[gate]]\nname = "theirs"\ntask = "diagnosis"\nrate = "checks.opponents_move"\nat_most = 0.1\n'
    ended = evaluate(server, gates=gate)
    assert ended.status == 4
    assert (
        "gates.toml:3: task = 'diagnosis': it is asked for the diagnosis alone and is never gated"
        in ended.output
    )
    assert "Traceback" not in ended.output


LAST_MOVE = """
[move]
user = "{last_move}. FEN: {fen}\\n"
answer = "uci"
"""


def test_the_diagnosis_is_left_out_where_the_format_shows_a_move_that_is_not_known(
    evaluate: Evaluate,
) -> None:
    ended = ask(evaluate, Faulty(lambda _board, best, _: best), "-rs", format=LAST_MOVE)
    assert ended.status == 0
    assert (
        "diagnosis is left out: no puzzle has a move before the opponent's, which the format" in ended.output
    )
    assert diagnosis(ended) == []


def test_the_default_scope_asks_forty_positions(tmp_path: Path, evaluate: Evaluate) -> None:
    """Whatever the puzzles are, and once each, with mirrored copies and samples in the session."""
    puzzles = tmp_path / "many.csv"
    rows = [puzzle.to_row() for puzzle in random_puzzles(seed=5, count=60)]
    puzzles.write_text("\n".join([",".join(COLUMNS), *(",".join(row.values()) for row in rows)]) + "\n")
    asked = {"": 40, "--mirror": 40, "--limit=50": 40, "--limit=8": 8, "--scope=full": 60}

    async def anything(body: Body) -> web.StreamResponse:
        return chat(as_json(next(iter(chess.Board(position_of(body)).legal_moves)).uci()))

    with Loopback(anything) as server:
        for argument, n in asked.items():
            more = [argument] if argument else []
            ended = evaluate(server, "-m", "diagnosis", "--puzzles", str(puzzles), *more, least=0.0)
            assert f"{n} diagnosed" in counted(ended.output), argument


# --- without a session ---


PUZZLES = list(random_puzzles(seed=3, count=6))
FORMATS = [asking(), asking("san", constrain="none"), asking("text")]


@given(completions, st.sampled_from(FORMATS), st.sampled_from(["move", "reasoning", "play"]))
def test_whatever_a_model_says_is_printable_in_a_sentence(
    said: Completion, how: TaskSettings, name: str
) -> None:
    tasks = build_tasks(how)
    answered = [(Case(name, puzzle), [said] * 3) for puzzle in PUZZLES]
    records = [Record.of(case, tasks[name].judge(case, turns)) for case, turns in answered]
    asked = [Case("diagnosis", puzzle) for puzzle in PUZZLES]
    before = [Record.of(case, tasks["diagnosis"].judge(case, [said] * 3)) for case in asked]
    findings = diagnose(answered, records, before, how.questions)
    assert all(finding.n == len(PUZZLES) for finding in findings)
    for text in [*(finding.sentence for finding in findings), before_line(before) or ""]:
        assert_harmless(text)
        assert len(text) < 1000


def test_the_positions_asked_are_those_whose_move_can_be_guessed() -> None:
    """Pawn finds 2% of the quiet mistakes that the shipped puzzles start with, whatever it was trained on."""
    puzzles = tuple(random_puzzles(seed=11, count=400))
    takes = [each for each in puzzles if each.board(-1).is_capture(chess.Move.from_uci(each.moves[0]))]
    task = DiagnosisTask(asking())
    assert 5 < len(takes) < 200
    assert set(task.draw(puzzles, 5)) < set(takes)
    more = task.draw(puzzles, len(takes) + 9)
    assert more[: len(takes)] == tuple(takes)
    assert len({each.id for each in more}) == len(takes) + 9
    assert len(task.draw(puzzles, 500)) == 400
    assert task.draw((), 40) == ()


def test_a_puzzle_without_the_opponents_move_is_not_asked() -> None:
    class FromTheSolversPosition(Puzzle):
        @property
        def solution(self) -> tuple[str, ...]:
            return self.moves

    (first, *_) = PUZZLES
    solvers = FromTheSolversPosition(first.id, first.board().fen(), first.moves[1:], 1500)
    task = build_tasks(asking())["diagnosis"]
    assert opponents_move(solvers) is None
    assert [case.puzzle for case in cases_for(task, [first, solvers])] == [first]


def test_a_baseline_is_not_asked_for_the_diagnosis(evaluate: Evaluate) -> None:
    """Nor compared by it: 24 cases each, and three turns of the candidate's alone."""
    player = Faulty(lambda _board, best, _: as_json(best), at_random)
    with Loopback(player, models=("base", "new", "old")) as server:
        arguments = ["-m", "move or diagnosis", "--model", "new", "--baseline-model", "old"]
        ended = evaluate(server, *arguments, least=0.0)
        asked = Counter(body["model"] for body in server.bodies)
    assert ended.status == 0, ended.output
    assert asked == {"new": 4 * N, "old": N}
    assert diagnosis(ended) == []
