"""Fakes that ship: a scripted chat model and a recording executor, for tests of apps that embed the planner."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.messages import BaseMessage

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Observation


class ScriptedModel(BaseChatModel):
    """Says what its script says, one reply a call; the last one is repeated.

    Attributes:
        script: Replies: text, a message, or an exception to raise.
        delay: Seconds before each reply.
        model: Name, as profiles are picked by.
    """

    script: list[Any]
    delay: float = 0.0
    model: str = "scripted"

    _prompts: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "tracer1-scripted"

    @property
    def prompts(self) -> list[list[BaseMessage]]:
        """The messages of every call so far."""
        return self._prompts

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        self._prompts.append(messages)
        if self.delay:
            time.sleep(self.delay)
        reply = self.script[min(len(self._prompts), len(self.script)) - 1]
        if isinstance(reply, BaseException):
            raise reply
        message = reply if isinstance(reply, AIMessage) else AIMessage(reply, usage_metadata=_usage(messages, reply))
        return ChatResult(generations=[ChatGeneration(message=message)])


def _usage(messages: list[BaseMessage], reply: str) -> Any:
    """Words as tokens: enough to test budgets with."""
    inputs, outputs = sum(len(str(message.text).split()) for message in messages), len(reply.split())
    return {"input_tokens": inputs, "output_tokens": outputs, "total_tokens": inputs + outputs}


class RecordingExecutor:
    """Remembers what it was asked to do and answers from a list; the last answer is repeated.

    Args:
        answers: Texts or whole executions.
        delay: Seconds each execution takes.
    """

    def __init__(self, answers: list[str | Execution] | None = None, *, delay: float = 0.0) -> None:
        self.answers = answers or ["ok"]
        self.delay = delay
        self.calls: list[tuple[Action, str]] = []
        self.cancelled = 0

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Record and answer."""
        del observation
        self.calls.append((action, instruction))
        time.sleep(self.delay)
        return self._answer()

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Record and answer; counts being cancelled."""
        del observation
        self.calls.append((action, instruction))
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self._answer()

    def _answer(self) -> Execution:
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        return answer if isinstance(answer, Execution) else Execution(text=answer)
