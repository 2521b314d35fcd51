"""Movetext: only the moves of the main line are played, however it is annotated."""

from __future__ import annotations

import io
import random

import chess
import chess.pgn
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.reading.moves import read_move
from evals.reading.movetext import read_movetext, write_movetext
from tests.positions import random_board

seeds = st.integers(0, 2**32)
COMMENTS = (
    "",
    "",
    "fine",
    "24. Qxh7+ was better",
    "a ( b",
    ":)",
    "1-0",
    "[%clk 0:01:02]",
    "; e4",
    "0-0 $3",
    "two\nrows",
)


def annotated_game(rng: random.Random) -> chess.pgn.Game:
    """A random game from a random position, with comments, NAGs and variations inside of variations."""
    game = chess.pgn.Game()
    game.setup(random_board(rng))
    nodes: list[tuple[chess.pgn.GameNode, int]] = [(game, 12)]
    while nodes:
        node, left = nodes.pop()
        node.comment = rng.choice(COMMENTS)
        moves = list(node.board().legal_moves)
        rng.shuffle(moves)
        width = rng.choice((1, 1, 2, 3))
        for rank, move in enumerate(moves[: width if left else 0]):
            child = node.add_variation(move, starting_comment=rng.choice(COMMENTS) if rank else "")
            child.nags |= set(rng.sample((1, 2, 3, 10, 16, 146), rng.choice((0, 0, 1, 2))))
            nodes.append((child, left - 1 if rank == 0 else left // 3))
    return game


def main_line(game: chess.pgn.Game) -> list[str]:
    board = game.board()
    return [board.san_and_push(move) for move in game.mainline_moves()]


@given(seeds, st.sampled_from([None, 40, 80]))
def test_an_annotated_game_reads_back_to_its_main_line(seed: int, columns: int | None) -> None:
    game = annotated_game(random.Random(seed))
    text = game.accept(chess.pgn.StringExporter(columns=columns))
    assert read_movetext(text) == main_line(game)
    reference = chess.pgn.read_game(io.StringIO(text))
    assert reference is not None
    assert read_movetext(text) == main_line(reference)


@given(seeds)
def test_no_move_of_a_variation_is_taken_for_the_main_line(seed: int) -> None:
    """The first moves of all variations differ from the move that they replace."""
    game = annotated_game(random.Random(seed))
    text = str(game)
    if game.next() is None:
        assert read_movetext(text) == []
        return
    first = read_move(read_movetext(text)[0], game.board(), "san").move
    assert first == game.variations[0].move
    assert first not in [each.move for each in game.variations[1:]]


@given(seeds, st.integers(0, 12))
def test_a_line_that_is_written_reads_back(seed: int, length: int) -> None:
    rng = random.Random(seed)
    board = random_board(rng)
    after, moves = board.copy(), list[chess.Move]()
    while len(moves) < length and not after.is_game_over():
        moves.append(rng.choice(list(after.legal_moves)))
        after.push(moves[-1])
    again = board.copy()
    for san in read_movetext(write_movetext(board, moves)):
        again.push_san(san)
    assert again.fen() == after.fen()


def test_a_line_is_written_with_its_numbers() -> None:
    board = chess.Board("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 30")
    moves = [chess.Move.from_uci(uci) for uci in ("a3a2", "d1d8")]
    assert write_movetext(board, moves) == "30... Ra2 31. Rd8#"
    assert write_movetext(board, []) == ""
    board.push(moves[0])
    assert write_movetext(board, moves[1:]) == "31. Rd8#"
    with pytest.raises(chess.IllegalMoveError):
        write_movetext(board, moves)


@pytest.mark.parametrize(
    "text",
    [
        "24. Qxh7+ Kxh7 25. Rh3#",
        "24.Qxh7+ Kxh7 25.Rh3#",
        "24 Qxh7+ Kxh7 25 Rh3#",
        "Qxh7+ Kxh7 Rh3#",
        "1. Qxh7+ 1... Kxh7 7. Rh3#",
        "24. Qxh7+ 24… Kxh7 25. Rh3#",
        "24. ... Qxh7+ 25 . Kxh7 Rh3#",
        "24... Qxh7+ Kxh7 ... Rh3#",
        "…Qxh7+ Kxh7 Rh3#",
        "24. Qxh7+! Kxh7?? 25. Rh3#!!",
        "24. Qxh7+ ! $1 Kxh7 $146 ?! 25. Rh3# +- 1-0",
        "24. Qxh7+ {best {really} Kxh7 25. Rh3# 1-0 {over}",
        "24. Qxh7+ (24. Rd8) Kxh7 25. Rh3#",
        "24. Qxh7+ (24. Rd8 (24. Rd7 Rd2) Rf8 (24... Kh8)) (24. a3) Kxh7 25. Rh3#",
        "24. Qxh7+ (24. Rd8 {not ) yet} Rf8) Kxh7 25. Rh3#",
        "24. Qxh7+ (24. Rd8 ; not ) yet\n Rf8) Kxh7 25. Rh3#",
        "24. Qxh7+ (24. Rd8)) Kxh7) 25. Rh3#",
        "(24. Rd8) 24. Qxh7+ Kxh7 25. Rh3#",
        "{24. Rd8} 24. Qxh7+ Kxh7 25. Rh3#",
        "; 24. Rd8\n24. Qxh7+ Kxh7 25. Rh3#",
        "24. Qxh7+ {[%clk 0:01:02]} Kxh7 [%eval #1] 25. Rh3#",
        '[Event "a ] b \\" c"]\n[FEN "6k1/8/8/8/8/8/8/K7 w - - 0 1"]\n\n24. Qxh7+ Kxh7\n25. Rh3# 1-0',
        "24. Qxh7+ Kxh7 25. Rh3# 1-0\n\n1. e4 e5",
        "24. Qxh7+ Kxh7 25. Rh3# * e4",
        '24. Qxh7+ Kxh7 25. Rh3#\n\n[Event "the next"]\n\n1. e4',
        "24. Qxh7+ Kxh7 25. Rh3# and wins, not e4",
        "24. Qxh7+ Kxh7 25. Rh3#. Then e4",
        "24. Qxh7+ Kxh7 25. Rh3#, e4",
        "24. Qxh7+ Kxh7 25. Rh3# (25. e4 e5",
        "24. Qxh7+ Kxh7 25. Rh3# {25. e4 e5",
        "24. Qxh7+ Kxh7 25. Rh3# ; 25. e4 e5",
        "24. Qxh7+ Kxh7 25. Rh3# ((25. e4) e5",
        "24. Qxh7+ Kxh7 25. Rh3# (25. e4 {) e5",
    ],
)
def test_only_the_main_line_is_played(text: str) -> None:
    assert read_movetext(text) == ["Qxh7+", "Kxh7", "Rh3#"]


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("0-0 0-0-0 O-O+ O-O-O", ["0-0", "0-0-0", "O-O+", "O-O-O"]),
        ("31. 0-1", []),
        ("31. e4 0-1 0-0", ["e4"]),
        ("31. e4 1/2-1/2 e5", ["e4"]),
        ("1-0 e4", []),
        ("e8=N+ bxc3 Bxc3 e8Q", ["e8=N+", "bxc3", "Bxc3", "e8Q"]),
        ("exd6 e.p. Kf7", ["exd6", "Kf7"]),
        ("-- e5", ["--", "e5"]),
        ("24. Z0 e5", ["Z0", "e5"]),
        ("0000 e5", ["0000", "e5"]),
        ("e2e4", ["e2e4"]),
    ],
)
def test_castling_promotion_null_moves_and_results(text: str, moves: list[str]) -> None:
    assert read_movetext(text) == moves


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "24.",
        "I play 24. Qxh7+",
        "The best move is Qxh7+.",
        "Qxh9 Kh7",
        "(24. Qxh7+",
        "(24. Qxh7+ Kxh7 25. Rh3#)",
        "{24. Qxh7+}",
        "; Qxh7+",
        "- Qxh7+\n- Rd8",
        "['Qxh7+', 'Rd8']",
        '{"move": "Qxh7+"}',
        "Qxh7Kxh7",
        "qxh7+",
        "\ud800 e4",
    ],
)
def test_a_text_that_does_not_start_with_movetext_has_no_moves(text: str) -> None:
    """Nor is a later move taken for the first one that could not be read."""
    assert read_movetext(text) == []


hostile = st.lists(
    st.sampled_from(
        [*"(){};[]%$.!?*-", " ", "\n", "24", "…", "e4", "Nf3", "0-0", "1-0", '"', "x", "\ud800", "--"]
    ),
    max_size=40,
).map("".join)


@given(hostile)
@example('[A "')
def test_any_text_reads_to_moves_that_are_in_it(text: str) -> None:
    place = 0
    for move in read_movetext(text):
        place = text.index(move, place) + len(move)


@given(hostile, hostile)
def test_nothing_behind_an_unclosed_parenthesis_is_played(before: str, after: str) -> None:
    opened = f"e4 e5 {{{before.replace('}', '')}}} ({after.replace(')', '').replace('}', '')}"
    assert read_movetext(opened) == ["e4", "e5"]
