"""What the graph costs around sampling: rollouts through it against the engine alone, on the same prompts.

Paired: each round runs every way once, in a turning order, with greedy replies, so that all ways draw the same tokens.
``OMP_NUM_THREADS=1 python benchmarks/rollouts.py`` (the shipped planner, one thread, no network, no tools). Beside the
graph stand the engine alone, `generate` of transformers in one batch, and the graph with one rollout after another.
Peak memory is that of a process of its own for each way, beside one that only loads planner and rows.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import torch
from paired import ROUNDS, measured, peak_memory, ratios, spread

from tracer1_agents.rewards.grounded import GroundedConfig
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.serving.engine import SampleRequest, SamplingEngine
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.training.episodes import Episodes
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

GREEDY: Final = 1e-9
NEW_TOKENS: Final = 96
AT_ONCE: Final = 32


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


def main() -> None:
    """Print medians and ratios, then memory."""
    torch.set_num_threads(1)
    by_name = ways()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {AT_ONCE} rollouts at once, {ROUNDS} rounds")
    timings = measured(by_name)
    base = timings["engine alone"]
    for name, timing in timings.items():
        speed = spread(ratios(base.wall, timing.wall))
        work = spread(ratios(base.processor, timing.processor))
        print(f"  {name:24} {median(timing.wall):6.2f} s   engine's wall / its wall {speed}   processor time {work}")
    loaded = peak_memory(ways)
    print(f"peak memory: {loaded:.0f} MB with planner and rows loaded; beyond that")
    for name in by_name:
        print(f"  {name:24} {peak_memory(partial(run_way, name)) - loaded:4.0f} MB")


def run_way(name: str) -> None:
    """One way, once; for a process of its own."""
    torch.set_num_threads(1)
    ways()[name]()


def ways() -> dict[str, Callable[[], Any]]:
    """The graph around the engine, and what it replaces."""
    data = MixtureConfig.model_validate({"horizon": 8, "sources": [{"reader": "taskgen", "count": AT_ONCE, "seed": 7}]})
    rows = load_mixture(data).rows
    planner = load_planner(ModelConfig())
    planner.model.eval()
    engine = SamplingEngine(planner.model, planner.tokenizer)
    config = GraphRolloutConfig(max_new_tokens=NEW_TOKENS, temperature=GREEDY)
    scorer = Scorer(GroundedConfig(), DEFAULT_REWARD, 0.0, ZeroRates())
    graph = GraphRollouts(rows, config, Episodes(data, Anywhere()), scorer, seed=0)
    places = [Place(number, 0) for number in range(len(rows))]

    def bare() -> None:
        requests = [SampleRequest(engine.encode_chat(row.chat()).ids, max_new_tokens=NEW_TOKENS) for row in rows]
        engine.sample(requests)

    def generate() -> None:
        prompts = planner.tokenizer.apply_chat_template(
            [row.chat() for row in rows],
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

    return {
        "engine alone": bare,
        "through the graph": lambda: graph._draw(engine, places, 0),  # noqa: SLF001
        "transformers generate": generate,
        "graph, one by one": one_by_one,
    }


if __name__ == "__main__":
    main()
