"""Formats made from training rows: in every shape, byte for byte, and what is broken is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.__main__ import main
from evals.formats.file import load_format
from tests.training_rows import SHAPES, rows_of, write_rows


@pytest.mark.parametrize("name", SHAPES)
def test_rows_of_each_shape_give_their_format(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", rows_of(name))
    status = main(["adopt", str(rows), "--out", str(tmp_path / "f.toml")])
    said = capsys.readouterr()
    assert status == 0, said.err + said.out
    question = load_format(tmp_path / "f.toml").questions[SHAPES[name][1]]
    assert question.answer.shape == SHAPES[name][2]
