"""How long the trajectory reward takes on every window of published samples, and what simple policies earn.

Run with TRACER1_DATA naming the folder of samples: ``python benchmarks/reward.py``. One core, T = 10, our constants.
The table in docs/paper.md is what this prints.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import Click, Code, Finish, PressButton, Result, Scroll, ToolCall, Type, Wait
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.data.windows import windows_of
from tracer1_agents.errors import DataError
from tracer1_agents.rewards.trajectory import RewardConfig, trajectory_reward
from tracer1_agents.types import Forecast, ForecastPair, ReferenceWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.actions.space import Action

HORIZON: Final = 10
SOURCES: Final = (  # reader, path under the folder of samples, whether an end is appended, what it is
    ("androidcontrol", "androidcontrol/test_trajectories.jsonl", False, "AndroidControl as published, no final step"),
    ("androidcontrol", "androidcontrol/test_trajectories.jsonl", True, "AndroidControl with the appended final step"),
    ("mm_traj", "mm_traj/train_subset.json", True, "MM-Traj"),
)


def main() -> None:
    """Time the reference through the reward, then print what each policy earns."""
    folder = os.environ.get("TRACER1_DATA")
    if not folder:
        sys.exit("set TRACER1_DATA to the folder of published samples")
    for source, path, ended, title in SOURCES:
        windows = read_windows(source, Path(folder, path), ended=ended)
        print(f"{title}: {len(windows)} windows at T = {HORIZON}")
        time_reward(windows)
        for name, policy in POLICIES.items():
            full, kind = (mean_reward(windows, policy, mode) for mode in ("full", "kind"))
            print(f"  {name:44s} full {full:6.3f}   kind {kind:6.3f}")


def time_reward(windows: list[ReferenceWindow]) -> None:
    """Print the processor time of one pass with the reference as forecast."""
    forecasts = [reference(window) for window in windows]
    start = time.process_time()
    for forecast, window in zip(forecasts, windows, strict=True):
        trajectory_reward(forecast, window)
    seconds = time.process_time() - start
    print(f"  {seconds:.2f} s, {1e6 * seconds / len(windows):.0f} us a window")


def mean_reward(windows: list[ReferenceWindow], policy: Callable[[ReferenceWindow], Forecast], mode: Any) -> float:
    """Mean reward of a policy."""
    config = RewardConfig(similarity=mode)
    return fmean(trajectory_reward(policy(window), window, config).total for window in windows)


def read_windows(source: str, path: Path, *, ended: bool) -> list[ReferenceWindow]:
    """All windows of a sample; those that begin at an appended end are among them, as in training."""
    windows = []
    for item in reader_named(source, ReaderOptions(add_finish=ended)).read(path):
        if isinstance(item, DataError):
            raise item
        windows += windows_of(item, HORIZON)
    return windows


def constant(action: Action, *, length: int = HORIZON) -> Callable[[ReferenceWindow], Forecast]:
    """Always the same action, without an instruction."""
    return lambda _: forecast([(action, "")] * length)


def forecast(pairs: list[tuple[Action, str]]) -> Forecast:
    """A forecast of (action, instruction)."""
    return Forecast(pairs=tuple(ForecastPair(action=action, instruction=said) for action, said in pairs))


def reference(window: ReferenceWindow) -> Forecast:
    """The right answer."""
    return forecast([(step.action, step.instruction) for step in window.steps])


def stop_early(window: ReferenceWindow) -> Forecast:
    """The right first pair, then nothing."""
    return Forecast(pairs=reference(window).pairs[:1])


def ramble(window: ReferenceWindow) -> Forecast:
    """The right answer, then on and on."""
    surplus = [(Click(), f"surplus {number}") for number in range(HORIZON)]
    return Forecast(pairs=(*reference(window).pairs, *forecast(surplus).pairs)[: max(HORIZON, len(window.steps))])


def copy_goal(window: ReferenceWindow) -> Forecast:
    """Click what the task says, every time."""
    return forecast([(Click(), task_of(window))] * HORIZON)


def copy_goal_in_turns(window: ReferenceWindow) -> Forecast:
    """Click what the task says, in a different wording every time: no two steps are the same operation."""
    return forecast([(Click(), f"click {task_of(window)} {number}") for number in range(HORIZON)])


def ask_the_task(window: ReferenceWindow) -> Forecast:
    """Hand the whole task to one tool, in a different wording every time."""
    calls = [ToolCall(name="visualizer", arguments={"question": f"{task_of(window)} {n}"}) for n in range(HORIZON)]
    return forecast([(call, "") for call in calls])


def template(window: ReferenceWindow) -> Forecast:
    """Click on words that many step instructions have, numbered against the penalty."""
    del window
    return forecast([(Click(), f"click on the {number}") for number in range(HORIZON)])


def wait_for_everything(window: ReferenceWindow) -> Forecast:
    """The right kinds; a placeholder wherever one can stand, the first pair too."""
    return Forecast(pairs=tuple(map(waiting, reference(window).pairs)))


def wait_for_everything_later(window: ReferenceWindow) -> Forecast:
    """The same with a right first pair."""
    first, *rest = reference(window).pairs
    return Forecast(pairs=(first, *map(waiting, rest)))


def waiting(pair: ForecastPair) -> ForecastPair:
    """A pair with placeholders for arguments."""
    action = pair.action
    if isinstance(action, Type):
        action = Type(content="Result(step=1)")
    elif isinstance(action, ToolCall):
        action = ToolCall(name=action.name, arguments=dict.fromkeys(action.arguments, Result(1)))
    elif isinstance(action, Finish):
        action = Finish(status=action.status, answer="Result(step=1)")
    return ForecastPair(action=action, instruction=pair.instruction)


def task_of(window: ReferenceWindow) -> str:
    """The task, which is the first line that the planner can read."""
    return window.known_text.splitlines()[0]


POLICIES: Final = {
    "reference": reference,
    "unreadable": lambda _: Forecast(),
    "click, ten times": constant(Click()),
    "click, once": constant(Click(), length=1),
    "wait, ten times": constant(Wait()),
    "scroll down, ten times": constant(Scroll(direction="down")),
    "back, ten times": constant(PressButton(button="back")),
    "empty code, ten times": constant(Code(source="pass")),
    "finish": constant(Finish(), length=1),
    "click the task, ten times": copy_goal,
    "click the task, in ten wordings": copy_goal_in_turns,
    "click on the <number>": template,
    "ask one tool the task, in ten wordings": ask_the_task,
    "reference's first pair, then stop": stop_early,
    "reference, then ramble up to T": ramble,
    "reference, placeholders everywhere": wait_for_everything,
    "reference, placeholders from the second pair": wait_for_everything_later,
}

if __name__ == "__main__":
    main()
