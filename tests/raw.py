"""A loopback server that sends bytes as they are, for answers that no HTTP library would write."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

Write = Callable[[bytes], Awaitable[None]]
Send = Callable[[Write], Awaitable[None]]


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP response with a JSON content type; `length` is what it claims to be long."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "Content_Type" not in headers:
        lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def dripping(first: bytes, drop: bytes = b" ", pause: float = 0.01) -> Send:
    """Write the beginning, then a drop at a time until the client hangs up."""

    async def drip(write: Write) -> None:
        await write(first)
        while True:
            await write(drop)
            await asyncio.sleep(pause)

    return drip


class RawServer:
    """Answers every request on a free loopback port with these bytes, or what `answer` writes, and hangs up.

    A context manager. `requests` holds the head of each request; `sent` counts the bytes that were written,
    no faster than they are taken.
    """

    def __init__(self, answer: bytes | Send) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """Its address, ending in `/v1`."""
        return f"{self.url}/v1"

    def __enter__(self) -> RawServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _start(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port: int = server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()
            self.sent += len(data)

        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            await reader.readexactly(int(lines.get(b"content-length", 0)))
            if isinstance(self._answer, bytes):
                await write(self._answer)
            else:
                await self._answer(write)
        writer.close()
