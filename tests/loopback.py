"""A loopback server for what a real one cannot be made to show: faults, load, and known answers.

It speaks the small part of the OpenAI API that the harness uses. `reply` decides what comes back.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Body = dict[str, Any]
Reply = Callable[[Body], Awaitable[web.StreamResponse]]


def chat(content: str | None, *, finish_reason: str = "stop", **message: Any) -> web.Response:
    """A chat completion response with one choice."""
    return web.json_response(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {"role": "assistant", "content": content, **message},
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }
    )


class Loopback:
    """An OpenAI-compatible server on a free loopback port; a context manager.

    `bodies` collects every chat request as it arrives and `peers` where they came from; `in_flight` is how
    many are being answered now and `most_in_flight` the highest that was.
    """

    def __init__(
        self, reply: Reply, models: tuple[str, ...] = ("base", "adapter"), version: str | None = None
    ) -> None:
        self.reply, self.models, self.version = reply, models, version
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.peers: set[object] = set()
        self.in_flight = self.most_in_flight = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def base_url(self) -> str:
        """Its address, ending in `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Loopback:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        if self.version is not None:
            app.router.add_get("/version", self._version)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        self.port: int = self._runner.addresses[0][1]

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": self.version})

    async def _models(self, _: web.Request) -> web.Response:
        rows = [
            {"id": name, "object": "model", "parent": None if name == "base" else "base"}
            for name in self.models
        ]
        return web.json_response({"object": "list", "data": rows})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.peers.add(request.get_extra_info("peername"))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.reply(body)
        finally:
            self.in_flight -= 1


def position_of(body: Body) -> str:
    """The FEN in the user's message."""
    return body["messages"][-1]["content"].split("FEN: ")[1].split("\n")[0]
