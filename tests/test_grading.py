"""Grading: no move is ever put in the wrong outcome. The oracles are python-chess and Stockfish's own
rules.
"""

from __future__ import annotations

import csv
import itertools
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import chess
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.puzzles.puzzle import Puzzle, parse_row
from evals.reading.moves import read_move
from evals.tasks.grading import gives_checkmate, judge_move
from evals.words import Notation, Outcome, Verdict
from tests.positions import random_board, random_puzzles
from tests.stockfish import find_stockfish

SETS = Path(__file__).parents[1] / "evals" / "sets"
seeds = st.integers(0, 2**32)

CASTLING = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
PROMOTION = "3r3k/2P5/8/8/8/8/8/K7 w - - 0 1"
TWO_KNIGHTS = "4k3/8/8/8/8/1N6/8/K4N2 w - - 0 1"
BISHOP_OR_PAWN = "4k3/8/8/8/8/2n5/1P6/K3B3 w - - 0 1"
"""`bxc3` is the pawn's capture and `Bxc3` the bishop's."""


@pytest.mark.parametrize(
    ("fen", "text", "notation", "move"),
    [
        (chess.STARTING_FEN, "e2e4", "uci", "e2e4"),
        (chess.STARTING_FEN, "  e2e4\n", "uci", "e2e4"),
        (CASTLING, "e1g1", "uci", "e1g1"),
        (CASTLING, "e1h1", "uci", "e1g1"),
        (CASTLING, "e1c1", "uci", "e1c1"),
        (CASTLING, "e1a1", "uci", "e1c1"),
        (PROMOTION, "c7c8n", "uci", "c7c8n"),
        (PROMOTION, "c7d8q", "uci", "c7d8q"),
        (chess.STARTING_FEN, "Nf3", "san", "g1f3"),
        (chess.STARTING_FEN, "Ng1f3", "san", "g1f3"),
        (chess.STARTING_FEN, "Nf3!?", "san", "g1f3"),
        (chess.STARTING_FEN, "Nf3+", "san", "g1f3"),
        (chess.STARTING_FEN, "Nf3#!!", "san", "g1f3"),
        (CASTLING, "O-O", "san", "e1g1"),
        (CASTLING, "O-O+", "san", "e1g1"),
        (CASTLING, "0-0", "san", "e1g1"),
        (CASTLING, "0-0-0", "san", "e1c1"),
        (PROMOTION, "c8=N", "san", "c7c8n"),
        (PROMOTION, "c8N", "san", "c7c8n"),
        (PROMOTION, "cxd8=Q+", "san", "c7d8q"),
        (TWO_KNIGHTS, "Nbd2", "san", "b3d2"),
        (BISHOP_OR_PAWN, "bxc3", "san", "b2c3"),
        (BISHOP_OR_PAWN, "Bxc3", "san", "e1c3"),
    ],
)
def test_a_legal_move_is_read(fen: str, text: str, notation: Notation, move: str) -> None:
    assert read_move(text, chess.Board(fen), notation).move == chess.Move.from_uci(move)


