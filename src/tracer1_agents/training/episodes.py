"""One rollout of stage 2: the inference graph from a row's state, one planner call, one execution, a grounded reward.

The graph is what `create_tracer1_agent` compiles; only the policy and the executors differ, handed in through its
context. What the planner node sends is compared with the row's prompt: a trainer that scores other tokens than were
sampled would learn something else without a word.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tracer1_agents.errors import PlannerError, TrainingError
from tracer1_agents.graphs.build import create_tracer1_agent, trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.policy import Policy, PolicyReply
from tracer1_agents.rewards.grounded import GroundedOutcome
from tracer1_agents.serving.sampling import SampleRequest
from tracer1_agents.tools.timed import Stopwatch, TimedExecutor
from tracer1_agents.training.offered import offered_tools
from tracer1_agents.training.rollouts import seed_of
from tracer1_agents.types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.runnables import RunnableConfig

    from tracer1_agents.actions.space import Platform
    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.serving.batcher import Batcher
    from tracer1_agents.serving.sampling import Sample
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.training.encoding import PromptEncoder
    from tracer1_agents.training.mixture import MixtureConfig
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.training.worlds import World
    from tracer1_agents.types import Trace


class UnsetPolicy:
    """Stands where a run's context brings the policy."""

    def sample(self, messages: Sequence[Message], **options: Any) -> PolicyReply:
        """Refuse."""
        del messages, options
        msg = "this graph was compiled without a planner; hand one in with context=Tracer1Context(policy=...)"
        raise PlannerError(msg)

    async def asample(self, messages: Sequence[Message], **options: Any) -> PolicyReply:
        """Refuse."""
        return self.sample(messages, **options)


class RecordingPolicy(Policy, Protocol):
    """A policy that keeps what was sent and drawn.

    Attributes:
        calls: Messages and sample of each call, in order.
    """

    calls: list[tuple[tuple[Message, ...], Sample]]

    def first_call(self) -> tuple[tuple[Message, ...], Sample]:
        """Messages and sample of the first call."""
        ...


class EnginePolicy:
    """Samples from a shared engine and keeps what was sent and drawn.

    Args:
        batcher: The engine with its queue.
        encoder: Encodes prompts for that engine.
        max_new_tokens: Longest reply.
        max_thought_tokens: Longest thought; None for no such limit.
        temperature: Of sampling.
        seed: Decides the replies of this episode.

    Attributes:
        calls: Messages and sample of each call, in order.
    """

    def __init__(
        self,
        batcher: Batcher,
        encoder: PromptEncoder,
        *,
        max_new_tokens: int,
        max_thought_tokens: int | None = None,
        temperature: float,
        seed: int,
    ) -> None:
        self.batcher, self.encoder = batcher, encoder
        self.max_new_tokens, self.max_thought_tokens = max_new_tokens, max_thought_tokens
        self.temperature, self.seed = temperature, seed
        self.calls: list[tuple[tuple[Message, ...], Sample]] = []

    def sample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        del horizon, again, config
        return self._kept(messages, self.batcher.sample(self._request(messages)))

    async def asample(
        self, messages: Sequence[Message], *, horizon: int, again: int = 0, config: RunnableConfig | None = None
    ) -> PolicyReply:
        """See `Policy`."""
        del horizon, again, config
        return self._kept(messages, await asyncio.wrap_future(self.batcher.submit(self._request(messages))))

    def first_call(self) -> tuple[tuple[Message, ...], Sample]:
        """See `RecordingPolicy`."""
        return self.calls[0]

    def _request(self, messages: Sequence[Message]) -> SampleRequest:
        prompt = self.encoder.encode(messages)
        return SampleRequest(
            prompt_ids=prompt.ids,
            pictures=prompt.pictures,
            max_new_tokens=self.max_new_tokens,
            max_thought_tokens=self.max_thought_tokens,
            temperature=self.temperature,
            seed=seed_of(self.seed, len(self.calls)) if self.calls else self.seed,
        )

    def _kept(self, messages: Sequence[Message], sample: Sample) -> PolicyReply:
        self.calls.append((tuple(messages), sample))
        unfinished = sample.finish_reason == "thought"  # a thought may quote actions, so it is never read as a reply
        return PolicyReply(
            text="" if unfinished else sample.text,
            reasoning=sample.text if unfinished else "",
            usage=Usage(input_tokens=len(sample.prompt_ids), output_tokens=len(sample.completion_ids)),
            truncated=unfinished or sample.finish_reason == "length",
            prompt_ids=sample.prompt_ids,
            completion_ids=sample.completion_ids,
            logprobs=sample.logprobs,
        )


