"""What a gates file may say, and the one sentence about what it may not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.results.gates_file import GateError, load_gates
from evals.tasks import build_tasks
from tests.asking import asking

SHIPPED = Path(__file__).parents[1] / "evals" / "gates.toml"
CHECKS: Mapping[str, Mapping[str, type]] = {
    "move": {"lenient": bool},
    "line": {"first_move": bool, "ply": int},
    "reasoning": {"closed": bool, "sections_in_order": bool, "sections": int, "piece_recall": float},
}
LINES = {
    "name": 'name = "solved"',
    "task": 'task = "move"',
    "rate": 'rate = "solved"',
    "at_least": "at_least = 0.40",
    "confidence": "confidence = 0.95",
    "where": 'where = { themes = ["mateIn1"] }',
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


def gate(**lines: str | None) -> str:
    """A gate, its lines 1 to 7 in the order of `LINES` behind [[gate]]; None leaves a line empty."""
    return "\n".join(["[[gate]]", *(line or "" for line in (LINES | lines).values())]) + "\n"


def test_a_gate_is_read_with_all_that_it_may_say(tmp_path: Path) -> None:
    where = 'where = { sets = ["a"], themes = ["fork"], variants = ["pieces"], ratings = [1200, 1600] }'
    path = written(tmp_path, 'models = ["pawn*"]\n' + gate(where=where))
    file = load_gates(path, CHECKS)
    (one,) = file.gates
    assert (one.name, one.task, one.rate, one.at_least, one.at_most) == (
        "solved",
        "move",
        "solved",
        0.4,
        None,
    )
    assert (one.where.sets, one.where.themes, one.where.variants) == (("a",), ("fork",), ("pieces",))
    assert one.where.ratings == (1200, 1600)
    assert (file.path, file.models) == (path, ("pawn*",))
    assert file.digest == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def test_a_rate_may_be_limited_from_above(tmp_path: Path) -> None:
    """Audit 16: `at_most` was an unknown key."""
    (one,) = load_gates(written(tmp_path, gate(at_least="at_most = 0")), CHECKS).gates
    assert (one.at_least, one.at_most) == (None, 0)


@pytest.mark.parametrize("rate", [None, 'rate = "legal"', 'rate = "checks.lenient"'])
def test_a_gate_against_a_baseline_is_on_solved_unless_it_says_another_rate(
    tmp_path: Path, rate: str | None
) -> None:
    text = gate(rate=rate, at_least='not_worse_than = 0.05\nbaseline = "production"')
    (one,) = load_gates(written(tmp_path, text), CHECKS).gates
    assert one.rate == ("solved" if rate is None else rate.split('"')[1])
    assert (one.relative, one.not_worse_than, one.better, one.baseline) == (True, 0.05, None, "production")
    (one,) = load_gates(written(tmp_path, gate(at_least="better = true")), CHECKS).gates
    assert (one.relative, one.not_worse_than, one.better, one.baseline) == (True, None, True, None)


def test_a_rating_band_may_be_a_single_rating(tmp_path: Path) -> None:
    path = written(tmp_path, gate(where="where = { ratings = [1500, 1500] }"))
    assert load_gates(path, CHECKS).gates[0].where.ratings == (1500, 1500)


@pytest.mark.parametrize("text", ["", "gate = []\n", 'models = ["*"]\n'])
def test_a_file_may_have_no_gate(tmp_path: Path, text: str) -> None:
    """Audit 1: it is read, and judged as a gate that promotes nothing."""
    assert load_gates(written(tmp_path, text), CHECKS).gates == ()


def test_the_shipped_gates_load() -> None:
    file = load_gates(SHIPPED, {name: task.checks for name, task in build_tasks(asking()).items()})
    assert {"well_formed", "legal", "solved"} <= {gate.name for gate in file.gates}
    assert file.models == ("pawn*",)


# --- what it may not say: the line, and what to write instead ---


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (gate(task='task = "moves"'), 3, "no task 'moves'; did you mean 'move'?"),
        (gate(task='task = "xyz"'), 3, "no task 'xyz'; use one of move, line, reasoning"),
        (gate(rate='rate = "sovled"'), 4, "task 'move' has no rate 'sovled'; did you mean 'solved'?"),
        (gate(rate='rate = "brilliant"'), 4, "use one of well_formed, legal, solved, checks.lenient"),
        (gate(at_least="at_least = 40"), 5, "is not a share between 0 and 1, as in 0.40: for 40% say 0.40"),
        (gate(at_least="at_least = 97.5"), 5, "for 97.5% say 0.975"),
        (gate(at_least="at_least = -0.1"), 5, "at_least = -0.1 is not a share between 0 and 1"),
        (gate(at_least="at_least = nan"), 5, "at_least = nan is not a share between 0 and 1"),
        (gate(at_least='at_least = "0.4"'), 5, "at_least = '0.4' is not a share between 0 and 1"),
        (gate(at_least="at_least = true"), 5, "at_least = True is not a share between 0 and 1"),
        (
            gate(at_least="at_most = 2"),
            5,
            "at_most = 2 is not a share between 0 and 1, as in 0.02: for 2% say",
        ),
        (gate(at_least="at_least = 100"), 5, "for 100% say 1.00"),
        (gate(at_least="atleast = 0.4"), 5, "unknown key 'atleast'; did you mean 'at_least'?"),
        (gate(at_least="at_least = 0.4\nat_most = 0.6"), 1, "has at_least and at_most: give one"),
        (
            gate(at_least=None),
            1,
            "claims nothing: give it one of at_least, at_most, not_worse_than, better",
        ),
        (gate(rate=None), 1, "a gate has no rate: give it the name of a rate"),
        (gate(at_least="not_worse_than = 5"), 5, "above 0 and below 1, as in 0.05: for 5% say 0.05"),
        (gate(at_least="not_worse_than = 0"), 5, "not_worse_than = 0 is not a share above 0 and below 1"),
        (gate(at_least="not_worse_than = 1.0"), 5, "not_worse_than = 1.0 is not a share above 0"),
        (gate(at_least="not_worse_than = -0.05"), 5, "is not a share above 0 and below 1"),
        (gate(at_least="not_wrose_than = 0.05"), 5, "did you mean 'not_worse_than'?"),
        (gate(at_least="better = false"), 5, "better = False is not true"),
        (gate(at_least="better = 1"), 5, "better = 1 is not true"),
        (gate(at_least='better = "yes"'), 5, "better = 'yes' is not true"),
        (gate(at_least="better = true\nnot_worse_than = 0.1"), 1, "has not_worse_than and better: give one"),
        (gate(at_least="better = true\nat_least = 0.1"), 1, "has at_least and better: give one"),
        (gate(at_least='at_least = 0.4\nbaseline = "v1"'), 6, "only not_worse_than and better compare"),
        (gate(at_least='better = true\nbaseline = ""'), 6, "baseline = '' is not the name of a baseline"),
        (gate(name='name = "slices"'), 2, "name = 'slices': every run has a gate of this name"),
        (gate(confidence="confidence = 95"), 6, "is not a share above 0.5 and below 1, as in 0.95: for 95%"),
        (gate(confidence="confidence = 0.5"), 6, "confidence = 0.5 is not a share above 0.5"),
        (gate(name='name = "a b"'), 2, "name = 'a b' is not a name of letters"),
        (gate(name=None), 1, "a gate has no name: give it a name of letters"),
        (gate(task=None), 1, "a gate has no task: give it the name of a task"),
        (gate(name='name = "complete"'), 2, "name = 'complete': every run has a gate of this name"),
        (gate() + gate(), 9, "two gates are called 'solved'"),
        (gate(where='where = { theme = ["fork"] }'), 7, "unknown key 'theme'; did you mean 'themes'?"),
        (gate(where='where = { themes = "fork" }'), 7, "themes = 'fork' is not a list of names"),
        (gate(where="where = { ratings = [1600, 1200] }"), 7, "ratings = [1600, 1200] is not a list of two"),
        (gate(where="where = { ratings = [1600] }"), 7, "is not a list of two whole numbers"),
        (gate(where="where = { ratings = [1, 2, 3] }"), 7, "is not a list of two whole numbers"),
        (gate(where='where = { ratings = ["1200", 1600] }'), 7, "is not a list of two whole numbers"),
        (gate(where='where = "fork"'), 7, "where = 'fork' is not a table, as in { themes"),
        (gate(where='[gate.where]\nthemes = ["a"]\nset = "b"'), 9, "unknown key 'set'; did you mean 'sets'?"),
        (gate(where='where.theme = ["a"]'), 7, "unknown key 'theme'; did you mean 'themes'?"),
        (gate().replace("[[gate]]", "[gate]"), 1, "write [[gate]] instead of [gate]"),
        ("\n" + gate().replace("[[gate]]", "[[gates]]"), 2, "unknown key 'gates'; did you mean 'gate'?"),
        ("gate = 5\n", 1, "gate = 5 is not a list of gates"),
        ("gate = [5]\n", 1, "gate = 5 is not a list of gates"),
        ('models = "pawn"\n', 1, "models = 'pawn' is not a list of patterns"),
        ("\n" + gate() + "models = []\n", 9, "unknown key 'models'; use one of name, task"),
    ],
)
def test_a_wrong_gate_is_one_sentence_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    """Audit 1, 16: a typo left a gate out, and the rest were pydantic's paths."""
    path = written(tmp_path, text)
    with pytest.raises(GateError) as caught:
        load_gates(path, CHECKS)
    said = str(caught.value)
    assert said.startswith(f"{path}:{line}: ")
    assert message in said
    assert said.isprintable()
    assert "pydantic" not in said