@pytest.mark.parametrize(
    ("fen", "text", "notation", "outcome"),
    [
        (chess.STARTING_FEN, "e2e5", "uci", Outcome.ILLEGAL),
        pytest.param(chess.STARTING_FEN, "e7e5", "uci", Outcome.ILLEGAL, id="a move of the other side"),
        pytest.param(chess.STARTING_FEN, "e2e2", "uci", Outcome.ILLEGAL, id="a move to its own square"),
        pytest.param(chess.STARTING_FEN, "0000", "uci", Outcome.ILLEGAL, id="null move"),
        pytest.param(chess.STARTING_FEN, "--", "san", Outcome.ILLEGAL, id="null move in SAN"),
        pytest.param(chess.STARTING_FEN, "e2e4q", "uci", Outcome.ILLEGAL, id="a piece for no promotion"),
        pytest.param(PROMOTION, "c7c8", "uci", Outcome.ILLEGAL, id="no piece for a promotion"),
        pytest.param(PROMOTION, "c8", "san", Outcome.ILLEGAL, id="no piece for a promotion in SAN"),
        pytest.param(PROMOTION, "c8=K", "san", Outcome.ILLEGAL, id="promotion to a king"),
        pytest.param(chess.STARTING_FEN, "O-O", "san", Outcome.ILLEGAL, id="castling through pieces"),
        pytest.param(BISHOP_OR_PAWN, "Rxc3", "san", Outcome.ILLEGAL, id="a piece that is not there"),
        pytest.param(TWO_KNIGHTS, "Nd2", "san", Outcome.AMBIGUOUS, id="two knights"),
        pytest.param(chess.STARTING_FEN, "E2E4", "uci", Outcome.UNPARSEABLE, id="upper case"),
        pytest.param(PROMOTION, "c7c8Q", "uci", Outcome.UNPARSEABLE, id="upper case promotion"),
        pytest.param(chess.STARTING_FEN, "nf3", "san", Outcome.UNPARSEABLE, id="lower case knight"),
        pytest.param(CASTLING, "o-o", "san", Outcome.UNPARSEABLE, id="lower case castling"),
        pytest.param(chess.STARTING_FEN, "e2e4 wins", "uci", Outcome.UNPARSEABLE, id="trailing text"),
        pytest.param(chess.STARTING_FEN, "Nf3, Nc3", "san", Outcome.UNPARSEABLE, id="two moves"),
        pytest.param(chess.STARTING_FEN, "Nf3", "uci", Outcome.UNPARSEABLE, id="SAN for UCI"),
        pytest.param(chess.STARTING_FEN, "", "san", Outcome.UNPARSEABLE, id="nothing"),
        pytest.param(chess.STARTING_FEN, "#", "san", Outcome.UNPARSEABLE, id="only a mark"),
        pytest.param(chess.STARTING_FEN, "e２e４", "uci", Outcome.UNPARSEABLE, id="full-width digits"),
    ],
)
def test_everything_else_is_one_kind_of_mistake(
    fen: str, text: str, notation: Notation, outcome: Outcome
) -> None:
    board = chess.Board(fen)
    assert read_move(text, board, notation).outcome is outcome
    assert judge_move(board, next(iter(board.legal_moves)).uci(), text, notation).outcome is outcome


@pytest.mark.parametrize("null", ["--", "Z0", "0000", "@@@@"])
@pytest.mark.parametrize("marks", ["", "!", "+", "#", "!?", "+!", "#!!", "++", " "])
@pytest.mark.parametrize("notation", ["uci", "san"])
def test_a_null_move_is_illegal_with_any_marks(null: str, marks: str, notation: Notation) -> None:
    """Audit 8: `--!`, `Z0+` and `0000#` are moves that were written and are never legal."""
    board = chess.Board()
    assert read_move(null + marks, board, notation).outcome is Outcome.ILLEGAL
    assert judge_move(board, "e2e4", null + marks, notation).outcome is Outcome.ILLEGAL


@pytest.mark.parametrize("notation", ["uci", "san"])
def test_a_mark_alone_or_a_mark_in_front_is_no_null_move(notation: Notation) -> None:
    for text in ("", "!", "+#!?", "!--", "-", "---", "-- --", "0000 0000", "z0"):
        assert read_move(text, chess.Board(), notation).outcome is Outcome.UNPARSEABLE, text


ROOKS = "6k1/5ppp/8/8/8/8/5PPP/R2R2K1 w - - 0 1"


def test_any_checkmate_solves() -> None:
    verdict = judge_move(chess.Board(ROOKS), "d1d8", "a1a8", "uci")
    assert verdict == Verdict(Outcome.SOLVED, "a1a8", "d1d8", "another checkmate: Ra8# (a1a8)")


def test_a_check_that_does_not_mate_is_missed() -> None:
    board = chess.Board("5rk1/5ppp/8/8/8/8/5PPP/R2R2K1 w - - 0 1")
    assert judge_move(board, "a1a2", "d1d8", "uci").outcome is Outcome.MISSED


def test_a_verdict_names_the_move_in_uci_whatever_it_was_written_in() -> None:
    board = chess.Board(CASTLING)
    verdict = judge_move(board, "e1g1", "0-0", "san")
    assert (verdict.outcome, verdict.move) == (Outcome.SOLVED, "e1g1")
    missed = judge_move(board, "e1g1", "O-O-O", "san")
    assert (missed.outcome, missed.move) == (Outcome.MISSED, "e1c1")
    assert missed.detail == "played O-O-O (e1c1), best O-O (e1g1)"


