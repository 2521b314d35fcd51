"""Text from models, servers and files, made safe to show. Imports nothing of ours.

What is shown may reach a terminal, the log of a CI job, JUnit's XML, markdown or a snapshot. A terminal
obeys escape sequences (ECMA-48: clear the screen; OSC 52: set the clipboard). Bidirectional and invisible
characters make a text look like another one (Unicode Technical Report 36). XML allows no control characters,
UTF-8 no lone surrogates. And CI runners obey lines that look like commands.
"""

from __future__ import annotations

import re

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Fillers and variation selectors: invisible, though `str.isprintable` accepts them."""
COMMAND = re.compile(r"^ *(:):|(#)#\w*\[", re.MULTILINE)
"""Commands to the runners of GitHub (`::error::` after white space, `##[error]`) and Azure (`##vso[...]`)."""
SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
MORE = "... ({} more characters)"


def printable(text: str, limit: int = 300, *, newlines: bool = False) -> str:
    r"""The text with every character visible, and no longer than `limit` characters.

    Control characters, lone surrogates, and invisible, bidirectional or unassigned characters are written as
    Python and a shell write them (`\x1b`, `\u202e`), and so is the first character of what a CI runner would
    read as a command. The result may go through here again and stays the same.

    :param newlines: keep line feeds as they are.
    """
    head = text[:limit]
    commands = {match.start(match.lastindex or 0) for match in COMMAND.finditer(head)}
    pieces = [
        _escaped(character)
        if place in commands or not (_visible(character) or (newlines and character == "\n"))
        else character
        for place, character in enumerate(head)
    ]
    if len(text) <= limit and sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room = max(0, limit - len(MORE.format(len(text))))
    kept = 0
    while kept < len(pieces) and len(pieces[kept]) <= room:
        room -= len(pieces[kept])
        kept += 1
    return ("".join(pieces[:kept]) + MORE.format(len(text) - kept))[:limit]


def _visible(character: str) -> bool:
    return character.isprintable() and not INVISIBLE.match(character)


def _escaped(character: str) -> str:
    number = ord(character)
    # \x only below 0x80: a shell takes it for a byte, and UTF-8 has more than one from there on.
    escape = (
        rf"\x{number:02x}"
        if number < 0x80
        else rf"\u{number:04x}"
        if number < 0x10000
        else rf"\U{number:08x}"
    )
    return SHORT.get(character, escape)
