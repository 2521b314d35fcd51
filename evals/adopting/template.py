"""The one prompt behind many: what is the same in every row, and which placeholder each varying part is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import chess

from evals.adopting.positions import Placed, read_either, retract
from evals.adopting.rows import AdoptError
from evals.formats.placeholders import OF_A_POSITION, MoveList
from evals.reading.lists import read_list
from evals.reading.text import shown
from evals.words import Notation

Order = Literal["generated", "sorted"]
SEPARATORS = (", ", ",", " ", "; ", ";", "\n", " | ", "|", "/", "', '", '", "', "\n- ", "\n* ")
_BIG = ("fen", "board", "pieces", "legal_moves", "legal_moves_san")
"""Values that are too long to be in a text by chance."""
_MARK = {name: f"\ue000{name}\ue001" for name in _BIG}
_TOKEN = re.compile(r"\ue000\w+\ue001|\s+|[^\s\ue000\ue001]+")
_MOVE_LIKE = re.compile(
    r"(?<![\w-])(?:[a-h][1-8][a-h][1-8][qrbn]?|O-O(?:-O)?[+#]?"
    r"|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=[QRBN])?[+#]?)(?![\w=-])"
)
_UCI_RUN = re.compile(r"(?<!\w)[a-h][1-8][a-h][1-8][qrbn]?(?: [a-h][1-8][a-h][1-8][qrbn]?)*(?!\w)")
_MOST_OPTIONS = 300


@dataclass(frozen=True, slots=True)
class Prompt:
    """System and user message with placeholders, and what fills them in each row."""

    system: str
    user: str
    legal_moves: MoveList
    placed: Sequence[Placed]
    """The rows, with the move before the position where the prompt shows it."""
    more: Sequence[Mapping[str, str]]
    """Values of placeholders that the position does not say, by row."""


def find_prompt(placed: Sequence[Placed], order: Order | None) -> Prompt:
    """Find the prompt of rows.

    :param order: how legal moves are ordered, where the rows do not decide it.
    :raises AdoptError: the rows have no prompt in common; shows two that differ.
    """
    how = _find_list(placed, order)
    systems = _mark([each.sample.system for each in placed], placed, how)
    users = _mark([each.sample.user for each in placed], placed, how)
    placed = _with_last_moves(placed, [f"{one}\n{two}" for one, two in zip(systems, users, strict=True)])
    more = [_more(each, text) for each, text in zip(placed, users, strict=True)]
    values = [_short_values(each.board) | extra for each, extra in zip(placed, more, strict=True)]
    rows = [each.sample.row for each in placed]
    system, user = _find("system", systems, values, rows), _find("user", users, values, rows)
    return Prompt(_unmark(system), _unmark(user), how or MoveList(), placed, more)


def _unmark(text: str) -> str:
    return re.sub(r"\ue000(\w+)\ue001", r"{\1}", text)


# --- long values ---


def _find_list(placed: Sequence[Placed], order: Order | None) -> MoveList | None:
    """How legal moves are listed; None where no prompt lists them."""
    texts = [each.sample.system + "\n" + each.sample.user for each in placed]
    if not any(len(_legal(each.board, "uci")) > 3 for each in placed):
        return None
    orders: tuple[Order, ...] = (order,) if order else ("generated", "sorted")
    fits = [
        how
        for how in (MoveList(separator=sep, order=each) for sep in SEPARATORS for each in orders)
        for notation in ("uci", "san")
        if all(
            how.write(_legal(each.board, notation)) in text for each, text in zip(placed, texts, strict=True)
        )
    ]
    fits = list(dict.fromkeys(fits))
    if len({how.order for how in fits}) > 1:
        raise AdoptError("the legal moves may be sorted or not: say --legal-order generated or sorted")
    return fits[0] if fits else None


def _legal(board: chess.Board, notation: Notation) -> list[str]:
    return [board.san(move) if notation == "san" else move.uci() for move in board.legal_moves]


def _mark(texts: Sequence[str], placed: Sequence[Placed], how: MoveList | None) -> list[str]:
    """The texts with a mark where each long value stands that all of them have."""
    names = [name for name in _BIG if how is not None or not name.startswith("legal_moves")]
    marked = list(texts)
    for name in names:
        values = [OF_A_POSITION[name](each.board, how or MoveList()) for each in placed]
        counts = [text.count(value) for text, value in zip(marked, values, strict=True)]
        if not all(counts):
            continue
        # A row's position may be one of the worked examples, which stand before the question.
        least = min(counts)
        marked = [
            _MARK[name].join(text.rsplit(value, least)) for text, value in zip(marked, values, strict=True)
        ]
    return marked


# --- short values ---


def _short_values(board: chess.Board) -> dict[str, str]:
    names = [name for name in OF_A_POSITION if name not in _BIG]
    if not board.move_stack:
        names = [name for name in names if not name.startswith("last_move")]
    return {name: OF_A_POSITION[name](board, MoveList()) for name in names}


def _with_last_moves(placed: Sequence[Placed], texts: Sequence[str]) -> list[Placed]:
    """The rows with the move before, where each shows one that can have led to its position."""
    if all(each.board.move_stack for each in placed):
        return list(placed)
    tokens = [_MOVE_LIKE.findall(text) for text in texts]
    everywhere = set.intersection(*map(set, tokens)) if len(tokens) > 1 else set[str]()
    own = [[move for move in dict.fromkeys(moves) if move not in everywhere] for moves in tokens]
    if not any(own):
        return list(placed)
    found: list[Placed] = []
    for each, moves, all_moves in zip(placed, own, tokens, strict=True):
        # One row's last move may also stand in the constant text.
        led = (retract(each.board, move) for move in moves or all_moves)
        board = each.board if each.board.move_stack else next(filter(None, led), None)
        if board is None:
            return list(placed)
        found.append(replace(each, board=board))
    return found


def _more(each: Placed, text: str) -> dict[str, str]:
    """The square of the piece whose moves are asked for, and the moves that are to be played."""
    more: dict[str, str] = {}
    content = (each.sample.gold.content or "").strip()
    if (squares := _origins(each.board, content)) and len(squares) == 1:
        more["square"] = squares.pop()
    elif content.lower() in ("none", "-", "[]", ""):
        own = [sq for sq in re.findall(r"(?<!\w)[a-h][1-8](?!\w)", text) if _is_own(each.board, sq)]
        more |= {"square": own[-1]} if own else {}
    for run in _UCI_RUN.findall(text):
        board = each.board.copy(stack=False)
        try:
            for uci in run.split():
                board.push(board.parse_uci(uci))
        except ValueError:
            continue
        if board.board_fen() in content:
            more["moves"] = run
    return more


def _is_own(board: chess.Board, square: str) -> bool:
    return board.color_at(chess.parse_square(square)) == board.turn


def _origins(board: chess.Board, text: str) -> set[str]:
    """The squares from which the moves of a list start; empty where it is no list of legal moves."""
    found = re.sub(r'[{}]|"\w+":', " ", text)
    try:
        return {chess.square_name(read_either(item, board).from_square) for item in read_list(found)}
    except ValueError:
        return set()


# --- what varies ---


def _find(what: str, texts: Sequence[str], values: Sequence[Mapping[str, str]], rows: Sequence[int]) -> str:
    """The template of texts.

    :raises AdoptError: there is none.
    """
    if len(set(texts)) == 1:
        return texts[0]
    tokens = [_TOKEN.findall(text) for text in texts]
    spans = _varying(tokens)
    constants = _around(tokens[0], spans)
    found = [_between(text, constants) for text in texts]
    if None in found:
        raise AdoptError(_disagree(what, texts, rows, found.index(None)))
    captured = [each for each in found if each is not None]
    parts: list[str] = [constants[0]]
    for at in range(len(spans)):
        column = [groups[at] for groups in captured]
        option = next((o for o in _options(column[0], values[0]) if _fits(o, column, values)), None)
        if option is None:
            raise AdoptError(_unknown(what, constants[at], column, rows))
        parts += [option, constants[at + 1]]
    return "".join(parts)


def _varying(tokens: Sequence[list[str]]) -> list[tuple[int, int]]:
    """The stretches of the first row's tokens that are not the same in all rows."""
    first, changed = tokens[0], set[tuple[int, int]]()
    for other in set(map(tuple, tokens[1:])):
        # Its `autojunk` only leaves blanks and frequent words of long prompts out of account.
        codes = difflib.SequenceMatcher(None, first, other).get_opcodes()
        changed |= {(start, end) for code, start, end, _, _ in codes if code != "equal"}
    spans: list[tuple[int, int]] = []
    for start, end in sorted(changed):
        if spans and start <= spans[-1][1] + (1 if "".join(first[spans[-1][1] : start]).isspace() else 0):
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _around(tokens: list[str], spans: Sequence[tuple[int, int]]) -> list[str]:
    """The constant texts before, between and behind the spans."""
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(tokens)]
    return ["".join(tokens[start:end]) for start, end in zip(starts, ends, strict=True)]


