"""One model over a suite's windows: a prediction a line, resumable, each sample's failure its own.

Every prompt comes from `data.prompts`, so that a planner is asked as in training and in the graph, with the reference's
past. A reply that cannot be read is an empty forecast with its outcome; a sample that failed for reasons outside the
model is a line with `error`, and is asked again by the next call. The file beside it says how the run was made.

Suites whose episodes are the policy's own course (GTA, GAIA) need tools and a graph: `examples/gaia_agent.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents import __version__
from tracer1_agents.data.prompts import PromptOptions, recorded_prompt
from tracer1_agents.data.records import Record, read_records
from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.evals.markers import own_steps
from tracer1_agents.evals.results import RunFile
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.serving.tiny import weights_hash
from tracer1_agents.types import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer1_agents.evals.scoring import References
    from tracer1_agents.evals.suites import Suite
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.types import ReferenceTrajectory

TOLD: Final = "{goal}\nNow: {instruction}"  # the "low" setting: goal and step instruction


@dataclass(frozen=True)
class Asking:
    """How a model is run over a suite.

    Attributes:
        model: Its name, for the record.
        profile: Prompt profile.
        horizon: Pairs asked for (T).
        history: Past steps in the prompt (K).
        seed: Of sampling, where the model takes one; for the record.
        concurrency: Samples at one time.
        per_minute: Samples that begin in a minute at most; None: no limit.
    """

    model: str
    profile: str
    horizon: int = 10
    history: int = 5
    seed: int | None = None
    concurrency: int = 8
    per_minute: float | None = None


@dataclass(frozen=True)
class Sample:
    """One step to ask about."""

    trajectory: ReferenceTrajectory
    at: int
    number: int

    @property
    def key(self) -> tuple[str, int]:
        """Episode and step, as lines have them."""
        return self.trajectory.id, self.number


def setup_of(found: References, asking: Asking) -> dict[str, Any]:
    """What decides the predictions, with a hash of it; `info_` keys are worth knowing only."""
    setup = {
        "suite": found.suite.name,
        "episodes": len(found.trajectories),
        "references": found.digest,
        "model": asking.model,
        "weights": weights_hash(asking.model),
        "profile": asking.profile,
        "horizon": asking.horizon,
        "history": asking.history,
        "seed": asking.seed,
        "version": __version__,
    }
    text = json.dumps(setup, sort_keys=True)
    return {**setup, "hash": hashlib.sha256(text.encode()).hexdigest()[:16], "info_concurrency": asking.concurrency}


def samples_of(found: References) -> list[Sample]:
    """The steps to ask about.

    Raises:
        ConfigurationError: The suite's episodes are the policy's own course.
    """
    if found.suite.source in {"gta", "gaia"}:
        msg = (
            f"{found.suite.name} needs an agent with tools, not single replies; run examples/gaia_agent.py for GAIA "
            "tasks and score its output with --predictions F --format results, or bring predictions of your own"
        )
        raise ConfigurationError(msg)
    return [
        Sample(trajectory, at, number)
        for trajectory in found.trajectories
        for at, (number, _) in enumerate(own_steps(trajectory))
    ]


class PredictionsFile(RunFile):
    """Predictions of one run on disk."""

    def resume(self, setup: dict[str, Any]) -> set[tuple[str, int]]:
        """Steps that an earlier, equal run has predicted; failed and broken lines are dropped.

        Raises:
            ConfigurationError: The file belongs to a run with another setup.
        """
        if self.begin(setup):
            return set()
        done = {}
        for item in read_records(self.path):
            if isinstance(item, Record) and not item.value.get("error") and "forecast" in item.value:
                done[item.value.get("episode_id", ""), item.value.get("step", 0)] = item.value
        self.rewrite(map(_line, done.values()))
        return set(done)

    def append(self, prediction: dict[str, Any]) -> None:
        """Add one."""
        self.append_line(_line(prediction))


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n"


class Pace:
    """Lets at most so many samples begin in a minute, evenly spaced.

    Args:
        per_minute: None: no limit.

    Raises:
        ConfigurationError: It is not above 0.
    """

    def __init__(self, per_minute: float | None) -> None:
        if per_minute is not None and not per_minute > 0:
            msg = f"--rate counts samples a minute and must be above 0, got {per_minute}"
            raise ConfigurationError(msg)
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def wait(self) -> None:
        """Until this sample may begin."""
        now = time.monotonic()
        begin = max(now, self._next)
        self._next = begin + self._gap
        if begin > now:
            await asyncio.sleep(begin - now)


async def collect(
    found: References,
    policy: Policy,
    asking: Asking,
    output: PredictionsFile,
    on_line: Callable[[dict[str, Any], int], None] = lambda _line, _left: None,
) -> None:
    """Ask about every step that has no prediction yet.

    Args:
        found: References of a suite.
        policy: The model.
        asking: How.
        output: Where lines go; cancelling leaves a file that can be resumed.
        on_line: Gets each line once it is written, and how many are still to come.

    Raises:
        ConfigurationError: The suite or the file does not fit (see `samples_of` and `PredictionsFile.resume`).
    """
    wanted = samples_of(found)
    pace, gate = Pace(asking.per_minute), asyncio.Semaphore(asking.concurrency)
    done = output.resume(setup_of(found, asking))
    queue = [sample for sample in wanted if sample.key not in done]

    left = len(queue)

    async def one(sample: Sample) -> None:
        nonlocal left
        async with gate:
            await pace.wait()
            line = await _ask(found, policy, asking, sample)
        output.append(line)
        left -= 1
        on_line(line, left)

    for begin in range(0, len(queue), _AT_ONCE):  # tasks that wait hold their trajectories
        await asyncio.gather(*map(one, queue[begin : begin + _AT_ONCE]))


_AT_ONCE: Final = 1024


async def _ask(found: References, policy: Policy, asking: Asking, sample: Sample) -> dict[str, Any]:
    """One prediction as a line."""
    began = time.perf_counter()
    line: dict[str, Any] = {
        "suite": found.suite.name,
        "episode_id": sample.trajectory.id,
        "step": sample.number,
        "forecast": [],
    }
    try:
        told = with_step_told(found.suite, sample.trajectory, sample.at)
        prompt = recorded_prompt(told, sample.at, _options(found, asking))
        reply = await policy.asample(prompt.messages, horizon=asking.horizon)
    except Exception as error:  # noqa: BLE001  (one sample's failure is that sample's line)
        known = isinstance(error, Tracer1Error)
        return {**line, "error": str(error) if known else f"{type(error).__name__}: {error}"}
    forecast = read_forecast(
        reply.text,
        grammar=prompt.grammar,
        horizon=asking.horizon,
        step=sample.number,
        reasoning=reply.reasoning,
        truncated=reply.truncated,
    )
    return {
        **line,
        "forecast": [pair.model_dump(mode="json") for pair in forecast.pairs],
        "outcome": forecast.outcome.value,
        "usage": reply.usage.model_dump(),
        "planner_calls": 1,
        "seconds": round(time.perf_counter() - began, 3),
    }


def _options(found: References, asking: Asking) -> PromptOptions:
    return PromptOptions(
        profile=asking.profile,
        horizon=asking.horizon,
        history_window=asking.history,
        platform=found.suite.platform,
    )


def with_step_told(suite: Suite, trajectory: ReferenceTrajectory, at: int) -> ReferenceTrajectory:
    """The trajectory with what the planner is told of its task: in the "low" setting, the step's instruction too."""
    instruction = trajectory.steps[at].instruction
    if not suite.told or not instruction:
        return trajectory
    told = TOLD.format(goal=trajectory.instruction, instruction=instruction)
    return trajectory.model_copy(update={"instruction": told})


