"""Loading puzzles: every form of file, the seeded draw, and files that cannot be used."""

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
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from evals.puzzles.draw import Draw, Row, band, goal, priority
from evals.puzzles.loading import PuzzleFileError, load, read_quarantine
from evals.puzzles.puzzle import COLUMNS, Puzzle
from tests.positions import random_puzzle

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
THEMES = (("mate", "mateIn1"), ("advantage", "fork"), ("crushing",))


def _puzzles(count: int = 60, seed: int = 1) -> list[Puzzle]:
    rng = random.Random(seed)
    return [
        replace(random_puzzle(rng), id=f"p{index:04}", rating=600 + 20 * index, themes=THEMES[index % 3])
        for index in range(count)
    ]


PUZZLES = _puzzles()
HEADER = ",".join(COLUMNS).encode() + b"\n"
GOOD_ROW = ",".join(PUZZLES[0].to_row().values()).encode()


def _write(path: Path, puzzles: list[Puzzle] = PUZZLES) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(puzzle.to_row().values() for puzzle in puzzles)
    return path


def _compress(path: Path) -> Path:
    packed = path.with_suffix(".csv.zst")
    packed.write_bytes(zstandard.compress(path.read_bytes()))
    path.unlink()
    return packed


def _parquet(path: Path, puzzles: list[Puzzle] = PUZZLES) -> Path:
    """In the columns of the Lichess dataset on the Hub: numbers, lists, the game's id and no address."""
    pyarrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    columns: dict[str, Any] = {
        "PuzzleId": [p.id for p in puzzles],
        "GameId": ["abcd1234" for _ in puzzles],
        "FEN": [p.fen for p in puzzles],
        "Moves": [" ".join(p.moves) for p in puzzles],
        "Rating": [p.rating for p in puzzles],
        "Themes": [list(p.themes) for p in puzzles],
        "OpeningTags": [None for _ in puzzles],
    }
    parquet.write_table(pyarrow.table(columns), path)
    return path


def _ids(puzzles: tuple[Puzzle, ...]) -> list[str]:
    return [puzzle.id for puzzle in puzzles]


# --- forms of file ---


def test_a_csv_file_is_loaded_in_its_order(tmp_path: Path):
    loaded = load([_write(tmp_path / "mine.csv")])
    assert list(loaded.puzzles) == PUZZLES
    assert loaded.names == ("mine",)
    assert {puzzle.set for puzzle in loaded.puzzles} == {"mine"}
    assert (loaded.rows, loaded.bad) == (60, 0)


def test_compressed_and_plain_files_hold_the_same(tmp_path: Path):
    plain = load([_write(tmp_path / "mine.csv")])
    packed = load([_compress(tmp_path / "mine.csv")])
    assert packed.puzzles == plain.puzzles
    assert packed.names == plain.names
    assert packed.digest == plain.digest


def test_a_compressed_file_may_have_several_frames(tmp_path: Path):
    text = _write(tmp_path / "mine.csv").read_bytes()
    packed = tmp_path / "mine.csv.zst"
    packed.write_bytes(zstandard.compress(text[:1000]) + zstandard.compress(text[1000:]))
    assert list(load([packed]).puzzles) == PUZZLES


def test_a_parquet_file_of_the_hub_has_its_columns_mapped(tmp_path: Path):
    puzzle = load([_parquet(tmp_path / "mine.parquet")]).puzzles[4]
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
    _write(tmp_path / "b.csv", PUZZLES[:2])
    _write(tmp_path / "a.csv", PUZZLES[2:4])
    (tmp_path / "notes.txt").write_text("not a puzzle file")
    loaded = load([tmp_path])
    assert loaded.names == ("a", "b")
    assert _ids(loaded.puzzles) == ["p0002", "p0003", "p0000", "p0001"]


@given(st.lists(st.binary(max_size=60) | st.sampled_from(ODD_ROWS), max_size=8))
def test_no_content_does_more_than_be_bad(rows: list[bytes]):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "odd.csv")
        path.write_bytes(HEADER + b"\n".join([*rows, GOOD_ROW]))
        loaded = load([path], skip_bad=True)
        assert PUZZLES[0] in loaded.puzzles
        assert len(loaded.puzzles) + loaded.bad == loaded.rows
        if loaded.bad:
            with pytest.raises(PuzzleFileError, match=r"odd\.csv:\d+: "):
                load([path])


# --- the draw ---