def _between(text: str, constants: Sequence[str]) -> list[str] | None:
    """What stands between the constant texts; None where they are not all there."""
    first, *others, last = constants
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return None
    place, end, found = len(first), len(text) - len(last), list[str]()
    for constant in others:
        at = text.find(constant, place, end)
        if at < 0:
            return None
        found.append(text[place:at])
        place = at + len(constant)
    return [*found, text[place:end]]


def _options(text: str, values: Mapping[str, str]) -> Iterator[str]:
    """Every way to read parts of a text as placeholders, `_MOST_OPTIONS` at most."""
    todo = [("", text)]
    for _ in range(_MOST_OPTIONS):
        if not todo:
            return
        head, rest = todo.pop(0)
        for name, value in values.items():
            place = rest.find(value) if value else -1
            while place >= 0:
                todo.append((f"{head}{rest[:place]}{{{name}}}", rest[place + len(value) :]))
                place = rest.find(value, place + 1)
        if head:
            yield head + rest


def _fits(option: str, column: Sequence[str], values: Sequence[Mapping[str, str]]) -> bool:
    """True where the option says every row's text; a placeholder without a value in a row stays as it is."""

    def filled(known: Mapping[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], match[0]), option)

    return all(filled(known) == text for text, known in zip(column, values, strict=True))


def _disagree(what: str, texts: Sequence[str], rows: Sequence[int], odd: int) -> str:
    one, two = _unmark(texts[0]), _unmark(texts[odd])
    at = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return (
        f"the rows have no {what} message in common: from character {at + 1} on, row {rows[0]} has "
        f"{shown(one[max(0, at - 20) : at + 60])} and row {rows[odd]} has "
        f"{shown(two[max(0, at - 20) : at + 60])}"
    )


def _unknown(what: str, before: str, column: Sequence[str], rows: Sequence[int]) -> str:
    other = next((at for at, text in enumerate(column) if text != column[0]), 0)
    return (
        f"a part of the {what} message varies and is nothing that a placeholder shows: behind "
        f"{shown(_unmark(before)[-40:])} row {rows[0]} has {shown(_unmark(column[0]))} and row {rows[other]} "
        f"has {shown(_unmark(column[other]))}"
    )
