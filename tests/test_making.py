"""The puzzle sets of our own: every shipped puzzle is proved again, and the composer repeats itself."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import chess
import chess.engine
import pytest

from evals.making.composer import LEVEL, PROOF, SIZES, WINNING, Size, candidates, compose, main, varied, write
from evals.making.games import best_moves
from evals.making.mates import best_defence, forces_mate_in_two, keys_in_two, mating_moves
from evals.making.themes import difficulty, phase, themes
from evals.puzzles.loading import SETS, load
from evals.puzzles.puzzle import Puzzle
from evals.puzzles.split import canonical, held_out
from evals.results.engine import start_uci
from tests.positions import random_board
from tests.stockfish import find_stockfish

pytestmark = pytest.mark.slow  # composes puzzle sets

SHIPPED = load([SETS]).puzzles
BY_SET = {name: [puzzle for puzzle in SHIPPED if puzzle.set == name] for name in SIZES}


def _moves(puzzle: Puzzle) -> list[chess.Move]:
    return [chess.Move.from_uci(uci) for uci in puzzle.moves]


@pytest.fixture(scope="module")
def engine() -> Generator[chess.engine.SimpleEngine]:
    with start_uci(find_stockfish()) as started:
        yield started


# --- the shipped sets ---


def test_the_sets_have_their_sizes():
    assert {name: len(puzzles) for name, puzzles in BY_SET.items()} == {
        name: size.puzzles for name, size in SIZES.items()
    }
    assert len(SHIPPED) >= 600


def test_no_shipped_puzzle_may_have_been_trained_on():
    assert [puzzle.id for puzzle in SHIPPED if not held_out(puzzle.board())] == []


def test_no_two_shipped_puzzles_are_one_position_or_its_mirror_image():
    positions = Counter(canonical(puzzle.board()) for puzzle in SHIPPED)
    assert positions.most_common(1)[0][1] == 1
    assert len({puzzle.id for puzzle in SHIPPED}) == len(SHIPPED)


def test_shipped_puzzles_say_only_what_is_computed():
    for puzzle in SHIPPED:
        worth = {"advantage", "crushing"} & set(puzzle.themes)
        assert len(worth) == (puzzle.set == "tactics"), puzzle.id
        assert set(puzzle.themes) - worth == set(themes(chess.Board(puzzle.fen), _moves(puzzle))), puzzle.id
        assert puzzle.rating == difficulty(puzzle.board(), _moves(puzzle)[1:]), puzzle.id
        assert (puzzle.rating_deviation, puzzle.popularity, puzzle.plays) == (350, 100, 0)
        assert not puzzle.game_url


def test_the_shipped_files_are_as_the_composer_writes_them(tmp_path: Path):
    for name, puzzles in BY_SET.items():
        write(tmp_path / name, puzzles)
        assert (tmp_path / name).read_bytes() == (SETS / f"{name}.csv").read_bytes()


def test_every_mate_in_one_mates():
    for puzzle in BY_SET["mate-in-1"]:
        assert len(puzzle.solution) == 1
        assert puzzle.board(1).is_checkmate(), puzzle.id


@pytest.mark.slow  # every move of 200 positions is tried
def test_every_mate_in_two_has_one_key_and_no_shorter_mate():
    for puzzle in BY_SET["mate-in-2"]:
        assert [move.uci() for move in keys_in_two(puzzle.board())] == [puzzle.moves[1]], puzzle.id
        assert best_defence(puzzle.board(1)).uci() == puzzle.moves[2], puzzle.id
        assert puzzle.board(3).is_checkmate(), puzzle.id


@pytest.mark.parametrize("puzzle", BY_SET["mate-in-2"][::40], ids=lambda puzzle: puzzle.id)
def test_an_independent_search_agrees_that_a_mate_in_two_is_one(puzzle: Puzzle):
    board = puzzle.board()
    assert not _attacker_mates(board, 1)
    winning = [move for move in board.legal_moves if _defender_is_mated(board, move, 2)]
    assert [move.uci() for move in winning] == [puzzle.moves[1]]


def _attacker_mates(board: chess.Board, moves: int) -> bool:
    return any(_defender_is_mated(board, move, moves) for move in board.legal_moves)


def _defender_is_mated(board: chess.Board, move: chess.Move, moves: int) -> bool:
    after = board.copy(stack=False)
    after.push(move)
    if after.is_checkmate():
        return True
    if moves == 1 or after.is_stalemate():
        return False
    replies = [after.copy(stack=False) for _ in after.legal_moves]
    for reply, position in zip(list(after.legal_moves), replies, strict=True):
        position.push(reply)
    return all(_attacker_mates(position, moves - 1) for position in replies)


def test_a_tactic_has_up_to_three_moves_and_no_mate():
    for puzzle in BY_SET["tactics"]:
        assert len(puzzle.solution) in (1, 3, 5), puzzle.id
        assert not mating_moves(puzzle.board()), puzzle.id
        assert not puzzle.board(len(puzzle.solution)).is_game_over(), puzzle.id


@pytest.mark.parametrize("puzzle", BY_SET["tactics"][::15], ids=lambda puzzle: puzzle.id)
def test_stockfish_finds_the_only_winning_move_of_a_tactic(puzzle: Puzzle, engine: chess.engine.SimpleEngine):
    """With some room for other versions than the one that composed the sets."""
    for ply in range(0, len(puzzle.solution), 2):
        (move, best), *others = best_moves(engine, puzzle.board(ply), PROOF, 2, object())
        assert move.uci() == puzzle.solution[ply]
        assert best > WINNING - 50
        assert all(second < min(LEVEL + 50, best - WINNING + 50) for _, second in others)


# --- the composer ---


@pytest.mark.slow  # Stockfish plays whole games
def test_one_seed_gives_the_same_puzzles(engine: chess.engine.SimpleEngine):
    sizes = {"mate-in-1": Size(1, 1)}
    first = compose(engine, 5, sizes)
    assert first == compose(engine, 5, sizes)
    assert len(first["mate-in-1"]) == 1


@pytest.mark.slow  # Stockfish plays whole games
def test_the_shipped_sets_are_the_games_of_seed_one(engine: chess.engine.SimpleEngine):
    if engine.id["name"] != "Stockfish 15.1":
        pytest.skip(f"the shipped sets are of Stockfish 15.1, this is {engine.id['name']}")
    rng = random.Random(1)
    found = [puzzle for _ in range(2) for _, puzzle in candidates(engine, rng, set(SIZES))]
    mates = {puzzle for puzzle in found if "mate" in puzzle.themes}
    assert mates
    assert mates <= set(SHIPPED)


def test_a_choice_takes_from_every_kind_in_turn():
    mates = BY_SET["mate-in-1"]
    chosen = varied(mates, 40)
    pieces = Counter(
        puzzle.board().piece_type_at(chess.Move.from_uci(puzzle.moves[1]).from_square) for puzzle in chosen
    )
    assert len(chosen) == len(set(chosen)) == 40
    assert {chess.PAWN, chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN} <= set(pieces)


@pytest.mark.parametrize("command", ["no-such-engine", "/bin/true"])
def test_an_engine_that_cannot_be_used_is_named(command: str, tmp_path: Path):
    with pytest.raises(SystemExit, match=f"engine '{command}' (is not there|does not answer)"):
        main(["--stockfish", command, "--out", str(tmp_path)])


# --- mates and themes ---


def test_mates_in_two_agree_with_an_independent_search():
    rng = random.Random(2)
    boards = [random_board(rng, 120) for _ in range(60)]
    endings = ("k7/8/2K5/8/8/8/8/7R w - - 0 1", "8/8/8/8/8/5K2/6Q1/7k b - - 0 1")
    for board in [*map(chess.Board, endings), *(each for each in boards if each.legal_moves.count() < 12)]:
        if mating_moves(board):
            assert keys_in_two(board) == []
            continue
        for move in board.legal_moves:
            assert forces_mate_in_two(board, move) == _defender_is_mated(board, move, 2)


def test_stalemate_is_no_mate_in_two():
    board = chess.Board("7k/8/8/6Q1/8/8/8/K7 w - - 0 1")
    assert not forces_mate_in_two(board, chess.Move.from_uci("g5g6"))


@pytest.mark.parametrize(
    ("fen", "moves", "theme"),
    [
        ("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 1", "a3a2 d1d8", "backRankMate"),
        ("5r1k/6pp/7N/8/8/1p6/8/K7 b - - 0 1", "b3b2 a1a2", ""),
        ("6rk/6pp/7N/8/8/1p6/8/K7 b - - 0 1", "b3b2 h6f7", "smotheredMate"),
        ("q3k3/8/8/1N6/8/7p/8/6K1 b - - 0 1", "h3h2 b5c7 e8d7 c7a8", "fork"),
        ("4k3/7P/8/8/8/8/p7/6K1 b - - 0 1", "a2a1q h7h8q", "promotion"),
        ("4k3/7P/8/8/8/8/p7/6K1 b - - 0 1", "a2a1q h7h8n", "underPromotion"),
        ("4k3/3p4/8/4P3/8/8/8/4K3 b - - 0 1", "d7d5 e5d6", "enPassant"),
        ("4k3/7p/8/8/8/8/8/4K2R b K - 0 1", "h7h6 e1g1", "castling"),
        ("4k3/4n2p/8/8/4N3/8/8/K3R3 b - - 0 1", "e7c8 e4f6", "doubleCheck"),
        ("4k3/7p/8/3n4/8/8/8/K2R4 b - - 0 1", "h7h6 d1d5", "hangingPiece"),
    ],
)
def test_themes_are_named_where_their_rule_holds(fen: str, moves: str, theme: str):
    line = [chess.Move.from_uci(uci) for uci in moves.split()]
    found = set(themes(chess.Board(fen), line))
    ordinary = {"endgame", "middlegame", "oneMove", "short", "mate", "mateIn1", "mateIn2", "promotion"}
    assert found - ordinary == {theme} - ordinary - {""}
    assert theme in found or not theme


def test_a_recapture_is_no_hanging_piece():
    line = [chess.Move.from_uci(uci) for uci in ("e6d5", "d1d5")]
    assert "hangingPiece" not in themes(chess.Board("4k3/7p/4n3/3P4/8/8/8/K2R4 b - - 0 1"), line)


def test_phases():
    assert phase(chess.Board()) == "opening"
    assert phase(chess.Board("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 13")) == "middlegame"
    assert phase(chess.Board("2r2rk1/pp3ppp/8/8/8/8/PP3PPP/2RQ1RK1 w - - 0 20")) == "endgame"


def test_more_mates_are_easier_and_more_checks_harder():
    start = chess.Board("6k1/5ppp/8/8/8/r7/5PPP/3R2K1 b - - 0 1")
    start.push_uci("a3a2")
    mate = [chess.Move.from_uci("d1d8")]
    two = chess.Board("6k1/5ppp/8/8/8/r7/4RPPP/3R2K1 b - - 0 1")
    two.push_uci("a3a2")
    assert len(mating_moves(start)) == 1
    assert len(mating_moves(two)) == 2
    assert difficulty(two, mate) < difficulty(start, mate)