def test_a_draw_is_the_same_from_any_form_and_order_of_file(tmp_path: Path):
    shuffled = random.Random(3).sample(PUZZLES, len(PUZZLES))
    draws = [
        _ids(load([path], limit=20, seed=1).puzzles)
        for path in (
            _write(tmp_path / "a.csv"),
            _compress(_write(tmp_path / "b.csv", shuffled)),
            _parquet(tmp_path / "c.parquet", shuffled),
        )
    ]
    assert draws[0] == draws[1] == draws[2]
    assert len(set(draws[0])) == 20


def test_a_smaller_draw_is_the_start_of_a_larger_one_and_a_seed_changes_it(tmp_path: Path):
    path = _write(tmp_path / "mine.csv")
    larger = _ids(load([path], limit=30, seed=1).puzzles)
    assert _ids(load([path], limit=10, seed=1).puzzles) == larger[:10]
    assert _ids(load([path], limit=30, seed=2).puzzles) != larger
    assert sorted(_ids(load([path], limit=1000, seed=1).puzzles)) == [puzzle.id for puzzle in PUZZLES]


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.sampled_from("ABC")), unique_by=lambda each: each[0]),
    st.integers(1, 40),
    st.integers(0, 3),
)
def test_a_draw_in_one_pass_equals_sorting_everything(rows: list[tuple[int, str]], size: int, seed: int):
    draw = Draw(size, seed)
    draw._room = size  # pyright: ignore[reportPrivateUsage]  # prune at every step: the hardest case
    for number, stratum in rows:
        draw.offer(Row("set", "file", number, [f"{number}"]), stratum)

    rank, ranked = Counter[str](), list[tuple[int, int, int]]()
    for number, stratum in sorted(rows, key=lambda row: priority(str(row[0]), seed)):
        ranked.append((rank[stratum], priority(str(number), seed), number))
        rank[stratum] += 1
    assert [row.line for row in draw.rows()] == [number for _, _, number in sorted(ranked)[:size]]


def test_every_puzzle_is_as_likely_to_be_drawn():
    drawn = Counter[int]()
    for seed in range(400):
        draw = Draw(5, seed)
        for number in range(20):
            draw.offer(Row("set", "file", number, [f"id{number}"]))
        drawn.update(row.line for row in draw.rows())
    assert set(drawn) == set(range(20))
    assert all(60 < count < 140 for count in drawn.values())  # 100 expected, standard deviation 9


def test_a_stratified_draw_takes_from_every_band_and_goal(tmp_path: Path):
    loaded = load([_write(tmp_path / "mine.csv")], limit=21, seed=1, stratify=True)
    strata = Counter((band(puzzle.rating), goal(puzzle.themes)) for puzzle in loaded.puzzles)
    everything = {(band(puzzle.rating), goal(puzzle.themes)) for puzzle in PUZZLES}
    assert set(strata) == everything
    assert max(strata.values()) - min(strata.values()) <= 1


def test_filters_keep_any_of_the_themes_and_both_ends_of_the_ratings(tmp_path: Path):
    loaded = load([_write(tmp_path / "mine.csv")], themes=["fork", "crushing"], ratings=(660, 700))
    assert [(p.rating, p.themes) for p in loaded.puzzles] == [(680, THEMES[1]), (700, THEMES[2])]
    assert (loaded.sets[0].rows, loaded.sets[0].matched) == (60, 2)


def test_quarantined_puzzles_are_never_asked(tmp_path: Path):
    quarantine = tmp_path / "quarantine.txt"
    quarantine.write_text("# wrong\np0003  # two solutions\n\np0007\n")
    ids = read_quarantine(quarantine)
    assert ids == {"p0003", "p0007"}
    loaded = load([_write(tmp_path / "mine.csv")], quarantine=ids)
    assert not ids & set(_ids(loaded.puzzles))
    assert (len(loaded.puzzles), loaded.sets[0].quarantined) == (58, 2)


def test_the_digest_says_what_is_asked(tmp_path: Path):
    path = _write(tmp_path / "mine.csv")
    assert load([path]).digest == load([path], limit=60, seed=9).digest
    assert load([path]).digest != load([path], limit=59).digest


# --- memory ---

