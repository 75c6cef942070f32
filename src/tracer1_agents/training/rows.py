"""What a planner learns from: a prompt as the planner node would send it, and the reference steps that should follow.

Rows come from reference trajectories or from the task generator, and always through `planner.prompt.build_messages`,
the function that serves inference. A row says how its reply is read and scored; nothing here knows a model.

`points: false` takes the places out of all pointing actions of a recorded trajectory, before anything is cut from it:
a planner that sees no screenshot cannot know them, and the step instruction names the target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracer1_agents.actions.match import kind_of
from tracer1_agents.actions.space import POINTING_KINDS, Finish
from tracer1_agents.actions.thoughts import thinking
from tracer1_agents.data.prompts import PromptOptions, recorded_prompt, window_prompt
from tracer1_agents.data.windows import window_at
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD, trajectory_reward
from tracer1_agents.types import Observation, ReferenceStep, ReferenceWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.taskgen.windows import Window
    from tracer1_agents.planner.prompt import ImagePart, Message, TextPart
    from tracer1_agents.rewards.trajectory import RewardConfig, TrajectoryReward
    from tracer1_agents.types import Forecast, ForecastPair, HistoryEntry, ImageRef, ReferenceTrajectory


@dataclass(frozen=True)
class RecordedStep:
    """Where a row was cut from, so that its history can be written anew."""

    trajectory: ReferenceTrajectory
    at: int
    options: PromptOptions


@dataclass(frozen=True)
class EpisodeStart:
    """Where a rollout through the graph begins: what the prompt was built from.

    Attributes:
        instruction: The task.
        observation: What is seen now.
        past: The last K steps.
    """

    instruction: str
    observation: Observation
    past: tuple[HistoryEntry, ...] = ()


@dataclass(frozen=True)
class TrainingRow:
    """One instance of both stages (paper, section 3: a step with the actions that follow it).

    Attributes:
        key: Unique in its mixture: source, trajectory, step.
        source: Name in the mixture; metrics are kept by it.
        number: 1-based number of the step in its episode.
        messages: The prompt.
        window: What should follow.
        grammar: How replies to it are written.
        horizon: Pairs asked for.
        start: What the prompt was built from.
        recorded: Where it was cut from; None for generated tasks.
        generated: The generated window it is; None for recorded trajectories.
        thought: What the reply says before its pairs, "" for nothing.
    """

    key: str
    source: str
    number: int
    messages: tuple[Message, ...]
    window: ReferenceWindow
    grammar: Grammar = field(repr=False)
    horizon: int
    start: EpisodeStart = field(repr=False)
    recorded: RecordedStep | None = field(default=None, repr=False)
    generated: Window | None = field(default=None, repr=False)
    thought: str = ""

    @property
    def reply(self) -> str:
        """The reference, as the planner would write it."""
        pairs = self.grammar.render([(step.action, step.instruction) for step in self.window.steps])
        return thinking(self.thought) + pairs

    @property
    def images(self) -> list[ImageRef]:
        """Screenshots of the prompt, in order."""
        return [part["ref"] for message in self.messages for part in message.content if part["type"] == "image"]

    def chat(self) -> list[dict[str, Any]]:
        """The prompt as chat templates take it; a message without an image is plain text."""
        return chat_of(self.messages)

    def read(self, reply: str, *, truncated: bool = False) -> Forecast:
        """A reply to this row's prompt."""
        return read_forecast(reply, grammar=self.grammar, horizon=self.horizon, step=self.number, truncated=truncated)

    def score(self, reply: str, config: RewardConfig = DEFAULT_REWARD, *, truncated: bool = False) -> ScoredReply:
        """A reply with its trajectory reward."""
        forecast = self.read(reply, truncated=truncated)
        reward = trajectory_reward(forecast, self.window, config)
        metrics = {f"parts/{name}": value for name, value in vars(reward.parts).items()}
        metrics |= {
            f"reward/{self.source}": reward.total,
            "forecast/first_align": reward.align[0],
            "forecast/pairs": float(len(forecast.pairs)),
            "forecast/unreadable": float(not forecast.ok),
        }
        return ScoredReply(forecast, reward, reward.total, metrics)


@dataclass(frozen=True)
class ScoredReply:
    """A reply with what it earns.

    Attributes:
        forecast: The reply, read.
        trajectory: Stage 1's reward of it.
        total: What it is trained on; None when it must not teach.
        metrics: Parts and counts, for the log.
    """

    forecast: Forecast
    trajectory: TrajectoryReward
    total: float | None
    metrics: Mapping[str, float]


