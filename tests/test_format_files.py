"""Format files: what they say, and every way in which one can be wrong."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import chess
import pytest

from evals.formats.file import FormatError, load_format, shipped_names
from evals.formats.format import WANTS
from evals.formats.placeholders import OF_A_POSITION, PlaceholderError, known_in
from evals.puzzles.puzzle import Puzzle
from evals.tasks import TaskSettings, build_tasks, is_gated, task_names
from evals.tasks.grading import gives_checkmate
from evals.words import Case, Completion, Outcome
from tests.asking import asking, cases_of
from tests.positions import BACK_RANK
from tests.shapes import write_format

GOOD = """
[move]
system = "Be brief."
user = "FEN: {fen}"
answer = "uci"
"""
EXAMPLE = f'[[move.examples]]\nfen = "{chess.STARTING_FEN}"\nanswer = "e2e4"\n'


def test_what_all_cases_share_comes_first() -> None:
    task = build_tasks(asking())["move"]
    puzzles = [
        Puzzle("a", chess.STARTING_FEN, ("e2e4", "e7e5"), 900),
        Puzzle("b", chess.STARTING_FEN, ("d2d4", "d7d5"), 900),
    ]
    one, two = (next(task.turns(Case("move", puzzle))).messages for puzzle in puzzles)
    assert one[:-1] == two[:-1]
    assert [message["role"] for message in one] == ["system", "user"]
    assert puzzles[0].board().fen() in one[-1]["content"]


def test_the_shipped_formats_can_ask_every_task() -> None:
    assert shipped_names() == ["default", "san", "text"]
    for name in shipped_names():
        assert not load_format(name).own
        for task in build_tasks(asking(name)).values():
            assert cases_of(task.name, [BACK_RANK], asking(name))
    assert {name.partition(".")[0] for name in WANTS} == set(filter(is_gated, task_names()))


def test_the_digest_is_of_what_the_model_reads_and_how_it_is_read(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return load_format(write_format(tmp_path, text)).questions["move"].digest

    assert digest(GOOD + "# a comment\n") == digest(GOOD)
    others = [
        GOOD.replace("brief", "bold"),
        GOOD.replace('"uci"', '"san"'),
        GOOD + EXAMPLE,
        "thinking = true\n" + GOOD,
        "max_tokens = 7\n" + GOOD,
    ]
    assert len({digest(text) for text in [GOOD, *others]}) == 1 + len(others)


def test_examples_become_turns_of_the_chat(tmp_path: Path) -> None:
    question = load_format(write_format(tmp_path, GOOD + EXAMPLE)).questions["move"]
    messages = question.messages(chess.Board(), {})
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1]["content"] == messages[3]["content"]
    assert messages[2]["content"] == "e2e4"


def test_a_format_extends_another_one_question_by_question(tmp_path: Path) -> None:
    write_format(tmp_path, 'extends = "san"\n' + GOOD, "base.toml")
    path = write_format(tmp_path, 'extends = "base.toml"\n[line]\nmax_tokens = 99\n')
    questions, san = load_format(path).questions, load_format("san").questions
    assert questions.keys() == san.keys()
    assert questions["move"].answer.shape == "uci"
    assert questions["line"].user == san["line"].user
    assert (questions["line"].max_tokens, san["line"].max_tokens) == (99, None)


def test_a_format_that_extends_itself_is_an_error(tmp_path: Path) -> None:
    path = write_format(tmp_path, 'extends = "eighth-rank.toml"\n')
    with pytest.raises(FormatError, match="in a circle"):
        load_format(path)


def test_what_a_prompt_can_show_of_a_position(tmp_path: Path) -> None:
    shown = "\n".join(f"{name}={{{name}}}" for name in OF_A_POSITION if name not in ("board", "pieces"))
    text = f'[legal_moves]\nseparator = " "\norder = "sorted"\n[move]\nuser = """{shown}"""\nanswer = "uci"\n'
    question = load_format(write_format(tmp_path, text)).questions["move"]
    board = Puzzle("x", "7k/R7/8/8/8/8/8/1R5K b - - 0 1", ("h8g8", "b1b8"), 900).board()
    (message,) = question.messages(board, {})
    values = dict(line.split("=", 1) for line in message["content"].splitlines())
    assert values["fen"] == board.fen()
    assert (values["side"], values["color"]) == ("White", "white")
    assert (values["last_move"], values["last_move_uci"]) == ("Kg8", "h8g8")
    assert values["legal_moves"].split() == sorted(move.uci() for move in board.legal_moves)
    assert values["legal_moves_san"].split() == sorted(board.san(move) for move in board.legal_moves)


def test_a_last_move_that_is_not_known_is_said(tmp_path: Path) -> None:
    question = load_format(write_format(tmp_path, GOOD.replace("{fen}", "{fen} {last_move}"))).questions[
        "move"
    ]
    with pytest.raises(PlaceholderError, match="the move before this position is not known"):
        question.messages(chess.Board(), {})


def test_braces_that_are_no_placeholder_are_text(tmp_path: Path) -> None:
    text = GOOD.replace("Be brief.", 'Answer {\\"move\\": \\"e2e4\\"} for {side}, not {}.')
    (system, _) = load_format(write_format(tmp_path, text)).questions["move"].messages(chess.Board(), {})
    assert system["content"] == 'Answer {"move": "e2e4"} for White, not {}.'


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("", None, "no question is declared: write a table [move]"),
        ("= nonsense", None, "not valid TOML"),
        (GOOD + "[mvoe]\n", 6, "unknown key 'mvoe'; did you mean 'move'?"),
        (GOOD + "sytem = 'x'\n", 6, "unknown key 'move.sytem'; did you mean 'system'?"),
        (GOOD.replace('answer = "uci"\n', ""), 2, "the key 'move.answer' is missing"),
        (GOOD.replace('"uci"', '"usi"'), 5, "move.answer.shape = 'usi'"),
        (
            GOOD.replace('"uci"', '"list"'),
            5,
            "an answer that is a move cannot be of shape 'list'; use uci, san",
        ),
        (GOOD.replace('"uci"', '{ shape = "json" }'), 5, "shape 'json' needs 'field'"),
        (GOOD.replace('"uci"', '{ shape = "json", field = "m" }'), 5, 'say with notation = "uci" or "san"'),
        (GOOD.replace('"uci"', '{ shape = "uci", pattern = "x" }'), 5, "'pattern' belongs to shape 'regex'"),
        (
            GOOD.replace(
                '"uci"', '{ shape = "json", notation = "uci", field = "m", fields = { m = "mve" } }'
            ),
            5,
            "m = 'mve' is no kind of field; use one of move, line",
        ),
        (
            GOOD.replace(
                '"uci"', '{ shape = "json", notation = "uci", field = "n", fields = { m = "move" } }'
            ),
            5,
            "field = 'n' is not one of the fields: m",
        ),
        (
            GOOD.replace(
                '"uci"', '{ shape = "regex", notation = "uci", pattern = "x+", template = "{answer}" }'
            ),
            5,
            "a group has to hold the answer",
        ),
        (
            GOOD.replace(
                '"uci"', '{ shape = "regex", notation = "uci", pattern = "(x", template = "{answer}" }'
            ),
            5,
            "pattern",
        ),
        (
            GOOD.replace('"uci"', '{ shape = "regex", notation = "uci", pattern = "(x)", template = "y" }'),
            5,
            "the template does not say where the {answer} stands",
        ),
        (
            GOOD.replace("FEN: {fen}", "Go."),
            4,
            "move.user shows no position: it needs {fen}, {board} or {pieces}",
        ),
        (GOOD.replace("{fen}", "{fen} {pgn}"), 4, "move.user has {pgn}; use {fen}, {board}"),
        (GOOD.replace("{fen}", "{FEN}"), 4, "(did you mean {fen}?)"),
        (GOOD.replace("Be brief.", "Play {sides}."), 3, "move.system has {sides};"),
        (GOOD.replace("{fen}", "{fen} {square}"), 4, "move.user has {square};"),
        (GOOD + EXAMPLE.replace(chess.STARTING_FEN, "8/8"), 6, "an example has the illegal FEN '8/8'"),
        (
            GOOD.replace("{fen}", "{fen} {last_move}") + EXAMPLE,
            6,
            "an example has no 'last_move', which 'user' shows",
        ),
        (GOOD + EXAMPLE.replace("answer", "answr"), 6, "the key 'move.examples.0.answer' is missing"),
        (GOOD + "max_tokens = 0\n", 6, "move.max_tokens = 0"),
        (GOOD + 'constrain = "grammar"\n', 6, "move.constrain = 'grammar'"),
        (GOOD + 'extra_body = { model = "x" }\n', 6, "extra_body.model is set by the session"),
        (GOOD + "[board.piece]\n", 6, "no board skill 'piece'; did you mean 'pieces'?"),
        ("extends = 3\n", None, "extends = 3: give the name of a shipped format"),
        ('extends = "defualt"\n', None, "extends = 'defualt' cannot be read; shipped are default, san, text"),
        ("[legal_moves]\norder = 'random'\n" + GOOD, 2, "legal_moves.order"),
    ],
)
def test_a_bad_format_is_named_with_its_line_and_what_is_wrong(
    tmp_path: Path, text: str, line: int | None, error: str
) -> None:
    path = write_format(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        load_format(path)
    said = str(caught.value)
    assert error in said
    assert said.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert "\n" not in said


@pytest.mark.parametrize("name", list(WANTS))
def test_a_question_may_have_the_placeholders_that_are_filled_and_no_other(tmp_path: Path, name: str) -> None:
    """Audit 15: `{square}` or `{moves}` in a move prompt ended in a KeyError."""
    answers = {"move": "uci", "line": "pgn", "pieces": "pieces", "position": "fen", "themes": "list"}
    for placeholder in [*OF_A_POSITION, "square", "moves"]:
        want = WANTS[name]
        answer = (
            '{ shape = "json", field = "check", fields = { check = "flag" } }'
            if want == "check"
            else '{ shape = "list", notation = "san" }'
            if want == "moves"
            else f'"{answers[want]}"'
        )
        path = write_format(tmp_path, f'[{name}]\nuser = "{{fen}} {{{placeholder}}}"\nanswer = {answer}\n')
        if placeholder not in known_in(name):
            with pytest.raises(FormatError, match=re.escape(f"{name}.user has {{{placeholder}}};")):
                load_format(path)
            continue
        settings = TaskSettings(load_format(path).questions, board_skills=6)
        task = next(task for task in build_tasks(settings).values() if name in task.questions)
        case = next(iter(cases_of(task.name, [dataclasses.replace(BACK_RANK, themes=("fork",))], settings)))
        said = next(task.turns(case)).messages[-1]["content"]
        assert f"{{{placeholder}}}" not in said


def test_every_shipped_example_is_legal_and_best() -> None:
    """Its best move has to mate, so that it is nobody's opinion."""
    file = Path(__file__).parents[1] / "serve/pawn/adapters/uci/eighth-rank.toml"
    examples = re.findall(r"FEN: (\S+ [wb] .*)\nbest move: (\S+)", load_format(file).questions["move"].user)
    assert len(examples) == 2
    for fen, uci in examples:
        board = chess.Board(fen)
        assert gives_checkmate(board, board.parse_uci(uci))


