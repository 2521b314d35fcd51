"""Piece lists and drawn boards: what is written reads back, and half a board is none."""

from __future__ import annotations

import random

import chess
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.reading.pieces import name_pieces, read_ascii, read_pieces, write_pieces
from tests.positions import random_board

seeds = st.integers(0, 2**32)
START = chess.Board()
DRAWN = str(START)
ROWS = DRAWN.split("\n")


def any_board(seed: int) -> chess.Board:
    """A position of random play, or any pieces at all on the board, one side or both sides."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return random_board(rng)
    board = chess.Board(None)
    for square in rng.sample(chess.SQUARES, rng.randrange(33)):
        board.set_piece_at(square, chess.Piece(rng.choice(chess.PIECE_TYPES), rng.random() < 0.7))
    return board


@given(seeds)
def test_a_list_of_pieces_reads_back(seed: int) -> None:
    board = any_board(seed)
    assert read_pieces(write_pieces(board)) == name_pieces(board)


def test_a_list_of_pieces_goes_from_the_king_down() -> None:
    board = chess.Board("4k3/p7/8/8/8/8/PP6/QN2KB1R b - - 0 1")
    assert write_pieces(board) == "White: Ke1, Qa1, Rh1, Bf1, Nb1, Pa2, Pb2\nBlack: Ke8, Pa7"


def with_labels(board: chess.Board) -> str:
    rows = str(board).split("\n")
    return "\n".join([*(f"{8 - n} {row} {8 - n}" for n, row in enumerate(rows)), "  a b c d e f g h"])


def with_bars(board: chess.Board) -> str:
    """Blank squares between bars, with borders."""
    border = "+---" * 8 + "+"
    rows = list[str]()
    for row in str(board).split("\n"):
        cells = [" " if cell == "." else cell for cell in row.split(" ")]
        rows += [border, f"| {' | '.join(cells)} |"]
    return "\n".join([*rows, border])


@given(seeds)
def test_a_drawn_board_reads_back(seed: int) -> None:
    board = any_board(seed)
    drawn = str(board)
    for text in (
        drawn,
        drawn.replace(" ", ""),
        drawn.replace(".", "-"),
        drawn.replace(".", "-").replace(" ", ""),
        drawn.replace(".", "·"),
        drawn.replace("\n", "\r\n"),
        f"Here is the board.\n\n```\n{drawn}\n```\nWhite to move.",
        with_labels(board),
        with_labels(board).replace(".", "-"),
        with_labels(board).replace("a b c d e f g h", "A B C D E F G H"),
        with_bars(board),
        board.unicode(),
        board.unicode(borders=True),
        board.unicode(empty_square=".", borders=True),
        board.unicode(empty_square="-"),
        f"--------\n{drawn}\n--------",
    ):
        assert read_ascii(text) == name_pieces(board), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no board",
        "\n".join(ROWS[:7]),
        "\n".join([*ROWS, ROWS[0]]),
        f"{DRAWN}\n\n{DRAWN}",
        f"{DRAWN}\n...",
        DRAWN.replace("r n b", "r n", 1),
        DRAWN.replace("r n b", "r n b b", 1),
        DRAWN.replace("r n b", "r x b", 1),
        START.board_fen(),
        START.board_fen().replace("/", "\n"),
        START.board_fen().replace("8", "........").replace("/", " "),
        write_pieces(START),
        with_labels(START).replace("a b c d e f g h", "h g f e d c b a"),
        "\n".join(f"{n + 1} {row}" for n, row in enumerate(ROWS)),
        "\n".join(f"{row} {n + 1}" for n, row in enumerate(ROWS)),
    ],
)
def test_what_is_not_exactly_one_board_from_the_side_of_white_is_none(text: str) -> None:
    """A row that is wrong is not left out, nor are the first eight of nine rows taken."""
    assert read_ascii(text) is None


def test_a_piece_on_another_square_or_of_the_other_side_is_seen() -> None:
    assert read_ascii(DRAWN.replace("r n b", "n r b", 1)) != name_pieces(START)
    assert read_ascii(DRAWN.swapcase()) != name_pieces(START)
    assert read_ascii("\n".join(reversed(ROWS))) != name_pieces(START)
    assert read_ascii(START.unicode(invert_color=True)) != name_pieces(START)


@given(st.text("rnbqkpRNBQKP.-·| \n12345678abcdefgh+♔♜\ud800", max_size=300) | st.text())
def test_any_text_is_a_board_or_none(text: str) -> None:
    pieces = read_ascii(text)
    assert pieces is None or len(pieces) <= 64
