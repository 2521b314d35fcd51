"""The tokenizer of pawn: one token per two squares, a fixed layout for every FEN, whole phrases of prompts.

A FEN's piece placement always costs 32 tokens, so a square of the board is always at the same distance from
the FEN's start and no arithmetic is asked of the model: a normalizer writes the digits of empty squares as
dots and drops the slashes, and a look-ahead to the side to move tells a placement (`r3kb1r/`) from squares
(`b1`) and from SAN (`Rb1`).

The chat template repeats the user's message. A model that reads from left to right sees a square of the first
board without the squares after it; on the second it sees for every square all the others ("re-reading",
Xu et al. 2023, arXiv:2309.06275). A prompt is as long as with one token per square and one reading.

There is nothing to train: the vocabulary is the 256 bytes and a list of words. BPE has no merges, and a
piece of text that is in the vocabulary as a whole is one token (`ignore_merges`); all else is bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import chess
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from evals.formats.file import load_format

CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THINK, END_THINK = "<think>", "</think>"

_SQUARES = "pnbrqkPNBRQK."
_FEN_CHARACTERS = f"{_SQUARES}1-8/"
PAIRS = [left + right for left in _SQUARES for right in _SQUARES]
"""What can stand on two squares beside each other: the tokens of a placement."""
BOARD = 32
"""Tokens of a placement."""
_PLACEMENT_FOLLOWS = rf"(?=[{_FEN_CHARACTERS}]* [wb] (?:[KQkq]+|-) )"
"""True in the middle of a FEN's piece placement, and only there: what comes next ends in the side to move."""

_FIELDS = [
    *("".join(right for i, right in enumerate("KQkq") if rights >> i & 1) for rights in range(15, 0, -1)),
    *("-", "w", "b"),
]
"""The FEN's fields after the placement, but for the numbers and an en passant square."""
_JSON = ['{"', '": ["', '": "', '", "', '"], "', '": [], "', '"]}', '": []}', '"}', '": ', "}"]
_MARKS = ["\n\n", "\n", ", ", ". ", ": ", "; ", "...", " (", ") ", ")\n"]
_PIECES = "KQRBNPkqrbnp"
_NUMBERS = [str(number) for number in range(151)]
HEADINGS = (
    "## Step 1: FEN parsing",
    "## Step 2: Piece Positions",
    "## Step 3: Position Summary",
    "## Step 4: Candidate Moves",
    "## Step 5: Candidate Lines Analysis",
    "## Step 6: Solution",
)
_PHRASES = [
    *(*HEADINGS, "Castling:", "White to move", "Black to move", "in check", "mateIn1", "mateIn2", "mateIn3"),
]
_WORDS = """
    system user assistant move moves line fen pieces check true false White Black Material Check Castling
    piece_positions candidate_moves themes solution best_move none yes no mate advantage crushing short long
    oneMove fork pin hangingPiece sacrifice promotion discoveredAttack endgame middlegame opening attraction
    skewer backRankMate deflection defensiveMove kingsideAttack veryLong quietMove advancedPawn exposedKing
    trappedPiece equality pawnEndgame
""".split()  # noqa: SIM905


@cache
def shipped_prompts() -> dict[str, tuple[str, str]]:
    """System and user text of every question in the shipped formats, by a name that says in which format, in
    the order of the names: the vocabulary depends on it.
    """
    formats = {name: load_format(name).questions for name in ("default", "san", "text")}
    of = {name.replace(".", "-"): ("default", name) for name in formats["default"] if "board" in name}
    of |= {f"{name}-uci": ("default", name) for name in ("line", "move")}
    of |= {f"{name}-san": ("san", name) for name in ("line", "move")}
    of |= {"reasoning": ("default", "reasoning"), "reasoning-text": ("text", "reasoning")}
    # As file names: "reasoning-text.toml" before "reasoning.toml".
    names = sorted(of, key=lambda name: f"{name}.toml")
    found = {name: formats[of[name][0]][of[name][1]] for name in names}
    return {name: (question.system, question.user) for name, question in found.items()}


def prompt_texts() -> Iterator[str]:
    """The texts of every shipped prompt."""
    for texts in shipped_prompts().values():
        yield from texts


def _runs_of_words(texts: Iterable[str]) -> list[str]:
    return [run for text in texts for run in re.findall(r"[A-Za-z_-]+(?: [A-Za-z_-]+)*", text)]


def _bytes_as_text(text: str) -> str:
    """The text as byte-level BPE writes it: a visible character per byte, `Ġ` for a space."""
    ((piece, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    return piece


def _any_of(pieces: Iterable[str]) -> str:
    """A pattern for one of these texts, the longest that fits."""
    longest_first = sorted(set(pieces), key=lambda piece: (-len(piece), piece))
    return "|".join(re.sub(r"([\[\](){}.+?|])", r"\\\1", piece) for piece in longest_first)


def split_pattern(phrases: Iterable[str]) -> str:
    """How text outside of a FEN's placement is cut; the first alternative that fits wins."""
    return "|".join(
        (
            rf"(?:{_any_of(phrases)})(?![A-Za-z0-9_])",
            rf", [{_PIECES}](?=[a-h][1-8])",
            rf'", "[{_PIECES}](?=[a-h][1-8])',
            r"[a-h][1-8]",
            rf" (?:{_any_of(_FIELDS)})(?![A-Za-z0-9])",
            r" [KQRBN](?=[a-hx1-8])| [a-h](?=x)",
            r"O-O-O|O-O",
            r" ?[A-Za-z_]{2,}(?![A-Za-z0-9_#+=])",
            r" ?[0-9]{1,3}",
            _any_of([*_JSON, *_MARKS]),
        )
    )


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of a token that is there."""
    return int(tokenizer.get_vocab()[token])


def build_tokenizer(more_texts: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Make the tokenizer; `more_texts` are prompts of our own whose phrases are tokens too."""
    runs = _runs_of_words([*prompt_texts(), *more_texts])
    phrases = [*_PHRASES, *(run for run in runs if " " in run)]
    words = [*_WORDS, *(word for run in runs for word in run.split(" "))]
    pieces = [
        *PAIRS,
        *chess.SQUARE_NAMES,
        *(f", {piece}" for piece in _PIECES),
        *(f'", "{piece}' for piece in _PIECES),
        *(f" {text}" for text in [*_FIELDS, *"KQRBN", *"abcdefgh", *_NUMBERS, *words]),
        *(*phrases, *words, *_NUMBERS, *_JSON, *_MARKS, "O-O-O", "O-O"),
    ]
    special = [END_OF_TEXT, IM_START, IM_END]
    text_tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(_bytes_as_text(piece) for piece in pieces)]
    tokens = list(dict.fromkeys([*special, THINK, END_THINK, *text_tokens]))
    tokenizer = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=[], ignore_merges=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(normalizers.Replace(Regex(f"{n}{_PLACEMENT_FOLLOWS}"), "." * n) for n in range(1, 9)),
            normalizers.Replace(Regex(f"/{_PLACEMENT_FOLLOWS}"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(rf"(?:[{_SQUARES}]{{2}}|[{_FEN_CHARACTERS}]){_PLACEMENT_FOLLOWS}"), behavior="isolated"
            ),
            pre_tokenizers.Split(Regex(split_pattern(phrases)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    # As Qwen3 has them: added, not special, so that they stay in the text that a client sees.
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in (THINK, END_THINK)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=IM_END,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE.read_text(encoding="utf-8"),
    )
