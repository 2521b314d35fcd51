"""A loopback server that writes bytes, for answers that no HTTP library would send."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable

Send = Callable[[bytes], None]
Talk = Callable[[Send], None]


class Raw:
    """Reads the head of each request, then lets `talk` write until the client hangs up; a context manager."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536) or b"\r\n\r\n"
            self._talk(connection.sendall)

    def __enter__(self) -> Raw:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def at_once(data: bytes) -> Talk:
    """Write this and hang up."""
    return lambda send: send(data)


def dripping(first: bytes, drop: bytes = b" ", pause: float = 0.01) -> Talk:
    """Write the beginning, then a drop at a time, for ever."""

    def talk(send: Send) -> None:
        send(first)
        for _ in itertools.count():
            send(drop)
            time.sleep(pause)

    return talk
