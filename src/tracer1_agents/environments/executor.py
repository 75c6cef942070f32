"""An environment as the executor of the graph's `ground` node: find the place where one is missing, then act there.

    agent = create_tracer1_agent(model, grounder=EnvironmentExecutor(environment), platform="computer")
    agent.invoke({"instruction": task, "observation": environment.reset(0).model_dump(mode="json")})

A grounder is any executor that answers with a typed action in its value (`tools.grounding`). What it could not place is
a failed step with the screen as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from tracer1_agents.actions.space import POINTING_KINDS, load_action
from tracer1_agents.actions.targets import points_of

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.environments.base import Environment
    from tracer1_agents.types import Execution, Observation


class Grounder(Protocol):
    """Whoever finds the place of an action: `tools.executor.Executor`, of which this room must not know."""

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The action with its place in `value`."""
        ...

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        ...


class EnvironmentExecutor:
    """Carries GUI actions out in an environment.

    Args:
        environment: Where.
        grounder: Asked for the place of every pointing action when `always`, else of those that lack it; None acts at
            the planner's own points.
        always: Whether the planner's own points are overruled.
    """

    def __init__(self, environment: Environment, grounder: Grounder | None = None, *, always: bool = False) -> None:
        self.environment, self.grounder, self.always = environment, grounder, always

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Ground, then act; the result is what is seen afterwards."""
        if self.grounder is not None and self._needs_place(action):
            found = self.grounder.execute(action, instruction, observation)
            placed = _placed(found)
            if placed is None:
                return _unplaced(found, observation)
            action = placed
        return self.environment.act(action)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        if self.grounder is not None and self._needs_place(action):
            found = await self.grounder.aexecute(action, instruction, observation)
            placed = _placed(found)
            if placed is None:
                return _unplaced(found, observation)
            action = placed
        return await self.environment.aact(action)

    def _needs_place(self, action: Action) -> bool:
        if action.kind not in POINTING_KINDS or action.kind == "scroll":
            return False
        return self.always or any(point is None for point in points_of(action))


def _placed(found: Execution) -> Action | None:
    if not found.ok:
        return None
    try:
        return load_action(found.value)
    except ValidationError:
        return None


def _unplaced(found: Execution, seen: Observation) -> Execution:
    """The grounder's own words, and the screen as the planner saw it: nothing was done."""
    text = found.text if not found.ok else "error: the grounder answered with no action"
    return found.model_copy(update={"ok": False, "text": f"{text}\n{seen.text}".rstrip(), "image": seen.image})
