"""Seconds from the call to the first action, with a planner behind a server that streams.

    python benchmarks/first_action.py [--token 0.02] [--pairs 10]

Three ways: a forecast of one pair, a long one that is waited for whole, and the long one with `eager_first`. The server
is a process of its own that writes a word every `--token` seconds. Ratios are within a round, with the smallest and
largest of 7.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_openai import ChatOpenAI
from paired import measured, ratios, spread
from slow_server import read_request

from tracer1_agents import Tracer1Context, create_tracer1_agent

if TYPE_CHECKING:
    from tracer1_agents.types import Execution

_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class FirstAction(Exception):  # noqa: N818  (ends a run where its time is taken)
    """The first action was about to run."""


class Stop:
    """An executor that ends the run."""

    def execute(self, *_: Any) -> Execution:
        """Stop here."""
        raise FirstAction

    async def aexecute(self, *_: Any) -> Execution:
        """Stop here."""
        raise FirstAction


def forecast(pairs: int) -> str:
    """A reply in the canonical dialect."""
    return "\n".join(f'look(page={number}) # "Read page {number} of the report"' for number in range(1, pairs + 1))


async def serve(token: float) -> None:
    """Stream the forecast that the last message asks for, a word at a time, until standard input ends."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            writer.write(_HEAD.encode())
            pairs = int(re.findall(r"pairs=(\d+)", request["messages"][-1]["content"])[0])
            for word in re.findall(r"\s*\S+", forecast(pairs)):
                await asyncio.sleep(token)
                await _send(writer, {"delta": {"content": word}, "finish_reason": None})
            await _send(writer, {"delta": {}, "finish_reason": "stop"})
            done = b"data: [DONE]\n\n"
            writer.write(f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


async def _send(writer: asyncio.StreamWriter, choice: dict[str, Any]) -> None:
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, **choice}],
    }
    event = f"data: {json.dumps(chunk)}\n\n".encode()
    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
    await writer.drain()


def reach_first_action(address: str, pairs: int, *, eager: bool) -> None:
    """Run an agent until its first action."""
    model = ChatOpenAI(model="m", base_url=address, api_key="none", max_retries=0, streaming=True)
    agent = create_tracer1_agent(model, profile="compact", horizon=pairs, eager_first=eager)
    try:
        agent.invoke({"instruction": f"pairs={pairs}"}, context=Tracer1Context(toolbox=Stop()))
    except FirstAction:
        return
    msg = "the run ended before its first action"
    raise RuntimeError(msg)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--token", type=float, default=0.02, help="seconds a token")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of the long forecast")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.token))
        return
    command = [sys.executable, str(Path(__file__)), "--serve", "--token", str(arguments.token)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout  # noqa: S101  (it is a pipe)
        address = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        reach = partial(reach_first_action, address)
        began = time.perf_counter()
        timings = measured(
            {
                "one pair": partial(reach, 1, eager=False),
                "whole": partial(reach, arguments.pairs, eager=False),
                "eager": partial(reach, arguments.pairs, eager=True),
            }
        )
        server.kill()
    base = timings["one pair"].wall
    for name, timing in timings.items():
        print(f"{name:10} {spread(timing.wall)} s   of one pair: {spread(ratios(timing.wall, base))}")
    print(f"in all {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
