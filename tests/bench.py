"""What the harness itself costs, as ratios within one run: `make bench`.

    python -m tests.bench [--cases N] [--latency SECONDS] [--in-flight N]

A loopback server in a process of its own answers every request after a fixed time. The ideal is then
cases / in flight x latency; each row says how far from it a session ends, start of pytest included. The last
row is pytest-xdist with one blocking request in each test, what one would write without a prefetching client.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from evals.asking.body import Sampling, chat_body
from evals.asking.client import Client
from evals.words import Request
from tests.loopback import Body, Loopback, chat
from tests.mates import solver_fen, write_mates

ROOT = Path(__file__).parents[1]

NAIVE = """
import os, pytest
from openai import OpenAI
client = OpenAI(base_url=os.environ["BENCH_URL"], api_key="none")
@pytest.mark.parametrize("n", range({cases}))
def test_one(n):
    body = [{{"role": "user", "content": "FEN: {fen}"}}]
    assert client.chat.completions.create(model="adapter", messages=body).choices[0].message.content
"""


def serve(latency: float, ports: multiprocessing.Queue[int]) -> None:
    """Answer every request with one of the three mates after `latency` seconds, until killed."""

    async def reply(_: Body) -> web.StreamResponse:
        await asyncio.sleep(latency)
        return chat('{"move": "d1d8"}')

    with Loopback(reply) as server:
        ports.put(server.port)
        time.sleep(3600)


def seconds(command: Sequence[str], **env: str) -> float:
    """Wall time of one session, which has to end well."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return time.perf_counter() - started


def client_cost(url: str, n: int, in_flight: int) -> float:
    """CPU seconds that this process spends on one request."""
    request = Request(messages=({"role": "user", "content": f"FEN: {solver_fen(0)}"},), max_tokens=32)
    body = chat_body(request, "adapter", Sampling())

    async def main() -> float:
        client = Client(url, {}, concurrency=in_flight, timeout=60)
        limit = asyncio.Semaphore(in_flight)

        async def one() -> None:
            async with limit:
                await client.ask(body)

        await one()
        started = time.process_time()
        await asyncio.gather(*(one() for _ in range(n)))
        spent = time.process_time() - started
        await client.close()
        return spent / n

    return asyncio.run(main())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="cost of the harness, as ratios within one run")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--in-flight", type=int, default=64)
    given = parser.parse_args()
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(given.latency, ports), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}/v1"
    ideal = given.cases / given.in_flight * given.latency
    with tempfile.TemporaryDirectory() as folder:
        sessions(Path(folder), url, given.cases, given.in_flight, ideal)
    costs = [client_cost(url, given.cases, given.in_flight) * 1e3 for _ in range(3)]
    print(
        f"client: {statistics.median(costs):.2f} ms of CPU a request "
        f"(of 3: {min(costs):.2f} to {max(costs):.2f})"
    )
    server.terminate()


def sessions(folder: Path, url: str, cases: int, in_flight: int, ideal: float) -> None:
    """Time whole sessions and print each as a multiple of the ideal."""
    puzzles, gates, naive = folder / "mates.csv", folder / "gates.toml", folder / "test_naive.py"
    write_mates(puzzles, cases)
    gates.write_text('[[gate]]\nname="solved"\ntask="move"\nrate="solved"\nat_least=0.1\n')
    naive.write_text(NAIVE.format(cases=cases, fen=solver_fen(0)))
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ours = [*pytest, "evals", "-m", "move", "--base-url", url, "--no-preflight", "--puzzles", str(puzzles)]
    ours += ["--gates", str(gates), "--concurrency", str(in_flight)]
    print(f"{cases} cases, {in_flight} in flight, ideal {ideal:.1f} s")
    for workers in ("0", "2", "8"):
        run = folder / f"run{workers}"
        took = seconds([*ours, "-n", workers, "--run-dir", str(run)])
        print(f"pytest evals -n {workers}: {took:.1f} s, {took / ideal:.2f} x ideal")
    plain = [*pytest, "-n", "8", "--rootdir", str(folder), "--noconftest", "-c", os.devnull, str(naive)]
    took = seconds(plain, BENCH_URL=url)
    print(f"one blocking request a test, -n 8: {took:.1f} s, {took / ideal:.2f} x ideal")


if __name__ == "__main__":
    main()
