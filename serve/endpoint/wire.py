"""One HTTP request at a time, by the standard library: every pytest worker imports this, so it is light."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class UnreachableError(Exception):
    """No HTTP answer came. `passing` is True where waiting may help: refused, reset, timed out."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent back, whatever its status."""

    status: int
    text: str

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    @property
    def error(self) -> str:
        """The server's own words about an error, on one line."""
        body = self.object()
        error: Any = body.get("error") or body.get("detail") or body.get("message") or self.text
        message = error.get("message", error) if isinstance(error, dict) else error
        return " ".join(str(message).split())[:300]


def send(
    url: str, body: object = None, *, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> Answer:
    """GET `url`, or POST `body` to it as JSON.

    :param timeout: seconds without a byte.
    :raises UnreachableError: there was no HTTP answer.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Accept": "application/json", **(headers or {})})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode("utf-8", "replace"))
    except urllib.error.URLError as error:
        raise _unreachable(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from error


def _unreachable(reason: object) -> UnreachableError:
    if isinstance(reason, ConnectionRefusedError):
        return UnreachableError("connection refused", passing=True)
    if isinstance(reason, TimeoutError):
        return UnreachableError("no answer in time", passing=True)
    if isinstance(reason, ssl.SSLError):
        return UnreachableError(f"TLS failed: {reason}", passing=False)
    if isinstance(reason, (ConnectionError, http.client.HTTPException)):
        return UnreachableError(f"connection broken: {reason or type(reason).__name__}", passing=True)
    # Unknown host, no route, bad URL: waiting does not help.
    return UnreachableError(str(reason), passing=False)
