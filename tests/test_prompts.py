"""Prompts: the files that a user may replace, and the examples in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.tasks import TASKS, TaskSettings, build_tasks
from evals.tasks.grading import gives_checkmate
from evals.tasks.prompts import SHIPPED, PromptError, Prompts, load_prompts, position, read_prompt
from evals.words import Case, Completion, Outcome

GOOD = 'version = "7"\nsystem = "Be brief."\nuser = "FEN: {fen}\\nAnswer like {\\"move\\": \\"e2e4\\"}."\n'


def write(folder: Path, text: str, name: str = "move-uci.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_prompts_are_what_the_tasks_ask_with() -> None:
    every: tuple[TaskSettings, ...] = (
        TaskSettings(),
        TaskSettings(notation="san"),
        TaskSettings(reasoning_format="text"),
    )
    used = {
        name for settings in every for task in build_tasks(settings).values() for name in task.prompt_names
    }
    assert set(load_prompts().by_name) == used
    assert set(build_tasks(TaskSettings())) == set(TASKS)


def test_what_all_cases_share_comes_first() -> None:
    task = build_tasks(TaskSettings())["move"]
    puzzles = [
        Puzzle("a", chess.STARTING_FEN, ("e2e4", "e7e5"), 900),
        Puzzle("b", chess.STARTING_FEN, ("d2d4", "d7d5"), 900),
    ]
    one, two = (next(task.turns(Case("move", puzzle))).messages for puzzle in puzzles)
    assert one[:-1] == two[:-1]
    assert [message["role"] for message in one] == ["system", "user"]
    assert puzzles[0].board().fen() in one[-1]["content"]


def test_a_folder_replaces_prompts_by_name(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    prompts = load_prompts(tmp_path)
    assert prompts["move-uci"].version == "7"
    assert prompts["move-san"] == load_prompts()["move-san"]
    messages = prompts["move-uci"].messages(position(chess.Board()))
    assert messages[-1]["content"].endswith('{"move": "e2e4"}.')


def test_the_digest_is_of_what_the_model_reads(tmp_path: Path) -> None:
    first = read_prompt(write(tmp_path, GOOD))
    assert read_prompt(write(tmp_path, GOOD + "# a comment\n")).digest == first.digest
    assert read_prompt(write(tmp_path, GOOD.replace('"7"', '"8"'))).digest == first.digest
    assert read_prompt(write(tmp_path, GOOD.replace("brief", "bold"))).digest != first.digest
    example = f'[[examples]]\nfen = "{chess.STARTING_FEN}"\nanswer = "e2e4"\n'
    assert read_prompt(write(tmp_path, GOOD + example)).digest != first.digest


def test_examples_become_turns_of_the_chat(tmp_path: Path) -> None:
    example = f'[[examples]]\nfen = "{chess.STARTING_FEN}"\nanswer = "e2e4"\n'
    messages = read_prompt(write(tmp_path, GOOD + example)).messages(position(chess.Board()))
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1]["content"] == messages[3]["content"]
    assert messages[2]["content"] == "e2e4"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version = 1", "field 'version' is missing or not a text"),
        ('version = "1"\nsystem = ""', "field 'user' is missing or not a text"),
        (GOOD.replace("{fen}", "{FEN}"), "neither {fen} nor {board}"),
        (
            GOOD.replace("{fen}", "{fen} {pgn}"),
            r"unknown placeholder {pgn}: use board, fen, moves, side, square",
        ),
        (GOOD + 'sytem = "x"', "unknown field 'sytem'"),
        (GOOD + "examples = 3", "write each example as a table"),
        (GOOD + '[[examples]]\nfen = "8/8"\nanswer = ""', "example with illegal FEN '8/8'"),
        (GOOD + '[[examples]]\nanswer = "e2e4"', "an example needs 'fen' and 'answer'"),
        ("= nonsense", "move-uci.toml"),
    ],
)
def test_a_bad_prompt_is_named_with_what_is_wrong(tmp_path: Path, text: str, error: str) -> None:
    write(tmp_path, text)
    with pytest.raises(PromptError) as caught:
        load_prompts(tmp_path)
    assert error in str(caught.value)
    assert "move-uci.toml" in str(caught.value)


def test_a_placeholder_that_an_example_does_not_fill_is_an_error(tmp_path: Path) -> None:
    example = f'[[examples]]\nfen = "{chess.STARTING_FEN}"\nanswer = "x"\n'
    write(tmp_path, GOOD.replace("{fen}", "{fen} {square}") + example, "board-moves.toml")
    with pytest.raises(PromptError, match="an example has no 'square'"):
        load_prompts(tmp_path)


def test_a_folder_that_replaces_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"has no \.toml file"):
        load_prompts(tmp_path)
    with pytest.raises(PromptError, match="is not there"):
        load_prompts(tmp_path / "missing")
    write(tmp_path, GOOD, "moves.toml")
    with pytest.raises(PromptError, match=r"no task asks with 'moves.toml'"):
        load_prompts(tmp_path)


ASKED_WITH = {
    "move-uci": ("move", TaskSettings()),
    "move-san": ("move", TaskSettings(notation="san")),
    "line-uci": ("line", TaskSettings()),
    "line-san": ("line", TaskSettings(notation="san")),
}
"""The task that judges the examples of a prompt. Another prompt has to be added before it has examples."""


def wrong_examples(prompts: Prompts) -> Iterator[str]:
    """Every example whose answer is not right. Its best move has to mate, so that it is nobody's opinion."""
    for name, prompt in prompts.by_name.items():
        for example in prompt.examples:
            if name not in ASKED_WITH:
                yield f"{name}: nothing here can judge its examples"
                continue
            board = chess.Board(example.values["fen"])
            mates = [move for move in board.legal_moves if gives_checkmate(board, move)]
            if not mates:
                yield f"{name}: {board.fen()}: no move mates, so nothing says which one is best"
                continue
            task, settings = ASKED_WITH[name]
            answer = Completion(content=example.answer, finish_reason="stop")
            verdict = build_tasks(settings)[task].judge(Case(task, as_puzzle(board, mates[0])), [answer])
            if verdict.outcome is not Outcome.SOLVED:
                yield f"{name}: {verdict.outcome}: {verdict.detail}"


def as_puzzle(board: chess.Board, move: chess.Move) -> Puzzle:
    """A puzzle whose first position is `board`: a null move of the other side leads to it."""
    before = board.copy(stack=False)
    before.turn = not before.turn
    return Puzzle("example", before.fen(), ("0000", move.uci()), 900)


def test_every_shipped_example_is_legal_and_best(tmp_path: Path) -> None:
    assert list(wrong_examples(load_prompts())) == []
    # The same check on examples that are wrong, or it could not fail.
    shutil.copy(SHIPPED / "move-uci.toml", tmp_path)
    mate = "6k1/5ppp/8/8/8/8/r4PPP/3R2K1 w - - 0 1"
    rows = [(mate, "d1d8"), (mate, "d1d7"), (mate, "d1d9"), (chess.STARTING_FEN, "e2e4")]
    with (tmp_path / "move-uci.toml").open("a", encoding="utf-8") as file:
        for fen, uci in rows:
            file.write(f'\n[[examples]]\nfen = "{fen}"\nanswer = \'{{"move": "{uci}"}}\'\n')
    wrong = list(wrong_examples(load_prompts(tmp_path)))
    assert [each.split(":")[1].strip() for each in wrong] == ["missed", "unparseable", chess.STARTING_FEN]
