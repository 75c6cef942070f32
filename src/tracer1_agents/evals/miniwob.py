"""MiniWoB++ for real: episodes through the compiled graph in Chromium, the reward read from each task.

One Chromium carries several episodes at a time, each in a context of its own. Whatever happens to an episode is its
result: what the planner, the grounder or the page did wrong counts as not solved, and only a browser or a model that is
gone leaves an episode to be done again. Tasks of which every episode fails stay in the mean.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents import __version__
from tracer1_agents.actions.match import RUN_TIME_ALLOWANCE
from tracer1_agents.data.miniwob.demonstrate import FIRST_TRAIN_SEED, check_task
from tracer1_agents.data.miniwob.named import COMPOSITIONS, TASKS, uses_clipboard
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.environments.miniwob import MiniWobEnvironment, miniwob_chromium
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.results import ResultsFile, TaskResult
from tracer1_agents.graphs.build import create_tracer1_agent, trace_of
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.serving.tiny import weights_hash
from tracer1_agents.tools.grounding import GroundThenAct
from tracer1_agents.tools.offline_grounding import ElementGrounder
from tracer1_agents.types import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.blobs import BlobStore
    from tracer1_agents.environments.chromium import Chromium
    from tracer1_agents.evals.collect import Asking
    from tracer1_agents.planner.policy import Policy

SUITE: Final = "miniwob"
MAX_STEPS: Final = 40
_SCROLLS: Final = 20  # ours: in the list of elements a field looks the same however far its text was scrolled
_CHANNELS: Final = ("commitment", "best_of")  # of foresight at run time, both off at 1
GROUPS: Final = {"named": tuple(TASKS), "compositions": COMPOSITIONS}  # what `--tasks` takes besides names


@dataclass(frozen=True)
class Course:
    """What is run, and how.

    Attributes:
        tasks: Names; "a+b" is a page with two.
        seeds: 0 to `seeds` - 1 of each; demonstrations begin far above.
        asking: Model, profile, horizon, history, concurrency.
        max_steps: Of an episode.
        commitment: Pairs of one forecast that may run before the planner is asked again.
        best_of: Forecasts sampled a step.
    """

    tasks: tuple[str, ...]
    seeds: int
    asking: Asking
    max_steps: int = MAX_STEPS
    commitment: int = 1
    best_of: int = 1

    def __post_init__(self) -> None:
        for task in self.tasks:
            check_task(task)
        if not 0 < self.seeds <= FIRST_TRAIN_SEED:
            msg = f"--seeds counts from 1 to {FIRST_TRAIN_SEED}, where demonstrations begin; got {self.seeds}"
            raise ConfigurationError(msg)
        counts = {"concurrency": self.asking.concurrency, "commitment": self.commitment, "best-of": self.best_of}
        for option, count in counts.items():
            if count < 1:
                msg = f"--{option} counts from 1, got {count}"
                raise ConfigurationError(msg)

    @property
    def episodes(self) -> list[str]:
        """Names of all of them."""
        return [_name(task, seed) for task in self.tasks for seed in range(self.seeds)]

    @property
    def pictures(self) -> bool:
        """Whether the planner is shown the screen."""
        return profile_named(self.asking.profile).supports_images

    def setup(self) -> dict[str, Any]:
        """What decides the results of an episode; `info_` keys are worth knowing only."""
        asking = self.asking
        return {
            "suite": SUITE,
            "model": asking.model,
            "profile": asking.profile,
            "horizon": asking.horizon,
            "history": asking.history,
            "seed": asking.seed,
            "max_steps": self.max_steps,
            "version": __version__,
            "weights": weights_hash(asking.model),
            **{name: value for name in _CHANNELS if (value := getattr(self, name)) > 1},
            "info_tasks": list(self.tasks),
            "info_seeds": self.seeds,
            "info_concurrency": asking.concurrency,
        }


def tasks_named(names: Sequence[str]) -> tuple[str, ...]:
    """Tasks by name, "named" for all of them, "compositions" for pages with several.

    Raises:
        ConfigurationError: A task has no oracle, so that nobody knows whether it can be solved here.
    """
    found = tuple(task for name in names or ("named",) for task in GROUPS.get(name, (name,)))
    for task in found:
        check_task(task)
    return tuple(dict.fromkeys(found))


async def run(
    course: Course,
    policy: Policy,
    output: ResultsFile,
    blobs: BlobStore,
    on_result: Callable[[TaskResult], None] = lambda _: None,
) -> list[TaskResult]:
    """Every episode that has no result yet; cancelling leaves a file that can be gone on with.

    Args:
        course: What is run.
        policy: The model.
        output: Where results go, an episode a line.
        blobs: Where screenshots go, for planners that see.
        on_result: Gets each result.

    Returns:
        The results of the course, earlier ones included, in its order.

    Raises:
        ConfigurationError: The file belongs to another run, or there is no browser.
    """
    results = output.resume(course.setup())
    gate = asyncio.Semaphore(course.asking.concurrency)
    agent = _agent(course, policy)

    clipboard = asyncio.Lock()

    async def of_task(task: str, seeds: list[int], chromium: Chromium) -> None:
        async with clipboard if uses_clipboard(task) else nullcontext(), gate:
            environment = MiniWobEnvironment(task, blobs, chromium=chromium, screenshots=course.pictures)
            try:
                for seed in seeds:
                    result = await _episode(agent, environment, seed)
                    output.append(result)
                    results[result.task_id] = result
                    on_result(result)
            finally:
                await environment.aclose()

    missing = [
        (task, [seed for seed in range(course.seeds) if _name(task, seed) not in results]) for task in course.tasks
    ]
    if any(seeds for _, seeds in missing):
        with miniwob_chromium() as chromium:
            async with asyncio.TaskGroup() as group:
                for task, seeds in missing:
                    if seeds:
                        group.create_task(of_task(task, seeds, chromium))
    return [results[name] for name in course.episodes]


def _name(task: str, seed: int) -> str:
    """Of an episode, in results."""
    return f"{task}/{seed}"


def _agent(course: Course, policy: Policy) -> Any:
    """The compiled graph; who executes comes with each episode."""
    return create_tracer1_agent(
        policy,
        horizon=course.asking.horizon,
        history_window=course.asking.history,
        profile=course.asking.profile,
        platform="computer",
        max_steps=course.max_steps,
        commitment=course.commitment,
        best_of=course.best_of,
        loop_guard=LoopGuard(allowance={**RUN_TIME_ALLOWANCE, "scroll": _SCROLLS}),
    )


async def _episode(agent: Any, environment: MiniWobEnvironment, seed: int) -> TaskResult:
    began = time.perf_counter()
    name = _name(environment.task, seed)
    try:
        seen = await environment.areset(seed)
        grounder = ElementGrounder(screen=environment.size, trust_points=True)
        start = {"instruction": environment.utterance, "observation": seen.model_dump(mode="json")}
        acting = GroundThenAct(grounder, EnvironmentExecutor(environment))
        state = await agent.ainvoke(start, context=Tracer1Context(grounder=acting))
    except Exception as error:  # noqa: BLE001  (one episode's fault is that episode's result)
        detail = f"{type(error).__name__}: {error}"
        return TaskResult(task_id=name, family=environment.task, status="infrastructure_error", detail=detail)
    trace = trace_of(state).model_copy(update={"observation": Observation(text=seen.text, image=seen.image)})
    usage = state.get("usage") or {}
    outcome = environment.outcome
    return TaskResult(
        task_id=name,
        family=environment.task,
        prediction=trace.answer,
        correct=outcome.success,
        raw_reward=outcome.raw,
        discounted_reward=outcome.discounted(),
        status=trace.status.value,
        detail=trace.detail,
        planner_calls=state.get("planner_calls", 0),
        tokens=usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        seconds=round(time.perf_counter() - began, 3),
        trace=trace,
    )