def spellings(board: chess.Board, move: chess.Move, rng: random.Random) -> Iterator[tuple[str, Notation]]:
    """The ways in which a legal move may be written."""
    san = board.san(move)
    yield move.uci(), "uci"
    yield san, "san"
    yield san.rstrip("+#") + rng.choice(["", "+", "#", "!", "?!", "+!!"]), "san"
    if board.is_castling(move):
        rook_file = "h" if board.is_kingside_castling(move) else "a"
        yield move.uci()[:2] + rook_file + move.uci()[1], "uci"
        yield san.replace("O", "0"), "san"


def every_uci() -> list[str]:
    """Every text that has the form of a move in UCI, without the promotions that no pawn could make."""
    squares = chess.SQUARE_NAMES
    plain = [a + b for a, b in itertools.product(squares, squares)]
    ends = {("2", "1"), ("7", "8")}
    near = [
        a + b
        for a, b in itertools.product(squares, squares)
        if (a[1], b[1]) in ends and abs(ord(a[0]) - ord(b[0])) < 2
    ]
    return plain + [text + piece for text in near for piece in "qrbn"]


EVERY_UCI = every_uci()


@pytest.mark.slow  # 4,300 texts for each position
@settings(max_examples=10, deadline=None)
@given(seeds)
def test_every_uci_text_is_in_its_outcome(seed: int) -> None:
    """All of the 4,300 moves that can be written, in a random position: legal or illegal, nothing else."""
    rng = random.Random(seed)
    board = random_board(rng)
    legal = {move.uci() for move in board.legal_moves}
    castling = {
        uci
        for move in board.legal_moves
        for uci, notation in spellings(board, move, rng)
        if notation == "uci"
    }
    for text in EVERY_UCI:
        played = read_move(text, board, "uci")
        if text in legal | castling:
            assert played.move is not None
            assert board.is_legal(played.move)
        else:
            assert played.outcome is Outcome.ILLEGAL, (board.fen(), text)


@given(seeds)
def test_random_games_are_judged_as_python_chess_sees_them(seed: int) -> None:
    """Every position of a random game: each legal move in each spelling, against a random solution."""
    rng = random.Random(seed)
    board = chess.Board()
    for _ in range(60):
        moves = list(board.legal_moves)
        if not moves:
            return
        solution, played = rng.choice(moves), rng.choice(moves)
        after = board.copy()
        after.push(played)
        solved = played == solution or after.is_checkmate()
        for text, notation in spellings(board, played, rng):
            verdict = judge_move(board, solution.uci(), text, notation)
            assert verdict.outcome is (Outcome.SOLVED if solved else Outcome.MISSED), (board.fen(), text)
            assert verdict.move == played.uci()
        board.push(rng.choice(moves))


def san_fits(board: chess.Board, move: chess.Move, parts: tuple[str, str, str, str, str]) -> bool:
    """Whether a legal move is what a SAN text's parts say, read from the definition of SAN alone."""
    piece, file, rank, target, promotion = parts
    origin = chess.square_name(move.from_square)
    return (
        not board.is_castling(move)
        and board.piece_type_at(move.from_square) == chess.PIECE_SYMBOLS.index(piece.lower() or "p")
        and chess.square_name(move.to_square) == target
        and (not file or origin[0] == file)
        and (not rank or origin[1] == rank)
        and (move.promotion == (chess.PIECE_SYMBOLS.index(promotion[-1].lower()) if promotion else None))
        # A pawn's capture names the pawn's file.
        and (bool(piece) or bool(file) or origin[0] == target[0])
    )


san_parts = st.tuples(
    st.sampled_from(["", *"KQRBN"]),
    st.sampled_from(["", "", *"abcdefgh"]),
    st.sampled_from(["", "", *"12345678"]),
    st.sampled_from(chess.SQUARE_NAMES),
    st.sampled_from(["", "", "", "=Q", "=N"]),
)


