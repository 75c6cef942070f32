"""A screen that the planner reads in brief and the grounder reads whole: what goes between a text planner and a page.

A planner with little room sees role, name, id, value and states of each element; where they lie is the grounder's
business, which keeps the whole list. The same words go into the prompts of training rows (`data.readers`), so that a
planner is asked as it was taught.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.elements import in_brief
from tracer1_agents.actions.space import load_action
from tracer1_agents.types import Observation

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Execution


class BriefScreen:
    """Grounds on the whole screen, acts, and shows what came of it in brief.

    One instance belongs to one episode at a time: it remembers the newest whole observation.

    Args:
        grounder: Gives the action with its place in `Execution.value`.
        environment: Does it, and answers with what is seen afterwards.
    """

    def __init__(self, grounder: Executor, environment: Executor) -> None:
        self.grounder, self.environment = grounder, environment
        self.whole = Observation()

    def show(self, observation: Observation) -> Observation:
        """What the planner gets to see of a screen; the grounder looks at all of it from now on."""
        self.whole = observation
        return observation.model_copy(update={"text": in_brief(observation.text)})

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """What became of the action; `value` is the action as it was done."""
        del observation
        grounded = self.grounder.execute(action, instruction, self.whole)
        if not grounded.ok:
            return self._unchanged(grounded)
        placed = load_action(grounded.value)
        return self._seen(grounded, self.environment.execute(placed, instruction, self.whole))

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        del observation
        grounded = await self.grounder.aexecute(action, instruction, self.whole)
        if not grounded.ok:
            return self._unchanged(grounded)
        placed = load_action(grounded.value)
        return self._seen(grounded, await self.environment.aexecute(placed, instruction, self.whole))

    def _unchanged(self, failed: Execution) -> Execution:
        """Nothing was done: why, above the screen as it still is."""
        text = "\n".join([failed.text, in_brief(self.whole.text)])
        return failed.model_copy(update={"text": text, "image": self.whole.image})

    def _seen(self, grounded: Execution, acted: Execution) -> Execution:
        self.whole = Observation(text=acted.text, image=acted.image)
        value = grounded.value if acted.value is None else acted.value
        seconds = grounded.seconds + acted.seconds
        return acted.model_copy(update={"text": in_brief(acted.text), "value": value, "seconds": seconds})
