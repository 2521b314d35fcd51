"""Answers behind a cue (`Best move: Nf3`), in a tag (`<move>Nf3</move>`), in a box (`\\boxed{Nf3}`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

import chess
from pydantic import ValidationError

from evals.adopting.rows import AdoptError
from evals.formats.shapes import AnswerShape
from evals.reading.moves import read_move
from evals.words import Notation

_MOVE: dict[Notation, str] = {
    "uci": "[a-h][1-8][a-h][1-8][qrbn]?",
    "san": "(?:O-O(?:-O)?|[KQRBN]?[a-h]?[1-8]?x?[a-h][1-8](?:=[QRBN])?)[+#]?",
}
_LONGEST = 60
"""Characters of a cue, or of what follows the answer, that are looked at."""


def cued(
    texts: Sequence[str], boards: Sequence[chess.Board], known: Sequence[chess.Move | None], cue: str
) -> Iterator[AnswerShape]:
    """Shapes with a pattern for what stands around the move in every text.

    :param known: the right moves, where they are known.
    :param cue: what a user says that stands before the move.
    :raises AdoptError: two moves of each text stand behind a cue.
    """
    for notation in ("uci", "san"):
        fits: dict[tuple[chess.Move | None, ...], AnswerShape] = {}
        for place in (-1, 0):
            places = [
                _moves_in(text, board, notation, cue) for text, board in zip(texts, boards, strict=True)
            ]
            if not all(places):
                continue
            chosen = [each[place] for each in places]
            moves = tuple(move for _, _, move in chosen)
            if any(right not in (None, move) for right, move in zip(known, moves, strict=True)):
                continue
            before = [text[:start] for text, (start, _, _) in zip(texts, chosen, strict=True)]
            after = [text[end:] for text, (_, end, _) in zip(texts, chosen, strict=True)]
            head, tail = cue or _common_end(before), _common_start([t[:_LONGEST] for t in after])
            if (shape := _shape(head, _first_line(tail), notation, "last" if place else "first")) is not None:
                fits.setdefault(moves, shape)
        sound = [shape for moves, shape in fits.items() if None not in moves]
        if len(sound) > 1:
            cues = " or ".join(repr(shape.template.partition("{answer}")[0]) for shape in sound)
            raise AdoptError(f"the move may stand behind {cues}: say with --cue which it is")
        yield from sound or fits.values()


def _moves_in(
    text: str, board: chess.Board, notation: Notation, cue: str
) -> list[tuple[int, int, chess.Move | None]]:
    """Where the moves of a text stand, illegal ones too."""
    return [
        (match.start(1), match.end(1), read_move(match[1], board, notation).move)
        for match in re.finditer(rf"{re.escape(cue)}(?<![\w-])({_MOVE[notation]})(?![\w=-])", text)
    ]


def _common_start(texts: Sequence[str]) -> str:
    least, greatest = min(texts), max(texts)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, greatest, strict=False))
    return "".join(one for one, _ in same)


def _common_end(texts: Sequence[str]) -> str:
    """What stands before the move in all texts: where prose before it varies, only its last sentence."""
    common = _common_start([text[::-1][:_LONGEST] for text in texts])[::-1]
    if any(len(text) > len(common) for text in texts):
        if any(text[: -len(common) or None][-1:].isalnum() for text in texts):
            common = re.sub(r"^\w+", "", common)  # the rest of a word
        common = re.sub(r"^.*(?:[.!?]\s|\n)(?=.*[\w<\\\[{(*:])", "", common, flags=re.DOTALL)
    said = common.lstrip()
    return said if re.search(r"[\w<\\\[{(*:]", said) else ""


def _first_line(text: str) -> str:
    """What stands right behind the answer, up to the end of its line."""
    return re.split(r"\s", text, maxsplit=1)[0] if text else ""


def _shape(head: str, tail: str, notation: Notation, take: str) -> AnswerShape | None:
    if not head:
        return None
    pattern = f"{_escaped(head)}(?P<move>{_MOVE[notation]}){_escaped(tail)}"
    said = {"shape": "regex", "of": notation, "pattern": pattern, "template": f"{head}{{answer}}{tail}"}
    try:
        return AnswerShape.model_validate(said | {"take": take})
    except ValidationError:
        return None


def _escaped(text: str) -> str:
    r"""As a literal of RE2; `re.escape` would also escape blanks, which is hard to read."""
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", text)
