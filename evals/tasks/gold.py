"""The gold self-test: a format that cannot score its own right answers would fail every model.

Each puzzle's own solution is written in the declared format and read back. It has to be solved, with the
trace's sections in order and its answer the one that the trace concludes with. Costs no model, so it comes
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evals.words import Case, Completion, Task, Verdict

MUST_HOLD = ("sections_in_order", "faithful")
"""Checks of a trace that a right answer passes, where it has them."""
ENOUGH = 300
"""Cases of one task that are tried at most: what is wrong with a format shows on almost every one."""


class GoldError(ValueError):
    """A format that does not score its own right answer; says what was written and how it was read."""


def check_gold(task: Task, cases: Sequence[Case], format_name: str) -> int:
    """Let a perfect player answer the cases, spread evenly, and judge what it says.

    :returns: how many cases were tried; 0 where the task does not say what is right.
    :raises GoldError: one of the answers is not solved, or a check of its trace fails.
    """
    write = getattr(task, "right_answers", None)
    if write is None:
        return 0
    tried = cases[:: max(1, len(cases) // ENOUGH)][:ENOUGH]
    wrong = list(_wrong(task, ((case, write(case)) for case in tried)))
    if wrong:
        case, said, verdict = wrong[0]
        failed = [name for name in MUST_HOLD if verdict.checks.get(name) is False]
        why = ", ".join(failed) if verdict.outcome == "solved" else f"{verdict.outcome} ({verdict.detail})"
        raise GoldError(
            f"the format {format_name} cannot score its own right answers: {len(wrong)} of {len(tried)} of "
            f"{task.name}; first {case.id}: {_shown(said)} is read as {why}. Correct its answer shape"
        )
    return len(tried)


def _wrong(
    task: Task, answered: Iterable[tuple[Case, Sequence[Completion]]]
) -> Iterable[tuple[Case, Sequence[Completion], Verdict]]:
    for case, said in answered:
        verdict = task.judge(case, said)
        failed = any(verdict.checks.get(name) is False for name in MUST_HOLD)
        if verdict.outcome != "solved" or failed:
            yield case, said, verdict


def _shown(said: Sequence[Completion]) -> str:
    last = said[-1]
    text = f"<think>{last.reasoning}</think>{last.content}" if last.reasoning else str(last.content)
    return repr(text if len(text) <= 200 else f"{text[:80]} ... {text[-100:]}")
