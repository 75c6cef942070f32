"""256 episodes at once against a server over HTTP: what the graph adds to the bare client, in time and in work.

The server is a process of its own that simulates latency (`slow_server.py`); the replies are the references'. Three
ways ask it for the same forecasts, paired, 7 rounds in a turning order:

- `openai`: the client library alone, one request for each prompt, all at once
- `chat model`: `VllmChatModel` around it
- `graph`: stage 2's rollouts, as training against a vLLM server runs them; the first action is carried out by a fake

``OMP_NUM_THREADS=1 python benchmarks/server.py``. Ratios are wall seconds of a way / wall seconds of `openai`. Last,
what the graph costs by itself, without a client.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from openai import AsyncOpenAI
from paired import ROUNDS, measured, ratios, spread
from rollouts import Anywhere
from transformers import AutoTokenizer

from tracer1_agents.planner.policy import ReplayPolicy, to_langchain
from tracer1_agents.serving.tiny import tiny_folder
from tracer1_agents.serving.vllm import VllmChatModel
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.grpo import frozen_heap
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.server_rollouts import ServerPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer1_agents.training.rows import TrainingRow

EPISODES: Final = 256
LATENCIES: Final = {  # seconds to the first token, seconds for each token
    "0.5 s whatever the length: all replies come at once": (0.5, 0.0),
    "0.3 s + 15 ms a token": (0.3, 0.015),
    "0.3 s + 40 ms a token": (0.3, 0.040),
}


def main() -> None:
    """Print wall ratios and processor time a call for each latency."""
    data = MixtureConfig.model_validate(
        {"horizon": 8, "sources": [{"reader": "taskgen", "count": EPISODES, "seed": 7}]}
    )
    rows = load_mixture(data).rows
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_folder())
    replies = {row.messages[-1].text: (row.reply, tokenizer(row.reply)["input_ids"]) for row in rows}
    lengths = [len(ids) for _, ids in replies.values()]
    print(
        f"{len(rows)} episodes at once, replies of {min(lengths)} to {max(lengths)} tokens, mean {fmean(lengths):.0f}"
    )
    for name, (first, token) in LATENCIES.items():
        print(name)
        told = {"first": first, "token": token, "replies": replies}
        with slow_server(told) as url, frozen_heap():
            compare(ways(url, data, rows), len(rows))
    alone(data, rows)


def alone(data: MixtureConfig, rows: list[TrainingRow]) -> None:
    """What the graph itself costs: replies at hand, with the garbage collector as training has it and as it was."""
    episodes = Episodes(data, Anywhere())

    async def run() -> None:
        await asyncio.gather(*(episodes.run(row, ReplayPolicy([row.reply])) for row in rows))

    def milliseconds() -> float:
        start = time.process_time()
        asyncio.run(run())
        return 1000 * (time.process_time() - start) / len(rows)

    milliseconds()
    found: dict[str, list[float]] = {"heap frozen, as in training": [], "heap searched": []}
    for _ in range(ROUNDS):
        with frozen_heap():
            found["heap frozen, as in training"].append(milliseconds())
        found["heap searched"].append(milliseconds())
    print("graph with replies at hand, processor time a planner call")
    for name, values in found.items():
        print(f"  {name:28} {spread(values)} ms")


def compare(by_name: dict[str, Callable[[], Any]], calls: int) -> None:
    """Measure, and print a line for each way."""
    timings = measured(by_name, ROUNDS)
    base = timings["openai"]
    for name, timing in timings.items():
        work = [1000 * seconds / calls for seconds in timing.processor]
        more = [1000 * (own - other) / calls for own, other in zip(timing.processor, base.processor, strict=True)]
        longer = spread(ratios(timing.wall, base.wall))
        print(
            f"  {name:11} {median(timing.wall):6.2f} s   wall / openai's wall {longer}   "
            f"processor {median(work):.2f} ms a call, {spread(more)} more than openai"
        )


def ways(url: str, data: MixtureConfig, rows: list[TrainingRow]) -> dict[str, Callable[[], Any]]:
    """How to ask for all forecasts, by name; each call uses fresh connections."""
    episodes = Episodes(data, Anywhere())
    prompts = [[to_langchain(message, None) for message in row.messages] for row in rows]

    def chat_model() -> VllmChatModel:
        return VllmChatModel(model="slow", base_url=url, temperature=1.0, max_tokens=384)

    bodies = [chat_model()._body(prompt, None, {}) for prompt in prompts]  # noqa: SLF001  (the same requests)

    async def openai() -> None:
        async with AsyncOpenAI(base_url=url, api_key="none", timeout=300.0, max_retries=0) as client:
            await asyncio.gather(*(client.post("/chat/completions", body=body, cast_to=object) for body in bodies))

    async def chat() -> None:
        model = chat_model()
        await asyncio.gather(*(model.ainvoke(prompt) for prompt in prompts))

    async def graph() -> None:
        model = chat_model()
        done = await asyncio.gather(*(episodes.run(row, ServerPolicy(model, row, seed=0)) for row in rows))
        assert all(outcome and outcome.action is not None for outcome in done)  # noqa: S101  (work that was not done is no speed)

    return {
        name: lambda way=way: asyncio.run(way())
        for name, way in [("openai", openai), ("chat model", chat), ("graph", graph)]
    }


@contextmanager
def slow_server(told: dict[str, Any]) -> Iterator[str]:
    """The server's address, for as long as the block lasts."""
    program = Path(__file__).with_name("slow_server.py")
    with subprocess.Popen(  # noqa: S603  (our own file)
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  (pipes were asked for)
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        process.stdin.close()


if __name__ == "__main__":
    main()
