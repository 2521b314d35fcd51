"""Every bad input (`bad_input`) is one sentence and the right exit status: no traceback, no silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input import COMMANDS, SESSIONS, Bad, give
from tests.loopback import Loopback


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(bad, id=bad.name, marks=[pytest.mark.slow] if bad.slow or "-n" in bad.arguments else [])
        for bad in (*SESSIONS, *COMMANDS)
    ],
)
def test_a_bad_input_is_a_sentence_and_an_exit_status(bad: Bad, server: Loopback, tmp_path: Path) -> None:
    """Audit 15, 16, 17: each row of the table, which `make audit` prints."""
    said = give(bad, tmp_path, server.base_url)
    assert said.status == bad.status, said.output
    assert bad.says in said.output
    assert not said.traceback, said.output
    assert not server.bodies
