"""A conversation with tool calls, read as the planner's world: the task, the steps taken, what is seen now; and back.

This is what lets the planner and the loop guard sit in agents that keep messages only. The task is the last human
message that somebody wrote (no summary); every tool call after it that was answered is a step; the newest answers are
the observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tracer1_agents.actions.space import Finish, ToolCall, dump_action
from tracer1_agents.graphs.loop_guard import LoopGuard, mark, remember
from tracer1_agents.graphs.state import task_of
from tracer1_agents.tools.base import IDEMPOTENCY_KEY
from tracer1_agents.types import Execution, HistoryEntry, Observation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import AnyMessage

    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.actions.space import Action
    from tracer1_agents.graphs.loop_guard import Mark
    from tracer1_agents.graphs.state import PlannerState
    from tracer1_agents.planner.history import Summarizer
    from tracer1_agents.types import Trace

NUDGE: Final = {"tracer1": "loop"}  # artifact of an answer that the loop guard gave in a tool's place
_NO_WORDS: Final = "(a message without words)"  # such as a picture alone, which the acting model may well understand
_SUMMARY: Final = "summarization"  # LangChain's mark (lc_source) of a human message that stands for older messages


@dataclass(frozen=True)
class Turn:
    """Tool calls of one AI message, with their answers.

    Attributes:
        calls: In order; parallel calls saw the same.
        answers: One a call, None where there is none yet.
        seen: What the newest answers before it said; "" at the beginning.
    """

    calls: tuple[ToolCall, ...]
    answers: tuple[ToolMessage | None, ...]
    seen: str

    @property
    def nudged(self) -> bool:
        """Whether the loop guard answered in the tools' place: then nothing ran."""
        return any(answer is not None and answer.artifact == NUDGE for answer in self.answers)

    @property
    def said(self) -> str:
        """What the answers say."""
        return "\n".join(str(answer.text) for answer in self.answers if answer is not None)

    @property
    def marks(self) -> list[Mark]:
        """The calls as the loop guard compares them."""
        return [mark(call, "", Observation(text=self.seen)) for call in self.calls]