@pytest.mark.slow  # 8,000 texts
@given(seeds, st.lists(san_parts, min_size=20, max_size=20))
def test_every_san_text_is_in_its_outcome(seed: int, texts: list[tuple[str, str, str, str, str]]) -> None:
    board = random_board(random.Random(seed))
    for parts in texts:
        piece, file, rank, *_ = parts
        if not piece and file and rank:
            continue  # long algebraic, which names no piece: `b1c3` is read as the knight's move
        fitting = [move for move in board.legal_moves if san_fits(board, move, parts)]
        played = read_move("".join(parts), board, "san")
        if len(fitting) == 1:
            assert played.move == fitting[0]
        else:
            assert played.outcome is (Outcome.AMBIGUOUS if fitting else Outcome.ILLEGAL), (board.fen(), parts)


@given(st.text() | st.from_regex(r"[KQRBNOabcdefgh0-8x=+#!?\- ]{1,8}", fullmatch=True), seeds)
def test_any_text_has_an_outcome_and_leaves_the_board_alone(text: str, seed: int) -> None:
    board = random_board(random.Random(seed), plies=20)
    before = board.fen()
    solution = next(iter(board.legal_moves)).uci()
    for notation in ("uci", "san"):
        verdict = judge_move(board, solution, text, notation)
        assert (verdict.outcome is Outcome.SOLVED) <= (read_move(text, board, notation).move is not None)
        assert "\n" not in verdict.detail
    assert board.fen() == before


@pytest.fixture(scope="module")
def stockfish() -> Iterator[subprocess.Popen[str]]:
    """Stockfish, whose move generator shares nothing with python-chess."""
    with subprocess.Popen(
        [find_stockfish()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        yield engine
        engine.kill()


def stockfish_moves(engine: subprocess.Popen[str], board: chess.Board) -> set[str]:
    """The legal moves of a position as Stockfish counts them (`go perft 1`)."""
    assert engine.stdin is not None
    assert engine.stdout is not None
    engine.stdin.write(f"position fen {board.fen()}\ngo perft 1\n")
    engine.stdin.flush()
    moves: set[str] = set()
    for line in engine.stdout:
        if line.startswith("Nodes searched"):
            break
        move, colon, _ = line.partition(": 1")
        if colon:
            moves.add(move)
    return moves


@pytest.mark.slow  # three thousand positions
def test_three_thousand_positions_agree_with_stockfish(stockfish: subprocess.Popen[str]) -> None:
    """What is read as legal is what an independent move generator has; a random other move is illegal."""
    rng = random.Random(2026)
    positions = 0
    while positions < 3000:
        board = chess.Board()
        while not board.is_game_over() and len(board.move_stack) < 120:
            legal = stockfish_moves(stockfish, board)
            assert {move.uci() for move in board.legal_moves} == legal
            played = rng.choice(sorted(legal))
            assert judge_move(board, played, played, "uci").outcome is Outcome.SOLVED
            other = rng.choice(EVERY_UCI)
            move = read_move(other, board, "uci").move
            assert (move is not None) == (other in legal) or (move is not None and board.is_castling(move))
            board.push_uci(played)
            positions += 1


def shipped_puzzles(most: int = 1000) -> list[Puzzle]:
    """Puzzles of the shipped sets, evenly over the sets."""
    files = sorted(SETS.glob("*.csv"))
    puzzles: list[Puzzle] = []
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            rows = itertools.islice(csv.DictReader(file), most // len(files))
            puzzles += [parse_row(row, path.stem) for row in rows]
    return puzzles


@pytest.mark.slow  # every legal move of every shipped puzzle
@pytest.mark.parametrize("source", ["shipped", "random"])
def test_a_solution_solves_and_any_other_move_only_with_mate(source: str) -> None:
    puzzles = shipped_puzzles() if source == "shipped" else list(random_puzzles(seed=11, count=300))
    assert puzzles
    for puzzle in puzzles:
        board, solution = puzzle.board(), puzzle.solution[0]
        for move in list(board.legal_moves):
            board.push(move)
            mates = board.is_checkmate()
            board.pop()
            assert gives_checkmate(board, move) is mates
            expected = Outcome.SOLVED if mates or move.uci() == solution else Outcome.MISSED
            assert judge_move(board, solution, move.uci(), "uci").outcome is expected, (puzzle.id, move)
