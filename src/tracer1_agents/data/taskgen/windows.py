"""Training windows: a prompt as the planner node would send it (profile `compact`), and the reply that should follow.

A window shows steps 1..t-1 of a reference (now and then with mishaps in between) and asks for steps t..t+T-1. The
messages come from `planner.prompt.build_messages`, the function that serves inference too. Arguments that nobody can
know yet stand as `Result(step=k)`, numbered as the episode is, mishaps included.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import ToolCall
from tracer1_agents.data.taskgen.desk.families import WORLD1, make_world_task
from tracer1_agents.data.taskgen.families import TRAINING_MIX, make_task
from tracer1_agents.data.taskgen.mishaps import mishap, timeout_text
from tracer1_agents.planner.history import ExecutorText, last_k
from tracer1_agents.planner.profiles import profile_named
from tracer1_agents.planner.prompt import build_messages
from tracer1_agents.types import Execution, Forecast, ForecastPair, HistoryEntry, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.taskgen.desk.options import WorldOptions
    from tracer1_agents.data.taskgen.draft import Task
    from tracer1_agents.data.taskgen.names import Split
    from tracer1_agents.planner.prompt import Message

_GRAMMAR: Final = CanonicalGrammar()
_FAULT_SEEN: Final = 0.5  # windows of the very step that times out: half from before, half from after


@dataclass(frozen=True)
class Window:
    """One training or evaluation example.

    Attributes:
        family: Of the task.
        step: Reference step it asks for, from 1.
        number: The same step in its episode, mishaps counted.
        messages: The prompt.
        pairs: The reference forecast.
        reply: The same, written in the canonical grammar.
        history: The past steps that the prompt shows.
        observation: What the newest of them returned.
        task: The task, with its files and its whole reference.
        previous: The reference's forecast of the step before, where the prompt shows it.
    """

    family: str
    step: int
    number: int
    messages: tuple[Message, ...]
    pairs: tuple[tuple[Action, str], ...]
    reply: str
    history: tuple[HistoryEntry, ...]
    observation: str
    task: Task
    previous: Forecast | None = None


@dataclass(frozen=True)
class WindowOptions:
    """How windows are cut.

    Attributes:
        horizon: Pairs in the reply at most (T).
        history_window: Past steps shown (K).
        mishap_rate: Chance of a mishap before each step; where calls are limited, no more than a task allows.
        world: The desk's world and its dials; None for the plain families.
        previous: Whether the prompt shows the reference's forecast of the step before.
    """

    horizon: int = 8
    history_window: int = 5
    mishap_rate: float = 0.1
    world: WorldOptions | None = None
    previous: bool = False


def cut_window(task: Task, step: int, rng: Random, options: WindowOptions) -> Window | None:
    """The window of reference step `step` (from 1).

    Returns:
        None when mishaps pushed something that the reply needs out of the history.
    """
    entries, observation, number_of = _play(task, step, rng, options)
    now = len(entries) + 1

    def rename(reference_step: int) -> int:
        return number_of.get(reference_step, now + reference_step - step)

    ahead = task.steps[step - 1 : step - 1 + options.horizon]
    pairs = tuple((planned.action(step - 1, rename), planned.instruction) for planned in ahead)
    history = last_k(entries, options.history_window)
    previous = _previous(task, step, entries, number_of, options) if options.previous else None
    messages = tuple(
        build_messages(
            profile_named("compact"),
            instruction=task.instruction,
            observation=Observation(text=observation),
            history=history,
            horizon=options.horizon,
            tools=(),
            previous=previous,
            step=now,
        )
    )
    if not _knowable(task, step, messages):
        return None
    reply = _GRAMMAR.render(pairs)
    return Window(task.family, step, now, messages, pairs, reply, history, observation, task, previous)


def _play(task: Task, step: int, rng: Random, options: WindowOptions) -> tuple[list[HistoryEntry], str, dict[int, int]]:
    """Steps before `step` as history entries, the newest result, and episode numbers of reference steps."""
    summarizer = ExecutorText()
    entries: list[HistoryEntry] = []
    number_of: dict[int, int] = {}
    observation = ""

    def record(action: Action, instruction: str, text: str) -> None:
        nonlocal observation
        written = _GRAMMAR.render_action(action)
        summary = summarizer.summarize(written, Execution(ok=not text.startswith("error: "), text=text), None)
        entry = HistoryEntry(step=len(entries) + 1, action=written, instruction=instruction, summary=summary)
        entries.append(entry)
        observation = text

    made, slips_left = 0, _slips_allowed(task)
    for number, planned in enumerate(task.steps[:step], 1):
        action = planned.action(number - 1)
        late = isinstance(action, ToolCall) and task.desk is not None and task.desk.fault == made + 1
        if late and (number < step or rng.random() < _FAULT_SEEN):
            record(action, planned.instruction, timeout_text(planned.name))
        if rng.random() < options.mishap_rate and slips_left and (failed := mishap(task, action, number, rng)):
            record(failed[0], planned.instruction, failed[1])
            made, slips_left = made + (failed[0] != action), slips_left - 1
        if number < step:
            record(action, planned.instruction, planned.result)
            made += 1
            number_of[number] = len(entries)
    return entries, observation, number_of


def _previous(
    task: Task, step: int, entries: list[HistoryEntry], number_of: dict[int, int], options: WindowOptions
) -> Forecast | None:
    """What the reference would have forecast when the newest entry was about to run, numbered as the episode was then.

    Nothing at the first step. After a call that failed and is made again, that call stands for the first pair.
    """
    if not entries:
        return None
    now, made = len(entries), number_of.get(step - 1) == len(entries)
    first = step - 1 if made else step  # reference step that was about to run
    ahead = task.steps[first - 1 : first - 1 + options.horizon]

    def rename(reference_step: int) -> int:
        earlier = reference_step < first and reference_step in number_of
        return number_of[reference_step] if earlier else now + reference_step - first

    return Forecast(
        pairs=tuple(
            ForecastPair(action=planned.action(first - 1, rename), instruction=planned.instruction) for planned in ahead
        )
    )


def _slips_allowed(task: Task) -> int:
    """How many calls may go wrong before those of the reference no longer fit."""
    if task.desk is None or task.desk.calls is None:
        return len(task.steps)
    return task.desk.calls - (len(task.steps) - 1)


def _knowable(task: Task, step: int, messages: tuple[Message, ...]) -> bool:
    """Whether everything the first pair takes from earlier results still stands in the prompt."""
    prompt = "\n".join(message.text for message in messages)
    return all(text in prompt for text in task.steps[step - 1].taken_from_results())


def stream_windows(
    seed: int, options: WindowOptions, *, split: Split = "train", families: tuple[str, ...] = ()
) -> Iterator[Window]:
    """Windows without end, the same for the same seed.

    Args:
        seed: Decides everything drawn.
        options: How windows are cut, and which world they are from.
        split: Whose words to use.
        families: Drawn from evenly, one named twice twice as often; none: the training mix of the world.
    """
    rng = Random(f"windows/{seed}")  # noqa: S311  (reproducible, not secret)
    world = options.world
    families = families or (TRAINING_MIX if world is None else WORLD1)
    while True:
        family, task_seed = rng.choice(families), rng.getrandbits(48)
        if world is None:
            task = make_task(family, task_seed, split=split)
        else:
            task = make_world_task(family, task_seed, world, split=split)
        window = cut_window(task, rng.randint(1, len(task.steps)), rng, options)
        if window is not None:
            yield window
