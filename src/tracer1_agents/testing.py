"""Fakes that ship: a scripted chat model and a recording executor, for tests of apps that embed the planner."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
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
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

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
        reply = self._next(messages)
        time.sleep(self.delay)
        return self._result(messages, reply)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        reply = self._next(messages)
        await asyncio.sleep(self.delay)
        return self._result(messages, reply)

    def _next(self, messages: list[BaseMessage]) -> Any:
        """The reply for this call; taken before the delay, so that concurrent calls get one each."""
        with self._lock:
            self._prompts.append(messages)
            return self.script[min(len(self._prompts), len(self.script)) - 1]

    @staticmethod
    def _result(messages: list[BaseMessage], reply: Any) -> ChatResult:
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
        answer = self._record(action, instruction)
        time.sleep(self.delay)
        return answer

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Record and answer; counts being cancelled."""
        del observation
        answer = self._record(action, instruction)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return answer

    def _record(self, action: Action, instruction: str) -> Execution:
        """Remember the call; its answer is decided now, so that concurrent calls get one each."""
        self.calls.append((action, instruction))
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        return answer if isinstance(answer, Execution) else Execution(text=answer)
