"""The way from xdist's workers to the broker in the controller: one local socket, one thread a worker.

The plan travels once: every worker says which cases it collected, and only the first is asked to send them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from evals.asking.broker import Answered, Source
from evals.words import Case, Completion

PREFIX, SOCKET = "eighth-rank-", "relay"
LONGEST_ADDRESS = 103
"""Bytes of a socket's path on macOS; Linux has room for 107 (sun_path, less the byte that ends it)."""


def plan_digest(cases: Sequence[Case]) -> str:
    """Names a plan by its cases and their order."""
    return hashlib.blake2b("\n".join(case.key for case in cases).encode(), digest_size=16).hexdigest()


class Relay:
    """The controller's end: a socket in a private `folder`; a link needs its `address` and its `key`.

    :param plan: called with the cases of each new plan and how many were left out, by task.
    :param source: gives the broker, waiting until there is one.
    """

    def __init__(
        self, plan: Callable[[Sequence[Case], Mapping[str, int]], None], source: Callable[[], Source]
    ) -> None:
        self._plan, self._source = plan, source
        self._plans: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.folder = _private_folder()
        self.address = str(self.folder / SOCKET)
        self.key = secrets.token_hex(16)
        self._listener = Listener(self.address, family="AF_UNIX", authkey=self.key.encode())
        self._listening = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._listening.start()

    def close(self) -> None:
        """Stop listening and remove the folder; connections end with their workers. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        # Closing a socket does not wake the thread that waits on it for a connection; a connection does.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(self.address)
        self._listening.join(timeout=1)
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection = self._listener.accept()
            except Exception:
                # No key, or a worker that died in the handshake: that must not end the relay for the others.
                time.sleep(0.01)
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
                except OSError:  # the worker died while it was waiting
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


def _private_folder() -> Path:
    """A new temporary folder that only this user can enter, with room in its path for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    if len(os.fsencode(folder / SOCKET)) > LONGEST_ADDRESS:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    return folder


class RelayError(RuntimeError):
    """The controller has no completion to give; the message says why."""


class Link:
    """A worker's end: the broker's `take` and `take_all` over the relay."""

    def __init__(self, address: str, key: str) -> None:
        self._connection = Client(address, family="AF_UNIX", authkey=key.encode())

    def plan(self, cases: Sequence[Case], left_out: Mapping[str, int]) -> None:
        """Tell the controller which cases will be wanted, in this order."""
        if not self._call("known", plan_digest(cases)):
            self._call("plan", (list(cases), dict(left_out)))

    def take(self, case: Case) -> Sequence[Completion]:
        """The completions of a case, once they have arrived.

        :raises RelayError: there will be none; says why.
        """
        return self._call("take", (case,))

    def take_all(self, task: str) -> Sequence[Answered]:
        """Every planned case of a task with its completions, once the last has arrived."""
        return self._call("take_all", (task,))

    def model_of(self, task: str) -> str:
        """The served model that a task is asked of."""
        return self._call("model_of", (task,))

    def not_asked(self) -> Mapping[str, str]:
        """Task -> why the model cannot be asked it."""
        return self._call("not_asked", ())

    def _call(self, verb: str, argument: Any) -> Any:
        self._connection.send((verb, argument))
        answered, value = self._connection.recv()
        if not answered:
            raise RelayError(value)
        return value
