"""`python -m serve`: what it refuses and how, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from serve import __main__ as command_line
from serve.spec import load_spec

PAWN = load_spec("pawn")


def run(*arguments: str) -> int:
    """The exit status, argparse's too."""
    try:
        return command_line.main(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)


BAD_ARGUMENTS = [
    (
        "local pawn --port 99999",
        "--port: '99999' is not a port: give a whole number from 1 to 65535",
    ),
    ("local pawn --port 0", "'0' is not a port"),
    ("command pawn --port x", "'x' is not a port"),
    (
        "local pawn --startup-timeout -1",
        "--startup-timeout: '-1' is not a time: give seconds above 0",
    ),
    ("local pawn --startup-timeout nan", "'nan' is not a time"),
    ("local pawn --startup-timeout inf", "'inf' is not a time"),
    ("preflight --base-url http://h --startup-timeout soon", "'soon' is not a time"),
    (
        "parity pawn --count 0",
        "--count: '0' is not a number of positions: give a whole",
    ),
    ("parity pawn --count 1e3", "'1e3' is not a number of positions"),
    ("parity pawn --seed x", "argument --seed: 'x' is not a seed"),
    ("parity pawn --min-agreement 95", "'95' is not a share: give a number from 0 to 1"),
    ("parity pawn --min-agreement nan", "'nan' is not a share"),
    ("parity pawn --max-difference -1", "'-1' is not a difference: give a number from 0"),
    (
        "local pawn --api-key-env sk-0123456789",
        "--api-key-env: give the name of an environment",
    ),
    ("local pawn --device tpu", "argument --device: invalid choice: 'tpu'"),
    ("local", "the following arguments are required: spec"),
    ("", "the following arguments are required: COMMAND"),
    ("serve pawn", "argument COMMAND: invalid choice: 'serve'"),
    ("local pawn --prot 8000", "unrecognized arguments: --prot 8000"),
    ("preflight", "the following arguments are required: --base-url"),
    ("command \x1b[2J --what \x1b]52;c;x\x07", r"unrecognized arguments: --what \x1b]52;c;x\x07"),
]


@pytest.mark.parametrize(("line", "message"), BAD_ARGUMENTS, ids=[line for line, _ in BAD_ARGUMENTS])
def test_a_wrong_argument_is_one_sentence_and_status_2(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audit 16."""
    assert run(*line.split(" ") if line else ()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert "sk-0123456789" not in err


@pytest.mark.usefixtures("vllm_installed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["command", "nope"], "no serve spec 'nope'"),
        (["command", "e\x1b[2J\nvil"], r"no serve spec 'e\x1b[2J\nvil'"),
        (["command", "."], "no serve spec '.'"),
        (["command", "{tmp}/folder.toml"], "folder.toml' cannot be read"),
        (["command", "{tmp}/latin.toml"], "latin.toml' cannot be read"),
        (["command", "{tmp}/no-base.toml"], "base '{tmp}/none': {tmp}/none has no config.json"),
        (["command", "{tmp}/no-adapter.toml"], "adapter '{tmp}/none': {tmp}/none has no adapter_config.json"),
        (["local", "pawn", "--log", "{tmp}/folder.toml"], "folder.toml' cannot be written"),
        (["preflight", "--base-url", "localhost:1"], "'localhost:1' is not a base URL"),
        (["preflight", "--base-url", "http://me:pa55@localhost:1"], "user name or a password"),
        (["parity", "pawn", "--prompts", "{tmp}/none"], "prompts '{tmp}/none' cannot be read"),
        (["parity", "pawn", "--prompts", "{tmp}/latin.toml"], "latin.toml' cannot be read"),
        (["parity", "pawn", "--prompts", "{tmp}/empty"], "empty' holds no prompt"),
        (["parity", "pawn", "--prompts", "{tmp}/bad.jsonl"], "bad.jsonl:2: expected a JSON list of messages"),
        (["parity", "pawn", "--model", "nope"], "model 'nope' is not served; served are: pawn, pawn-move-v1"),
    ],
)
def test_what_cannot_be_done_is_one_error_and_status_1(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audit 16: `command` printed a line for folders that are not there, with status 0."""
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b"\xe9\xff")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bad.jsonl").write_text('[{"role": "user", "content": "x"}]\n["content"]\n')
    (tmp_path / "no-base.toml").write_text('base = "./none"\n')
    (tmp_path / "no-adapter.toml").write_text('base = "o/m"\n[adapters]\nx = "./none"\n')
    assert run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message.replace("{tmp}", str(tmp_path)) in err
    assert err[:-1].replace("\n", "").isprintable()
    assert "Traceback" not in err


def test_what_a_server_says_is_printed_printably(
    httpserver: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audit 26: model ids, the version, errors and answers of a hostile server."""
    evil = "\x1b]52;c;cm0=\x07\n::error::\u202e\ud800"

    def completion(request: Request) -> Response:
        if b"logprobs" in request.data:
            return Response(json.dumps({"error": {"message": evil}}), 500)
        return Response(json.dumps({"choices": [{"message": {"content": evil}, "finish_reason": evil}]}))

    models = [{"id": "good", "root": evil}, {"id": evil, "parent": evil}]
    httpserver.expect_request("/v1/models").respond_with_json({"data": models})
    httpserver.expect_request("/version").respond_with_json({"version": evil})
    httpserver.expect_request("/v1/chat/completions").respond_with_handler(completion)
    for model in ("good", evil):
        assert run("preflight", "--base-url", httpserver.url_for(""), "--model", model) == 1
    out, err = capsys.readouterr()
    lines = (out + err).splitlines()
    assert any("schema" in line for line in lines)
    assert any(line.startswith("error: ") or "served: model" in line for line in lines)
    assert all(line.isprintable() and not line.lstrip().startswith("::") for line in lines)


def test_command_prints_a_line_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("command", "chess-reasoning") == 0
    line = capsys.readouterr().out
    assert "python -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-4B" in line
    assert 'chess-reasoning="$(hf download pilipolio/chess-reasoning-sft-qwen3-4b' in line
    assert "--reasoning-parser qwen3" in line


def test_a_shell_reads_back_every_word_whatever_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audit 26: printable, and still the same command line."""
    words = ["--x", "a b", "it's", "e\x1b[2J", "e2\u202ee4", "back\\slash 'n\n", "\u00a0", "$(x)"]
    quoted = json.dumps(words)[1:-1]  # the escapes of TOML are those of JSON
    (tmp_path / "own.toml").write_text(f'base = "o/m"\nextra_args = [{quoted}]\n')
    assert run("command", str(tmp_path / "own.toml")) == 0
    line = capsys.readouterr().out
    assert line[:-1].isprintable()
    tail = line[line.index("--x") :]
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {tail}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.decode().split("\0")[:-1] == words


def test_text_that_the_terminal_has_no_letters_for_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serve", "command", "é♞"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 1
    assert b"no serve spec '\\xe9\\u265e'" in done.stderr
