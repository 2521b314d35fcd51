"""One request, sent until it is answered.

Plain aiohttp rather than an SDK. A server under test is not trusted, so for how long it is listened to, how
much of it is read and what becomes of that is decided here anyway; and the client shares its interpreter with
pytest, so that the server waits for what it costs. Measured with 2,000 requests to a loopback server, 64 in
flight: this client costs 0.21 ms of CPU a request, the openai SDK over its aiohttp transport 0.86 ms.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from evals.asking.redaction import sealed, secrets_in
from evals.asking.reply import ReplyError, error_text, read_completion, seconds_to_wait
from evals.words import Completion

RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
LONGEST_BACKOFF = 30.0
LARGEST_ANSWER = 4 << 20
"""Bytes of an answer that are read. 128k tokens of text are about half a megabyte."""
IDLE = 4.0
"""Seconds that an idle connection is kept: uvicorn, under vLLM, hangs up after 5."""

NO_ROOM = re.compile(r"(?:context length|max_model_len)[^0-9]{0,40}([0-9]{1,9})")
"""How a server says that the prompt and `max_tokens` do not fit its context together, and how large that is.

vLLM to 0.14: "maximum context length is 1024 tokens"; 0.16: "the model's context length is only 1024 tokens";
0.25: as the first, or "max_model_len=max_total_tokens=1024"; SGLang: "maximum context length of 1024 tokens".
"""


class NoAnswerError(Exception):
    """One sending came to nothing. `passing` is True where another may help, `wait` how long until then."""

    def __init__(self, reason: str, *, passing: bool, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.passing, self.wait = passing, wait


class NoRoomError(NoAnswerError):
    """The server refused because the prompt and `max_tokens` do not fit into its `context` together."""

    def __init__(self, reason: str, context: int) -> None:
        super().__init__(reason, passing=False)
        self.context = context


class Client:
    """Asks one server, over connections that are used again. To be used on one event loop.

    :param base_url: ends before `/chat/completions`; mostly with `/v1`.
    :param headers: the authentication, if there is any. No completion will hold any of their values.
    :param concurrency: how many requests will be in flight at once.
    :param timeout: seconds for one sending, from the connection to the last byte of the answer.
    :param attempts: how often a request is sent before it is given up.
    :param backoff: seconds; see `ask`.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        concurrency: int,
        timeout: float,
        attempts: int = 6,
        backoff: float = 1.0,
    ) -> None:
        self._url = f"{base_url}/chat/completions"
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        self._concurrency, self._timeout = concurrency, timeout
        self._attempts, self._backoff = attempts, backoff
        self._secrets = secrets_in(headers)
        self._refused: dict[str, tuple[int, NoRoomError]] = {}
        """For each model the smallest `max_tokens` that left a prompt no room, and what the server said."""
        self._open: aiohttp.ClientSession | None = None

    @property
    def _session(self) -> aiohttp.ClientSession:
        """Made by the first request, because aiohttp makes one only on a running event loop."""
        if self._open is None:
            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=IDLE),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                # Not aiohttp's own `trust_env`: without a key it would send what it finds in ~/.netrc.
                proxy=_proxy_for(self._url),
            )
        return self._open

    async def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            await self._open.close()

    async def ask(self, body: Mapping[str, Any]) -> Completion:
        """Send one request until an answer comes or the attempts are used up.

        Sent again: what failed to connect or took too long, the statuses that mean "not now", and a 200 with
        no chat completion in it. The wait before the next attempt doubles from `backoff` seconds to 30 s,
        with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or is as
        long as `Retry-After` says. Never raises for what a server did: `Completion.error` says it.

        Where `max_tokens` and the prompt do not fit the model's context together, the answer gets exactly the
        room that the prompt leaves, whether or not the server would have seen to that by itself.
        """
        reason = ""
        for attempt in range(1, self._attempts + 1):
            try:
                completion = await self._fitting(body)
            except NoAnswerError as failure:
                reason, asked_to_wait = str(failure), failure.wait
                if not failure.passing:
                    return sealed(Completion(error=reason, attempts=attempt), self._secrets)
            else:
                return sealed(replace(completion, attempts=attempt), self._secrets)
            if attempt < self._attempts:
                wait = random.uniform(0, min(LONGEST_BACKOFF, self._backoff * 2 ** (attempt - 1)))
                await asyncio.sleep(max(wait, min(LONGEST_BACKOFF, asked_to_wait)))
        lost = sealed(Completion(error=reason, attempts=self._attempts), self._secrets)
        return replace(lost, error=f"{lost.error} (after {self._attempts} attempts)")

    async def _fitting(self, body: Mapping[str, Any]) -> Completion:
        """Send a request; where the server refuses it as too long for its context, send what fits."""
        model, wanted = str(body.get("model")), int(body.get("max_tokens", 0))
        smallest, refusal = self._refused.get(model, (wanted + 1, None))
        if refusal is None or wanted < smallest:
            try:
                return await self._send(body)
            except NoRoomError as error:
                refusal = error.with_traceback(None)
                self._refused[model] = wanted, refusal
        # vLLM 0.25 does not say how long the prompt is ("at least" one token more than fits), and there is no
        # tokenizer here. An answer of one token costs next to nothing and comes with the prompt's length.
        measured = await self._send({**body, "max_tokens": 1})
        room = min(wanted, refusal.context - (measured.prompt_tokens or refusal.context))
        if room < 1:
            raise NoAnswerError(str(refusal), passing=False) from refusal
        return await self._send({**body, "max_tokens": room})

    async def _send(self, body: Mapping[str, Any]) -> Completion:
        """Send once.

        :raises NoAnswerError: no chat completion came back.
        """
        data, started = json.dumps(body).encode(), time.perf_counter()
        try:
            async with self._session.post(self._url, data=data, allow_redirects=False) as response:
                encoding = response.headers.get("Content-Encoding", "identity")
                answer = await _read(response) if encoding == "identity" else b""
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {self._timeout:g} s", passing=True) from error
        except (aiohttp.ClientError, OSError, EOFError, ValueError) as error:
            # What is no HTTP comes with a status and an address that are aiohttp's, not the server's.
            told = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
            reason = told or type(error).__name__
            raise NoAnswerError(f"connection failed: {reason}", passing=True) from error
        if response.status // 100 != 2:
            raise _refused(response, answer)
        if encoding != "identity":
            raise NoAnswerError(f"the answer is encoded with {encoding!r}, unasked", passing=False)
        if len(answer) > LARGEST_ANSWER:
            raise NoAnswerError(f"the answer is longer than {LARGEST_ANSWER >> 20} MiB", passing=False)
        latency = time.perf_counter() - started
        try:
            return replace(read_completion(answer), latency=latency)
        except ReplyError as error:
            raise NoAnswerError(str(error), passing=True) from error


