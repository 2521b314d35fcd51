"""What judging costs, in CPU time per case: `make bench`.

    python -m tests.bench_grading [--cases N] [--rounds N]

Every case is judged from the completion on: the JSON, the schema, the move, the checks. One case in three is
answered right, one with another legal move, one with an illegal one; the spread is over the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence

from evals.puzzles.puzzle import Puzzle
from evals.tasks import build_tasks
from evals.words import Case, Completion, Task
from tests.asking import asking, cases_of
from tests.positions import random_puzzles
from tests.traces import write_answer, write_trace

LIMITS_MS = {"move": 0.5, "reasoning": 3.0}
"""What a case may cost; the other tasks have no limit of their own."""

Answer = Callable[[Case, random.Random], list[Completion]]


def some_move(puzzle: Puzzle, ply: int, rng: random.Random) -> str:
    """The solution's move, another legal one, or one that is not legal."""
    legal = [move.uci() for move in puzzle.board(ply).legal_moves]
    return rng.choice([puzzle.solution[ply], rng.choice(legal), "a1a1"])


def answer_move(case: Case, rng: random.Random) -> list[Completion]:
    return [Completion(content=json.dumps({"move": some_move(case.puzzle, 0, rng)}))]


def answer_line(case: Case, rng: random.Random) -> list[Completion]:
    line = [some_move(case.puzzle, 0, rng), *case.puzzle.solution[1:]]
    return [Completion(content=json.dumps({"line": line}))]


def answer_play(case: Case, rng: random.Random) -> list[Completion]:
    moves = [some_move(case.puzzle, ply, rng) for ply in range(0, len(case.puzzle.solution), 2)]
    return [Completion(content=json.dumps({"move": move})) for move in moves]


def answer_reasoning(case: Case, rng: random.Random) -> list[Completion]:
    trace = write_trace(case.puzzle)
    if rng.random() < 0.3:
        trace = trace.replace("1", "2")  # pieces and lines that are wrong cost more than right ones
    return [Completion(content=write_answer(case.puzzle), reasoning=trace, completion_tokens=900)]


ANSWERS: dict[str, Answer] = {
    "move": answer_move,
    "line": answer_line,
    "play": answer_play,
    "reasoning": answer_reasoning,
}


def cost(task: Task, answered: Sequence[tuple[Case, list[Completion]]]) -> float:
    """CPU milliseconds that judging takes per case."""
    started = time.process_time()
    for case, completions in answered:
        task.judge(case, completions)
    return 1000 * (time.process_time() - started) / len(answered)


def main() -> None:
    """Print a row per task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    settings, rng = asking(), random.Random(0)
    tasks, puzzles = build_tasks(settings), list(random_puzzles(seed=42, count=options.cases))
    for name, answer in ANSWERS.items():
        answered = [(case, answer(case, rng)) for case in cases_of(name, puzzles, settings)]
        rounds = [cost(tasks[name], answered) for _ in range(options.rounds)]
        limit = f", limit {LIMITS_MS[name]} ms" if name in LIMITS_MS else ""
        print(
            f"judge {name:<10} {statistics.median(rounds):.3f} ms CPU a case "
            f"({min(rounds):.3f} to {max(rounds):.3f} over {len(rounds)} rounds of {len(answered)}{limit})"
        )


if __name__ == "__main__":
    main()
