"""After a crash: was the tool already started, and may it run again?

A checkpointer resumes a killed run at the node it was killed in, so a tool that was under way is called again. The
planner node writes a ticket into its checkpoint, before anything is executed (durable with `durability="sync"`): the
mark that the step was started. This process knows which tickets it wrote and has not used; a ticket that is used, or
that another process wrote, means that the step may already have run.

A tool with an argument `idempotency_key` then is not run again: it runs at most once a step. The loop fills the
argument with a key that is the same after a resume; the planner never sees it. Any other tool runs again, and the
step's events say "may have run twice".

A tool that stops to ask somebody (LangGraph's `interrupt`) gives its ticket back: called again with the answer, it
runs. That holds in the process that asked; another one cannot tell it from a crash.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import ToolCall
from tracer1_agents.tools.base import IDEMPOTENCY_KEY
from tracer1_agents.tools.executor import takes_key
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.graphs.state import AgentState
    from tracer1_agents.tools.executor import Executor

_MOST_OPEN: Final = 100_000  # tickets of runs that were planned and never went on; the oldest are forgotten
_open: dict[str, None] = {}
_lock = threading.Lock()


def issue_ticket() -> str:
    """A ticket for one execution, good in this process, once."""
    ticket = uuid.uuid4().hex
    with _lock:
        _open[ticket] = None
        if len(_open) > _MOST_OPEN:
            del _open[next(iter(_open))]
    return ticket


def redeem_ticket(ticket: str) -> bool:
    """Use a ticket; False when it was used before, or written by another process."""
    with _lock:
        return _open.pop(ticket, False) is None


def return_ticket(ticket: str) -> None:
    """Undo the use of a ticket: the execution stopped to ask somebody, and is begun anew with the answer."""
    with _lock:
        _open[ticket] = None


def prepare_execution(
    state: AgentState, executor: Executor, action: Action
) -> tuple[Action, dict[str, Any], Execution | None]:
    """What to do about an execution that may not be the first of its step.

    Args:
        state: Where the run stands.
        executor: Who is about to act; says by `takes_key(action)`, where it has that, what declares a key.
        action: The first pair's action.

    Returns:
        The action to run, with its key; what else to write into the state; the execution to put in place of running
        it, or None.
    """
    first_time = redeem_ticket(state.get("ticket", ""))
    if isinstance(action, ToolCall) and takes_key(executor, action):
        key = _key_of(state, action)
        if not first_time:
            text = (
                f"error: {action.name} was started before the run was interrupted and is not run again; whether it "
                f"took effect is not known (idempotency key {key}); look before you repeat it"
            )
            return action, {}, Execution(ok=False, text=text, infrastructure=True)
        action = ToolCall(name=action.name, arguments={**action.arguments, IDEMPOTENCY_KEY: key})
    if first_time:
        return action, {}, None
    planning = dict(state.get("planning") or {})
    planning["events"] = [*planning.get("events", []), "may have run twice: the run was interrupted in this step"]
    return action, {"planning": planning}, None


def _key_of(state: AgentState, action: ToolCall) -> str:
    """One key for an episode's step and what is done in it."""
    what = f"{state.get('episode', '')}/{state.get('step', 0)}/{action.model_dump_json()}"
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:32]
