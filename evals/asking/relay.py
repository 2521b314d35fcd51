"""The way from xdist's workers to the broker in the controller: one local socket, one thread a worker.

The plan travels once: every worker says which cases it collected, and only the first is asked to send them.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from evals.asking.broker import Answered, Source
from evals.words import Case, Completion


def plan_digest(cases: Sequence[Case]) -> str:
    """Tells two plans apart by their cases and order."""
    return hashlib.blake2b("\n".join(case.key for case in cases).encode(), digest_size=16).hexdigest()


class Relay:
    """The controller's end. Listens on a socket in a private folder, which `address` and `key` open.

    :param plan: called with the cases of each new plan and how many were left out, by task.
    :param source: gives the broker, waiting until there is one.
    """

    def __init__(
        self, plan: Callable[[Sequence[Case], Mapping[str, int]], None], source: Callable[[], Source]
    ) -> None:
        self._plan, self._source = plan, source
        self._plans: set[str] = set()
        self._lock = threading.Lock()
        self.folder = Path(tempfile.mkdtemp(prefix="eighth-rank-"))
        self.address = str(self.folder / "relay")
        self.key = secrets.token_hex(16)
        self._listener = Listener(self.address, family="AF_UNIX", authkey=self.key.encode())
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the folder; connections end with their workers."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # closed
                return
            except Exception:  # a client that failed the handshake must not end the relay for the others
                continue
            threading.Thread(target=self._serve, args=(connection,), name="relay", daemon=True).start()

    def _serve(self, connection: Connection[Any, Any]) -> None:
        with connection:
            while True:
                try:
                    verb, argument = connection.recv()
                except (EOFError, OSError):
                    return
                try:
                    reply = (True, self._answer(verb, argument))
                except Exception as error:
                    reply = (False, f"{type(error).__name__}: {error}")
                try:
                    connection.send(reply)
                except OSError:  # the worker died while it waited
                    return

    def _answer(self, verb: str, argument: Any) -> Any:
        if verb == "known":
            with self._lock:
                known = argument in self._plans
                self._plans.add(argument)
            return known
        if verb == "plan":
            return self._plan(*argument)
        return getattr(self._source(), verb)(*argument)


class RelayError(RuntimeError):
    """The controller could not give a completion; its reason is the message."""


class Link:
    """A worker's end: the broker's `take` and `take_all` over the relay."""

    def __init__(self, address: str, key: str) -> None:
        self._connection = Client(address, family="AF_UNIX", authkey=key.encode())

    def plan(self, cases: Sequence[Case], left_out: Mapping[str, int]) -> None:
        """Tell the controller which cases will be wanted, in this order."""
        if not self._call("known", plan_digest(cases)):
            self._call("plan", (list(cases), dict(left_out)))

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of a case, waiting for them.

        :raises RelayError: the controller has no answer for it.
        """
        return self._call("take", (case,))

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of a task with its completions."""
        return self._call("take_all", (task,))

    def model_of(self, task: str) -> str:
        """The served model that a task is asked of."""
        return self._call("model_of", (task,))

    def not_asked(self) -> Mapping[str, str]:
        """Task -> why the model cannot be asked it."""
        return self._call("not_asked", ())

    def _call(self, verb: str, argument: Any) -> Any:
        self._connection.send((verb, argument))
        good, value = self._connection.recv()
        if not good:
            raise RelayError(value)
        return value
