"""Where answers come from: a sentence for each thing that mistakes have in common, and nothing for a model
that just plays badly.

A sentence is said from `FEWEST` cases and `LEAST` of all on, and only where that is more than chance: the
exact binomial probability of as many right answers by random legal moves is below `SIGNIFICANT`. Where the
answer was a legal move that is wrong, a right one elsewhere says something only if it stands there in half of
the mistakes: weak models, too, mention good moves. Samples and mirrored copies are left out, so that every
case is another position.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from evals.formats.format import Question
from evals.reading.answers import moves_in
from evals.reading.moves import read_move, without_marks
from evals.reading.text import shown
from evals.results.findings import FEWEST, LEAST, SIGNIFICANT, Answer, Finding, is_more
from evals.results.misread import find_misread
from evals.statistics.rates import p_at_least
from evals.words import Case, Completion, Outcome, Record
from serve.printable import printable

UNREAD = 0.2
"""From this share on answers are too often of another shape than the format's."""
OTHER_SHAPE = frozenset({Outcome.MALFORMED, Outcome.UNPARSEABLE, Outcome.TRUNCATED})
ALWAYS = 0.2
"""From this share of the answers on one move is played too often."""
TASKS = ("move", "reasoning", "play")
"""The tasks whose first answer is the best move of the solver's position; each asks a question so called."""
RARE = 0.01
"""How often, at least, an answer may be that of a worked example by chance."""


def diagnose(
    answered: Iterable[tuple[Case, Sequence[Completion]]],
    records: Iterable[Record],
    asked_before: Iterable[Record],
    questions: Mapping[str, Question],
) -> list[Finding]:
    """What is to be said of a run.

    :param answered: the cases of every task with their completions.
    :param records: what was judged of them.
    :param asked_before: the records of the task `diagnosis`.
    :param questions: how each question was asked.
    """
    judged = {each.case: each for each in records if each.answered}
    answers: dict[str, list[Answer]] = {}
    for case, completions in answered:
        record = judged.get(case.key)
        once = not case.mirrored and case.sample == 0
        if record is not None and completions and once and case.task in TASKS:
            answers.setdefault(case.task, []).append(Answer(case, completions[0], record))
    if "move" in answers:
        answers.pop("play", None)
    before = [each for each in asked_before if each.answered]
    found = [*_find_opponents_moves(before, answers), *_find_constraint(before)]
    for task, each in answers.items():
        question = questions.get(task)
        if question is not None:
            misread = list(find_misread(task, question, each))
            found += misread or _find_other_shape(task, question, each)
            found += _find_same_move(task, each)
            found += _find_copies(task, question, each)
    return found


def before_line(asked_before: Sequence[Record]) -> str | None:
    """What was seen in the positions before the opponent's move, in words; None where none was asked."""
    answered = [each for each in asked_before if each.answered]
    if not asked_before:
        return None
    lost = len(asked_before) - len(answered)
    unanswered = f"; {lost} unanswered: {_first_detail(asked_before)}" if lost else ""
    if not answered:
        return f"none of {len(asked_before)} positions before the opponent's move was answered{unanswered}"
    theirs, chance = _opponents_moves(answered)
    return (
        f"the opponent's move in {theirs} of {len(answered)} positions before it, "
        f"{theirs / len(answered):.1%} (chance: {chance:.1%}){unanswered}"
    )


def _first_detail(records: Iterable[Record]) -> str:
    return next(printable(each.detail, 200) for each in records if not each.answered)


# Of the positions before the opponent's move.


def _opponents_moves(before: Sequence[Record]) -> tuple[int, float]:
    chances = [
        1 / each.checks["legal_moves"] for each in before if isinstance(each.checks["legal_moves"], int)
    ]
    return sum(each.checks["opponents_move"] is True for each in before), mean(chances)


def _find_opponents_moves(
    before: Sequence[Record], answers: Mapping[str, Sequence[Answer]]
) -> Iterable[Finding]:
    """Said only of a model that finds the opponent's moves more often than the solver's of the same puzzles:
    a good player, too, plays more of the opponent's moves than by chance (of captures a third).
    """
    if not before:
        return
    seen, chance = _opponents_moves(before)
    n, share = len(before), seen / len(before)
    known = {
        (each.record.set, each.record.puzzle): each.solved for several in answers.values() for each in several
    }
    found = [each.checks.get("held", known.get((each.set, each.puzzle))) for each in before]
    solved = [each for each in found if each is not None]
    if is_more(seen, n, n, chance) and (not solved or share > mean(map(bool, solved))):
        asked = f"asked one move earlier in {n} puzzles"
        if solved:
            right = f"{mean(map(bool, solved)):.0%} of {len(solved)} puzzles"
            asked = f"the solver's move is found in {right}; asked one move earlier"
        yield Finding(
            "opponents_move",
            f"{asked}: there it plays the opponent's move in {share:.0%} of positions (chance: {chance:.0%}):"
            " it was probably trained on FEN + `Moves[0]`",
            share,
            n,
        )


