"""Positions to train on: games of random and greedy play, mates found by python-chess, puzzles of a file.

Mates are rare in games and a small model needs millions, so most are made from those of games by an edit:
move or remove a piece or two, and look whether there is still a mate. Where there is none any more, the
position is a near miss, which teaches what the mate depended on.

Nothing here yields a position that `evals.puzzles.split.held_out` keeps for evaluation.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import chess

from evals.making.mates import checking_moves, is_mate, mating_moves
from evals.puzzles.puzzle import PuzzleError, parse_row
from evals.puzzles.split import held_out

_Seed = TypeVar("_Seed")


@dataclass(frozen=True, slots=True)
class Line:
    """A position and what to play in it: the solver's moves and the replies."""

    board: chess.Board
    moves: tuple[chess.Move, ...]
    before: chess.Board | None = None
    """The position before the opponent's last move, where it is known; that move is `blunder`."""
    blunder: chess.Move | None = None


def trainable(board: chess.Board) -> bool:
    """True where a position may be trained on: it can be played on, and evaluation does not keep it."""
    return not held_out(board) and any(board.legal_moves)


class Position:
    """A board and what is asked about it, each worked out once."""

    def __init__(self, board: chess.Board) -> None:
        self.board = board

    @cached_property
    def fen(self) -> str:
        """The position as it is asked about."""
        return self.board.fen()

    @cached_property
    def moves(self) -> list[chess.Move]:
        """The legal moves."""
        return list(self.board.legal_moves)

    @cached_property
    def checks(self) -> list[chess.Move]:
        """The moves that give check."""
        return checking_moves(self.board, self.moves)

    @cached_property
    def mates(self) -> list[chess.Move]:
        """The moves that give checkmate."""
        return [move for move in self.checks if is_mate(self.board, move)]


def mate_in_two(board: chess.Board) -> tuple[chess.Move, chess.Move, chess.Move] | None:
    """A mate in two that starts with a check, or None: the check, a defence, the mate.

    Quiet first moves are left out: they cost thirty times the search and are rare in play.
    """
    for check in checking_moves(board):
        board.push(check)
        answer = _mated_after_any_reply(board)
        board.pop()
        if answer:
            return (check, *answer)
    return None


def _mated_after_any_reply(board: chess.Board) -> tuple[chess.Move, chess.Move] | None:
    found = None
    for reply in list(board.legal_moves):
        board.push(reply)
        mates = mating_moves(board)
        board.pop()
        if not mates:
            return None
        found = (reply, mates[0])
    return found


def game(rng: random.Random, start: chess.Board | None = None, plies: int = 120) -> Iterator[chess.Board]:
    """The positions of one game of semi-random play, newest last; the same board each time, so copy it.

    Each game prefers captures and checks to other moves to a degree of its own, so that its positions look
    more like those of real games.
    """
    board = chess.Board() if start is None else start.copy(stack=False)
    greed = rng.random()
    for _ in range(plies):
        moves = list(board.legal_moves)
        if not moves or board.is_insufficient_material():
            return
        yield board
        if rng.random() < greed:
            forcing = [move for move in moves if board.is_capture(move) or board.gives_check(move)]
            moves = forcing or moves
        board.push(rng.choice(moves))


def mirrored(board: chess.Board, rng: random.Random) -> chess.Board:
    """One of the position's mirror images: the same to a chess player, another text to a model."""
    if rng.random() < 0.5:
        board = board.mirror()
    if not board.castling_rights and rng.random() < 0.5:
        board = board.transform(chess.flip_horizontal)
    return board


def edited(board: chess.Board, rng: random.Random) -> chess.Board | None:
    """The position with one to three pieces moved elsewhere or taken off, or None where that is not legal."""
    board = board.copy(stack=False)
    for _ in range(rng.randint(1, 3)):
        pieces = chess.SquareSet(board.occupied & ~board.kings)
        if len(pieces) < 2:
            return None
        square = rng.choice(list(pieces))
        piece = board.remove_piece_at(square)
        if rng.random() < 0.7 and piece:
            target = rng.randrange(64)
            if piece.piece_type == chess.PAWN and target // 8 in (0, 7):
                continue
            if not board.piece_at(target):
                board.set_piece_at(target, piece)
    board.ep_square = None
    board.castling_rights = board.clean_castling_rights()
    return board if board.is_valid() else None