def _refused(response: aiohttp.ClientResponse, body: bytes) -> NoAnswerError:
    """What a status that is not 200 means."""
    status = response.status
    if 300 <= status < 400:
        there = _host(str(response.url), response.headers.get("Location", ""))
        reason = f"HTTP {status}: redirects to {there}; that is not followed, as it would take the keys there"
        return NoAnswerError(reason, passing=False)
    told = error_text(body)
    reason = f"HTTP {status}: {told or response.reason}"
    if status in (400, 413, 422) and (found := NO_ROOM.search(told)):
        return NoRoomError(reason, int(found[1]))
    wait = seconds_to_wait(response.headers.get("Retry-After", ""))
    return NoAnswerError(reason, passing=status in RETRY_STATUSES, wait=wait)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, or just over `LARGEST_ANSWER` bytes of it."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > LARGEST_ANSWER:
            response.close()
            break
    return bytes(body)


def _host(here: str, location: str) -> str:
    """The host that a redirect points to, without the name, password, path or query that may be secret."""
    try:
        return urlsplit(urljoin(here, location)).hostname or "nowhere"
    except ValueError:
        return "nowhere"


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL (`https_proxy`, `no_proxy`), as urllib finds it."""
    there = urlsplit(url)
    if urllib.request.proxy_bypass(there.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(there.scheme)
