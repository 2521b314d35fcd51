"""What a user can get wrong on the command line: each bad input, the exit status, and what is said of it.

    python -m tests.bad_input        (make audit)

prints the table as it is now; `test_bad_input.py` holds it to what stands here. None may be a traceback.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.puzzles.puzzle import COLUMNS
from evals.results.baselines import digest_of
from tests.commands import run_module, run_pytest
from tests.loopback import Loopback
from tests.mates import MATES, solver_fen, write_mates
from tests.sessions import Player

GATE = "[[gate]]\nname = 'solved'\ntask = '{task}'\nrate = '{rate}'\n{least}\n"
FORMAT = "[move]\nuser = '{fen}'\nanswer = 'uci'\n"
CUE = "{ shape = 'regex', notation = 'uci', pattern = 'm.*', template = 'm {answer}' }"
GOOD = GATE.format(task="move", rate="solved", least="at_least = 0.5")


def gates(**changed: str) -> str:
    """A gates file with something changed."""
    return GATE.format(**{"task": "move", "rate": "solved", "least": "at_least = 0.5", **changed})


def against(claim: str) -> str:
    """A gates file with a gate against a baseline."""
    return f"[[gate]]\nname = 'g'\ntask = 'move'\n{claim}\n"


BLESSED = '{"blessed": 1, "digest": "0000", "planned": {}}\n'
"""A baseline without a case, whose digest is not that of no case."""
EMPTY = BLESSED.replace("0000", digest_of({"blessed": 1, "planned": {}}, b""))


@dataclass(frozen=True)
class Bad:
    """One bad input: arguments of `pytest evals`, or of another module, and files that they name."""

    name: str
    arguments: Sequence[str]
    says: str
    """What has to stand in the output."""
    status: int = 4
    files: dict[str, str | bytes] | None = None
    """Files in the folder that `@` stands for in the arguments."""
    module: str = "pytest"
    slow: bool = False


def row(fen: str = MATES[2][0], moves: str = MATES[2][1], rating: str = "1500", themes: str = "mate") -> str:
    """A puzzle file of one puzzle."""
    return f"{','.join(COLUMNS)}\np1,{fen},{moves},{rating},80,90,10,{themes},,\n"


SESSIONS = (
    Bad("no time for a request", ["--request-timeout", "0"], "--request-timeout: '0': must be a number of"),
    Bad("negative time for a request", ["--request-timeout", "-5"], "must be a number of seconds above 0"),
    Bad("no time to start", ["--startup-timeout", "-1"], "must be a number of seconds above 0"),
    Bad("temperature that is no number", ["--temperature", "nan"], "--temperature: 'nan': must be"),
    Bad("negative temperature", ["--temperature", "-1"], "must be a number from 0"),
    Bad("nucleus above 1", ["--top-p", "5"], "must be a number above 0 and up to 1"),
    Bad("limit of nothing", ["--limit", "0"], "must be at least 1"),
    Bad("no request in flight", ["--concurrency", "0"], "must be at least 1"),
    Bad("samples that are all the same", ["--samples", "3"], "--temperature above 0"),
    Bad("ratings in words", ["--ratings", "high"], "give two numbers such as 1200-1600"),
    Bad("unknown theme", ["--themes", "mateIn"], "mateIn1"),
    Bad("one known and one unknown theme", ["--themes", "mateIn1,frok"], "frok"),
    Bad("two models", ["--model", "a", "--model", "b"], "a run is about one model"),
    Bad("mistyped task of a model", ["--model", "moves=m1"], "did you mean move=m1?"),
    Bad("model that is not served", ["--model", "pawn-v9"], "model 'pawn-v9' is not served"),
    Bad("attach to nothing", ["--attach"], "give --serve modal with it"),
    Bad("spec and base URL", ["--spec", "chess-puzzle"], "give one of the two"),
    Bad("strata without a limit", ["--stratify"], "give a --limit with it"),
    Bad("run folder is a file", ["--run-dir", "@/gates.toml"], "is a file", files={"gates.toml": GOOD}),
    Bad("run folder that cannot be made", ["--run-dir", "/proc/x"], "/proc/x"),
    Bad("engine that is not there", ["--engine", "deeper-blue"], "is not there"),
    Bad("engine that is none", ["--engine", "/bin/cat"], "UCI", slow=True),  # it has ten seconds to answer
    Bad("no gates file", ["--gates", "@/nowhere.toml"], "cannot be read"),
    Bad("no gates file, with workers", ["-n", "2", "--gates", "@/nowhere.toml"], "cannot be read"),
    Bad("gates in Latin-1", ["-n", "2", "--gates", "@/g"], "UTF-8", files={"g": b"# \xe9\n"}),
    Bad("gates of an unknown task", ["--gates", "@/g"], "move", files={"g": gates(task="moves")}),
    Bad("gates of an unknown rate", ["--gates", "@/g"], "solved", files={"g": gates(rate="sloved")}),
    Bad("gates in percent", ["--gates", "@/g"], "0.4", files={"g": gates(least="at_least = 40")}),
    Bad("gates of an unknown check", ["--gates", "@/g"], "closed",
        files={"g": gates(task="reasoning", rate="checks.clsoed")}),
    Bad("gates with an unknown key", ["--gates", "@/g"], "at_least",
        files={"g": gates(least="atleast = 0.5")}),
    Bad("margin in percent", ["--gates", "@/g"], "for 5% say 0.05",
        files={"g": against("not_worse_than = 5")}),
    Bad("a gate that is not better", ["--gates", "@/g"], "better = False is not true",
        files={"g": against("better = false")}),
    Bad("a gate with two claims", ["--gates", "@/g"], "give one",
        files={"g": against("better = true\nnot_worse_than = 0.05")}),
    Bad("baseline of an absolute gate", ["--gates", "@/g"], "only not_worse_than and better compare",
        files={"g": GOOD + "baseline = 'v1'\n"}),
    Bad("baseline that is not there", ["--baseline", "v9"], "no baseline 'v9': stored are"),
    Bad("baseline that is not there, with workers", ["-n", "2", "--baseline", "@/v9.jsonl"], "no baseline"),
    Bad("baseline that is no run", ["--baseline", "@"], "is not a run"),
    Bad("empty baseline", ["--baseline", "@/b.jsonl"], "b.jsonl:1: not the first line",
        files={"b.jsonl": ""}),
    Bad("baseline of anything", ["--baseline", "@/b.jsonl"], "b.jsonl:1: not the first line",
        files={"b.jsonl": "{}\n"}),
    Bad("baseline that is no text", ["--baseline", "@/b.jsonl"], "b.jsonl:1: not the first line",
        files={"b.jsonl": b"\x00\xff\n"}),
    Bad("two baselines of one name", ["--baseline", "@/b.jsonl", "--baseline", "@/b.jsonl"],
        "two baselines are called 'b'", files={"b.jsonl": EMPTY}),
    Bad("baseline changed by hand", ["--baseline", "@/b.jsonl"], "was changed after it was blessed",
        files={"b.jsonl": BLESSED}),
    Bad("baseline model that is not served", ["--baseline-model", "v9"], "model 'v9' is not served"),
    Bad("blessed under a path that is no file", ["--bless", "../v1"], "give a name of letters"),
    Bad("blessed under no name", ["--bless", ""], "give a name of letters"),
    Bad("tried without a blessing", ["--tried", "3"], "give a --bless with it"),
    Bad("tried nothing", ["--bless", "v1", "--tried", "0"], "must be at least 1"),
    Bad("rechecked without a baseline", ["--recheck", "5"], "give a --baseline with it"),
    Bad("rechecked in part", ["--baseline", "v1", "--recheck", "0.5"], "must be at least 0"),
    Bad("inconclusive as what", ["--inconclusive", "maybe"], "invalid choice: 'maybe'"),
    Bad("gate instead of a list of gates", ["--gates", "@/g"], "[[gate]]",
        files={"g": GOOD.replace("[[gate]]", "[gate]")}),
    Bad("gates that are no TOML", ["--gates", "@/g"], "TOML", files={"g": "[[gate]\n"}),
    Bad("no format", ["--format", "@/nowhere.toml"], "cannot be read"),
    Bad("unknown shipped format", ["--format", "defualt"], "shipped are default, san, text"),
    Bad("format with an unknown key", ["--format", "@/f.toml"], "did you mean 'system'?",
        files={"f.toml": f"{FORMAT}sytem = 'x'\n"}),
    Bad("format with an unknown shape", ["-n", "2", "--format", "@/f.toml"], "f.toml:3",
        files={"f.toml": FORMAT.replace("'uci'", "'usi'")}),
    Bad("placeholder of another question", ["--format", "@/f.toml"], "{square}",
        files={"f.toml": FORMAT.replace("{fen}", "{fen} {square}")}),
    Bad("pattern without a group", ["--format", "@/f.toml"], "group",
        files={"f.toml": FORMAT.replace("'uci'", CUE)}),
    Bad("format that cannot score its own answers", ["--format", "@/f.toml"], "cannot score its own",
        files={"f.toml": FORMAT.replace("'uci'", CUE.replace("m.*", "m (..)"))}),
    Bad("format that does not ask what is selected", ["--format", "@/f.toml", "-m", "board"],
        "there is nothing to ask", files={"f.toml": FORMAT}),
    Bad("format that does not ask it, with workers", ["-n", "2", "--format", "@/f.toml", "-m", "board"],
        "there is nothing to ask", files={"f.toml": FORMAT}),
    Bad("last move of puzzles without one", ["--format", "@/f.toml", "--puzzles", "@/p.csv",
        "--position", "solver"], "{last_move}",
        files={"f.toml": FORMAT.replace("{fen}", "{fen} {last_move}"),
               "p.csv": row(fen=solver_fen(2), moves=MATES[2][1].split()[1])}),
    Bad("no puzzle file", ["--puzzles", "@/nowhere.csv"], "no such puzzle file"),
    Bad("puzzles from the web", ["--puzzles", "https://example.org/p.csv"], "download"),
    Bad("empty puzzle file", ["--puzzles", "@/p.csv"], "empty", files={"p.csv": ""}),
    Bad("puzzles without a header", ["--puzzles", "@/p.csv"], "header", files={"p.csv": "a,b\n1,2\n"}),
    Bad("puzzle with an illegal FEN", ["--puzzles", "@/p.csv"], ":2",
        files={"p.csv": row(fen="8/8/8 w - - 0 1")}),
    Bad("puzzle with an illegal move", ["-n", "2", "--puzzles", "@/p.csv"], ":2",
        files={"p.csv": row(moves="a3a2 d1e8")}),
    Bad("puzzle with no rating", ["--puzzles", "@/p.csv"], ":2", files={"p.csv": row(rating="100000")}),
    Bad("unknown field of a puzzle file", ["--columns", "fem=q"], "did you mean fen=q?"),
    Bad("field without a column", ["--columns", "fen"], "give FIELD=NAME"),
    Bad("field with two columns", ["--columns", "fen=a,fen=b"], "given twice"),
    Bad("column that is not there", ["--puzzles", "@/p.csv", "--columns", "fen=FENN"], "did you mean 'FEN'?",
        files={"p.csv": row()}),
    Bad("Lichess file read from the solver's side", ["--puzzles", "@/p.csv", "--position", "solver"],
        "give --position before", files={"p.csv": row()}),
    Bad("solver's positions read as Lichess", ["--puzzles", "@/p.csv"], "give --position solver",
        files={"p.csv": row(moves=MATES[2][1].split()[0])}),
    Bad("ratings of a file that has none", ["--puzzles", "@/p.csv", "--columns", "fen=F,moves=M",
        "--ratings", "1000-1200"], "none has a rating",
        files={"p.csv": f"F,M\n{MATES[2][0]},{MATES[2][1]}\n"}),
    Bad("nothing but bad puzzles", ["--skip-bad-puzzles", "--puzzles", "@/p.csv"], "bad",
        files={"p.csv": row(moves="a3a2 d1e8")}),
    Bad("format without its cases", ["-m", "format"], "none is selected", status=1),
)  # fmt: skip

COMMANDS = (
    Bad("compare nothing", ["compare", "@/a", "@/b"], "is not a run", status=2, module="evals"),
    Bad("compare without a second run", ["compare", "@"], "CANDIDATE", status=2, module="evals"),
    Bad("compare a torn run", ["compare", "@", "@"], "verdicts.jsonl", status=2, module="evals",
        files={"run.json": '{"status": "finished"}', "verdicts.jsonl": '{"case": "mo'}),
    Bad("margin of a comparison in percent", ["compare", "a", "b", "--margin", "5"], "for 5% say 0.05",
        status=2, module="evals"),
    Bad("compare with a baseline of anything", ["compare", "@/b.jsonl", "@"], "not the first line", status=2,
        module="evals", files={"b.jsonl": "[]\n"}),
    Bad("tournament of one run", ["tournament", "@"], "RUN", status=2, module="evals"),
    Bad("tournament of nothing", ["tournament", "@/a", "@/b"], "is not a run", status=2, module="evals"),
    Bad("tournament with a run twice", ["tournament", "@", "@"], "is given twice", status=2, module="evals",
        files={"run.json": '{"status": "finished"}', "verdicts.jsonl": ""}),
    Bad("replay nothing", ["replay", "@/a"], "is not a run", status=2, module="evals"),
    Bad("replay a run that asked nothing", ["replay", "@"], "puzzles.csv cannot be read", status=2,
        module="evals", files={"run.json": '{"status": "finished"}', "verdicts.jsonl": ""}),
    Bad("replay with an option that is none", ["replay", "@", "--fast"], "--fast", status=2, module="evals",
        files={"run.json": '{"status": "finished"}', "verdicts.jsonl": ""}),
    Bad("format that is not stored", ["diff-format", "a", "b"], "no format", status=2, module="evals"),
    Bad("unknown serve spec", ["command", "chess-puzle"], "chess-puzzle", status=1, module="serve"),
    Bad("serve spec of missing folders", ["command", "@/s.toml"], "nowhere", status=1, module="serve",
        files={"s.toml": "base = './nowhere'\n"}),
    Bad("serve spec with an unknown key", ["command", "@/s.toml"], "max_lora_rank", status=1, module="serve",
        files={"s.toml": "base = 'a/b'\nmax_lora_rnak = 8\n"}),
    Bad("port that is none", ["local", "pawn", "--port", "http"], "--port", status=2, module="serve"),
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What came of a bad input."""

    status: int
    output: str

    @property
    def traceback(self) -> bool:
        """True where the user was shown the inside of the program."""
        return any(sign in self.output for sign in ("Traceback", "INTERNALERROR", 'File "'))


