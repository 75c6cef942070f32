"""Runs an agent over a task set: concurrently, resumably, each task in a folder of its own.

One task's failure never touches another: whatever happens to it becomes its result. An interrupt keeps what is
finished; calling again with the same output goes on from there.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer1_agents.data.taskgen.draft import task_instruction
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.results import ResultsFile, TaskResult
from tracer1_agents.graphs.build import trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.rewards.answers import gaia_match
from tracer1_agents.tools.desk import is_left_as
from tracer1_agents.tools.search import Corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.evals.gaia import GaiaTask, TaskSet
    from tracer1_agents.sandboxes.base import Sandbox

Agent = Any  # a compiled LangGraph graph; its four type parameters say nothing here


@dataclass(frozen=True)
class Runner:
    """How tasks are run.

    Attributes:
        agent: The compiled graph.
        sandbox: Where code runs; None turns code off.
        corpus: For the search tools; None where there is none.
        concurrency: Tasks at one time.
        on_result: Called with every finished result, in order of finishing.

    Raises:
        ConfigurationError: `concurrency` is below 1.
    """

    agent: Agent
    sandbox: Sandbox | None = None
    corpus: Path | None = None
    concurrency: int = 16
    on_result: Callable[[TaskResult], None] = lambda _: None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            msg = f"concurrency must be at least 1, got {self.concurrency}"
            raise ConfigurationError(msg)

    async def run(self, tasks: tuple[GaiaTask, ...], output: ResultsFile) -> None:
        """Run tasks and append their results; cancelling leaves a resumable file."""
        gate = asyncio.Semaphore(self.concurrency)
        corpus = Corpus.load(self.corpus) if self.corpus else None
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(self.concurrency + 4))

        async def one(task: GaiaTask) -> None:
            async with gate:
                result = await self._run_task(task, corpus)
            output.append(result)
            self.on_result(result)

        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(one(task))

    async def _run_task(self, task: GaiaTask, corpus: Corpus | None) -> TaskResult:
        began = time.perf_counter()
        with ExitStack() as stack:
            # whatever the sandbox's user wrote there must not end the run when it is cleared away
            scratch = tempfile.TemporaryDirectory(prefix="tracer1-task-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(scratch))
            try:
                self._fill(folder, task)
                executor = stack.enter_context(open_workbench(folder, sandbox=self.sandbox, corpus=corpus))
            except OSError as error:
                return _result(task, began, status="data_error", detail=f"attachment {task.attachment}: {error}")
            name = task.attachment.name if task.attachment else ""
            start = {"instruction": task_instruction(task.question, name)}
            try:
                state = await self.agent.ainvoke(start, context=Tracer1Context(toolbox=executor))
                left_right = None if task.state is None else is_left_as(folder, task.state)
                return _result(task, began, state=state, left_right=left_right)
            except Exception as error:  # noqa: BLE001  (one task's fault is that task's result)
                detail = f"{type(error).__name__}: {error}"
                return _result(task, began, status="infrastructure_error", detail=detail)

    @staticmethod
    def _fill(folder: Path, task: GaiaTask) -> None:
        """Copy the attachment, or all that the task starts with, into the task's folder."""
        if task.workspace is not None:
            shutil.copytree(task.workspace, folder, dirs_exist_ok=True)
        elif task.attachment is not None:
            shutil.copyfile(task.attachment, folder / task.attachment.name)


def _result(
    task: GaiaTask,
    began: float,
    *,
    state: dict[str, Any] | None = None,
    left_right: bool | None = None,
    status: str = "",
    detail: str = "",
) -> TaskResult:
    """What became of a task: `state` is the graph's, `left_right` says whether the folder was left as it should be."""
    trace = trace_of(state) if state else None
    prediction = trace.answer if trace else None
    usage = (state or {}).get("usage") or {}
    return TaskResult(
        task_id=task.task_id,
        level=task.level,
        family=task.family,
        trained_family=task.trained_family,
        traits=task.traits,
        prediction=prediction,
        correct=None if task.truth is None else gaia_match(prediction, task.truth) and left_right is not False,
        state=left_right,
        status=trace.status.value if trace else status,
        detail=trace.detail if trace else detail,
        planner_calls=(state or {}).get("planner_calls", 0),
        tokens=usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        seconds=round(time.perf_counter() - began, 3),
        trace=trace,
    )


def select_tasks(tasks: TaskSet, *, limit: int | None = None, level: int | None = None) -> tuple[GaiaTask, ...]:
    """Tasks of one level, at most `limit`, spread evenly over the set so that a small run sees every kind."""
    chosen = [task for task in tasks.tasks if level is None or task.level == level]
    if limit is None or limit >= len(chosen):
        return tuple(chosen)
    return tuple(chosen[at * len(chosen) // limit] for at in range(limit))
