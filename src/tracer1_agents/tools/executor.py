"""The frozen tool agent of the paper, as the loop and the training see it: one action in, one `Execution` out.

Executors that carry actions out (`graphs.toolbox_executor`, `grounding`) and those that wrap or stand in for one
(`limited`, `cached`, `replay`) have this one interface, so that they nest in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from tracer1_agents.errors import EnvironmentFailure, PlannerError, SandboxError
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Observation

# what says that an executor went away, and nothing about the action; everything else is a bug and is raised
LOST: Final[tuple[type[Exception], ...]] = (
    SandboxError,
    EnvironmentFailure,
    PlannerError,
    ConnectionError,
    TimeoutError,
)


class Executor(Protocol):
    """Carries out one action: the frozen tool agent of the paper."""

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Do it and say what came back. Never raises for what the action does."""
        ...

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable; cancelling it ends the action."""
        ...


def lost(problem: Exception | str, *, seconds: float = 0.0) -> Execution:
    """The execution of an action whose executor went away: infrastructure, so no reward."""
    told = str(problem) or type(problem).__name__  # a time that is over has no words of its own
    return Execution(ok=False, text=f"error: {told}", seconds=seconds, infrastructure=True)


def takes_key(executor: Executor | None, action: Action) -> bool:
    """Whether an action calls a tool that declares an idempotency key; wrappers are looked through (`inner`)."""
    at: object = executor
    while at is not None:
        declares = getattr(at, "takes_key", None)
        if declares is not None:
            return bool(declares(action))
        at = getattr(at, "inner", None)
    return False
