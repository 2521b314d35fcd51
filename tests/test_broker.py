"""The broker: every case once, so many in flight, whoever asks for the answer."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from evals.asking.broker import GIVE_UP_AFTER, Asker, Broker, BrokerClosedError
from evals.puzzles.puzzle import Puzzle
from evals.words import Case, Completion, Outcome, Request, Verdict


class Talk:
    """A task of up to `turns` requests that goes on while the answer is "go on"."""

    name = "move"
    questions = ()
    checks: Mapping[str, type] = {}

    def __init__(self, turns: int = 1) -> None:
        self._turns = turns

    def turns(self, case: Case) -> Generator[Request, Completion, None]:
        for turn in range(self._turns):
            text = f"{case.puzzle.id} {turn}"
            completion = yield Request(messages=({"role": "user", "content": text},), max_tokens=1)
            if completion.content != "go on":
                return

    def judge(self, case: Case, completions: Sequence[Completion]) -> Verdict:
        del case, completions
        return Verdict(Outcome.SOLVED)


def cases(n: int) -> list[Case]:
    return [Case("move", Puzzle(str(number), "fen", ("e2e4", "e7e5"), 1500, set="s")) for number in range(n)]


class Server:
    """An asker that counts: how often each text was sent, and how many at once.

    Gives its answers in turn, the last for ever.
    """

    def __init__(self, *answers: Completion, delay: float = 0.0) -> None:
        self.sent: list[str] = []
        self.most = self._now = 0
        self._answers, self._delay = answers, delay

    async def __call__(self, case: Case, request: Request) -> Completion:
        del case
        self._now += 1
        self.most = max(self.most, self._now)
        answer = self._answers[min(len(self.sent), len(self._answers) - 1)]
        self.sent.append(request.messages[0]["content"])
        await asyncio.sleep(self._delay)
        self._now -= 1
        return answer


def forget(case: Case, turn: int, completion: Completion) -> None:
    """Keep no record."""


@contextmanager
def broker_over(ask: Asker, task: Talk | None = None, concurrency: int = 8) -> Generator[Broker]:
    broker = Broker(ask, {"move": task or Talk()}, concurrency=concurrency, record=forget)
    try:
        yield broker
    finally:
        broker.close()


def test_planned_cases_are_asked_once_in_plan_order_however_they_are_taken() -> None:
    server = Server(Completion(content="{}"), delay=0.001)
    planned = cases(200)
    with broker_over(server) as broker:
        broker.plan(planned)
        shuffled = random.Random(1).sample(planned, len(planned)) * 2
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(broker.take, shuffled))
    assert all(completions[0].content == "{}" for completions in taken)
    assert max(Counter(server.sent).values()) == 1
    assert len(server.sent) == 200


def test_concurrency_is_reached_and_never_passed() -> None:
    server = Server(Completion(content="{}"), delay=0.01)
    with broker_over(server, concurrency=16) as broker:
        broker.plan(cases(64))
        broker.take_all("move")
    assert server.most == 16


def test_a_case_that_someone_waits_for_overtakes_the_plan() -> None:
    server = Server(Completion(content="{}"), delay=0.005)
    planned = cases(50)
    with broker_over(server, concurrency=1) as broker:
        broker.plan(planned)
        broker.take(planned[-1])
        position = server.sent.index("49 0")
    assert position < 10


def test_a_case_outside_the_plan_is_asked_on_demand() -> None:
    server = Server(Completion(content="{}"))
    with broker_over(server) as broker:
        assert broker.take(cases(1)[0])[0].content == "{}"


def test_turns_go_on_while_the_task_wants_them() -> None:
    server = Server(Completion(content="go on"))
    with broker_over(server, Talk(turns=3)) as broker:
        completions = broker.take(cases(1)[0])
    assert server.sent == ["0 0", "0 1", "0 2"]
    assert len(completions) == 3


def test_an_error_ends_the_turns() -> None:
    server = Server(Completion(content="go on", error="HTTP 500"))
    with broker_over(server, Talk(turns=3)) as broker:
        completions = broker.take(cases(1)[0])
    assert [completion.error for completion in completions] == ["HTTP 500"]


def test_a_server_that_is_gone_is_not_asked_for_ever() -> None:
    server = Server(Completion(error="connection failed"))
    planned = cases(GIVE_UP_AFTER + 200)
    with broker_over(server) as broker:
        broker.plan(planned)
        answered = broker.take_all("move")
    assert len(server.sent) < GIVE_UP_AFTER + 20
    assert all(completions[0].error for _, completions in answered)


def test_giving_up_says_what_the_server_answered() -> None:
    """Audit 12: fifty HTTP 400s in a row were reported as "the server did not answer"."""
    server = Server(
        *[Completion(error="HTTP 500: oops")] * (GIVE_UP_AFTER - 1), Completion(error="HTTP 400: no")
    )
    with broker_over(server, concurrency=1) as broker:
        broker.plan(cases(GIVE_UP_AFTER + 2))
        errors = [completions[0].error for _, completions in broker.take_all("move")]
    assert len(server.sent) == GIVE_UP_AFTER
    assert errors[-3:] == [
        "HTTP 400: no",
        *["not sent: the last 50 requests got no completion, the latest: HTTP 400: no"] * 2,
    ]


def test_one_answer_in_between_keeps_the_asking_going() -> None:
    lost = [Completion(error="HTTP 500: oops")] * (GIVE_UP_AFTER - 1)
    server = Server(*lost, Completion(content="{}"), *lost, Completion(content="{}"))
    with broker_over(server, concurrency=1) as broker:
        broker.plan(cases(2 * GIVE_UP_AFTER + 20))
        answered = broker.take_all("move")
    assert len(server.sent) == 2 * GIVE_UP_AFTER + 20
    assert answered[-1][1][0].content == "{}"


def test_a_request_that_was_not_sent_counts_no_attempt() -> None:
    with broker_over(Server(Completion(error="HTTP 500: oops")), concurrency=1) as broker:
        broker.plan(cases(GIVE_UP_AFTER + 1))
        assert broker.take_all("move")[-1][1][0].attempts == 0


def test_every_completion_is_recorded_before_it_is_handed_out() -> None:
    seen: list[str] = []
    server = Server(Completion(content="go on"))
    broker = Broker(
        server,
        {"move": Talk(turns=2)},
        concurrency=2,
        record=lambda case, turn, _: seen.append(f"{case.puzzle.id} {turn}"),
    )
    broker.take(cases(1)[0])
    assert seen == ["0 0", "0 1"]
    broker.close()


def test_a_task_that_breaks_fails_its_case_and_no_other() -> None:
    class Broken(Talk):
        def turns(self, case: Case) -> Generator[Request, Completion, None]:
            if case.puzzle.id == "1":
                raise ValueError("bad prompt")
            return super().turns(case)

    with broker_over(Server(Completion(content="{}")), Broken()) as broker:
        one, two = cases(2)
        assert broker.take(one)[0].content == "{}"
        with pytest.raises(ValueError, match="bad prompt"):
            broker.take(two)


def test_closing_frees_whoever_waits() -> None:
    server = Server(Completion(content="{}"), delay=30)
    case = cases(1)[0]
    failures: list[BaseException] = []

    with broker_over(server) as broker:

        def wait() -> None:
            try:
                broker.take(case)
            except BrokerClosedError as error:
                failures.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not server.sent:
            pass
        broker.close()
        waiting.join(5)
        assert not waiting.is_alive()
        with pytest.raises(BrokerClosedError):
            broker.take(case)
    assert len(failures) == 1


def nothing(case: Case, turn: int, completion: Completion) -> None:
    del case, turn, completion


def test_a_baselines_cases_are_asked_as_it_is_asked_and_taken_apart_from_the_candidates() -> None:
    sent: list[tuple[str, int]] = []

    async def ask(case: Case, request: Request) -> Completion:
        sent.append((case.asked_of, len(request.messages[0]["content"])))
        return Completion(content="go on")

    class Loud(Talk):
        def turns(self, case: Case) -> Generator[Request, Completion, None]:
            del case
            yield Request(messages=({"role": "user", "content": "x" * 99},), max_tokens=1)

    planned = [replace(case, asked_of=name) for case in cases(3) for name in ("", "v1", "v2")]
    broker = Broker(
        ask, {"move": Talk()}, concurrency=1, record=nothing, of_baselines={"v1": {"move": Loud()}}
    )
    try:
        broker.plan(planned)
        assert [case.key for case, _ in broker.take_from("v1", wait=True)] == [
            f"v1>move:s/{n}" for n in range(3)
        ]
        assert [case.key for case, _ in broker.take_all("move")] == [f"move:s/{n}" for n in range(3)]
        assert len(broker.take_from("v2", wait=True)) == 3
    finally:
        broker.close()
    assert sent == [("", 3), ("v1", 99), ("v2", 3)] * 3
    assert len(broker.take_from("v1", wait=False)) == 3


def test_what_a_baseline_was_not_asked_before_the_end_is_left_out() -> None:
    async def ask(case: Case, request: Request) -> Completion:
        del request
        if case.puzzle.id != "0":
            await asyncio.sleep(60)
        return Completion(content="stop")

    broker = Broker(ask, {"move": Talk()}, concurrency=1, record=nothing)
    first, *others = [replace(case, asked_of="v1") for case in cases(3)]
    broker.plan([first])
    assert len(broker.take_from("v1", wait=True)) == 1
    broker.plan(others)
    broker.close()
    assert [case.puzzle.id for case, _ in broker.take_from("v1", wait=False)] == ["0"]
