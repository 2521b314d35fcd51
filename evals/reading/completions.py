"""A completion's text in its two halves: the reasoning, and what follows it."""

from __future__ import annotations

from dataclasses import dataclass

from evals.words import Completion


@dataclass(frozen=True, slots=True)
class Trace:
    """A completion's text in its two halves, however the server delivered them."""

    trace: str | None
    """The reasoning without its tags; None where there is none."""
    content: str
    """What follows the reasoning, stripped."""
    closed: bool
    """True where the reasoning ended before the answer; True also where there is none."""


def split_trace(completion: Completion) -> Trace:
    """Take the reasoning out of a completion.

    A server with a reasoning parser delivers it apart; one without leaves `<think>` in the content. Where the
    chat template opened the tag itself, only `</think>` is in the text.
    """
    content = completion.content or ""
    if completion.reasoning and completion.reasoning.strip():
        trace = completion.reasoning.strip().removeprefix("<think>").strip()
        return Trace(trace, content.strip(), closed=bool(content.strip()))
    text = content.lstrip()
    opened = text.startswith("<think>")
    # A JSON answer may well quote the tag in a string: that is no reasoning.
    if not opened and ("</think>" not in text or text.startswith("{")):
        return Trace(None, content.strip(), closed=True)
    trace, closing, rest = text.removeprefix("<think>").partition("</think>")
    return Trace(trace.strip() or None, rest.strip(), closed=bool(closing))