def spent(path: Path) -> Usage:
    """Tokens of a predictions file, failed samples left out."""
    total = Usage()
    for item in read_records(path):
        if isinstance(item, Record) and isinstance(usage := item.value.get("usage"), dict):
            total += Usage.model_validate(usage)
    return total


def cost(usage: Usage, price: tuple[float, float]) -> float:
    """What tokens cost.

    Args:
        usage: Tokens.
        price: Of a million input tokens and of a million output tokens, in any currency.
    """
    return (usage.input_tokens * price[0] + usage.output_tokens * price[1]) / 1e6


def grid(asking: Asking, axes: Sequence[str]) -> dict[str, Asking]:
    """Every combination of what is varied.

    Args:
        asking: What the axes do not say.
        axes: Such as "horizon=1,2,5,10" and "history=0,5".

    Returns:
        Name of the cell -> how to ask, in the order of the axes.

    Raises:
        ConfigurationError: An axis is none.
    """
    cells = {"": asking}
    for axis in axes:
        name, values = _axis(axis)
        cells = {
            f"{cell},{name}={value}".lstrip(","): replace(one, **{name: value})  # type: ignore[arg-type]
            for cell, one in cells.items()
            for value in values
        }
    return cells


def _axis(text: str) -> tuple[str, list[int]]:
    name, _, values = text.partition("=")
    least = {"horizon": 1, "history": 0}.get(name)
    parts = [part.strip() for part in values.split(",")]
    if least is None or not all(part.isdecimal() and int(part) >= least for part in parts):
        msg = f'--ablate takes "horizon=1,2,5,10" (from 1) or "history=0,5" (from 0), got {text!r}'
        raise ConfigurationError(msg)
    return name, [int(part) for part in parts]
