"""16 rollouts that each call a tool of 0.2 s: what waiting costs here, and in TRL's own tool loop.

Both ways are measured as the seconds that the slow tool adds to the same rollouts with a tool that takes no time,
paired, 7 rounds: ``OMP_NUM_THREADS=1 python benchmarks/slow_tool.py``. One tool call is the least there can be.

TRL's side is its trainer with an `environment_factory` whose environments are stock Python classes with one method, as
its documentation has them, once a plain method and once an async one. What its planner says is given beforehand (a tool
call, then an answer), so that its loop is timed and not a model.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
import trl
from datasets import Dataset
from paired import ROUNDS, measured, spread
from rollouts import Anywhere
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from tracer1_agents.planner.policy import PolicyReply, ReplayPolicy
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.settings import ModelConfig

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL: Final = 0.2  # seconds
ROLLOUTS: Final = 16
CALL: Final = '<tool_call>\n{"name": "calculator", "arguments": {"expression": "1 + 1"}}\n</tool_call><|im_end|>'


class Plain:
    """An environment as TRL wants it; `seconds` is set by the benchmark."""

    seconds = 0.0
    calls = 0

    def reset(self, **_: Any) -> None:
        """Start anew."""

    def calculator(self, expression: str) -> str:
        """Work out an expression.

        Args:
            expression: What to work out.

        Returns:
            Its value.
        """
        type(self).calls += 1
        time.sleep(self.seconds)
        return expression


class Async(Plain):
    """The same with an async method."""

    async def calculator(self, expression: str) -> str:
        """Work out an expression.

        Args:
            expression: What to work out.

        Returns:
            Its value.
        """
        type(self).calls += 1
        await asyncio.sleep(self.seconds)
        return expression


class Told(GRPOTrainer):
    """TRL's trainer with a planner that says what it is told: a tool call, then an answer."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        said = "4<|im_end|>" if self.again else CALL
        self.again = not self.again
        return [self.processing_class(said)["input_ids"] for _ in prompt_ids], None

    again = False


def main() -> None:
    """Print tool calls' worth of seconds for each way."""
    torch.set_num_threads(1)
    print(f"{ROLLOUTS} rollouts, a tool of {TOOL} s, {ROUNDS} rounds; extra seconds / {TOOL}, 98% interval")
    with tempfile.TemporaryDirectory() as folder:
        show("our graph", through_the_graph())
        for kind in (Plain, Async):
            show(f"TRL environment_factory, {kind.__name__.lower()} tool", trl_pass(*trl_trainer(kind, folder), kind))


def show(name: str, run: Callable[[float], None]) -> None:
    """Measure one way; it is told how long the tool takes."""
    timings = measured({"no time": lambda: run(0.0), "slow": lambda: run(TOOL)})
    extra = [slow - fast for slow, fast in zip(timings["slow"].wall, timings["no time"].wall, strict=True)]
    print(f"  {name:40} {spread([seconds / TOOL for seconds in extra])} tool calls")


def through_the_graph() -> Callable[[float], None]:
    """Stage 2's rollouts: the graph, a policy whose replies are at hand, the executor."""
    data = MixtureConfig.model_validate({"horizon": 8, "sources": [{"reader": "taskgen", "count": 64, "seed": 7}]})
    rows = [row for row in load_mixture(data).rows if row.window.steps[0].action.kind == "tool"][:ROLLOUTS]

    episodes = Episodes(data, Anywhere())

    def run(seconds: float) -> None:
        world = episodes.world = Anywhere(seconds)

        async def all_of_them() -> None:
            policies = [ReplayPolicy([PolicyReply(row.reply)]) for row in rows]
            await asyncio.gather(*(episodes.run(row, policy) for row, policy in zip(rows, policies, strict=True)))

        asyncio.run(all_of_them())
        assert len(world.executor.calls) == ROLLOUTS  # noqa: S101  (work that was not done is no speed)

    return run


def trl_trainer(kind: type[Plain], folder: str) -> tuple[Told, list[dict[str, Any]]]:
    """TRL's trainer around the shipped planner, with a chat template that knows tools."""
    planner = load_planner(ModelConfig())
    planner.processor.chat_template = Path(trl.__file__).with_name("chat_templates").joinpath("qwen3.jinja").read_text()
    options = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=ROLLOUTS,
        num_generations=ROLLOUTS,
        max_completion_length=512,
        report_to="none",
        use_cpu=True,
        bf16=False,
    )
    prompt = [{"role": "user", "content": "What is 1 + 1?"}]
    trainer = Told(
        model=planner.model,
        processing_class=planner.processor,
        reward_funcs=lambda completions, **_: [float(len(one)) for one in completions],
        args=options,
        train_dataset=Dataset.from_list([{"prompt": prompt}] * ROLLOUTS),
        environment_factory=kind,
    )
    return trainer, [{"prompt": prompt} for _ in range(ROLLOUTS)]


def trl_pass(trainer: Told, inputs: list[dict[str, Any]], kind: type[Plain]) -> Callable[[float], None]:
    """TRL's generation step: both turns, the tool loop between them, rewards."""

    def run(seconds: float) -> None:
        kind.seconds, kind.calls = seconds, 0
        trainer._generate_and_score_completions([dict(one) for one in inputs])  # noqa: SLF001  (what is measured)
        assert kind.calls == ROLLOUTS, kind.calls  # noqa: S101  (work that was not done is no speed)

    return run


if __name__ == "__main__":
    main()
