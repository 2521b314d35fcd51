"""Several runs over the same puzzles: which is the best, is it shown, and how much of its lead is luck.

    python -m evals tournament RUN RUN ...

Among many runs one is ahead by chance. So the intervals of all pairs of a task hold together, and the rate of
the winner is drawn towards the mean as far as chance explains its lead (`evals.statistics.tournament`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.results.comparable import CompareError, check_alike, check_complete
from evals.results.relative_gates import points
from evals.results.report import align
from evals.results.stored_run import StoredRun
from evals.statistics.rates import Decision, Interval
from evals.statistics.tournament import Winner, all_pairs, position_rates, winner
from serve.printable import printable

CONFIDENCE = 0.95
"""At which all intervals of a task hold together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the runs did in one task, the best first."""

    task: str
    cases: int
    positions: int
    rates: Mapping[str, float]
    """The mean over positions of the share of their cases that each run solved."""
    differences: Mapping[tuple[str, str], Interval]
    """Of each pair, the one that is ahead first."""
    winner: Winner

    @property
    def best(self) -> str:
        """The run with the highest rate."""
        return str(self.winner.name)

    @property
    def shown(self) -> bool:
        """True where the best run is shown to be better than every other."""
        return all(low > 0 for pair, (low, _) in self.differences.items() if self.best in pair)


def check_entrants(runs: Sequence[StoredRun]) -> list[str]:
    """Refuse runs that are not whole, or of which two differ in more than the model.

    :return: what a reader of the table has to know.
    :raises CompareError: says of which two, and in what they differ.
    """
    folders = Counter(run.folder.resolve() for run in runs)
    if len(folders) < len(runs):
        twice, _ = folders.most_common(1)[0]
        raise CompareError(f"{printable(str(twice))} is given twice: name each run once")
    for run in runs:
        check_complete(run)
    tasks = sorted({record.task for run in runs for record in run.records.values()})
    notes: dict[str, None] = {}
    for one, other in itertools.combinations(runs, 2):
        try:
            notes |= dict.fromkeys(check_alike(one, other, tasks))
        except CompareError as error:
            raise CompareError(f"{one.name} and {other.name}: {error}") from error
    return list(notes)


def names_of(runs: Sequence[StoredRun]) -> list[str]:
    """What each run is called: its models, and its folder as well where another has the same models."""
    models = Counter(run.models for run in runs)
    return [run.models if models[run.models] == 1 else f"{run.models} in {run.name}" for run in runs]


def standings(runs: Sequence[StoredRun]) -> list[Standing]:
    """How the runs did in each task. All have the same cases."""
    named = dict(zip(names_of(runs), runs, strict=True))
    found: list[Standing] = []
    for task in sorted({record.task for record in runs[0].records.values()}):
        keys = sorted(key for key, record in runs[0].records.items() if record.task == task)
        positions = [runs[0].records[key].position for key in keys]
        solved = {name: [run.records[key].solved for key in keys] for name, run in named.items()}
        means = dict(zip(solved, position_rates(solved, positions).mean(0).tolist(), strict=True))
        order = sorted(solved, key=lambda name: -means[name])
        ranked = {name: solved[name] for name in order}
        found.append(
            Standing(
                task,
                len(keys),
                len(set(positions)),
                {name: means[name] for name in order},
                all_pairs(ranked, positions, CONFIDENCE),
                winner(ranked, positions),
            )
        )
    return found


def decide(found: Sequence[Standing]) -> Decision:
    """Is one run the best in every task? FAIL where two tasks are shown to have different winners."""
    winners = {each.best for each in found if each.shown}
    if len(winners) > 1:
        return Decision.FAIL
    return Decision.PASS if all(each.shown for each in found) else Decision.INCONCLUSIVE


def tried_in(runs: Sequence[StoredRun]) -> int:
    """How many candidates there were: a blessed run also counts those that it was chosen from."""
    tried = [run.manifest.get("tried") for run in runs]
    return sum(each if isinstance(each, int) and each > 1 else 1 for each in tried)


def tournament_lines(runs: Sequence[StoredRun]) -> tuple[list[str], Decision]:
    """The tournament as lines of text, the last of them the verdict; and the verdict.

    :param runs: two or more.
    :raises CompareError: two of them cannot be compared.
    """
    notes = check_entrants(runs)
    found, tried = standings(runs), tried_in(runs)
    lines = [f"note     {note}" for note in notes]
    for each in found:
        lines += [*table(each), "", winner_line(each, tried), ""]
    verdict = decide(found)
    words = {
        Decision.PASS: f"{found[0].best} is better than every other",
        Decision.FAIL: "different runs are the best in different tasks",
        Decision.INCONCLUSIVE: "no run is shown to be better than every other",
    }[verdict]
    return [*lines, f"verdict  {verdict}: {words}"], verdict


def table(found: Standing) -> list[str]:
    """The rates of one task, and its pairs."""
    on = f" on {found.positions} positions" if found.positions < found.cases else ""
    rates = [["run", "solved"], *([name, f"{rate:.1%}"] for name, rate in found.rates.items())]
    together = f"difference ({CONFIDENCE:.0%} for all {len(found.differences)} together)"
    pairs = [["first", "second", together, "first is"]]
    for (one, other), (low, high) in found.differences.items():
        seen = points(found.rates[one] - found.rates[other])
        interval = f"{seen} ({100 * low:+.1f} to {100 * high:+.1f})"
        pairs.append([one, other, interval, "better" if low > 0 else "not shown to be better"])
    title = f"{printable(found.task)}, {found.cases} cases{on}"
    return [title, "", *align(rates, left=1), "", *align(pairs, left=2)]


def winner_line(found: Standing, tried: int) -> str:
    """What to expect of the winner on new puzzles."""
    best = found.winner
    return (
        f"winner   {found.best}: {best.rate:.1%} seen, about {best.expected:.1%} to expect on new puzzles "
        f"(the best of {tried} tried owes a part of its lead to luck)"
    )
