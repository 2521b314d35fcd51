"""docs/formats.md: every example is a format that scores its own right answers, and no key is left out."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

import pytest

from evals.formats.file import load_format, shipped_names
from evals.formats.format import WANTS, Inherited, Trace
from evals.formats.placeholders import OF_A_POSITION, OF_A_QUESTION
from evals.formats.shapes import AnswerShape, Kind, ShapeName
from evals.tasks import TaskSettings, build_tasks, is_gated
from evals.tasks.gold import check_gold
from evals.tasks.registry import missing
from tests.asking import cases_of
from tests.positions import random_puzzles
from tests.shapes import write_format

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PUZZLES = [dataclasses.replace(each, themes=("fork", "pin")) for each in random_puzzles(seed=4, count=40)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_scores_its_own_right_answers(example: str, tmp_path: Path) -> None:
    settings = TaskSettings(load_format(write_format(tmp_path, example)).questions, board_skills=6)
    tasks = [
        task
        for name, task in build_tasks(settings).items()
        if is_gated(name) and not missing(task, settings.questions)
    ]
    tried = [check_gold(task, cases_of(task.name, PUZZLES, settings), "docs") for task in tasks]
    assert tried
    assert all(tried)


def test_the_reference_names_everything_that_a_format_can_say() -> None:
    assert len(EXAMPLES) == 6
    known = [
        *(name for name in Inherited.model_fields),
        *(name for name in AnswerShape.model_fields),
        *(name for name in Trace.model_fields),
        *get_args(ShapeName),
        *get_args(Kind),
        *shipped_names(),
    ]
    assert [name for name in known if name not in PAGE] == []
    placeholders = [*OF_A_POSITION, *(name for names in OF_A_QUESTION.values() for name in names)]
    assert [name for name in placeholders if f"`{{{name}}}`" not in PAGE] == []
    assert [name for name in WANTS if f"`[{name}]`" not in PAGE] == []
