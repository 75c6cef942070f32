"""An OpenAI-compatible server that simulates latency: it knows its replies beforehand and waits as if it wrote them.

A reply takes `first` seconds and `token` seconds for each of its tokens, whatever else is under way (as a server with
continuous batching and room for all requests). Reads JSON from standard input: {"first": s, "token": s, "replies":
{last message: [text, token ids]}}; prints the port it listens on; ends with its standard input. A process of its own,
so that it does not share the client's interpreter.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

Answer = tuple[float, bytes]


def answer(text: str, ids: list[int], first: float, token: float) -> Answer:
    """Seconds until a reply is whole, and the response as vLLM forms it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": {"content": [{"token": "", "logprob": -0.1, "bytes": None, "top_logprobs": []} for _ in ids]},
        "finish_reason": "stop",
        "token_ids": ids,
    }
    usage = {"prompt_tokens": 3, "completion_tokens": len(ids), "total_tokens": 3 + len(ids)}
    whole = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "slow",
        "choices": [choice],
        "prompt_token_ids": [1, 2, 3],
        "usage": usage,
    }
    body = json.dumps(whole).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return first + token * len(ids), head.encode() + body


async def serve(answers: dict[str, Answer]) -> None:
    """Answer until standard input ends."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            seconds, response = answers[request["messages"][-1]["content"]]
            await asyncio.sleep(seconds)
            writer.write(response)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # with connections that are still open


async def read_request(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The body of the next request; nothing where the client has gone."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        request: dict[str, Any] = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return {}
    return request


def main() -> None:
    """Read what to answer from the first line, then serve."""
    told = json.loads(sys.stdin.readline())
    replies = told["replies"].items()
    asyncio.run(serve({last: answer(text, ids, told["first"], told["token"]) for last, (text, ids) in replies}))


if __name__ == "__main__":
    main()