def give(bad: Bad, folder: Path, base_url: str) -> Said:
    """Give the bad input to the program."""
    for name, content in (bad.files or {}).items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    arguments = [argument.replace("@", str(folder)) for argument in bad.arguments]
    if bad.module != "pytest":
        done = run_module(bad.module, *arguments)
        return Said(done.returncode, done.stdout + done.stderr)
    common = ["evals", "--base-url", base_url, "--no-preflight", "--run-dir", str(folder / "run")]
    if "-m" not in arguments:
        common += ["-m", "move"]
    if "--puzzles" not in arguments:
        common += ["--puzzles", str(write_mates(folder / "mates.csv", 6))]
    done = run_pytest(*common, *arguments)
    return Said(done.returncode, done.stdout + done.stderr)


def telling(output: str) -> str:
    """The line of an output that says what was wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if "error: " in line.lower() or line.startswith(("E  ", "FAILED"))]
    return (marked or lines or ["(nothing)"])[-1]


def show(server: Loopback, table: Sequence[Bad], say: Callable[[str], None] = print) -> bool:
    """Print the table; returns whether every row is as it should be."""
    good = True
    for bad in table:
        with tempfile.TemporaryDirectory() as folder:
            said = give(bad, Path(folder), server.base_url)
        right = said.status == bad.status and bad.says in said.output and not said.traceback
        good = good and right
        say(f"{'ok' if right else 'NO':<4}{bad.name:<36}{said.status:>3}  {telling(said.output)[:200]}")
    return good


def main() -> int:
    """Print every bad input with its exit status and what is said of it."""
    with Loopback(Player()) as server:
        return 0 if show(server, (*SESSIONS, *COMMANDS)) else 1


if __name__ == "__main__":
    sys.exit(main())
