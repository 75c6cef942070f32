"""What the graph costs around sampling: rollouts through it against the engine alone, on the same prompts.

Paired: each round runs every way once, in a turning order, with greedy replies, so that all ways draw the same tokens.
``OMP_NUM_THREADS=1 python benchmarks/rollouts.py`` (the shipped planner, no network, no tools beyond a sleep).

- 32 rollouts at once through the graph; the engine alone; `generate` of transformers in one batch; `ainvoke` one by one
- 256 episodes at once against a server that answers after a while, and the bare client beside them
- 16 rollouts with a tool of 0.2 s
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import torch

from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.rewards.grounded import GroundedConfig
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.serving.batcher import Batcher
from tracer1_agents.serving.engine import SampleRequest, SamplingEngine
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.training.encoding import PromptEncoder
from tracer1_agents.training.episodes import EnginePolicy, Episodes
from tracer1_agents.training.grounded_rollouts import GraphRollouts, Scorer
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.rollouts import Place
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.stage2 import GraphRolloutConfig
from tracer1_agents.training.worlds import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer1_agents.training.rows import TrainingRow

ROUNDS: Final = 7
GREEDY: Final = 1e-9
NEW_TOKENS: Final = 96
LATENCY: Final = 0.5  # seconds that the simulated server takes
TOOL: Final = 0.2  # seconds


class Anywhere:
    """A world with one executor for every row."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.executor = RecordingExecutor(["done"], delay=seconds)

    @contextmanager
    def open(self, row: TrainingRow) -> Iterator[Scene]:
        """The same place for everyone."""
        del row
        yield Scene(toolbox=self.executor)

    def metrics(self) -> dict[str, float]:
        """None."""
        return {}


class SlowServer:
    """A policy that answers after a while, as an endpoint would."""

    async def asample(self, messages: Any, **_: Any) -> PolicyReply:
        """Answer."""
        del messages
        await asyncio.sleep(LATENCY)
        return PolicyReply('calculator(expression="1 + 1") # "add"\nfinish(answer="2") # "say it"')


def main() -> None:
    """Print medians and ratios with their 98% intervals (of 7 ordered values, the outermost two)."""
    torch.set_num_threads(1)
    data = MixtureConfig.model_validate({"horizon": 8, "sources": [{"reader": "taskgen", "count": 256, "seed": 7}]})
    rows = load_mixture(data).rows
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {ROUNDS} rounds")
    against_sampling(data, rows)
    against_a_server(data, rows)
    with_a_tool(data, rows)


def against_sampling(data: MixtureConfig, rows: list[TrainingRow]) -> None:
    """The graph around the engine, and what it replaces."""
    planner = load_planner(ModelConfig())
    planner.model.eval()
    engine = SamplingEngine(planner.model, planner.tokenizer)
    some = rows[:32]
    config = GraphRolloutConfig(max_new_tokens=NEW_TOKENS, temperature=GREEDY)
    scorer = Scorer(GroundedConfig(), DEFAULT_REWARD, 0.0, ZeroRates())
    graph = GraphRollouts(rows, config, Episodes(data, Anywhere()), scorer, seed=0)
    places = [Place(number, 0) for number in range(len(some))]

    def bare() -> None:
        requests = [SampleRequest(engine.encode_chat(row.chat()).ids, max_new_tokens=NEW_TOKENS) for row in some]
        engine.sample(requests)

    def generate() -> None:
        prompts = planner.tokenizer.apply_chat_template(
            [row.chat() for row in some],
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        )
        with torch.inference_mode():
            planner.model.generate(**prompts, max_new_tokens=NEW_TOKENS, do_sample=False)

    def one_by_one() -> None:
        for place in places:
            graph._draw(engine, [place], 0)  # noqa: SLF001  (what is measured)

    ways = {
        "engine alone": bare,
        "through the graph": lambda: graph._draw(engine, places, 0),  # noqa: SLF001
        "transformers generate": generate,
        "graph, one by one": one_by_one,
    }
    report("32 rollouts at once", measured(ways), baseline="engine alone")


def against_a_server(data: MixtureConfig, rows: list[TrainingRow]) -> None:
    """256 episodes at once that wait for an endpoint."""
    episodes, server = Episodes(data, Anywhere()), SlowServer()
    processor: list[float] = []

    async def client() -> None:
        await asyncio.gather(*(server.asample(row.messages) for row in rows))

    async def graph() -> None:
        await asyncio.gather(*(episodes.run(row, server) for row in rows))  # type: ignore[arg-type]

    def timed() -> None:
        start = time.process_time()
        asyncio.run(graph())
        processor.append(time.process_time() - start)

    report(
        "256 episodes, server", measured({"bare client": lambda: asyncio.run(client()), "graph": timed}), "bare client"
    )
    print(f"  graph, processor time a planner call: {1000 * median(processor) / len(rows):.2f} ms")


def with_a_tool(data: MixtureConfig, rows: list[TrainingRow]) -> None:
    """16 rollouts whose tool takes a while: all wait at the same time."""
    calls = [row for row in rows if row.window.steps[0].action.kind == "tool"][:16]
    episodes = Episodes(data, Anywhere(TOOL))
    planner = load_planner(ModelConfig())
    planner.model.eval()
    engine = SamplingEngine(planner.model, planner.tokenizer)
    encoder = PromptEncoder(engine)

    async def all_of_them(batcher: Batcher, *, execute: bool) -> None:
        async def one(row: TrainingRow) -> None:
            policy = EnginePolicy(batcher, encoder, max_new_tokens=NEW_TOKENS, temperature=GREEDY, seed=0)
            if execute:
                await episodes.run(row, policy)
            else:
                await policy.asample(row.messages, horizon=8)

        await asyncio.gather(*(one(row) for row in calls))

    def run(*, execute: bool) -> None:
        batcher = Batcher(engine)
        asyncio.run(all_of_them(batcher, execute=execute))
        batcher.close()

    ways = {"sampling alone": lambda: run(execute=False), "with the tool": lambda: run(execute=True)}
    seconds = measured(ways)
    extra = [tool - alone for tool, alone in zip(seconds["with the tool"], seconds["sampling alone"], strict=True)]
    print(f"16 rollouts with a tool of {TOOL} s: {median(extra):.3f} s more than sampling alone")
    print(f"  {median(extra) / TOOL:.2f} tool calls, 98% interval {min(extra) / TOOL:.2f} to {max(extra) / TOOL:.2f}")


def measured(ways: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Wall seconds of every way in every round; a round before them warms up."""
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, ROUNDS):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            ways[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(what: str, seconds: dict[str, list[float]], baseline: str) -> None:
    """Print a table."""
    print(what)
    for name, values in seconds.items():
        ratios = [base / value for base, value in zip(seconds[baseline], values, strict=True)]
        shown = f"{median(ratios):.2f} of the baseline's speed ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:24} {median(values):7.3f} s   {shown}")


if __name__ == "__main__":
    sys.exit(main())
