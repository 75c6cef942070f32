"""The compiled graph, one step at a time: for benchmarks whose own loop acts and looks.

A benchmark hands over what it sees and wants one action back. The graph runs as it always does, history, loop guard and
limits included; it only stops after its `ground` node, with the action in hand. What the benchmark sees next becomes
what that action returned, and the graph goes on from there.

An action that could not be placed, or that the benchmark's form cannot say, is not handed over: the planner is told
why, beside the same screen, and plans again, until the graph's own limit on failed executions ends the run.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langgraph.checkpoint.memory import InMemorySaver

from tracer1_agents.actions.space import GUI_KINDS, Finish, load_action
from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError, ToolError
from tracer1_agents.graphs.build import create_tracer1_agent, trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.tools.offline_grounding import OwnPoints
from tracer1_agents.types import Execution, Forecast, Observation, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from tracer1_agents.actions.space import Action, Platform
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Trace

_HAND_OVER: Final = ["ground", "toolbox"]
_REFUSED: Final = ("approve_plan", "confirm", "checkpointer")


class Turn(NamedTuple):
    """What one step came to.

    Attributes:
        action: What to do, with its place; a `Finish` at the end, None when the run ended without one.
        written: The action in the benchmark's form; None at the end.
        reply: The planner's reply as it came.
        status: How the run ended, None while it goes on.
        detail: For an unhappy end, what happened.
    """

    action: Action | None
    written: Any = None
    reply: str = ""
    status: Status | None = None
    detail: str = ""

    @property
    def infeasible(self) -> bool:
        """Whether the planner says that the task cannot be done."""
        return isinstance(self.action, Finish) and self.action.status == "infeasible"


class Stepper:
    """An agent whose steps are asked for one by one.

    Args:
        model: The planner, as `create_tracer1_agent` takes it.
        platform: Whose actions it plans.
        grounder: Finds places; by default the planner's own points are taken.
        blobs: Where screenshots are kept; a temporary folder by default.
        options: Further arguments of `create_tracer1_agent`.

    Raises:
        ConfigurationError: Something does not fit together, or an option needs somebody to answer.
    """

    def __init__(
        self,
        model: BaseChatModel | Policy | str | Path,
        *,
        platform: Platform,
        grounder: Executor | None = None,
        blobs: BlobStore | None = None,
        **options: Any,
    ) -> None:
        if refused := [name for name in _REFUSED if name in options]:
            msg = f"{refused[0]} does not go with a benchmark: nobody is there to answer, and its loop keeps the state"
            raise ConfigurationError(msg)
        self.blobs = blobs or BlobStore()
        self.max_steps: int | None = None
        self._saver = InMemorySaver()
        self._agent = create_tracer1_agent(
            model,
            platform=platform,
            grounder=grounder or OwnPoints(),
            blobs=self.blobs,
            checkpointer=self._saver,
            **options,
        )
        self._thread, self._ended = "", None  # type: str, Turn | None
        self.reset()

    def reset(self) -> None:
        """Forget the episode; the next step begins a new one."""
        if self._thread:
            self._saver.delete_thread(self._thread)
        self._thread, self._begun, self._ended = uuid.uuid4().hex, False, None

    def trace(self) -> Trace | None:
        """The episode, once it has ended."""
        return trace_of(self._values()) if self._ended else None

    def step(
        self, instruction: str, seen: Observation, write: Callable[[Action], Any], *, error: str | None = None
    ) -> Turn:
        """The next action; at the end, the end again and again.

        Args:
            instruction: The task; only the first of an episode counts.
            seen: What is to be seen now.
            write: Puts an action into the benchmark's form, or raises `ToolError`.
            error: Why the last action could not be carried out, where the benchmark says so.
        """
        if self._ended is not None:
            return self._ended
        if self._begun:
            failure = f"error: {error}\n\n{seen.text}".rstrip() if error else seen.text
            self._go_on(Execution(ok=not error, text=failure, image=seen.image))
        else:
            self._begun = True
            self._invoke({"instruction": instruction, "observation": seen.model_dump(mode="json")})
        while self._graph_waits():
            problem, turn = self._handed_over(write)
            if turn is not None:
                return turn
            self._go_on(problem.model_copy(update={"text": _beside(problem.text, seen.text), "image": seen.image}))
        self._ended = self._end()
        return self._ended

    def _handed_over(self, write: Callable[[Action], Any]) -> tuple[Execution, Turn | None]:
        """The action in hand; where there is none, the execution that says why."""
        values = self._values()
        execution, forecast = Execution.model_validate(values["execution"]), Forecast.model_validate(values["forecast"])
        if (
            not execution.ok or forecast.pairs[0].action.kind not in GUI_KINDS
        ):  # what a tool returned is for the planner
            return execution, None
        try:
            action = load_action(execution.value)
            return execution, Turn(action, write(action), forecast.text)
        except ToolError as error:
            return Execution(ok=False, text=f"error: {error}", seconds=execution.seconds), None

    def _end(self) -> Turn:
        values = self._values()
        trace = trace_of(values)
        last = trace.steps[-1].executed if trace.steps else None
        forecast = Forecast.model_validate(values["forecast"]) if values.get("forecast") else Forecast()
        finish = last if trace.status is Status.FINISHED else None
        return Turn(finish, None, forecast.text, trace.status, trace.detail)

    def _go_on(self, execution: Execution) -> None:
        update = {"execution": execution.model_dump(mode="json")}
        self._agent.update_state(self._config(), update, as_node="ground")
        self._invoke(None)

    def _invoke(self, start: Any) -> None:
        context = Tracer1Context(max_steps=self.max_steps)
        self._agent.invoke(start, self._config(), context=context, interrupt_after=_HAND_OVER)

    def _graph_waits(self) -> bool:
        return bool(self._agent.get_state(self._config()).next)

    def _values(self) -> dict[str, Any]:
        return dict(self._agent.get_state(self._config()).values)

    def _config(self) -> Any:
        return {"configurable": {"thread_id": self._thread}}


def _beside(problem: str, seen: str) -> str:
    """What went wrong, with what is still to be seen."""
    return f"{problem}\n\n{seen}" if seen else problem
