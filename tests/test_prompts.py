"""Prompts: the files that a user may replace, and the examples in them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import chess
import pytest

from evals.puzzles.puzzle import Puzzle
from evals.tasks import TASKS, ReasoningFormat, TaskSettings, build_tasks, cases_for
from evals.tasks.grading import gives_checkmate
from evals.tasks.prompts import (
    SHIPPED,
    PromptError,
    Prompts,
    load_prompts,
    placeholders_of,
    position,
    read_prompt,
)
from evals.words import Case, Completion, Notation, Outcome
from tests.positions import BACK_RANK

NOTATIONS: tuple[Notation, ...] = ("uci", "san")
REASONING_FORMATS: tuple[ReasoningFormat, ...] = ("json", "text")
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
        (GOOD.replace("FEN: {fen}", ""), "'user' has neither {fen} nor {board}"),
        (GOOD.replace("{fen}", "{fen} {pgn}"), "'user' has {pgn}; use {fen}, {side} or {board}"),
        (
            GOOD.replace("{fen}", "{FEN}"),
            "'user' has {FEN}; use {fen}, {side} or {board} (did you mean {fen}?)",
        ),
        (
            GOOD.replace("{fen}", "{fen} {Side2}"),
            "'user' has {Side2}; use {fen}, {side} or {board} (did you mean {side}?)",
        ),
        (
            GOOD.replace("Be brief.", "Play {sides}."),
            "'system' has {sides}; use {fen}, {side} or {board} (did you mean {side}?)",
        ),
        (GOOD.replace("Be brief.", "Play {moves}."), "'system' has {moves}; use {fen}, {side} or {board}"),
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


@pytest.mark.parametrize("name", sorted(load_prompts().by_name))
def test_a_prompt_may_have_the_placeholders_that_its_task_fills_and_no_other(
    tmp_path: Path, name: str
) -> None:
    """Audit 15: `{square}` or `{moves}` in a move prompt ended in a KeyError when the first case was asked,
    and the error of another placeholder recommended them.
    """
    every = {"fen", "side", "board", "square", "moves"}
    for placeholder in sorted(every):
        path = write(tmp_path, GOOD.replace("{fen}", f"{{fen}} {{{placeholder}}}"), f"{name}.toml")
        if placeholder in placeholders_of(name):
            assert f"{{{placeholder}}}" not in asked_text(load_prompts(tmp_path), name)
        else:
            with pytest.raises(PromptError, match=re.escape(f"'user' has {{{placeholder}}}; use {{fen}},")):
                read_prompt(path)
    assert {"fen", "side", "board"} <= placeholders_of(name) <= every


def asked_text(prompts: Prompts, name: str) -> str:
    """All that is sent for one case, by the task that asks with this prompt."""
    for notation in NOTATIONS:
        for reasoning_format in REASONING_FORMATS:
            asking = TaskSettings(
                notation=notation, reasoning_format=reasoning_format, prompts=prompts, board_skills=5
            )
            for task in build_tasks(asking).values():
                if name in task.prompt_names:
                    cases = cases_for(task.name, [BACK_RANK], asking)
                    variant = name.removeprefix("board-")
                    case = next(each for each in cases if task.name != "board" or each.variant == variant)
                    return "\n".join(message["content"] for message in next(task.turns(case)).messages)
    raise LookupError(name)


def test_placeholders_of_the_system_message_are_filled_in(tmp_path: Path) -> None:
    """Audit 17: they were sent as they stand in the file."""
    write(tmp_path, GOOD.replace("Be brief.", "You play {side} in {fen}."))
    messages = load_prompts(tmp_path)["move-uci"].messages(position(chess.Board()))
    assert messages[0] == {"role": "system", "content": f"You play White in {chess.STARTING_FEN}."}
    black = chess.Board("4k3/8/8/8/8/8/8/4K3 b - - 0 1")
    assert (
        load_prompts(tmp_path)["move-uci"]
        .messages(position(black))[0]["content"]
        .startswith("You play Black")
    )


def test_the_position_has_to_be_in_the_user_message(tmp_path: Path) -> None:
    """The examples have no system message of their own: a position there would be the wrong one for them."""
    write(tmp_path, GOOD.replace("Be brief.", "{fen}").replace("FEN: {fen}", ""))
    with pytest.raises(PromptError, match="'user' has neither"):
        load_prompts(tmp_path)


def test_a_placeholder_that_an_example_does_not_fill_is_an_error(tmp_path: Path) -> None:
    example = f'[[examples]]\nfen = "{chess.STARTING_FEN}"\nanswer = "x"\n'
    write(tmp_path, GOOD.replace("{fen}", "{fen} {square}") + example, "board-moves.toml")
    with pytest.raises(PromptError, match="an example has no 'square'"):
        load_prompts(tmp_path)


def test_a_folder_that_replaces_nothing_is_an_error(tmp_path: Path) -> None:
    """Audit 16: of a file it was said that it is not there."""
    with pytest.raises(PromptError, match=r"has no \.toml file"):
        load_prompts(tmp_path)
    with pytest.raises(PromptError, match="is not there"):
        load_prompts(tmp_path / "missing")
    file = write(tmp_path, GOOD)
    with pytest.raises(
        PromptError, match=re.escape(f"is a file: give the folder that it is in, {str(tmp_path)!r}")
    ):
        load_prompts(file)
    file.unlink()
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