PEAK = """
import resource, sys
from evals.puzzles.loading import load
loaded = load([sys.argv[1]], limit=50, seed=1)
print(loaded.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
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


# --- files that cannot be used ---


def _spoil(path: Path, line: int, change: Callable[[str], str]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[line - 1] = change(lines[line - 1])
    path.write_text("".join(lines))


def _duplicate(row: str) -> str:
    return row.replace("p0005", "p0001", 1)


def _without_number(row: str) -> str:
    return row.replace(",700,", ",strong,", 1)


def _without_last_cell(row: str) -> str:
    return row.rpartition(",")[0] + "\n"


def _without_position(row: str) -> str:
    return row.replace(PUZZLES[5].fen, "not a position")


def _without_legal_moves(row: str) -> str:
    return row.replace(" ".join(PUZZLES[5].moves), "a1a2 a1a2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_position, "illegal FEN 'not a position'"),
        (_duplicate, "'p0001' is there twice, first in"),
        (_without_number, "not a number"),
        (_without_last_cell, "9 cells, but the header has 10"),
        (_without_legal_moves, "illegal uci: 'a1a2'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line_or_passed_over_and_counted(
    tmp_path: Path, change: Callable[[str], str], message: str
):
    path = _write(tmp_path / "mine.csv")
    _spoil(path, 7, change)
    with pytest.raises(PuzzleFileError) as caught:
        load([path])
    assert str(caught.value).startswith(f"{path}:7: ")
    assert message in str(caught.value)

    loaded = load([path], skip_bad=True)
    assert (len(loaded.puzzles), loaded.bad) == (59, 1)
    assert message in loaded.sets[0].problems[0]


def test_bad_rows_in_a_draw_are_replaced_however_many(tmp_path: Path):
    good = _puzzles(40)
    wrong = [replace(puzzle, id=f"w{index:04}", fen="?") for index, puzzle in enumerate(_puzzles(40) * 20)]
    path = _write(tmp_path / "mine.csv", good + wrong)
    loaded = load([path], limit=30, seed=1, skip_bad=True)
    assert _ids(loaded.puzzles) == _ids(load([_write(tmp_path / "good.csv", good)], limit=30, seed=1).puzzles)
    assert loaded.bad


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.csv", None, "no such puzzle file"),
        ("empty.csv", b"", "the file is empty"),
        ("headless.csv", b"a,b,c\n1,2,3\n", "wrong header: no PuzzleId, FEN, Moves, Rating"),
        ("bare.csv", HEADER, "there is a header, but no puzzle"),
        ("garbage.csv.zst", b"not compressed at all", "not a sound Zstandard file"),
        ("short.csv.zst", zstandard.compress(HEADER + b"x" * 999_999)[:-9], "cut short"),
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
        load([_write(tmp_path / "mine.csv"), _write(tmp_path / "other" / "mine.csv")])


def test_one_puzzle_may_be_in_two_sets(tmp_path: Path):
    loaded = load([_write(tmp_path / "a.csv"), _write(tmp_path / "b.csv")], limit=120)
    assert len({(puzzle.set, puzzle.id) for puzzle in loaded.puzzles}) == 120


def test_a_limit_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least 1"):
        load([_write(tmp_path / "mine.csv")], limit=0)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = _parquet(tmp_path / "mine.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PuzzleFileError, match=r"eighth-rank\[parquet\]"):
        load([path])


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


def test_a_dataset_of_the_hub_is_resolved_to_a_commit_and_then_needs_no_network(tmp_path: Path):
    files = {
        "README.md": b"# Puzzles",
        "data/train-0.parquet": _parquet(tmp_path / "0.parquet", PUZZLES[:3]).read_bytes(),
        "data/train-1.parquet": _parquet(tmp_path / "1.parquet", PUZZLES[3:5]).read_bytes(),
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


def test_a_dataset_may_hold_csv_and_one_of_its_files_may_be_named(tmp_path: Path):
    files = {
        "a.csv": _write(tmp_path / "a.csv", PUZZLES[:2]).read_bytes(),
        "b.csv": _write(tmp_path / "b.csv", PUZZLES[2:4]).read_bytes(),
    }
    with _hub(files) as endpoint:
        everything = _load_from_hub("hf://datasets/someone/puzzles", endpoint, tmp_path / "one")
        assert everything[2] == ["p0000", "p0001", "p0002", "p0003"]
        one = _load_from_hub("hf://datasets/someone/puzzles@main/b.csv", endpoint, tmp_path / "two")
        assert one[1:] == [f"hf://datasets/someone/puzzles@{COMMIT}/b.csv", ["p0002", "p0003"]]


def test_an_address_that_is_none_says_what_one_is():
    with pytest.raises(PuzzleFileError, match="hf://datasets/<owner>/<name>"):
        load(["hf://models/someone/puzzles"])
