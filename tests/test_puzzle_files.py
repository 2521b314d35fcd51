"""Puzzle files: every form of file, files that cannot be used or do harm, and datasets of the Hub."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.loading import PuzzleFileError, load
from evals.puzzles.puzzle import COLUMNS
from tests.puzzle_files import HEADER, PUZZLES, compress, ids, row, write_csv, write_parquet

ODD_ROWS = (
    b'"',
    b'a,"b\r,c',
    b"\x00,,,,,,,,,",
    b"x,8/8/8/8/8/8/8/8 w - - 0 1,e2e4 e7e5,1,,,,,,",
    b"x,4k3/8/8/8/8/8/8/4K3 w - - 0 1,e1e2 0000,1,,,,,,",
    b"x,4k3/8/8/8/8/8/8/4K3 w - e9 x 1,e1e2 e8e7,1,,,,,,",
    b"x,k7/8/8/8/8/8/8/KKKKKKKK w KQkq - 0 1,a1a2 a8a7,1,,,,,,",
    b"x,4k3/8/8/8/8/8/8/4K3 w - - 0 1,N@a1 e8e7,1,,,,,,",
)

# --- forms of file ---


def test_a_csv_file_is_loaded_in_its_order(tmp_path: Path):
    loaded = load([write_csv(tmp_path / "mine.csv")])
    assert list(loaded.puzzles) == PUZZLES
    assert [each.name for each in loaded.sets] == ["mine"]
    assert {puzzle.set for puzzle in loaded.puzzles} == {"mine"}
    assert (loaded.sets[0].rows, loaded.sets[0].bad) == (60, 0)


def test_compressed_and_plain_files_hold_the_same(tmp_path: Path):
    plain = load([write_csv(tmp_path / "mine.csv")])
    packed = load([compress(tmp_path / "mine.csv")])
    assert packed.puzzles == plain.puzzles
    assert packed.sets[0].name == plain.sets[0].name
    assert packed.digest == plain.digest


def test_a_compressed_file_may_have_several_frames(tmp_path: Path):
    text = write_csv(tmp_path / "mine.csv").read_bytes()
    packed = tmp_path / "mine.csv.zst"
    packed.write_bytes(zstandard.compress(text[:1000]) + zstandard.compress(text[1000:]))
    assert list(load([packed]).puzzles) == PUZZLES


def test_a_parquet_file_of_the_hub_has_its_columns_mapped(tmp_path: Path):
    puzzle = load([write_parquet(tmp_path / "mine.parquet")]).puzzles[4]
    expected = PUZZLES[4]
    assert (puzzle.id, puzzle.fen, puzzle.moves) == (expected.id, expected.fen, expected.moves)
    assert (puzzle.rating, puzzle.themes, puzzle.opening_tags) == (expected.rating, expected.themes, ())
    assert puzzle.game_url == "https://lichess.org/abcd1234"


def test_columns_may_stand_in_any_order_and_cells_in_quotes(tmp_path: Path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(["Rating", "Moves", "Extra", "FEN", "PuzzleId"])
        writer.writerows([p.rating, " ".join(p.moves), "a, b", p.fen, p.id] for p in PUZZLES)
    assert [(p.id, p.fen, p.moves) for p in load([path]).puzzles] == [(p.id, p.fen, p.moves) for p in PUZZLES]


def test_a_folder_stands_for_its_puzzle_files(tmp_path: Path):
    write_csv(tmp_path / "b.csv", PUZZLES[:2])
    write_csv(tmp_path / "a.csv", PUZZLES[2:4])
    (tmp_path / "notes.txt").write_text("not a puzzle file")
    loaded = load([tmp_path])
    assert [each.name for each in loaded.sets] == ["a", "b"]
    assert ids(loaded.puzzles) == ["p0002", "p0003", "p0000", "p0001"]


@given(st.lists(st.binary(max_size=60) | st.sampled_from(ODD_ROWS), max_size=8))
def test_no_content_does_more_than_be_bad(rows: list[bytes]):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "odd.csv")
        path.write_bytes(HEADER + b"\n".join([*rows, row(PUZZLES[0])]))
        loaded = load([path], skip_bad=True)
        assert PUZZLES[0] in loaded.puzzles
        assert len(loaded.puzzles) + loaded.sets[0].bad + loaded.sets[0].duplicates == loaded.sets[0].rows
        if loaded.sets[0].bad:
            with pytest.raises(PuzzleFileError, match=r"odd\.csv:\d+: "):
                load([path])


# --- files that cannot be used ---


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "no such puzzle file"),
        ("empty.csv", b"", "the file is empty"),
        ("headless.csv", b"a,b,c\n1,2,3\n", "wrong header: no PuzzleId, FEN, Moves, Rating"),
        ("bare.csv", HEADER, "there is a header, but no puzzle"),
        ("garbage.csv.zst", b"not compressed at all", "not a sound Zstandard file"),
        ("short.csv.zst", zstandard.compress(HEADER + row(PUZZLES[0]) * 999)[:-9], "cut short"),
        ("garbage.parquet", b"PAR1 not a table PAR1", "not a sound Parquet file"),
        ("mates.pgn", b"1. e4 e5", "not a kind of puzzle file"),
        ("folder", None, "no such puzzle file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes | None, message: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PuzzleFileError) as caught:
        load([path], limit=5)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_puzzles_is_named(tmp_path: Path):
    with pytest.raises(PuzzleFileError, match="no puzzle file"):
        load([tmp_path])


def test_two_sets_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "other").mkdir()
    with pytest.raises(PuzzleFileError, match="'mine' is already there"):
        load([write_csv(tmp_path / "mine.csv"), write_csv(tmp_path / "other" / "mine.csv")])


@pytest.mark.parametrize(
    ("address", "shown", "advice"),
    [
        ("https://example.org/x.csv", "https://example.org/x.csv", "download the file and give its path"),
        ("HTTP://me:pa55@example.org/x.csv?key=5ecret#a", "HTTP://example.org/x.csv", "download the file"),
        ("s3://bucket/x.parquet", "s3://bucket/x.parquet", "'hf://datasets/<owner>/<name>'"),
        (
            "https://huggingface.co/datasets/Lichess/chess-puzzles/tree/main",
            "https://huggingface.co/datasets/Lichess/chess-puzzles/tree/main",
            "write 'hf://datasets/Lichess/chess-puzzles'",
        ),
    ],
)
def test_an_address_of_the_web_says_what_to_do(address: str, shown: str, advice: str):
    """Audit 16: `--puzzles https://...` is "no such puzzle file"; what may be secret in it is not shown."""
    with pytest.raises(PuzzleFileError) as caught:
        load([address])
    assert str(caught.value).startswith(f"{shown}: ")
    assert advice in str(caught.value)
    assert "pa55" not in str(caught.value)
    assert "5ecret" not in str(caught.value)


def test_a_folder_that_is_called_a_file_is_one_sentence(tmp_path: Path):
    (tmp_path / "odd.csv").mkdir()
    with pytest.raises(PuzzleFileError, match=r"cannot be read: Is a directory"):
        load([tmp_path])


def test_a_name_that_cannot_be_printed_does_not_reach_test_ids(tmp_path: Path):
    """Audit 24: a lone surrogate in an id ends a session with workers."""
    path = write_csv(tmp_path / "my \x1b\udcff set.csv")
    assert load([path]).sets[0].name == "my-set"


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_parquet(tmp_path / "mine.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PuzzleFileError, match=r"eighth-rank\[parquet\]"):
        load([path])


# --- files that are made to do harm ---


def _plain(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def _zst(path: Path, *parts: bytes, window_log: int = 20) -> Path:
    settings = zstandard.ZstdCompressionParameters(window_log=window_log)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()  # writes no size
    path.write_bytes(b"".join(packer.compress(part) for part in parts) + packer.flush())
    return path


def _long_id_in_each_row(path: Path) -> Path:
    return write_parquet(path, PUZZLES * 20, PuzzleId=["x" * 20_000] * len(PUZZLES) * 20)


def _long_ids_of_their_own(path: Path) -> Path:
    ids_of_a_megabyte = [f"{number}".ljust(1 << 20, "x") for number in range(len(PUZZLES))]
    return write_parquet(path, PUZZLES, use_dictionary=False, PuzzleId=ids_of_a_megabyte)


def _many_rows(path: Path) -> Path:
    pyarrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    column = pyarrow.array(["x"]).take(pyarrow.array([0] * 200_000))
    columns = dict.fromkeys(("PuzzleId", "FEN", "Moves", "Rating"), column)
    parquet.write_table(pyarrow.table(columns), path, compression="zstd")
    return path


LONG_LINE = b"x" * 20_000 + b",\n"
HARMFUL: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty lines": (lambda p: _zst(p / "x.csv.zst", HEADER, b"\n" * (64 << 20)), "more than 1,000 times"),
    "one line": (lambda p: _zst(p / "x.csv.zst", HEADER, b"x" * (64 << 20)), "more than 1,000 times"),
    "small frames": (
        lambda p: _plain(
            p / "x.csv.zst", zstandard.compress(HEADER), zstandard.compress(b"x\n" * 500_000) * 99
        ),
        "more than 1,000 times",
    ),
    "packed long line": (
        lambda p: _zst(p / "x.csv.zst", HEADER, LONG_LINE),
        ":2: a line of more than 16,384 bytes",
    ),
    "endless packed line": (
        lambda p: _plain(
            p / "x.csv.zst", zstandard.compress(HEADER + random.randbytes(200_000).hex().encode())[:-9]
        ),
        ":2: a line of more than 16,384 bytes",
    ),
    "window": (lambda p: _zst(p / "x.csv.zst", HEADER, window_log=28), "packed with --long"),
    "long line": (lambda p: _plain(p / "x.csv", HEADER, LONG_LINE), ":2: a line of more than 16,384 bytes"),
    "long header": (lambda p: _plain(p / "x.csv", LONG_LINE, HEADER), ":1: a line of more than 16,384 bytes"),
    "plain empty lines": (
        lambda p: _plain(p / "x.csv", HEADER, b"\n \r\n" * 5_001),
        ":10002: more than 10,000 empty lines",
    ),
    "value of Parquet": (
        lambda p: _long_id_in_each_row(p / "x.parquet"),
        "a value of more than 16,384 bytes",
    ),
    "values of Parquet": (lambda p: _long_ids_of_their_own(p / "x.parquet"), "more than 1,000 times"),
    "rows of Parquet": (lambda p: _many_rows(p / "x.parquet"), "more than 1,000 times"),
}


@pytest.mark.slow  # a process of its own for each file, to measure what memory it takes
@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("kind", HARMFUL)
def test_a_small_file_does_not_fill_the_memory(tmp_path: Path, kind: str, limit: int | None):
    """Audit 29: a `.zst` of 32 KB that unpacks to gigabytes of newlines ends in MemoryError."""
    make, message = HARMFUL[kind]
    path = make(tmp_path)
    with pytest.raises(PuzzleFileError) as caught:
        load([path], limit=limit, skip_bad=True)
    assert str(caught.value).startswith(f"{path}:")
    assert message in str(caught.value)
    assert len(str(caught.value).removeprefix(str(path))) < 400


def test_lines_and_empty_lines_within_the_bounds_are_read(tmp_path: Path):
    long = HEADER.replace(b"\n", b",More\n")
    lines = [row(puzzle).replace(b"\n", b"," + b"x" * 16_000 + b"\n") for puzzle in PUZZLES[:3]]
    for path in (
        _plain(tmp_path / "a.csv", long, b"\n" * 9_000, *lines),
        _zst(tmp_path / "b.csv.zst", long, b"\n" * 9_000, *lines, b"\n"),
    ):
        assert list(load([path]).puzzles) == PUZZLES[:3]


# --- memory ---

PEAK = """
import resource, sys
from evals.puzzles.loading import load
loaded = load([sys.argv[1]], limit=50, seed=1)
print(loaded.sets[0].rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _grow(path: Path, rows: int) -> Path:
    """A compressed file of many rows: the same positions under other ids."""
    lines = [",".join(puzzle.to_row().values()).partition(",")[2] for puzzle in PUZZLES]
    with path.open("wb") as stream, zstandard.ZstdCompressor(level=1).stream_writer(stream) as packed:
        packed.write((",".join(COLUMNS) + "\n").encode())
        for start in range(0, rows, 1000):
            block = (f"x{start + at:07},{lines[at % len(lines)]}\n" for at in range(1000))
            packed.write("".join(block).encode())
    return path


@pytest.mark.slow  # processes of their own, to measure what memory they take
def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    peaks: list[int] = []
    for rows in (2_000, 200_000):
        path = _grow(tmp_path / f"rows{rows}.csv.zst", rows)
        output = subprocess.run(
            [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
        )
        read, peak = map(int, output.stdout.split())
        assert read == rows
        peaks.append(peak)  # KiB
    assert peaks[1] - peaks[0] < 20 * 1024


# --- the Hub ---

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
import json, sys
from evals.puzzles.files import PuzzleFileError
from evals.puzzles.loading import load
try:
    loaded = load([sys.argv[1]])
    print(json.dumps([loaded.sets[0].name, loaded.sets[0].source, [p.id for p in loaded.puzzles]]))
except PuzzleFileError as error:
    print(json.dumps(str(error)))
"""


@contextmanager
def _hub(files: dict[str, bytes]) -> Generator[str]:
    """A Hub on a loopback port with one dataset, `someone/puzzles`: as much as the real client asks for."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            name = path.rpartition(f"/resolve/{COMMIT}/")[2]
            if path.startswith("/api/datasets/someone/puzzles/revision/"):
                content = json.dumps({"id": "someone/puzzles", "sha": COMMIT, "siblings": []}).encode()
            elif path.startswith(f"/api/datasets/someone/puzzles/tree/{COMMIT}"):
                tree = [
                    {"type": "file", "path": p, "size": len(f), "oid": "0" * 40} for p, f in files.items()
                ]
                content = json.dumps(tree).encode()
            elif name in files:
                content = files[name]
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _load_from_hub(address: str, endpoint: str, home: Path, **environment: str) -> Any:
    """In a process of its own, because huggingface_hub reads its environment once."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    output = subprocess.run(
        [sys.executable, "-c", LOAD, address],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(output.stdout)


@pytest.mark.slow  # processes of their own, as huggingface_hub reads its address once
def test_a_dataset_of_the_hub_is_resolved_to_a_commit_and_then_needs_no_network(tmp_path: Path):
    files = {
        "README.md": b"# Puzzles",
        "data/train-0.parquet": write_parquet(tmp_path / "0.parquet", PUZZLES[:3]).read_bytes(),
        "data/train-1.parquet": write_parquet(tmp_path / "1.parquet", PUZZLES[3:5]).read_bytes(),
    }
    expected = ["puzzles", f"hf://datasets/someone/puzzles@{COMMIT}", [p.id for p in PUZZLES[:5]]]
    with _hub(files) as endpoint:
        assert _load_from_hub("hf://datasets/someone/puzzles@main", endpoint, tmp_path / "home") == expected
        absent = _load_from_hub("hf://datasets/someone/else", endpoint, tmp_path / "home")
        assert absent.startswith("hf://datasets/someone/else: the dataset cannot be had from the Hub")
    pinned = f"hf://datasets/someone/puzzles@{COMMIT}"
    assert _load_from_hub(pinned, endpoint, tmp_path / "home", HF_HUB_OFFLINE="1") == expected
    missing = _load_from_hub(pinned, endpoint, tmp_path / "elsewhere", HF_HUB_OFFLINE="1")
    assert "cannot be had from the Hub" in missing


@pytest.mark.slow  # a process of its own, as huggingface_hub reads its address once
def test_a_dataset_may_hold_csv_and_one_of_its_files_may_be_named(tmp_path: Path):
    files = {
        "a.csv": write_csv(tmp_path / "a.csv", PUZZLES[:2]).read_bytes(),
        "b.csv": write_csv(tmp_path / "b.csv", PUZZLES[2:4]).read_bytes(),
    }
    with _hub(files) as endpoint:
        everything = _load_from_hub("hf://datasets/someone/puzzles", endpoint, tmp_path / "one")
        assert everything[2] == ["p0000", "p0001", "p0002", "p0003"]
        one = _load_from_hub("hf://datasets/someone/puzzles@main/b.csv", endpoint, tmp_path / "two")
        assert one[1:] == [f"hf://datasets/someone/puzzles@{COMMIT}/b.csv", ["p0002", "p0003"]]


def test_an_address_that_is_none_says_what_one_is():
    with pytest.raises(PuzzleFileError, match="hf://datasets/<owner>/<name>"):
        load(["hf://models/someone/puzzles"])
