"""OSWorld's agent interface: `reset` and `predict(instruction, obs) -> (response, actions)`.

Actions are pyautogui scripts of our own making (`actions.interfaces.pyautogui`), WAIT, DONE, and FAIL for a task that
cannot be done. A run that ended without finishing (a limit, a loop, unreadable replies) says DONE: the state of the
machine is scored as it is, and only the planner's own word makes a task infeasible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.interfaces.pyautogui import pyautogui_script
from tracer1_agents.actions.space import CallUser, Wait
from tracer1_agents.evals.agents.screens import observation_of, size_of
from tracer1_agents.evals.agents.stepping import Stepper

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Trace

WAIT: Final = "WAIT"
DONE: Final = "DONE"
FAIL: Final = "FAIL"


class OSWorldAgent:
    """Our planner as OSWorld runs agents.

    Args:
        model: The planner, as `create_tracer1_agent` takes it.
        grounder: Finds places; by default the planner's own points are taken.
        options: Further arguments of `create_tracer1_agent`, such as `profile`, `horizon` and `max_steps`.
    """

    def __init__(
        self, model: BaseChatModel | Policy | str | Path, *, grounder: Executor | None = None, **options: Any
    ) -> None:
        self._stepper = Stepper(model, platform="computer", grounder=grounder, **options)

    def reset(self, runtime_logger: Any = None, **_: Any) -> None:
        """Forget the episode.

        Args:
            runtime_logger: OSWorld's, for agents that write to it.
        """
        del runtime_logger
        self._stepper.reset()

    def predict(self, instruction: str, obs: Mapping[str, Any]) -> tuple[str, list[str]]:
        """The next action.

        Args:
            instruction: The task.
            obs: `screenshot` is read: bytes of a PNG. Without one, which OSWorld hands over when its machine does not
                answer, the agent waits.

        Returns:
            What the planner said, and one action.
        """
        screenshot = obs.get("screenshot")
        if not screenshot:
            return "there is no screenshot yet", [WAIT]
        seen = observation_of(screenshot, self._stepper.blobs)
        size = size_of(seen)
        turn = self._stepper.step(instruction, seen, lambda action: _command(action, size))
        if turn.written is not None:
            return turn.reply, [turn.written]
        return turn.reply or turn.detail, [FAIL if turn.infeasible else DONE]

    def trace(self) -> Trace | None:
        """The episode with its forecasts, once it has ended."""
        return self._stepper.trace()


def _command(action: Action, size: Size) -> str:
    if isinstance(action, Wait):
        return WAIT
    if isinstance(action, CallUser):
        return FAIL  # nobody is there to go on
    return pyautogui_script(action, size)
