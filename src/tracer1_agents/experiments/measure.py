"""One checkpoint on one split: held-out windows asked greedily, and whole tasks in the closed loop with real tools.

    python -m tracer1_agents.experiments.measure MODEL --plan stage1 --split test --out FOLDER

Writes `windows.jsonl` and `tasks.jsonl`, a record an item, and nothing that is there already is done again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tracer1_agents.data.taskgen.bundle import write_bundle
from tracer1_agents.data.taskgen.windows import stream_windows
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.gaia import read_tasks
from tracer1_agents.evals.results import ResultsFile
from tracer1_agents.evals.run import Runner
from tracer1_agents.experiments.plan import load_plan
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.graphs.workbench import find_sandbox
from tracer1_agents.serving.local import load_batcher
from tracer1_agents.tools.desk import desk_tools
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace
from tracer1_agents.training.evaluate import evaluate_rows
from tracer1_agents.training.rows import PromptOptions, generated_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.experiments.plan import Measurement
    from tracer1_agents.training.rows import TrainingRow

_MAX_STEPS = 25


def held_out_rows(measurement: Measurement) -> list[TrainingRow]:
    """The windows of a split; by default with names that training never shows."""
    stream = stream_windows(measurement.window_seed, measurement.window_options, split=measurement.names)
    options = PromptOptions(horizon=measurement.horizon)
    return [
        generated_row(window, options, source=window.family, key=f"{measurement.window_seed}-{number}")
        for number, window in enumerate(islice(stream, measurement.windows))
    ]


def measure_windows(model: str, measurement: Measurement, out: Path) -> None:
    """Write a record for each window, unless they stand already."""
    if out.exists() or not measurement.windows:
        return
    engine = load_batcher(model).engine
    scores = evaluate_rows(engine.model, engine.tokenizer, held_out_rows(measurement))
    fresh = out.with_suffix(".tmp")
    fresh.write_text("".join(json.dumps(asdict(score)) + "\n" for score in scores), encoding="utf-8")
    fresh.replace(out)


def write_tasks(measurement: Measurement, folder: Path) -> None:
    """The tasks of a split, with their files, unless they stand already."""
    if not (folder / "metadata.jsonl").exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            write_bundle(measurement.bundle, Path(scratch, "tasks"))
            Path(scratch, "tasks").replace(folder)


def measure_tasks(model: str, measurement: Measurement, tasks: Path, out: Path, concurrency: int = 40) -> None:
    """Run the tasks that have no result yet."""
    if not measurement.bundle.families():
        return
    found, output = read_tasks(tasks), ResultsFile(out)
    done = output.resume({"model": model, "tasks": str(tasks), "horizon": measurement.horizon})
    left = tuple(task for task in found.tasks if task.task_id not in done)
    if not left:
        return
    sandbox, reason = find_sandbox()
    if sandbox is None:
        msg = f"tasks with code cannot be measured without a sandbox: {reason}"
        raise ConfigurationError(msg)
    with tempfile.TemporaryDirectory() as nowhere:  # only names and schemas are wanted, for the prompt
        tools = default_toolbox(nowhere, corpus=found.corpus)
        tools += desk_tools(Workspace(nowhere)) if measurement.world else []
    agent = create_tracer1_agent(model, tools, horizon=measurement.horizon, max_steps=_MAX_STEPS, profile="compact")
    runner = Runner(agent, sandbox=sandbox, corpus=found.corpus, concurrency=concurrency)
    asyncio.run(runner.run(left, output))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.experiments.measure`."""
    parser = argparse.ArgumentParser(description="Measure one checkpoint on one split of an experiment.")
    parser.add_argument("model")
    parser.add_argument("--plan", required=True)
    parser.add_argument("--split", choices=("development", "test"), required=True)
    parser.add_argument("--tasks", type=Path, required=True, help="folder of the split's tasks; written when missing")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    measurement: Any = getattr(load_plan(arguments.plan), arguments.split)
    arguments.out.mkdir(parents=True, exist_ok=True)
    measure_windows(arguments.model, measurement, arguments.out / "windows.jsonl")
    if measurement.bundle.families():
        arguments.tasks.parent.mkdir(parents=True, exist_ok=True)
        write_tasks(measurement, arguments.tasks)
        measure_tasks(arguments.model, measurement, arguments.tasks, arguments.out / "tasks.jsonl")


if __name__ == "__main__":
    main()