@pytest.mark.parametrize("key", ["name", "task", "rate", "at_least"])
def test_a_message_is_short_whatever_stands_in_the_file(tmp_path: Path, key: str) -> None:
    """Audit 26."""
    line = f'{key} = "{"x" * 10_000}"'
    with pytest.raises(GateError) as caught:
        load_gates(written(tmp_path, gate(**{key: line})), CHECKS)
    assert len(str(caught.value).partition("my.toml:")[2]) < 250


@pytest.mark.parametrize("line", ["at_least = 101", "at_least = -1", "confidence = 1"])
def test_what_is_no_percentage_is_not_taken_for_one(tmp_path: Path, line: str) -> None:
    """Audit 16."""
    with pytest.raises(GateError) as caught:
        load_gates(written(tmp_path, gate(**{line.split()[0]: line})), CHECKS)
    assert "say" not in str(caught.value)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("checks.clsoed", "task 'reasoning' has no check 'clsoed'; did you mean 'checks.closed'?"),
        ("checks.first_move", "task 'reasoning' has no check 'first_move'; use one of well_formed"),
        ("checks.piece_recall", "is not a check that is true or false, so no share of cases has it; use one"),
        ("checks.sections", "use one of well_formed, legal, solved, checks.closed, checks.sections_in_order"),
        ("closed", "task 'reasoning' has no rate 'closed'; did you mean 'checks.closed'?"),
    ],
)
def test_a_gate_on_what_is_no_check_of_its_task_is_an_error_when_it_is_read(
    tmp_path: Path, rate: str, message: str
) -> None:
    """Audit 16: `checks.clsoed` was a failed model."""
    text = gate(task='task = "reasoning"', rate=f'rate = "{rate}"')
    with pytest.raises(GateError, match=r"my\.toml:4: ") as caught:
        load_gates(written(tmp_path, text), CHECKS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[gate]\n", "is not TOML: Expected ']]'"),
        (b"# caf\xe9\n", ":1: the file is not UTF-8: save it as UTF-8"),
        (b"a = 1\nb = 2 # \xff\n", ":2: the file is not UTF-8"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (b"a = " + b"9" * 5_000, "is not TOML"),
    ],
    ids=["syntax", "latin-1", "second line", "nested", "huge number"],
)
def test_a_file_that_is_no_toml_is_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    """Audit 15: a gates file that is not UTF-8 ended in INTERNALERROR."""
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    with pytest.raises(GateError) as caught:
        load_gates(path, CHECKS)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_missing_gates_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"none\.toml cannot be read: No such file"):
        load_gates(tmp_path / "none.toml", CHECKS)
    with pytest.raises(GateError, match=r"cannot be read: Is a directory"):
        load_gates(tmp_path, CHECKS)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, 0, -1, 40, 0.4, float("nan"), float("inf"), 10**30, "", "move", "\x1b[2J", "é\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sets", "x"]), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*LINES, "at_most", "gate", "models", "x"]), VALUES), st.booleans())