def _find_constraint(before: Sequence[Record]) -> Iterable[Finding]:
    """The exact test of McNemar's, on one side."""
    both = [each for each in before if isinstance(each.checks.get("free"), bool)]
    both = [each for each in both if isinstance(each.checks.get("held"), bool)]
    broken = [each for each in both if each.checks["free"] and not each.checks["held"]]
    mended = sum(each.checks["held"] is True and not each.checks["free"] for each in both)
    lost, n = len(broken), len(both)
    if lost - mended < max(FEWEST, LEAST * n) or p_at_least(lost, lost + mended, 0.5) >= SIGNIFICANT:
        return
    spaced = sum(each.checks.get("spacing") is False for each in broken)
    how = (
        "its own JSON is spaced otherwise than the format's json_spacing says"
        if 2 * spaced > lost
        else "--constrain none shows what it says by itself"
    )
    yield Finding(
        "constraint",
        f"{lost / n:.0%} of {n} answers are right where nothing holds them, and wrong where the server holds "
        f"them to the JSON schema: the constraint breaks them; {how}",
        lost / n,
        n,
    )


# Of the answers of the other tasks; what is read of them otherwise is in `misread`.


def _said(answer: Answer) -> str:
    """The move that was said; where none could be read, the text."""
    return answer.record.move or (answer.completion.content or "").strip()[:200]


def _find_other_shape(task: str, question: Question, answers: Sequence[Answer]) -> Iterable[Finding]:
    """Answers in which nothing right can be recognized either: a model is asked as it was not taught."""
    seen, n = sum(each.record.outcome in OTHER_SHAPE for each in answers), len(answers)
    if seen >= UNREAD * n and is_more(seen, n, n, RARE):
        yield Finding(
            "other_shape",
            f"{seen / n:.0%} of {n} {task} answers are not of the shape that the format declares, "
            f"{question.answer.shape!r}, and not right in any other: was the adapter trained to be asked so?",
            seen / n,
            n,
        )


def _find_same_move(task: str, answers: Sequence[Answer]) -> Iterable[Finding]:
    ((said, seen),) = Counter(map(_said, answers)).most_common(1)
    ((_, expected),) = Counter(each.solution for each in answers).most_common(1)
    n = len(answers)
    if seen >= ALWAYS * n and said and is_more(seen, n, n, expected / n):
        yield Finding(
            "same_move",
            f"{seen / n:.0%} of {n} {task} answers are always the same: {shown(said)} (the most frequent "
            f"solution: {expected / n:.0%})",
            seen / n,
            n,
        )


def _find_copies(task: str, question: Question, answers: Sequence[Answer]) -> Iterable[Finding]:
    """Mistakes that are the answer of a worked example, in the chat or in the text of the prompt."""
    examples = _answers_shown(question)
    wrong = [each for each in answers if not each.solved]
    copies = [each for each in wrong if not examples.isdisjoint(_names(each, _said(each)))]
    if not copies:
        return
    n = len(answers)
    by_chance = mean(not examples.isdisjoint(_names(each, each.solution)) for each in answers)
    if is_more(len(copies), len(wrong), n, max(RARE, by_chance)):
        share = len(copies) / n
        yield Finding(
            "copied_example",
            f"{share:.0%} of {n} {task} answers copy the answer of an example in the prompt, "
            f"{shown(_said(copies[0]), 20)} say, where that is wrong",
            share,
            n,
        )


_FEN = re.compile(
    r"(?:[1-8pnbrqkPNBRQK]{1,8}/){7}[1-8pnbrqkPNBRQK]{1,8}(?: [wb] [-KQkq]{1,4} [-a-h1-8]{1,2})?"
)


def _answers_shown(question: Question) -> frozenset[str]:
    """The moves that a prompt names, in the notation that it asks for."""
    notation = question.answer.moves_in() or "san"
    texts = [question.system, question.user, *(example.answer for example in question.examples)]
    return frozenset(move for text in texts for move in moves_in(_FEN.sub(" ", text), notation))


def _names(answer: Answer, said: str) -> set[str]:
    """A move as text: as it was said and, where that is legal in UCI, in SAN without marks."""
    move = read_move(said, answer.board, "uci").move
    return {without_marks(said)} | (set() if move is None else {without_marks(answer.board.san(move))})
