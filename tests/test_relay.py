"""The relay: workers take completions from a broker in another process, over one local socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import AuthenticationError
from pathlib import Path

import pytest

from evals.asking.broker import Answered, Broker
from evals.asking.relay import Link, Relay, RelayError
from evals.words import Case, Completion
from tests.test_broker import Server, broker_over, cases


class Session:
    """What a relay speaks to: a broker, and the name of its model."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.planned: list[Sequence[Case]] = []

    def plan(self, given: Sequence[Case], left_out: Mapping[str, int]) -> None:
        del left_out
        self.planned.append(given)
        self.broker.plan(given)

    def take(self, case: Case) -> Sequence[Completion]:
        return self.broker.take(case)

    def take_all(self, task: str) -> Sequence[Answered]:
        return self.broker.take_all(task)

    def model_of(self, task: str) -> str:
        return {"move": "adapter"}[task]

    def not_asked(self) -> Mapping[str, str]:
        return {"reasoning": "it does not think"}


@contextmanager
def relay_over(server: Server) -> Generator[tuple[Relay, Session]]:
    with broker_over(server) as broker:
        session = Session(broker)
        relay = Relay(session.plan, lambda: session)
        try:
            yield relay, session
        finally:
            relay.close()


def test_workers_take_over_the_relay_and_the_plan_travels_once() -> None:
    server = Server(Completion(content="{}"), delay=0.001)
    planned = cases(40)
    with relay_over(server) as (relay, session):

        def work(worker: int) -> int:
            link = Link(relay.address, relay.key)
            link.plan(planned, {})
            return sum(link.take(case)[0].content == "{}" for case in planned[worker::4])

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, range(4))) == 40
        assert [len(plan) for plan in session.planned] == [40]
    assert not relay.folder.exists()
    assert len(server.sent) == 40


def test_a_completion_arrives_as_it_was_whatever_is_in_it() -> None:
    odd = Completion(content="\ud800 \x1b \n", malformed="content is no text: 7", model="fallback")
    with relay_over(Server(odd)) as (relay, _):
        link = Link(relay.address, relay.key)
        assert link.take(cases(1)[0]) == [odd]
        link.plan(cases(1), {})
        assert link.take_all("move") == [(cases(1)[0], [odd])]
        assert link.model_of("move") == "adapter"


def test_why_there_is_no_completion_reaches_the_worker() -> None:
    with relay_over(Server(Completion(content="{}"))) as (relay, session):
        session.broker.close()
        with pytest.raises(RelayError, match=f"BrokerClosedError: {cases(1)[0].key} was not asked"):
            Link(relay.address, relay.key).take(cases(1)[0])


@pytest.fixture
def deep_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR whose paths are too long for the address of a socket (107 bytes on Linux, 103 on macOS)."""
    deep = tmp_path / ("long" * 20) / ("longer" * 20)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    return deep


def test_a_long_temporary_folder_is_no_hindrance(deep_folder: Path) -> None:
    """Audit 30: with a long TMPDIR `-n 2` ended in "AF_UNIX path too long"."""
    with relay_over(Server(Completion(content="{}"))) as (relay, _):
        assert len(os.fsencode(relay.address)) <= 103
        assert Link(relay.address, relay.key).take(cases(1)[0])[0].content == "{}"
        assert relay.folder.stat().st_mode & 0o077 == 0
    assert not relay.folder.exists()
    assert list(deep_folder.iterdir()) == []


def stranger(relay: Relay) -> None:
    with pytest.raises((AuthenticationError, OSError, EOFError)):
        Link(relay.address, "0" * 32)


def passer_by(relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(relay.address)


@pytest.mark.parametrize("visit", [stranger, passer_by])
def test_who_has_no_key_gets_nothing_and_stops_nothing(visit: Callable[[Relay], None]) -> None:
    with relay_over(Server(Completion(content="{}"))) as (relay, _):
        visit(relay)
        assert Link(relay.address, relay.key).take(cases(1)[0])[0].content == "{}"
