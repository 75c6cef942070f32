"""Answer GAIA-format tasks with an anticipatory planner, and score the answers by GAIA's rules.

    python examples/gaia_agent.py                                    the bundled set with the planner that ships
    python examples/gaia_agent.py --tasks /data/gaia/2023/validation --model openai:gpt-5
    python examples/gaia_agent.py --base-url http://localhost:8000/v1 --model Qwen3-VL-8B-Thinking

Results go to --output, one JSON line a task; calling again with the same output does only what is not done.
`tracer1 show OUTPUT` shows every step: the forecast, what ran, what came back, which pairs came true.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tracer1_agents import __version__, create_tracer1_agent
from tracer1_agents.errors import Tracer1Error
from tracer1_agents.evals.gaia import TaskSet, read_tasks
from tracer1_agents.evals.report import print_report
from tracer1_agents.evals.results import ResultsFile, TaskResult, read_results
from tracer1_agents.evals.run import Runner, select_tasks
from tracer1_agents.graphs.workbench import find_sandbox, open_workbench
from tracer1_agents.planner.profiles import PROFILES
from tracer1_agents.serving.endpoint import endpoint_model
from tracer1_agents.viewer.plain import harmless

if TYPE_CHECKING:
    from tracer1_agents.sandboxes.base import Sandbox

console = Console(stderr=True)


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="demo", help="demo, measure (bundled), a GAIA folder, or a metadata.jsonl")
    parser.add_argument("--model", default="tracer1-tiny", help="tracer1-tiny, a checkpoint folder, or provider:name")
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint that serves --model")
    parser.add_argument("--profile", choices=sorted(PROFILES), help="prompt profile (default: by the model's name)")
    parser.add_argument("--horizon", type=int, default=8, help="pairs per forecast (default 8)")
    parser.add_argument("--history", type=int, default=5, help="past steps in the prompt (default 5)")
    parser.add_argument("--max-steps", type=int, default=25, help="steps per task (default 25)")
    parser.add_argument("--limit", type=int, help="run this many tasks, spread over the set")
    parser.add_argument("--level", type=int, choices=(1, 2, 3), help="only tasks of this level")
    parser.add_argument("--concurrency", type=int, default=40, help="tasks at one time (default 40)")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/gaia.jsonl"), help="results (default runs/gaia.jsonl)"
    )
    return parser.parse_args(argv)


def choose_model(arguments: argparse.Namespace) -> Any:
    """The planner: a name for the package to resolve, or a client for --base-url."""
    if not arguments.base_url:
        return arguments.model
    return endpoint_model(arguments.model, arguments.base_url)


def build_agent(arguments: argparse.Namespace, tasks: TaskSet, sandbox: Sandbox | None) -> Any:
    """The compiled graph; each task brings its own folder and tools through the run's context."""
    with (  # only names and schemas are wanted, for the prompt; no sandbox is started
        tempfile.TemporaryDirectory() as nowhere,
        open_workbench(Path(nowhere), sandbox=sandbox, corpus=tasks.corpus) as bench,
    ):
        tools = bench.registry
    return create_tracer1_agent(
        choose_model(arguments),
        tools,
        horizon=arguments.horizon,
        history_window=arguments.history,
        max_steps=arguments.max_steps,
        profile=arguments.profile,
    )


def describe_run(arguments: argparse.Namespace, tasks: TaskSet) -> dict[str, Any]:
    """What decides the results, and, under info_, what is only worth knowing."""
    return {
        "tasks": str(tasks.folder),
        "model": arguments.model,
        "base_url": arguments.base_url,
        "profile": arguments.profile,
        "horizon": arguments.horizon,
        "history": arguments.history,
        "max_steps": arguments.max_steps,
        "version": __version__,
        "info_started": datetime.now(UTC).isoformat(timespec="seconds"),
        "info_python": platform.python_version(),
        "info_machine": f"{platform.system()} {platform.machine()}",
    }


def run(arguments: argparse.Namespace) -> list[TaskResult]:
    """Run what is not done yet; returns every result of the selection."""
    tasks = read_tasks(arguments.tasks)
    for problem in tasks.problems:
        console.print(f"left out: {problem}", style="yellow", markup=False)
    chosen = select_tasks(tasks, limit=arguments.limit, level=arguments.level)
    output = ResultsFile(arguments.output)
    done = output.resume(describe_run(arguments, tasks))
    todo = tuple(task for task in chosen if task.task_id not in done)
    if len(todo) < len(chosen):
        console.print(f"{len(chosen) - len(todo)} of {len(chosen)} tasks are already in {arguments.output}")
    if todo:
        run_tasks(arguments, tasks, todo, output)
    wanted = {task.task_id for task in chosen}
    return [result for result in read_results(arguments.output)[0] if result.task_id in wanted]


def run_tasks(arguments: argparse.Namespace, tasks: TaskSet, todo: Any, output: ResultsFile) -> None:
    """Run tasks under a progress bar."""
    sandbox, reason = find_sandbox()
    if sandbox is None:
        console.print(f"code is off: {reason}", style="yellow", markup=False)
    agent = build_agent(arguments, tasks, sandbox)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("tasks", total=len(todo))

        def show(result: TaskResult) -> None:
            progress.advance(bar)
            if result.status not in {"finished", "step_limit", "loop", "parse_error"}:
                progress.console.print(harmless(f"{result.task_id}: {result.status}: {result.detail}"), markup=False)

        runner = Runner(agent, sandbox, tasks.corpus, arguments.concurrency, show)
        asyncio.run(runner.run(todo, output))


def main(argv: list[str] | None = None) -> int:
    """Run, report, and say where the results are."""
    arguments = parse_arguments(argv)
    began = time.perf_counter()
    try:
        results = run(arguments)
    except Tracer1Error as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print(f"interrupted; what is finished is in {arguments.output}, the same command goes on from there")
        return 130
    print_report(results)
    console.print(f"{time.perf_counter() - began:.1f} s; see every step with: tracer1 show {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
