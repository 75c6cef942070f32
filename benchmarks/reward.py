"""How long the trajectory reward takes on every window of the AndroidControl sample, and what simple policies earn.

Run with TRACER1_DATA naming the folder of samples: ``python benchmarks/reward.py``. One core, T = 10, our constants.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import Click, Finish, Result, ToolCall, Type, Wait, load_action
from tracer1_agents.data.windows import windows_of
from tracer1_agents.rewards.trajectory import RewardConfig, trajectory_reward
from tracer1_agents.types import Forecast, ForecastPair, ReferenceStep, ReferenceTrajectory, ReferenceWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.actions.space import Action

HORIZON: Final = 10
SCREEN: Final = (1440, 3120)  # pixels; holds every point of the sample


def main() -> None:
    """Time the reference through the reward, then print what each policy earns."""
    folder = os.environ.get("TRACER1_DATA")
    if not folder:
        sys.exit("set TRACER1_DATA to the folder of published samples")
    windows = read_windows(Path(folder, "androidcontrol", "test_trajectories.jsonl"))
    for finished in (False, True):
        print(f"{len(windows[finished])} windows at T = {HORIZON}, {'with' if finished else 'without'} a final step")
        time_reward(windows[finished])
        for name, policy in POLICIES.items():
            full, kind = (mean_reward(windows[finished], policy, mode) for mode in ("full", "kind"))
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


def read_windows(path: Path) -> dict[bool, list[ReferenceWindow]]:
    """Windows with and without a `Finish` after each trajectory."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    end = ReferenceStep(action=Finish())
    found: dict[bool, list[ReferenceWindow]] = {}
    for finished in (False, True):
        found[finished] = []
        for record in records:
            steps = (*map(read_step, record["steps"]), *([end] if finished else []))
            trajectory = ReferenceTrajectory(id="", source="sample", instruction=record["goal"], steps=steps)
            found[finished] += windows_of(trajectory, HORIZON)
    return found


def read_step(step: dict[str, Any]) -> ReferenceStep:
    """A step, read just far enough for the reward."""
    content, checks = step["action_content"], step["check_options"]
    x, y = content.get("coordinate", (0, 0))
    point = {"point": (x / SCREEN[0], y / SCREEN[1])}
    forms = {
        "click": {"kind": "click", **point},
        "long_press": {"kind": "long_press", **point},
        "swipe": {"kind": "scroll", "direction": checks.get("direction")},
        "type": {"kind": "type", "content": content.get("text")},
        "open": {"kind": "open_app", "app_name": content.get("text")},
        "system_button": {"kind": "press_button", "button": content.get("button", "").lower()},
        "wait": {"kind": "wait"},
    }
    return ReferenceStep(action=load_action(forms[content["action"]]), instruction=step["step_instruction"])


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
    "finish": constant(Finish(), length=1),
    "click the task, ten times": copy_goal,
    "click the task, in ten wordings": copy_goal_in_turns,
    "click on the <number>": template,
    "reference's first pair, then stop": stop_early,
    "reference, then ramble up to T": ramble,
    "reference, placeholders everywhere": wait_for_everything,
    "reference, placeholders from the second pair": wait_for_everything_later,
}

if __name__ == "__main__":
    main()