def task_message(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    """The newest human message that somebody wrote; None where it was summarised or trimmed away."""
    return next((message for message in reversed(messages) if _is_task(message)), None)  # type: ignore[return-value]


def _is_task(message: AnyMessage) -> bool:
    return isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") != _SUMMARY


def read_turns(messages: Sequence[AnyMessage]) -> list[Turn]:
    """The turns since the task was set, oldest first.

    Args:
        messages: A conversation; messages without tool calls are passed over.
    """
    newest_task = max((k for k, message in enumerate(messages) if _is_task(message)), default=-1)
    since = messages[newest_task + 1 :]
    turns: list[Turn] = []
    seen = ""
    for at, message in enumerate(since):
        if not isinstance(message, AIMessage) or not message.tool_calls:
            continue
        answers = _answers_to(message, since[at + 1 :])
        turn = Turn(tuple(_call_of(call) for call in message.tool_calls), answers, seen)
        turns.append(turn)
        if not turn.nudged:
            seen = turn.said
    return turns


def _call_of(call: Any) -> ToolCall:
    """A model's call as it is compared and shown, not executed: nothing is refused, and no key makes it another one."""
    arguments = {name: value for name, value in call["args"].items() if name != IDEMPOTENCY_KEY}
    return ToolCall.model_construct(name=call["name"], arguments=arguments)


def _answers_to(message: AIMessage, later: Sequence[AnyMessage]) -> tuple[ToolMessage | None, ...]:
    """One a call, None where there is none yet; of this turn alone, for some servers give every call the same id."""
    turn = takewhile(lambda one: not (isinstance(one, AIMessage) and one.tool_calls), later)
    left = [one for one in turn if isinstance(one, ToolMessage)]
    found: list[ToolMessage | None] = []
    for call in message.tool_calls:
        answer = next((one for one in left if one.tool_call_id == (call["id"] or "")), None)
        if answer is not None:
            left.remove(answer)
        found.append(answer)
    return tuple(found)


def find_loop(messages: Sequence[AnyMessage], guard: LoopGuard = LoopGuard()) -> ToolCall | None:  # noqa: B008  (frozen)
    """The first call of the newest turn that repeats the run so far, or None.

    The definition is that of `LoopGuard`, and so of the training penalty: the same operation, having seen the same, or
    a closed cycle of them.

    Args:
        messages: A conversation; its newest turn is about to run.
        guard: What counts as a repeat.
    """
    turns = read_turns(messages)
    trail: list[Mark] = []
    for turn in turns[:-1]:
        for step in () if turn.nudged else turn.marks:
            trail = remember(trail, step)
    if turns and not any(turns[-1].answers):
        for call, step in zip(turns[-1].calls, turns[-1].marks, strict=True):
            if guard.repeats(trail, step):
                return call
            trail = remember(trail, step)
    return None


def count_nudges(messages: Sequence[AnyMessage]) -> int:
    """How often the loop guard has just spoken, without anything having run since."""
    count = 0
    for turn in reversed([turn for turn in read_turns(messages) if any(turn.answers)]):
        if not turn.nudged:
            break
        count += 1
    return count


def planner_state(
    messages: Sequence[AnyMessage],
    grammar: Grammar,
    summarizer: Summarizer,
    window: int,
    *,
    task: str = "",
    done_before: int = 0,
) -> PlannerState:
    """What `PlannerNode` reads, from a conversation.

    Args:
        messages: A conversation.
        grammar: Writes past calls as the planner knows them.
        summarizer: Writes what they returned.
        window: How many of the newest calls are written at all: it may be a model that writes.
        task: What it is where the message that set it was summarised or trimmed away.
        done_before: How many calls had been answered when such a run was planned last.
    """
    all_turns, set_by = read_turns(messages), task_message(messages)
    turns = [turn for turn in all_turns if not turn.nudged]
    trail: list[Mark] = []
    for step in (step for turn in turns for step in turn.marks):
        trail = remember(trail, step)
    done = [pair for turn in turns for pair in zip(turn.calls, turn.answers, strict=True)]
    newest = len(turns[-1].calls) if turns and turns[-1] is all_turns[-1] else 0
    gone = max(0, done_before + newest - len(done)) if set_by is None else 0
    history: list[dict[str, Any]] = []
    for number, (call, answer) in list(enumerate(done, start=gone + 1))[max(0, len(done) - window) :]:
        line = grammar.render_action(call)
        summary = summarizer.summarize(line, _execution_of(answer), None)
        history.append(HistoryEntry(step=number, action=line, summary=summary).model_dump())
    if set_by is not None:
        task = str(set_by.text).strip() or _NO_WORDS
    return {
        "task": task or task_of({"messages": list(messages)}),
        "observation": Observation(text=turns[-1].said if turns else "").model_dump(mode="json"),
        "history": history,
        "step": gone + len(done),
        "trail": [list(step) for step in trail],
    }


def last_words(finish: Finish) -> str:
    """The answer as a message says it; a sentence where there is none."""
    return finish.answer or ("The task is done." if finish.status == "success" else "The task cannot be done.")


def messages_of(trace: Trace) -> list[AnyMessage]:
    """An episode as a conversation: the task, each executed action as a tool call with its answer, the final answer.

    For evaluators and viewers that read messages, such as agentevals' trajectory match. Actions that are no tool calls
    (clicks, code) are written as calls of their kind with their fields as arguments.

    Args:
        trace: Of one run (see `trace_of`).
    """
    messages: list[AnyMessage] = [HumanMessage(trace.instruction)]
    for step in trace.steps:
        if isinstance(step.executed, Finish):
            continue
        call = _as_call(step.executed, f"step-{step.step}")
        status = "success" if step.execution.ok else "error"
        messages.append(AIMessage(step.instruction, tool_calls=[call]))
        messages.append(ToolMessage(step.execution.text, tool_call_id=call["id"], name=call["name"], status=status))
    if trace.answer is not None:
        messages.append(AIMessage(trace.answer))
    return messages


def _as_call(action: Action, number: str) -> Any:
    if isinstance(action, ToolCall):
        return {"name": action.name, "args": dict(action.model_dump(mode="json")["arguments"]), "id": number}
    fields = dump_action(action)
    return {"name": fields.pop("kind"), "args": fields, "id": number}


def _execution_of(answer: ToolMessage | None) -> Execution:
    if answer is None:
        return Execution(ok=False, text="no answer")
    return Execution(ok=answer.status != "error", text=str(answer.text))
