"""A loopback HTTP server that answers by a script, for the faults that no real server shows on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """Status, body (JSON unless text or bytes) and headers of one answer."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """One request as it arrived; the names of headers `Like-This`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Scripted:
    """Answers every request with what `reply` returns; a context manager. `asked` holds the requests."""

    def __init__(self, reply: Callable[[Asked], Reply]) -> None:
        self.asked: list[Asked] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                headers = {name.title(): value for name, value in self.headers.items()}
                request = Asked(self.command, self.path, headers, body)
                script.asked.append(request)
                status, content, more = reply(request)
                data = content if isinstance(content, bytes) else _encoded(content)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_HEAD = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _encoded(content: object) -> bytes:
    return content.encode() if isinstance(content, str) else json.dumps(content).encode()
