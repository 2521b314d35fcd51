"""`python -m evals adopt`: the format file of an adapter, from the rows that it was trained on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from evals.adopting.adopt import Adopted, Choices, adopt
from evals.adopting.positions import FEN
from evals.adopting.push import push
from evals.adopting.rows import AdoptError, Row, read_rows
from evals.adopting.samples import Columns
from evals.adopting.shapes import Hints
from evals.formats.file import FormatError, load_format, parse_format
from evals.formats.format import WANTS
from evals.puzzles.files import PuzzleFileError, rows
from evals.puzzles.puzzle import COLUMNS, Puzzle, PuzzleError, parse_row
from evals.puzzles.sets import HUB, find_sets
from serve.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="training rows: .jsonl, .csv, .parquet, or hf://datasets/owner/name[@rev][/path]",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="the format file; a question is added to one that exists",
    )
    add(
        "--rows", type=int, default=60, help="how many rows are read, spread over the first 5000 (default 60)"
    )
    add("--question", default="", metavar="COL", help="the column of what is asked")
    add("--answer", default="", metavar="COL", help="the column of what is answered")
    add("--fen-column", default="", metavar="COL", help="the column of the FEN")
    add("--moves-column", default="", metavar="COL", help="the column of the puzzle's moves")
    add("--fen", choices=("first", "last"), help="which of two FENs that vary is the question's")
    add(
        "--legal-order",
        choices=("generated", "sorted"),
        help="the order of the legal moves that a prompt lists",
    )
    add(
        "--task", default="", choices=tuple(WANTS), metavar="NAME", help=f"what was asked: {', '.join(WANTS)}"
    )
    add("--field", default="", metavar="PATH", help="the field of a JSON answer that holds it")
    add("--cue", default="", metavar="TEXT", help="what stands right before the move in an answer")
    add("--puzzles", metavar="FILE", help="the puzzle file that the rows were made of")
    add("--anyway", action="store_true", help="write the file although the rows teach the opponent's move")
    add("--push", metavar="REPO", help="put the file into the adapter's Hub repository, as a pull request")


def run(options: argparse.Namespace) -> int:
    """Make the file. Returns 1 where the rows are at fault and no file is written.

    :raises AdoptError: see `evals.adopting.adopt.adopt`.
    :raises OSError: the file cannot be written.
    """
    if options.rows < 2:
        raise AdoptError("--rows: two at least, or nothing varies")
    source, read = read_rows(options.source, options.rows)
    # A path of this machine says nothing where the adapter is.
    shown = source if source.startswith(HUB) else Path(source).name
    choices = Choices(
        Columns(options.question, options.answer, options.fen_column, options.moves_column),
        Hints(options.task, options.field, options.cue),
        options.fen,
        options.legal_order,
        options.anyway,
    )
    puzzles = _puzzles(options.puzzles, read)
    adopted = adopt(read, choices, puzzles, shown, date.today().isoformat())
    if adopted.fault is not None and not options.anyway:
        print(f"{adopted.fault}. No file is written; --anyway writes it all the same")
        return 1
    text = _added(options.out, adopted)
    options.out.write_text(text, encoding="utf-8", newline="\n")
    load_format(options.out)
    print("\n".join(_said(adopted, options.out)))
    if options.puzzles and not puzzles:
        print("note: no row has the id of a puzzle of --puzzles, or its FEN as it stands in the file")
    if options.push:
        print(f"pull request: {printable(push(text, options.push))}")
    return 0


def _puzzles(file: str | None, read: Sequence[tuple[int, Row]]) -> dict[str, Puzzle]:
    """The puzzles that training rows name or show, by id and by FEN."""
    puzzles: dict[str, Puzzle] = {}
    if file is None:
        return puzzles
    said = [(_text_of(row), row.get("PuzzleId", row.get("id"))) for _, row in read]
    wanted = {str(name) for _, name in said if name} | {fen for text, _ in said for fen in FEN.findall(text)}
    try:
        for each in find_sets([file]):
            for row in (row for path in each.files for row in rows(path, each.name)):
                if wanted.isdisjoint(row.cells[:2]):
                    continue
                puzzle = parse_row(dict(zip(COLUMNS, row.cells, strict=True)), row.set, unrated=True)
                puzzles[puzzle.id] = puzzles[puzzle.fen] = puzzle
    except (PuzzleFileError, PuzzleError) as error:
        raise AdoptError(f"--puzzles: {error}") from error
    return puzzles


def _text_of(row: Row) -> str:
    return "\n".join(str(value) for value in row.values())


def _added(out: Path, adopted: Adopted) -> str:
    """The file's text, with the questions that it has already."""
    if not out.exists():
        return adopted.text
    try:
        before = load_format(out)
        if adopted.question in before.questions:
            raise AdoptError(
                f"{printable(str(out))} has a [{adopted.question}] already: remove it, or name another file"
            )
        text = f"{out.read_text(encoding='utf-8').rstrip()}\n\n{adopted.text}"
        parse_format(text, str(out), out.parent)
    except FormatError as error:
        raise AdoptError(f"the question cannot be added to what is there: {error}") from error
    return text


def _said(adopted: Adopted, out: Path) -> Iterator[str]:
    yield "The first row's prompt, as the format makes it:"
    yield from (f"    {line}" for line in printable(adopted.filled, 4000, newlines=True).splitlines())
    but = ", but for how FENs are written" if adopted.respelled else ""
    yield f"prompts: {adopted.rows} of {adopted.rows} byte for byte equal to the rows'{but}"
    yield f"gold answers: {adopted.rows} of {adopted.rows} read back right, and the format scores its own"
    if adopted.fault:
        yield f"BUT {printable(adopted.fault)}"
    yield from (f"note: {printable(note, 600)}" for note in adopted.notes)
    yield f"[{adopted.question}] is written to {printable(str(out))}"
