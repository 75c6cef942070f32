"""Somebody looks at a forecast before its first pair runs.

At every forecast (`approve_plan`), or where a safeguard gives a reason (`confirm`): the question's type is then
"approve_plan" or "confirm_action", and its `reasons` are those of the safeguards.

The node after `plan` stops the run by LangGraph's `interrupt`; the value shows the task and the forecast, and the
reply is a `PlanReview`. A reply that does not fit is refused with a `pydantic.ValidationError` and nothing is lost: the
same interrupt can be answered again.

    agent.invoke(task, config)                                          # result["__interrupt__"][0].value
    agent.invoke(Command(resume={"decision": "approve"}), config)
    agent.invoke(Command(resume={"decision": "edit", "pairs": [...]}), config)
    agent.invoke(Command(resume={"decision": "reject", "reason": "not on a Sunday"}), config)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, model_validator

from tracer1_agents.actions.space import pending_results
from tracer1_agents.actions.thoughts import split_thought
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.nodes import after_approval
from tracer1_agents.graphs.once import issue_ticket
from tracer1_agents.graphs.state import AgentState, stored, without_the_wait
from tracer1_agents.types import Forecast, ForecastPair, Status

if TYPE_CHECKING:
    from typing import Self

    from tracer1_agents.graphs.settings import Settings

_CHECKPOINTER: Final = "__pregel_checkpointer"  # LangGraph's key for it in a node's config; None where there is none


class PlanReview(BaseModel):
    """What somebody says of a forecast.

    Attributes:
        decision: "approve" runs the first pair; "edit" puts `pairs` in the forecast's place and runs their first;
            "reject" has the planner asked again, with the reason.
        pairs: For "edit": the whole new forecast, at least one pair.
        reason: For "reject": one line for the planner.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "edit", "reject"]
    pairs: tuple[ForecastPair, ...] = ()
    reason: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.decision == "edit") != bool(self.pairs):
            msg = 'pairs belong to the decision "edit", and it needs at least one'
            raise ValueError(msg)
        if (self.decision == "reject") != bool(self.reason.strip()):
            msg = 'a reason belongs to the decision "reject", and it needs one'
            raise ValueError(msg)
        if self.pairs and pending_results(self.pairs[0].action):
            msg = "the first pair runs now and cannot hold a Result placeholder; write the value itself"
            raise ValueError(msg)
        return self


class ReviewNode(Runnable[AgentState, dict[str, Any]]):
    """Asks for a `PlanReview` and does what it says.

    Args:
        settings: How often a step's forecasts may be rejected (`max_reasks`) before the run ends.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = "review"

    async def ainvoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Ask; nothing here waits."""
        return self.invoke(input, config, **kwargs)

    def invoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Ask.

        Raises:
            ConfigurationError: The graph has no checkpointer, so that nobody could answer.
        """
        del kwargs
        runtime = get_runtime()
        settings = self.settings.with_context(runtime.context)
        nowhere = runtime.execution_info is not None and runtime.execution_info.thread_id is None
        if nowhere or (config or {}).get("configurable", {}).get(_CHECKPOINTER, ...) is None:
            asked = "approve_plan" if settings.approve_plan else "confirm"
            msg = f"{asked} needs a checkpointer and a thread_id, so that the run can wait for an answer"
            raise ConfigurationError(msg)
        forecast = stored(Forecast, input["forecast"])
        pairs = [pair.model_dump(mode="json") for pair in forecast.pairs]
        question = {
            "type": "approve_plan" if settings.approve_plan else "confirm_action",
            "task": input.get("task", ""),
            "step": input["step"],
            "pairs": pairs,
            "reasons": input.get("concerns") or [],
        }
        review = interrupt(question, response_schema=PlanReview)
        resumed = without_the_wait(input)
        if review.decision == "reject":
            return {**resumed, **_rejected(input, review.reason, settings)}
        update: dict[str, Any] = {**resumed, "ticket": issue_ticket()}  # it may have outlived the process that planned
        if review.decision == "edit":
            said = split_thought(forecast.text).rest.strip()
            planning = resumed.get("planning") or input.get("planning") or {}
            events = [*planning.get("events", []), f"edited: the planner said {said}"]
            edited = forecast.model_copy(update={"pairs": review.pairs})
            update |= {"forecast": edited.model_dump(mode="json"), "planning": {**planning, "events": events}}
        return update


def after_review(state: AgentState) -> Literal["plan", "toolbox", "ground", "observe", "__end__"]:
    """Where a reviewed forecast goes: back to the planner when it was rejected."""
    return "plan" if state["forecast"] is None and not state.get("status") else after_approval(state)


def _rejected(state: AgentState, reason: str, settings: Settings) -> dict[str, Any]:
    """Back to the step before the forecast, with one reason more; or the end after too many."""
    rejections = [*(state.get("rejections") or []), " ".join(reason.split())]
    update: dict[str, Any] = {"rejections": rejections, "step": state["step"] - 1, "forecast": None}
    if len(rejections) <= settings.max_reasks:
        return update
    detail = f"{len(rejections)} forecasts of step {state['step']} were rejected; the last: {rejections[-1]}"
    return {**update, "status": Status.REJECTED.value, "detail": detail}
