"""AndroidWorld's agent interface: `step(goal) -> result(done, data)`, `reset(go_home)`, `set_max_steps`.

The environment is handed in: anything with `get_state`, `execute_action`, `reset` and `logical_screen_size`, as
AndroidWorld's `AsyncEnv` has them. An answer is given to it before the status ends the episode. Text goes into the
field that was tapped last, or that has the focus, because AndroidWorld taps a place before it types.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import FOCUSED
from tracer1_agents.actions.interfaces.json_action import json_action
from tracer1_agents.actions.space import Finish
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.agents.screens import android_elements, observation_of
from tracer1_agents.evals.agents.stepping import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Point
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.tools.executor import Executor


@dataclass
class AgentInteractionResult:
    """As AndroidWorld's: whether the session is over, and what happened."""

    done: bool
    data: dict[str, Any] = field(default_factory=dict)


class AndroidWorldAgent:
    """Our planner as AndroidWorld runs agents.

    Args:
        model: The planner, as `create_tracer1_agent` takes it.
        env: AndroidWorld's environment.
        grounder: Finds places; by default the planner's own points are taken.
        name: For AndroidWorld's logs.
        transition_pause: Seconds before a screen is looked at; None lets the environment wait until it stands still.
        make_action: Makes what the environment executes from the fields of a JSONAction; AndroidWorld's own by default.
        options: Further arguments of `create_tracer1_agent`.
    """

    def __init__(
        self,
        model: BaseChatModel | Policy | str | Path,
        env: Any,
        *,
        grounder: Executor | None = None,
        name: str = "tracer1",
        transition_pause: float | None = 1.0,
        make_action: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        self.env, self.name, self.transition_pause = env, name, transition_pause
        self._make = make_action or _json_action_class()
        self._stepper = Stepper(model, platform="mobile", grounder=grounder, **options)
        self._tapped: Point | None = None
        self._error: str | None = None

    def reset(self, go_home: bool = False) -> None:  # noqa: FBT001, FBT002  (AndroidWorld's signature)
        """Forget the episode and reset the environment."""
        self.env.reset(go_home=go_home)
        self._stepper.reset()
        self._tapped, self._error = None, None

    def set_max_steps(self, max_steps: int) -> None:
        """Steps of an episode, as AndroidWorld counts them for a task."""
        self._stepper.max_steps = max_steps

    def step(self, goal: str) -> AgentInteractionResult:
        """Look, plan, act once."""
        state = self._look()
        elements = android_elements(state.ui_elements)
        seen = observation_of(state.pixels, self._stepper.blobs, elements)
        size = Size(*self.env.logical_screen_size)
        place = self._tapped or _focus(elements, size)
        turn = self._stepper.step(goal, seen, lambda action: json_action(action, size, field=place), error=self._error)
        data = {"reply": turn.reply, "action": turn.written, "status": turn.status, "detail": turn.detail}
        if turn.written is None:
            return AgentInteractionResult(done=True, data=data | {"action": self._finish(turn.action, size)})
        if turn.action is not None and points_of(turn.action)[0] is not None:
            self._tapped = points_of(turn.action)[0]
        self._error = self._execute(turn.written)
        return AgentInteractionResult(done=False, data=data | {"error": self._error})

    def _look(self) -> Any:
        if self.transition_pause is None:
            return self.env.get_state(wait_to_stabilize=True)
        time.sleep(self.transition_pause)
        return self.env.get_state(wait_to_stabilize=False)

    def _finish(self, finish: Any, size: Size) -> list[dict[str, Any]]:
        """The answer, then the status; a status needs no executing, the episode ends with it."""
        if not isinstance(finish, Finish):
            return []
        actions: list[dict[str, Any]] = []
        if finish.answer and finish.status == "success":
            actions.append({"action_type": "answer", "text": finish.answer})
            self._execute(actions[0])
        return [*actions, json_action(finish, size)]

    def _execute(self, fields: dict[str, Any]) -> str | None:
        """Why it was not carried out, or None."""
        try:
            self.env.execute_action(self._make(**fields))
        except Exception as error:  # noqa: BLE001  (the emulator's and adb's own; AndroidWorld's agents go on, too)
            return f"{type(error).__name__}: {error}"
        return None


def _focus(elements: Sequence[Element], size: Size) -> Point | None:
    """The middle of the element that has the focus."""
    return next((element.centre(size) for element in elements if FOCUSED in element.states), None)


def _json_action_class() -> Callable[..., Any]:
    try:
        module = importlib.import_module("android_world.env.json_action")
    except ImportError:
        msg = "AndroidWorldAgent needs the package android_world, or make_action=; see docs/gui.md"
        raise ConfigurationError(msg) from None
    made: Callable[..., Any] = module.JSONAction
    return made