def chat_of(messages: Sequence[Message], picture: Callable[[ImageRef], Any] | None = None) -> list[dict[str, Any]]:
    """Planner messages as chat templates take them; a message without an image is plain text.

    Args:
        messages: Of a planner.
        picture: Opens screenshots; None leaves a mark where each one stands, as TRL wants it.
    """
    return [{"role": message.role, "content": _content(message, picture)} for message in messages]


def _content(message: Message, picture: Callable[[ImageRef], Any] | None) -> Any:
    if all(part["type"] == "text" for part in message.content):
        return message.text
    return [_part(part, picture) for part in message.content]


def _part(part: TextPart | ImagePart, picture: Callable[[ImageRef], Any] | None) -> dict[str, Any]:
    if part["type"] == "text":
        return dict(part)
    return {"type": "image"} if picture is None else {"type": "image", "image": picture(part["ref"])}


def rows_of(trajectory: ReferenceTrajectory, options: PromptOptions, *, source: str = "") -> Iterator[TrainingRow]:
    """A row from each step of a recorded trajectory, in order."""
    if not options.points:
        trajectory = without_points(trajectory)
    for at in range(len(trajectory.steps)):
        yield row_at(trajectory, at, options, source=source)


def row_at(trajectory: ReferenceTrajectory, at: int, options: PromptOptions, *, source: str = "") -> TrainingRow:
    """The row from one step (from 0) of a recorded trajectory, whose points are taken as they are."""
    window = window_at(trajectory, at, options.horizon, history_window=options.history_window)
    return _cut(RecordedStep(trajectory, at, options), window, source or trajectory.source, {})


def without_points(trajectory: ReferenceTrajectory) -> ReferenceTrajectory:
    """The trajectory with pointing actions, alternatives among them, that do not say where."""
    steps = tuple(
        step.model_copy(
            update={"action": _unplaced(step.action), "alternatives": tuple(map(_unplaced, step.alternatives))}
        )
        for step in trajectory.steps
    )
    return trajectory.model_copy(update={"steps": steps})


def _unplaced(action: Action) -> Action:
    if action.kind not in POINTING_KINDS:
        return action
    places = ("start", "end") if action.kind == "drag" else ("point",)
    return action.model_copy(update=dict.fromkeys(places))


def with_history(row: TrainingRow, own: Mapping[int, ForecastPair]) -> TrainingRow:
    """The row with some past steps as the policy itself would have taken them; what was seen stays the reference's.

    Args:
        row: Cut from a recorded trajectory.
        own: By index in the trajectory, what the policy did there.

    Raises:
        ValueError: The row comes from a generated task.
    """
    if row.recorded is None:
        msg = f"row {row.key} has no recorded trajectory to write another history for; use history: reference"
        raise ValueError(msg)
    return _cut(row.recorded, row.window, row.source, own)


def generated_row(window: Window, options: PromptOptions, *, source: str, key: str) -> TrainingRow:
    """A row from a window of the task generator."""
    asked = window_prompt(window, options)
    ahead = window.task.steps[window.step - 1 :]
    steps = tuple(
        ReferenceStep(action=action, instruction=instruction, result=planned.result)
        for (action, instruction), planned in zip(window.pairs, ahead, strict=False)
    )
    return TrainingRow(
        key=key,
        source=source,
        number=window.number,
        messages=asked.messages,
        window=ReferenceWindow(
            steps=steps,
            finished=isinstance(steps[-1].action, Finish),
            known_text=_readable(asked.messages),
        ),
        grammar=asked.grammar,
        horizon=options.horizon,
        start=EpisodeStart(window.task.instruction, asked.observation, asked.history),
        generated=window,
        thought=_outline(steps) if options.thoughts else "",
    )


def _readable(messages: Sequence[Message]) -> str:
    """What a planner can read of its prompt."""
    return "\n".join(message.text for message in messages)


def _outline(steps: Sequence[ReferenceStep]) -> str:
    """The kinds of the actions ahead, in order; of tools their names."""
    return " ".join(kind_of(step.action).removeprefix("tool:") for step in steps)


def _cut(recorded: RecordedStep, window: ReferenceWindow, source: str, own: Mapping[int, ForecastPair]) -> TrainingRow:
    trajectory, at, options = recorded.trajectory, recorded.at, recorded.options
    asked = recorded_prompt(trajectory, at, options, own)
    return TrainingRow(
        key=f"{source}/{trajectory.id}/{at + 1}",
        source=source,
        number=at + 1,
        messages=asked.messages,
        window=window.model_copy(update={"known_text": _readable(asked.messages)}),
        grammar=asked.grammar,
        horizon=options.horizon,
        start=EpisodeStart(trajectory.instruction, asked.observation, asked.history),
        recorded=recorded,
        thought=_outline(window.steps) if options.thoughts else "",
    )
