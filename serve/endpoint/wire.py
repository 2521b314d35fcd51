"""One HTTP request at a time, by the standard library: every pytest worker imports this, so it is light.

A server may be hostile or broken. What it sends ends at a deadline and at a size, whatever it drips or
claims; no redirect is followed, because the key would go along; and compressed bodies are refused.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from serve.printable import printable

LIMIT = 8 * 2**20
"""Bytes of a body. The longest lists of models have one MiB."""


class UnreachableError(Exception):
    """No usable HTTP answer came. `passing` is True where waiting may help: refused, reset, timed out."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(printable(reason))
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent back, whatever its status."""

    status: int
    text: str
    redirect: str = ""
    """Where a redirect points to, without query and user; it was not followed."""

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    @property
    def error(self) -> str:
        """The server's own words about an error, on one printable line."""
        if self.redirect:
            return f"it redirects to {self.redirect}, which is not followed because the key would go along"
        body = self.object()
        error: Any = body.get("error") or body.get("detail") or body.get("message")
        message = error.get("message") if isinstance(error, dict) else error
        words = message if isinstance(message, str) else self.text
        return printable(" ".join(words[:10_000].split()))


def send(
    url: str, body: object = None, *, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> Answer:
    """GET `url`, or POST `body` to it as JSON.

    :param timeout: seconds until all of the answer is here.
    :raises UnreachableError: no HTTP answer came, not all of it in time, or one longer than `LIMIT`.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    if data is not None:
        sent["Content-Type"] = "application/json"
    try:
        request = urllib.request.Request(url, data, sent)
        response: http.client.HTTPResponse = _opener(url).open(request, timeout=timeout)
        with contextlib.closing(response):
            return _read(url, response)
    except urllib.error.URLError as error:
        raise _unreachable(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from error
    except ValueError as error:
        # http.client's own message would show the header, which may be the key.
        raise UnreachableError("the URL or a header holds what HTTP cannot send", passing=False) from error


def _read(url: str, response: http.client.HTTPResponse) -> Answer:
    encoding = response.headers.get("Content-Encoding") or "identity"
    if encoding.lower() != "identity":
        raise UnreachableError(f"it sends a compressed body, not asked for: {encoding!r}", passing=False)
    body = bytearray()
    while block := response.read1(65536):
        body += block
        if len(body) > LIMIT:
            raise UnreachableError(f"it sends more than {LIMIT // 2**20} MiB", passing=False)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    location = response.headers.get("Location") if 300 <= response.status < 400 else None
    redirect = _place(urljoin(url, location)) if location else ""
    return Answer(response.status, body.decode("utf-8", "replace"), redirect)


def _place(url: str) -> str:
    """A URL without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Opens http and https and gives back every status as it is. For this machine, no proxy is asked."""
    opener = urllib.request.OpenerDirector()
    if urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        opener.add_handler(urllib.request.ProxyHandler())
    for handler in (_Http(), _Https(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


class _Timed(io.RawIOBase):
    """Reads from a socket until one deadline. `socket.settimeout` alone would start anew with every read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._socket, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _response_until(deadline: float) -> type[http.client.HTTPResponse]:
    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, deadline))

    return Response


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        # Before connecting, because a proxy answers first.
        self.response_class = _response_until(time.monotonic() + (self.timeout or 0))
        super().connect()


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        self.response_class = _response_until(time.monotonic() + (self.timeout or 0))
        super().connect()


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req)


def _unreachable(reason: object) -> UnreachableError:
    if isinstance(reason, ConnectionRefusedError):
        return UnreachableError("connection refused", passing=True)
    if isinstance(reason, TimeoutError):
        return UnreachableError("no answer in time", passing=True)
    if isinstance(reason, ssl.SSLError):
        return UnreachableError(f"TLS failed: {reason}", passing=False)
    if isinstance(reason, (ConnectionError, http.client.IncompleteRead)):
        return UnreachableError(f"connection broken: {reason or type(reason).__name__}", passing=True)
    if isinstance(reason, http.client.HTTPException):
        return UnreachableError(f"this is not HTTP: {reason or type(reason).__name__}", passing=False)
    # Unknown host, no route, bad URL: waiting does not help.
    return UnreachableError(str(reason), passing=False)
