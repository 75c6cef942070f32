"""Recorded steps, and windows of generated tasks, as the prompts that a planner would have got there.

For training and evaluation alike.

History lines: the source's own summary of what was seen next where it has one, else the text that the action returned,
else the step instruction. A planner that is shown no screenshot reads the last of them as its observation (rule: ours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.planner.history import one_line
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.planner.prompt import build_messages
from tracer1_agents.types import Forecast, ForecastPair, HistoryEntry, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.actions.space import Platform
    from tracer1_agents.data.taskgen.windows import Window
    from tracer1_agents.planner.prompt import Message, ToolSpec
    from tracer1_agents.types import ImageRef, ReferenceStep, ReferenceTrajectory

_OF_WINDOWS: Final = "compact"  # the profile that windows of generated tasks are written in


@dataclass(frozen=True)
class PromptOptions:
    """How prompts are written.

    Attributes:
        profile: Dialect and templates.
        horizon: Pairs asked for (T).
        history_window: Past steps shown (K).
        platform: Whose actions are listed.
        images: Whether screenshots are shown, where the profile takes them and their files are here.
        max_pixels: Larger screenshots are scaled down before the planner sees them.
        points: Whether pointing actions keep their points; without them the step instruction alone names the target.
        tools: What the planner may call, for profiles that show tools.
        previous: Whether prompts show the reference's forecast of the step before (a run-time foresight channel).
        thoughts: Whether replies begin with a thought that names the kinds of all actions ahead (the same).
    """

    profile: str = "compact"
    horizon: int = 10
    history_window: int = 5
    platform: Platform = "tools"
    images: bool = True
    max_pixels: int | None = None
    points: bool = True
    tools: tuple[ToolSpec, ...] = ()
    previous: bool = False
    thoughts: bool = False


@dataclass(frozen=True)
class RecordedPrompt:
    """What a planner is asked at one recorded step.

    Attributes:
        messages: The prompt.
        grammar: How replies to it are written.
        observation: What is seen.
        history: The last K steps.
    """

    messages: tuple[Message, ...]
    grammar: Grammar
    observation: Observation
    history: tuple[HistoryEntry, ...]


def recorded_prompt(
    trajectory: ReferenceTrajectory,
    at: int,
    options: PromptOptions,
    own: Mapping[int, ForecastPair] | None = None,
) -> RecordedPrompt:
    """The prompt at one step (from 0).

    Args:
        trajectory: Any reference; its points are taken as they are.
        at: Index of the step.
        options: How prompts are written.
        own: By index, what the policy itself did at earlier steps; None: what the reference did.
    """
    profile = profile_named(options.profile)
    image = _shown(trajectory.steps[at].observation.image, options) if profile.supports_images else None
    observation = _observed(trajectory.steps, at, image)
    grammar = profile.grammar_for(image or trajectory.steps[at].observation.image, platform=options.platform)
    first = max(0, at - options.history_window)
    history = tuple(_entry(trajectory.steps, past, grammar, (own or {}).get(past)) for past in range(first, at))
    messages = build_messages(
        profile,
        instruction=trajectory.instruction,
        observation=observation,
        history=history,
        horizon=options.horizon,
        tools=options.tools,
        platform=options.platform,
        previous=_forecast_before(trajectory, at, options.horizon) if options.previous else None,
        step=at + 1,
    )
    return RecordedPrompt(tuple(messages), grammar, observation, history)


def window_prompt(window: Window, options: PromptOptions) -> RecordedPrompt:
    """The prompt of a generated window, in the words of any profile; that of `compact` stands in the window itself.

    Args:
        window: Cut with the same horizon and history window.
        options: How prompts are written.
    """
    observation = Observation(text=window.observation)
    if options.profile == _OF_WINDOWS:
        return RecordedPrompt(window.messages, CanonicalGrammar(), observation, window.history)
    profile = profile_named(options.profile)
    grammar = profile.grammar_for(platform=options.platform)
    history = tuple(_reworded(entry, grammar) for entry in window.history)
    messages = build_messages(
        profile,
        instruction=window.task.instruction,
        observation=observation,
        history=history,
        horizon=options.horizon,
        tools=options.tools,
        platform=options.platform,
        previous=window.previous,
        step=window.number,
    )
    return RecordedPrompt(tuple(messages), grammar, observation, history)


def _reworded(entry: HistoryEntry, grammar: Grammar) -> HistoryEntry:
    action = CanonicalGrammar.parse_pair(entry.action).action
    return entry.model_copy(update={"action": grammar.render_action(action)}) if action is not None else entry


def _forecast_before(trajectory: ReferenceTrajectory, at: int, horizon: int) -> Forecast | None:
    """What the reference would have forecast one step earlier; nothing at the first."""
    if not at:
        return None
    ahead = trajectory.steps[at - 1 : at - 1 + horizon]
    return Forecast(pairs=tuple(ForecastPair(action=step.action, instruction=step.instruction) for step in ahead))


def _shown(image: ImageRef | None, options: PromptOptions) -> ImageRef | None:
    """The screenshot as the planner will see it; what loads it scales it to the size given here."""
    if image is None or not options.images or not Path(image.ref).is_file():
        return None
    pixels = image.width * image.height
    if options.max_pixels is None or pixels <= options.max_pixels:
        return image
    shrink = math.sqrt(options.max_pixels / pixels)
    smaller = {"width": max(1, int(image.width * shrink)), "height": max(1, int(image.height * shrink))}
    return image.model_copy(update=smaller)


def _observed(steps: tuple[ReferenceStep, ...], at: int, image: ImageRef | None) -> Observation:
    """What the planner sees before step `at`."""
    text = steps[at].observation.text or (steps[at - 1].result if at else "")
    if not text and image is None and at:
        text = _summary(steps, at - 1)
    return Observation(text=text, image=image)


def _entry(steps: tuple[ReferenceStep, ...], at: int, grammar: Grammar, own: ForecastPair | None) -> HistoryEntry:
    action, instruction = (own.action, own.instruction) if own else (steps[at].action, steps[at].instruction)
    return HistoryEntry(
        step=at + 1, action=grammar.render_action(action), instruction=instruction, summary=_summary(steps, at)
    )


def _summary(steps: tuple[ReferenceStep, ...], at: int) -> str:
    """What a later planner is told of step `at`."""
    seen_next = steps[at + 1].summary if at + 1 < len(steps) else None
    return one_line(seen_next or steps[at].result or steps[at].instruction)