def test_a_hybrid_question_is_held_to_what_its_shape_allows(tmp_path: Path) -> None:
    question = load_format(write_format(tmp_path, GOOD)).questions["move"]
    board = BACK_RANK.board()
    assert not question.request("move", board).held
    regex = question.request("move", board, constrain="schema").regex
    assert regex == "[a-h][1-8][a-h][1-8][qrbn]?"
    legal = question.request("move", board, constrain="legal").choice
    assert legal == tuple(sorted(move.uci() for move in board.legal_moves))


def test_a_question_decides_on_its_own_what_the_format_says_for_all(tmp_path: Path) -> None:
    text = (
        "thinking = true\nmax_tokens = 900\n"
        + GOOD
        + 'thinking = false\n[line]\nuser = "{fen}"\nanswer = "pgn"\n'
    )
    questions = load_format(write_format(tmp_path, text)).questions
    assert [questions[name].thinking for name in ("move", "line")] == [False, True]
    assert questions["line"].request("line", BACK_RANK.board()).max_tokens == 900


def test_more_fields_of_a_request_are_sent(tmp_path: Path) -> None:
    text = GOOD + "[move.extra_body]\nmin_p = 0.1\n"
    question = load_format(write_format(tmp_path, text)).questions["move"]
    request = question.request("move", BACK_RANK.board())
    assert request.extra == {"min_p": 0.1}


def test_an_answer_right_in_its_shape_is_judged_like_any_other(tmp_path: Path) -> None:
    settings = TaskSettings(load_format(write_format(tmp_path, GOOD)).questions)
    verdict = build_tasks(settings)["move"].judge(Case("move", BACK_RANK), [Completion(content="d1d8")])
    assert (verdict.outcome, verdict.checks) == (Outcome.SOLVED, {})