@dataclass
class Counts:
    """What the graph has done since the start of the run."""

    planner_calls: int = 0
    executions: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Played:
    """What became of an episode.

    Attributes:
        trace: What happened.
        files: What was written or changed; None where nobody looked.
        reward: What the place itself gave for it; None where it gives nothing.
        left_right: Whether it left behind what the task expects; None where only the answer counts.
    """

    trace: Trace
    files: Mapping[str, str] | None
    reward: float | None
    left_right: bool | None = None


@dataclass
class Episodes:
    """Runs rows through the graph.

    Args:
        data: How prompts are written.
        world: Where first actions are carried out.

    Attributes:
        counts: What was done so far.
        executing: Runs while actions are executed.
    """

    data: MixtureConfig
    world: World
    counts: Counts = field(default_factory=Counts)
    executing: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        self._graphs: dict[Platform, Any] = {}

    def metrics(self) -> dict[str, float]:
        """Counts since the start of the process, and those of the world."""
        counts = {f"graph/{name}": float(value) for name, value in vars(self.counts).items()}
        return {**counts, "graph/execution_seconds": self.executing.seconds, **self.world.metrics()}

    def forget(self) -> None:
        """Count from here on."""
        self.counts, self.executing = Counts(), Stopwatch()

    def graph(self, platform: Platform) -> Any:
        """The compiled inference graph for a platform's action list; one for all rollouts."""
        if platform not in self._graphs:
            self._graphs[platform] = create_tracer1_agent(
                UnsetPolicy(),
                offered_tools(self.data) if platform == "tools" else (),
                horizon=self.data.horizon,
                history_window=self.data.history_window,
                profile=self.data.profile,
                platform=platform,
            )
        return self._graphs[platform]

    async def run(self, row: TrainingRow, policy: Policy) -> GroundedOutcome | None:
        """One planner call and one execution.

        Returns:
            What became of the first action; None when the planner or the executor was lost.
        """
        played = await self.play(row, policy, 1)
        if not played.trace.steps:
            return None if played.trace.status.lost else GroundedOutcome(None)
        step = played.trace.steps[0]
        return GroundedOutcome(step.executed, step.execution, played.files)

    async def play(self, row: TrainingRow, policy: Policy, steps: int) -> Played:
        """At most so many steps from the row's state on."""
        platform = row.recorded.options.platform if row.recorded else "tools"
        past = [entry.model_dump(mode="json") for entry in row.start.past]
        start = {
            "instruction": row.start.instruction,
            "observation": row.start.observation.model_dump(mode="json"),
            "past": past,
        }
        with self.world.open(row) as scene:
            context = Tracer1Context(
                policy=policy,
                toolbox=self._timed(scene.toolbox),
                grounder=self._timed(scene.grounder),
                max_steps=(past[-1]["step"] if past else 0) + steps,
                max_reasks=0,
            )
            state = await self.graph(platform).ainvoke(start, context=context)
            trace = trace_of(state)
            self.counts.planner_calls += state.get("planner_calls", 0)
            self.counts.executions += len(trace.steps)
            self.counts.lost += trace.status.lost
            return Played(trace, scene.files(), scene.reward(), scene.left_right())

    def _timed(self, executor: Executor | None) -> Executor | None:
        return TimedExecutor(executor, self.executing) if executor else None


def check_prompt(row: TrainingRow, sent: Sequence[Message]) -> None:
    """Be sure that the planner node sent what the row trains on.

    Raises:
        TrainingError: It did not.
    """
    if tuple(sent) == row.messages:
        return
    msg = (
        f"the graph sent another prompt for row {row.key} than the row trains on; the same profile, horizon, history "
        f"window and tools on both sides? Row: {row.messages[-1].text[-300:]!r}; graph: {sent[-1].text[-300:]!r}"
    )
    raise TrainingError(msg)