def test_whatever_a_file_says_it_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any], array: bool
) -> None:
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    path = written(tmp_path_factory.mktemp("gates"), "\n".join([*(["[[gate]]"] if array else []), *lines]))
    said = ""
    try:
        load_gates(path, CHECKS)
    except GateError as error:
        said = str(error)
    assert said.isprintable()


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return repr(value)


# --- whose thresholds they are ---


@pytest.mark.parametrize(
    ("patterns", "asked", "warned"),
    [
        ('["pawn*"]', ["pawn-move-v2", "pawn"], []),
        ('["pawn*"]', ["chess-puzzle"], ["chess-puzzle"]),
        ('["pawn*", "chess-?"]', ["chess-x", "chess-yy", "pawn"], ["chess-yy"]),
        ('["pawn"]', ["PAWN"], ["PAWN"]),
        ("[]", ["chess-puzzle"], []),
    ],
)
def test_thresholds_of_another_model_are_warned_about(
    tmp_path: Path, patterns: str, asked: list[str], warned: list[str]
) -> None:
    """Audit 1: pawn's thresholds held for whatever `--model` was asked, without a word."""
    path = written(tmp_path, f"models = {patterns}\n")
    warnings = load_gates(path, CHECKS).warnings_for(asked)
    assert len(warnings) == bool(warned)
    for sentence in warnings:
        assert str(path) in sentence
        assert all(f"'{model}'" in sentence for model in warned)
        assert not any(
            f"'{model}'" in sentence.partition(", not for")[2] for model in set(asked) - set(warned)
        )
