"""BrowserGym's agent interface: `obs_preprocessor(obs)`, `get_action(obs) -> (string, info)`, `action_set`.

An episode ends with `send_msg_to_user` or `report_infeasible`; a run that ended without finishing gives None, which
BrowserGym's loop takes for the end.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.interfaces.browsergym import action_string
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.agents.screens import axtree_elements, observation_of, size_of
from tracer1_agents.evals.agents.stepping import Stepper

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.tools.executor import Executor

_SUBSETS: Final = ("chat", "infeas", "bid", "coord")  # what `action_string` writes
_READ: Final = (
    "goal",
    "goal_object",
    "chat_messages",
    "screenshot",
    "axtree_object",
    "extra_element_properties",
    "focused_element_bid",
    "last_action_error",
)


class BrowserGymAgent:
    """Our planner as BrowserGym runs agents; one agent an episode.

    Args:
        model: The planner, as `create_tracer1_agent` takes it.
        grounder: Finds places; by default the planner's own points are taken.
        elements: Whether the page's elements are listed for the planner.
        options: Further arguments of `create_tracer1_agent`.
    """

    def __init__(
        self,
        model: BaseChatModel | Policy | str | Path,
        *,
        grounder: Executor | None = None,
        elements: bool = True,
        **options: Any,
    ) -> None:
        self._stepper = Stepper(model, platform="computer", grounder=grounder, **options)
        self._lists_elements = elements

    @cached_property
    def action_set(self) -> Any:
        """BrowserGym's translation of action strings into code.

        Raises:
            ConfigurationError: BrowserGym is not installed.
        """
        try:
            module = importlib.import_module("browsergym.core.action.highlevel")
        except ImportError:
            msg = "the action set needs the package browsergym-core; see docs/gui.md"
            raise ConfigurationError(msg) from None
        return module.HighLevelActionSet(subsets=_SUBSETS, multiaction=False)

    def obs_preprocessor(self, obs: Mapping[str, Any]) -> dict[str, Any]:
        """What the agent reads of an observation."""
        return {key: obs[key] for key in _READ if key in obs}

    def get_action(self, obs: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The next action string, with what the planner said as `think`."""
        elements = axtree_elements(obs)
        seen = observation_of(obs["screenshot"], self._stepper.blobs, elements if self._lists_elements else ())
        size = size_of(seen)
        turn = self._stepper.step(
            _goal(obs), seen, lambda action: action_string(action, size, elements), error=obs.get("last_action_error")
        )
        info = {"think": turn.reply, "stats": {}, "extra_info": {"status": turn.status, "detail": turn.detail}}
        if turn.written is None and turn.action is not None:
            return action_string(turn.action, size), info
        return turn.written, info


def _goal(obs: Mapping[str, Any]) -> str:
    """The task: the goal, its text parts, or what the user said last."""
    parts = obs.get("goal_object") or ()
    written = "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text")
    said = [str(message["message"]) for message in obs.get("chat_messages") or () if message.get("role") == "user"]
    return str(obs.get("goal") or "") or written or (said[-1] if said else "")
