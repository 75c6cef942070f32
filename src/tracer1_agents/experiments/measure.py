"""One checkpoint on one split: held-out windows asked greedily, and whole tasks in the closed loop with real tools.

    python -m tracer1_agents.experiments.measure MODEL --plan stage1 --arm warm_start --split test --out FOLDER

Writes `windows.jsonl` and `tasks.jsonl`, a record an item, and nothing that is there already is done again. Of each
window's reply the first action is carried out by the real tools and compared as stage 2 compares it (`grounded`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from tracer1_agents.data.prompts import PromptOptions
from tracer1_agents.data.taskgen.bundle import write_bundle
from tracer1_agents.data.taskgen.windows import stream_windows
from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.evals.gaia import read_tasks
from tracer1_agents.evals.results import REDO, ResultsFile, read_results
from tracer1_agents.evals.run import Runner
from tracer1_agents.experiments.plan import AgentOptions, load_plan
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.planner.policy import ReplayPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import grounded_reward
from tracer1_agents.serving.local import load_batcher
from tracer1_agents.tools.desk import desk_tools
from tracer1_agents.tools.limited import Slots
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace
from tracer1_agents.training.checkpoints import claimed
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.evaluate import greedy_samples, score_reply
from tracer1_agents.training.mixture import GeneratedSource, MixtureConfig, evenly_spread, load_mixture
from tracer1_agents.training.rows import generated_row
from tracer1_agents.training.worlds import RecordWorld, TaskWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.experiments.plan import Measurement
    from tracer1_agents.sandboxes.base import Sandbox
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.training.worlds import World

_USUAL: Final = AgentOptions()
_MAX_STEPS = 25
_PROFILE: Final = "compact"  # of generated windows and tasks
_ACTIONS_AT_ONCE, _SCENES_AT_ONCE = 8, 32


def held_out_rows(measurement: Measurement, agent: AgentOptions = _USUAL) -> list[TrainingRow]:
    """The windows of a split, by default with names that training never shows, or parts of recorded data.

    Raises:
        ConfigurationError: A source gives no rows.
        DataError: There is nothing at a source's path.
    """
    if measurement.data is not None:
        shown = agent.model_dump(include={"history_window", "show_last_forecast", "thoughts"})
        config = MixtureConfig.model_validate({"horizon": measurement.horizon, **shown, **measurement.data})
        rows = load_mixture(config).rows
        return evenly_spread(rows, measurement.windows)
    how = replace(measurement.window_options, history_window=agent.history_window, previous=agent.show_last_forecast)
    stream = stream_windows(measurement.window_seed, how, split=measurement.names)
    options = PromptOptions(horizon=measurement.horizon, thoughts=agent.thoughts)
    return [
        generated_row(window, options, source=window.family, key=f"{measurement.window_seed}-{number}")
        for number, window in enumerate(islice(stream, measurement.windows))
    ]


def measure_windows(model: str, measurement: Measurement, out: Path, agent: AgentOptions = _USUAL) -> None:
    """Write a record for each window, unless they stand already."""
    if out.exists() or not measurement.windows:
        return
    engine, rows = load_batcher(model).engine, held_out_rows(measurement, agent)
    samples = greedy_samples(engine.model, engine.tokenizer, rows)
    profile = (measurement.data or {}).get("profile", _PROFILE)
    replies = [sample.text for sample in samples]
    earned = asyncio.run(first_action_rewards(rows, replies, measurement.horizon, profile=profile))
    records = [
        {**asdict(score_reply(row, sample)), "grounded": reward}
        for row, sample, reward in zip(rows, samples, earned, strict=True)
    ]
    fresh = out.with_suffix(".tmp")
    fresh.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    fresh.replace(out)


async def first_action_rewards(
    rows: Sequence[TrainingRow], replies: Sequence[str], horizon: int, *, profile: str = _PROFILE
) -> list[float | None]:
    """Each reply's first action, carried out from the row's state by the real tools, and what stage 2 gives for it.

    Args:
        rows: What was asked.
        replies: To each.
        horizon: Pairs asked for (T).
        profile: That the rows were asked in; replies are read by it.

    Returns:
        In [0, 1]; None where the tools were lost or the reference does not say enough.

    Raises:
        ConfigurationError: There is no sandbox for code here.
    """
    world: World = RecordWorld()
    if any(row.generated for row in rows):
        world = TaskWorld(working_sandbox(), Slots(_ACTIONS_AT_ONCE), Retries(attempts=2, timeout=30.0))
    data = MixtureConfig(profile=profile, horizon=horizon, sources=(GeneratedSource(),))  # for its prompts
    episodes, gate = Episodes(data, world), asyncio.Semaphore(_SCENES_AT_ONCE)

    async def one(row: TrainingRow, reply: str) -> float | None:
        async with gate:
            outcome = await episodes.run(row, ReplayPolicy([reply]))
        return grounded_reward(outcome, row.window.steps[0]).total if outcome else None

    return list(await asyncio.gather(*map(one, rows, replies)))


def working_sandbox() -> Sandbox:
    """Where code runs.

    Raises:
        ConfigurationError: Nowhere on this machine.
    """
    sandbox, reason = find_sandbox()
    if sandbox is None:
        msg = f"tasks with code cannot be measured without a sandbox: {reason}"
        raise ConfigurationError(msg)
    return sandbox


def write_tasks(measurement: Measurement, folder: Path) -> None:
    """The tasks of a split, with their files, unless they stand already."""
    if not (folder / "metadata.jsonl").exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            write_bundle(measurement.bundle, Path(scratch, "tasks"))
            try:
                Path(scratch, "tasks").replace(folder)
            except OSError:  # another process was first; what it wrote is the same
                if not (folder / "metadata.jsonl").exists():
                    raise


def seen_from(out: Path, place: str) -> str:
    """A file's path as seen from the folder of `out`, so that a run is the same from wherever it is started and moved.

    What is no file, such as the name of the shipped planner, stays as it is.
    """
    return Path(os.path.relpath(place, out.parent)).as_posix() if Path(place).exists() else place


def measure_tasks(
    model: str,
    measurement: Measurement,
    tasks: Path,
    out: Path,
    options: AgentOptions = _USUAL,
    *,
    concurrency: int = 40,
) -> None:
    """Run the tasks that have no result yet.

    Raises:
        TrainingError: Some were lost for reasons outside the planner, which is nobody's failure and no result.
    """
    if not measurement.bundle.families():
        return
    found, output = read_tasks(tasks), ResultsFile(out)
    places = {"model": seen_from(out, model), "tasks": seen_from(out, str(tasks))}
    done = output.resume({**places, "horizon": measurement.horizon, "agent": options.model_dump()})
    left = tuple(task for task in found.tasks if task.task_id not in done)
    if not left:
        return
    with tempfile.TemporaryDirectory() as nowhere:  # only names and schemas are wanted, for the prompt
        tools = default_toolbox(nowhere, corpus=found.corpus)
        tools += desk_tools(Workspace(nowhere)) if measurement.world else []
    agent = create_tracer1_agent(
        model,
        tools,
        horizon=measurement.horizon,
        max_steps=_MAX_STEPS,
        profile=_PROFILE,
        **options.model_dump(exclude={"thoughts"}),
    )
    runner = Runner(agent, sandbox=working_sandbox(), corpus=found.corpus, concurrency=concurrency)
    asyncio.run(runner.run(left, output))
    lost = [one for one in read_results(out)[0] if one.status in REDO]
    if lost:
        first = f"{lost[0].task_id}: {lost[0].status}, {lost[0].detail}"
        msg = f"{len(lost)} tasks were lost outside the planner; the same command runs them again. The first: {first}"
        raise TrainingError(msg)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.experiments.measure`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.experiments.measure",
        description="Measure one checkpoint on one split of an experiment.",
    )
    parser.add_argument("model")
    parser.add_argument("--plan", required=True)
    parser.add_argument("--split", choices=("development", "test"), required=True)
    parser.add_argument("--tasks", type=Path, required=True, help="folder of the split's tasks; written when missing")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arm", required=True, help="whose horizon and way of asking are used")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    plan = load_plan(arguments.plan)
    measurement: Measurement = getattr(plan, arguments.split)
    arm = plan.arms[arguments.arm]
    if arm.horizon:
        measurement = measurement.model_copy(update={"horizon": arm.horizon})
    with claimed(arguments.out):
        measure_windows(arguments.model, measurement, arguments.out / "windows.jsonl", arm.agent)
        if measurement.bundle.families():
            arguments.tasks.parent.mkdir(parents=True, exist_ok=True)
            write_tasks(measurement, arguments.tasks)
            measure_tasks(arguments.model, measurement, arguments.tasks, arguments.out / "tasks.jsonl", arm.agent)


if __name__ == "__main__":
    main()
