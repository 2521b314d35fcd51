"""Every planned case asked once, ahead of time, with up to N requests in flight.

The broker lives in the process that controls the session (pytest itself, or the xdist controller). It learns
the whole plan once, asks in plan order on one event loop in one thread, and hands completions to whoever
takes them. The number of requests in flight therefore does not depend on how many workers judge, or on which
worker gets which test; and no case is asked twice, because nothing but the broker asks.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from evals.words import Case, Completion, Request, Task

Asker = Callable[[Case, Request], Awaitable[Completion]]
Recorder = Callable[[Case, int, Completion], None]
Answered = tuple[Case, Sequence[Completion]]

GIVE_UP_AFTER = 50
"""After so many requests in a row that got no completion nothing more is sent."""


class BrokerClosedError(RuntimeError):
    """A completion was wanted of a case that was not asked before the session ended."""


class Source(Protocol):
    """Where a test gets its completions from: the session itself or, in an xdist worker, the link to it."""

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of every turn of a case, once they have arrived."""
        ...

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of a task with its completions, once the last has arrived."""
        ...

    def model_of(self, task: str) -> str:
        """The served model that a task is asked of."""
        ...

    def not_asked(self) -> Mapping[str, str]:
        """Task -> why the model cannot be asked it."""
        ...


@dataclass(slots=True, eq=False)
class _Entry:
    case: Case
    future: Future[Sequence[Completion]] = field(default_factory=lambda: Future[Sequence[Completion]]())
    started: bool = False

    @property
    def arrived(self) -> bool:
        """True where the completions are there; not where the session ended before."""
        return self.future.done() and self.future.exception() is None


class Broker:
    """Asks planned cases ahead of time, and any other case when it is taken.

    :param ask: sends one request of a case; must not raise for what a server does.
    :param tasks: what each case is asked, by the task's name.
    :param concurrency: how many cases are being asked at any time.
    :param record: told of every completion (case, turn from 0, completion) as it arrives, on the
        broker's thread.
    :param of_baselines: what a baseline's cases are asked, by its name, where it is not the same.
    :param close: awaited on the broker's loop at the end (to close the connections).
    """

    def __init__(
        self,
        ask: Asker,
        tasks: Mapping[str, Task],
        *,
        concurrency: int,
        record: Recorder,
        close: Callable[[], Coroutine[Any, Any, None]] | None = None,
        of_baselines: Mapping[str, Mapping[str, Task]] | None = None,
    ) -> None:
        self._of_baselines = of_baselines or {}
        self._ask, self._tasks, self._record, self._close = ask, tasks, record, close
        self._concurrency = concurrency
        self._entries: dict[str, _Entry] = {}
        self._planned: deque[_Entry] = deque()
        self._urgent: deque[_Entry] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._lost: list[str] = []
        """Why the latest requests got no completion; empty again with the next that gets one."""
        self._closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)
        self._thread.start()

    def plan(self, cases: Iterable[Case]) -> None:
        """Ask these cases, in this order, before anyone takes them; what is known is not asked again."""
        with self._lock:
            for case in cases:
                if case.key not in self._entries:
                    entry = self._entries[case.key] = _Entry(case)
                    self._planned.append(entry)
        self._loop.call_soon_threadsafe(self._pump)

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of `case`, which is asked next if it was not planned or has not been sent.

        :raises BrokerClosedError: the session ended before it was asked.
        """
        with self._lock:
            if self._closed:
                raise BrokerClosedError(f"{case.key} was not asked: the session is over")
            entry = self._entries.get(case.key)
            if entry is None:
                entry = self._entries[case.key] = _Entry(case)
            if not entry.started:
                self._urgent.append(entry)
                self._loop.call_soon_threadsafe(self._pump)
        return entry.future.result()

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of `task` with its completions, in plan order, once the last has arrived.

        Those that a baseline is asked are not among them.
        """
        with self._lock:
            entries = [
                each for each in self._entries.values() if each.case.task == task and not each.case.asked_of
            ]
        return [(entry.case, entry.future.result()) for entry in entries]

    def take_from(self, baseline: str, *, wait: bool) -> Sequence[Answered]:
        """Every planned case that this baseline is asked, with its completions, in plan order.

        :param wait: False leaves out what has not arrived, instead of waiting for it.
        :raises BrokerClosedError: the session ended before a case was asked that was waited for.
        """
        with self._lock:
            entries = [entry for entry in self._entries.values() if entry.case.asked_of == baseline]
        return [(each.case, each.future.result()) for each in entries if wait or each.arrived]

    def answered(self) -> Sequence[Answered]:
        """Every case that has its completions, in the order in which they were planned. Waits for none."""
        with self._lock:
            entries = [each for each in self._entries.values() if each.arrived]
        return [(each.case, each.future.result()) for each in entries]

    def close(self) -> None:
        """Stop asking, drop what is in flight, and end the thread. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for entry in self._entries.values():
            if not entry.future.done():
                entry.future.set_exception(
                    BrokerClosedError(f"{entry.case.key} was not asked: the session is over")
                )

    async def _shut_down(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._close is not None:
            await self._close()

    def _pump(self) -> None:
        """Start cases until `concurrency` are running; what someone waits for goes first."""
        while len(self._running) < self._concurrency and not self._closed:
            with self._lock:
                entry = self._next()
            if entry is None:
                return
            running = self._loop.create_task(self._run(entry))
            self._running.add(running)
            running.add_done_callback(self._finished)

    def _next(self) -> _Entry | None:
        for waiting in (self._urgent, self._planned):
            while waiting:
                entry = waiting.popleft()
                if not entry.started:
                    entry.started = True
                    return entry
        return None

    def _finished(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._pump()

    async def _run(self, entry: _Entry) -> None:
        try:
            entry.future.set_result(await self._converse(entry.case))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            entry.future.set_exception(error)

    async def _converse(self, case: Case) -> Sequence[Completion]:
        """Go through the task's turns: send its request, give it the completion, until it wants no more."""
        tasks = self._of_baselines.get(case.asked_of, self._tasks)
        turns = tasks[case.task].turns(case)
        completions: list[Completion] = []
        try:
            request = next(turns)
            while True:
                completion = await self._answer(case, request)
                completions.append(completion)
                self._record(case, len(completions) - 1, completion)
                if completion.error is not None:
                    return completions
                request = turns.send(completion)
        except StopIteration:
            return completions

    async def _answer(self, case: Case, request: Request) -> Completion:
        if len(self._lost) >= GIVE_UP_AFTER:
            reason = f"the last {len(self._lost)} requests got no completion, the latest: {self._lost[-1]}"
            return Completion(error=f"not sent: {reason}", attempts=0)
        completion = await self._ask(case, request)
        if completion.error is None:
            self._lost.clear()
        else:
            self._lost.append(completion.error)
        return completion
