"""Did serving change the model? Greedy answers and first-token log probabilities of vLLM against PEFT."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import chess

from serve.endpoint.chat import said
from serve.endpoint.endpoint import Endpoint
from serve.endpoint.wire import UnreachableError
from serve.errors import ServeError
from serve.reference.model import Reference

Messages = Sequence[Mapping[str, str]]
SYSTEM = 'Find the best move in this chess position. Answer in JSON with the move in UCI notation, for example {"move": "e2e4"}.'  # noqa: E501
MAX_TOKENS = 24

MIN_AGREEMENT = 0.95
MAX_DIFFERENCE = {"float32": 0.01}
"""Largest first-token difference (natural log) that is rounding, by dtype; bfloat16's is `COARSE`."""
COARSE = 0.25


@dataclass(frozen=True, slots=True)
class Greedy:
    """What one engine said to one prompt."""

    text: str
    first: Mapping[str, float]
    """The likeliest first tokens and their log probabilities."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two engines agree on the same prompts."""

    prompts: int
    same: int
    """Prompts with the same greedy text."""
    largest: float
    """Largest difference of a first-token log probability (natural log)."""
    mean: float

    def passed(self, *, min_agreement: float, max_difference: float) -> bool:
        """True where they are the same model but for rounding."""
        agreed = self.prompts > 0 and self.same / self.prompts >= min_agreement
        return agreed and self.largest <= max_difference

    def __str__(self) -> str:
        return (
            f"greedy agreement {self.same}/{self.prompts}, first-token log probabilities differ by at most "
            f"{self.largest:.2g}, {self.mean:.2g} on average"
        )


def compare(ours: Sequence[Greedy], reference: Sequence[Greedy]) -> Parity:
    """Compare two engines' answers to the same prompts, in the same order.

    Only tokens among the likeliest of both count; where they share none, the difference is infinite.
    """
    differences: list[float] = []
    for left, right in zip(ours, reference, strict=True):
        shared = left.first.keys() & right.first.keys()
        differences += [abs(left.first[token] - right.first[token]) for token in shared] or [float("inf")]
    same = sum(left.text == right.text for left, right in zip(ours, reference, strict=True))
    mean = sum(differences) / len(differences) if differences else 0.0
    return Parity(len(ours), same, max(differences, default=0.0), mean)


def positions(count: int, seed: int) -> list[Messages]:
    """Prompts about random legal positions, the same for the same seed."""
    rng = random.Random(seed)
    prompts: list[Messages] = []
    while len(prompts) < count:
        board = chess.Board()
        for _ in range(rng.randrange(6, 60)):
            if board.is_game_over():
                break
            board.push(rng.choice(list(board.legal_moves)))
        if not board.is_game_over():
            user = {"role": "user", "content": f"FEN: {board.fen()}"}
            prompts.append(({"role": "system", "content": SYSTEM}, user))
    return prompts


def read_prompts(path: Path) -> list[Messages]:
    """Prompts from a file with one JSON list of messages a line.

    :raises ServeError: the file is not that.
    """
    prompts: list[Messages] = []
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            messages = json.loads(line)
            whole = isinstance(messages, list) and all(
                isinstance(entry, dict) and isinstance(entry.get("content"), str) for entry in messages
            )
            if not whole or not messages:
                raise ServeError(f"{path}:{number}: expected a JSON list of messages")
            prompts.append(messages)
    except (OSError, ValueError, RecursionError) as error:
        raise ServeError(f"prompts {str(path)!r} cannot be read: {error}") from error
    if not prompts:
        raise ServeError(f"prompts {str(path)!r} holds no prompt")
    return prompts


def ask_server(endpoint: Endpoint, model: str, prompts: Sequence[Messages]) -> list[Greedy]:
    """What a server says; one request at a time, so that batching has no part in it.

    :raises ServeError: it does not answer, or gives no log probabilities.
    """
    answers: list[Greedy] = []
    for messages in prompts:
        body = {
            "model": model,
            "messages": list(messages),
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 5,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        try:
            answer = endpoint.send("/chat/completions", body, timeout=120)
        except UnreachableError as error:
            raise ServeError(f"{endpoint.base_url} stopped answering: {error}") from error
        if answer.status != 200:
            raise ServeError(f"{endpoint.base_url} answers {answer.status}: {answer.error}")
        read = said(answer)
        if not read.top_logprobs:
            raise ServeError(f"{endpoint.base_url} gives no log probabilities: parity needs them")
        answers.append(Greedy(read.content, read.top_logprobs[0]))
    return answers


def ask_reference(reference: Reference, model: str, prompts: Sequence[Messages]) -> list[Greedy]:
    """What the PEFT reference says."""
    answers = [reference.generate(model, messages, max_tokens=MAX_TOKENS) for messages in prompts]
    return [Greedy(answer.content, answer.top_logprobs[0]) for answer in answers]
