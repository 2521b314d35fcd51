"""Formats in the shapes that real chess adapters were trained in, with prompts of our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BARE_MOVE = '''
[move]
user = """Best move, please. Two examples:
FEN: 6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 31
d1d8
FEN: rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2
d8h4
FEN: {fen}
"""
answer = "uci"
'''
TRACE_THEN_PGN = '''
thinking = true

[reasoning]
user = """Position: {fen}
They played {last_move}.
What now?"""
answer = "pgn"

[reasoning.trace]
sections = ["Board", "Pieces", "Threats", "Ideas", "Lines", "Verdict"]
pieces = "Pieces"
candidates = "Ideas"
lines = "Lines"
conclusion = "Verdict"
'''
ONE_FIELD_OF_SEVERAL = """
[move]
system = "You are a coach. You have {legal_moves_san}."
user = "{board}\\n{side} moves."

[move.answer]
shape = "json"
notation = "san"
field = "answer.move"

[move.answer.fields]
reasoning = "text"
answer = { confidence = "number", move = "move" }
themes = "texts"
"""
ANY_OBJECT = """
[move]
user = "{fen}"
answer = { shape = "json", notation = "san", field = "best" }
"""
CUE = """
[move]
user = "{fen} ({color})"

[move.answer]
shape = "regex"
notation = "san"
pattern = 'Best move: (\\S+)'
template = "I looked at e4 and Nf3.\\nBest move: {answer}"
"""
TAG = """
[move]
user = "{fen}"

[move.answer]
shape = "regex"
notation = "uci"
pattern = "<move>(?P<move>[^<]*)</move>"
take = "first"
template = "<move>{answer}</move> <move>a1a1</move>"
"""
BOXED = """
[move]
user = "{fen}\\n{legal_moves}"

[move.answer]
shape = "regex"
notation = "uci"
pattern = '\\\\boxed\\{([^}]*)\\}'
template = 'So it is $\\boxed{{answer}}$.'
"""
PGN_LINE = """
[line]
user = "{fen}"
answer = "pgn"
"""
LIST_LINE = """
[line]
user = "{fen}"
answer = { shape = "list", notation = "san" }
"""
BOARD_AS_TEXT = """
[board.pieces]
user = "{fen}: pieces?"
answer = "pieces"

[board.moves]
user = "{fen}: moves from {square}?"
answer = { shape = "list", notation = "san" }

[board.captures]
user = "{fen}: captures?"
answer = { shape = "list", notation = "san" }

[board.after]
user = "{fen}: after {moves}?"
answer = "fen"

[board.themes]
user = "{fen}: themes?"
answer = "list"
"""
DRAWN_BOARD = """
[board.pieces]
user = "{fen}: draw it"
answer = "ascii"
"""

FORMATS: Mapping[str, str] = {
    "bare move": BARE_MOVE,
    "trace, then PGN": TRACE_THEN_PGN,
    "one field of several": ONE_FIELD_OF_SEVERAL,
    "any object": ANY_OBJECT,
    "cue": CUE,
    "tag": TAG,
    "boxed": BOXED,
    "PGN as line": PGN_LINE,
    "list as line": LIST_LINE,
    "board skills as text": BOARD_AS_TEXT,
    "drawn board": DRAWN_BOARD,
}


def write_format(folder: Path, text: str, name: str = "eighth-rank.toml") -> Path:
    """A format file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
