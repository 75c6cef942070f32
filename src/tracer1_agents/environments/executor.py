"""An environment as the executor of the graph's `ground` node.

    grounder = EnvironmentExecutor(environment)
    agent = create_tracer1_agent(model, grounder=grounder, blobs=blobs, platform=environment.platform)
    agent.invoke({"instruction": task, "observation": environment.reset(0).model_dump(mode="json")})

`blobs` is the environment's store of screenshots. The executor acts at the points that an action has. Where a planner
leaves them out, put a grounder in front, which answers with the placed action (`tools.grounding`,
`tools.executor.Executor`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.types import an_execution

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.environments.base import Environment
    from tracer1_agents.types import Execution, Observation


class EnvironmentExecutor:
    """Carries GUI actions out in an environment.

    Args:
        environment: Where; reset before the first action.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Act; the result is what is seen afterwards."""
        del instruction, observation
        return an_execution(self.environment.act(action), f"{type(self.environment).__name__}.act")

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        del instruction, observation
        return an_execution(await self.environment.aact(action), f"{type(self.environment).__name__}.aact")