def read_puzzles(path: Path) -> Iterator[Line]:
    """The trainable puzzles of a Lichess file; one with any held-out position is left out whole."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                puzzle = parse_row(row)
            except PuzzleError:
                continue
            if any(held_out(puzzle.board(ply)) for ply in range(-1, len(puzzle.solution))):
                continue
            first, *rest = (chess.Move.from_uci(uci) for uci in puzzle.moves)
            yield Line(puzzle.board(), tuple(rest), before=chess.Board(puzzle.fen), blunder=first)


def write_held_out(puzzles: Path, path: Path) -> int:
    """Write the puzzles of a Lichess file whose first position is held out; returns how many."""
    count = 0
    with puzzles.open(encoding="utf-8", newline="") as source, path.open("w", encoding="utf-8") as file:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(file, rows.fieldnames or [], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            try:
                wanted = held_out(parse_row(row).board())
            except PuzzleError:
                continue
            if wanted:
                writer.writerow(row)
                count += 1
    return count


def write_lines(lines: Iterable[Line], path: Path, *, append: bool = False) -> int:
    """Write lines, one `FEN;moves` a row, the opponent's move first; returns how many.

    Each is written at once, so that those made so far outlive an interrupt.
    """
    count = 0
    with path.open("a" if append else "w", encoding="utf-8", buffering=1) as file:
        for line in lines:
            if line.before is None or line.blunder is None:
                continue
            moves = " ".join(move.uci() for move in (line.blunder, *line.moves))
            file.write(f"{line.before.fen()};{moves}\n")
            count += 1
    return count


def read_lines(path: Path) -> list[Line]:
    """The lines of a file of `write_lines`, which are trainable already."""
    lines: list[Line] = []
    for row in path.read_text(encoding="utf-8").splitlines():
        fen, moves = row.split(";")
        first, *rest = (chess.Move.from_uci(uci) for uci in moves.split(" "))
        before = chess.Board(fen)
        board = before.copy(stack=False)
        board.push(first)
        lines.append(Line(board.copy(stack=False), tuple(rest), before, first))
    return lines


def solver_lines(line: Line) -> Iterator[Line]:
    """A puzzle's line from each of the solver's turns, with the move before it where that is known."""
    board = line.board.copy(stack=False)
    before, last = line.before, line.blunder
    for ply, move in enumerate(line.moves):
        if ply % 2 == 0:
            yield Line(board.copy(stack=False), line.moves[ply:], before, last)
        before, last = board.copy(stack=False), move
        board.push(move)


def with_last_move(line: Line, rng: random.Random) -> Line | None:
    """The line with the opponent's last move: the one that is known, else one that could have been.

    What could have been is a legal move from a position where one of the opponent's pieces stood elsewhere.
    None where a few tries find no such move.
    """
    if line.before is not None:
        return line
    board = line.board
    fields = board.fen().split(" ")[:4]
    targets = list(chess.SquareSet(board.occupied_co[not board.turn]))
    for _ in range(40):
        to_square = rng.choice(targets)
        before = board.copy(stack=False)
        piece = before.remove_piece_at(to_square)
        before.turn, before.ep_square = not board.turn, None
        origins = _origins(board, to_square) & ~board.occupied
        if piece is None or not origins:
            continue
        from_square = rng.choice(list(chess.SquareSet(origins)))
        if piece.piece_type == chess.PAWN and chess.square_rank(from_square) in (0, 7):
            continue
        before.set_piece_at(from_square, piece)
        move = chess.Move(from_square, to_square)
        if not before.is_valid() or not before.is_legal(move):
            continue
        after = before.copy(stack=False)
        after.push(move)
        if after.fen().split(" ")[:4] == fields:
            return replace(line, before=before, blunder=move)
    return None


def _origins(board: chess.Board, square: chess.Square) -> chess.Bitboard:
    """Where the piece on a square may have come from, as a set of bits, without a capture or a promotion."""
    piece = board.piece_at(square)
    if piece is None:
        return chess.BB_EMPTY
    if piece.piece_type != chess.PAWN:
        return int(board.attacks(square))
    back = -8 if piece.color == chess.WHITE else 8
    steps = (square + back, square + 2 * back)
    return sum(chess.BB_SQUARES[step] for step in steps if 0 <= step < 64)


class Source:
    """An endless supply of positions of each kind, for one process.

    :param puzzles: lines of real puzzles; without them all positions come from games of its own.
    """

    def __init__(self, seed: int, puzzles: list[Line] | None = None) -> None:
        self.rng = random.Random(seed)
        self.puzzles = puzzles or []
        self._mates: list[chess.Board] = []
        self._mates_in_two: list[chess.Board] = []
        self._blunder: Line | None = None
        for line in [later for puzzle in self.puzzles for later in solver_lines(puzzle)]:
            last = line.board.copy(stack=False)
            for move in line.moves:
                last.push(move)
            if last.is_checkmate() and len(line.moves) <= 3:
                (self._mates if len(line.moves) == 1 else self._mates_in_two).append(line.board)
        self._games = self._play()

    def _play(self) -> Iterator[chess.Board]:
        """Positions of games without end; mates and blunders on the way are kept as seeds."""
        while True:
            start = self.rng.choice(self.puzzles).board if self.puzzles and self.rng.random() < 0.6 else None
            before: chess.Board | None = None
            for board in game(self.rng, start, plies=self.rng.choice([20, 60, 120])):
                mates = mating_moves(board)
                line = mates[:1]
                if mates:
                    _keep(self._mates, board.copy(stack=False), self.rng)
                elif board.fullmove_number % 8 == 0 and (line := list(mate_in_two(board) or ())):
                    _keep(self._mates_in_two, board.copy(stack=False), self.rng)
                if line and before is not None:
                    blunder = Line(board.copy(stack=False), tuple(line), before, board.peek())
                    if all(trainable(later.board) for later in solver_lines(blunder)) and trainable(before):
                        self._blunder = blunder
                if trainable(board):
                    yield board.copy(stack=False)
                before = board.copy(stack=False)

    def position(self) -> chess.Board:
        """A position of a game."""
        return mirrored(next(self._games), self.rng)

    def _edit(self, seeds: list[chess.Board]) -> chess.Board:
        """A trainable seed, or an edit of one, mirrored; plays games until there are seeds."""
        while True:
            while len(seeds) < 8:
                next(self._games)
            seed = mirrored(self.rng.choice(seeds), self.rng)
            board = seed if self.rng.random() < 0.15 else edited(seed, self.rng)
            if board is not None and trainable(board):
                board.fullmove_number = self.rng.randint(8, 60)
                return board

    def mate_or_near_miss(self) -> chess.Board:
        """A position that has a mate in one about every second time."""
        return self._edit(self._mates)

    def mate(self) -> Line:
        """A position with a mate in one."""
        while True:
            board = self.mate_or_near_miss()
            mates = mating_moves(board)
            if mates:
                return Line(board, (self.rng.choice(mates),))

    def mate_in_two(self) -> Line:
        """A position with a mate in two and none in one, every position of the line trainable."""
        while True:
            board = self._edit(self._mates_in_two)
            line = None if mating_moves(board) else mate_in_two(board)
            if line and all(trainable(later.board) for later in solver_lines(Line(board, line))):
                return Line(board, line)

    def tactic(self) -> Line:
        """A real puzzle from one of the solver's turns, or a mate in two where no file is given."""
        if not self.puzzles:
            return self.mate_in_two()
        return self._mirrored_line(self.rng.choice(list(solver_lines(self.rng.choice(self.puzzles)))))

    def blunder(self) -> Line:
        """A line whose `before` and `blunder` are known."""
        if self.puzzles:
            line = self.rng.choice(self.puzzles)
            if line.before is not None and trainable(line.before):
                return line
        self._blunder = None
        while self._blunder is None:
            next(self._games)
        return self._blunder

    def _mirrored_line(self, line: Line) -> Line:
        """The line with colours swapped half of the time."""
        if self.rng.random() < 0.5:
            return line
        return Line(
            line.board.mirror(),
            tuple(_mirrored_move(move) for move in line.moves),
            line.before.mirror() if line.before else None,
            _mirrored_move(line.blunder) if line.blunder else None,
        )


def _mirrored_move(move: chess.Move) -> chess.Move:
    return chess.Move(
        chess.square_mirror(move.from_square), chess.square_mirror(move.to_square), move.promotion
    )


def _keep(seeds: list[_Seed], seed: _Seed, rng: random.Random, limit: int = 20_000) -> None:
    if len(seeds) < limit:
        seeds.append(seed)
    else:
        seeds[rng.randrange(limit)] = seed
