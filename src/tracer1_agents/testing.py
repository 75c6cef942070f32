"""Fakes that ship: a scripted chat model, a scripted server, a recording executor, for tests of apps and rehearsals."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

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

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Itself with the tools' schemas, which it does not look at: a script may hold messages with tool calls."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

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
        if isinstance(reply, AIMessage):
            message = reply.model_copy()  # whoever keeps it gives it an id; a repeated reply is another message
        else:
            message = AIMessage(reply, usage_metadata=_usage(messages, reply))
        return ChatResult(generations=[ChatGeneration(message=message)])


class StreamingModel(ScriptedModel):
    """The same, said word by word; an entry of its script may be a list, too: its pieces, an exception among them.

    Attributes:
        pause: Seconds before each piece.
    """

    pause: float = 0.0

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del stop, run_manager, kwargs
        time.sleep(self.delay)
        for piece in self._pieces(messages):
            time.sleep(self.pause)
            yield piece

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del stop, run_manager, kwargs
        await asyncio.sleep(self.delay)
        for piece in self._pieces(messages):
            await asyncio.sleep(self.pause)
            yield piece

    def _pieces(self, messages: list[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        reply = self._next(messages)
        if isinstance(reply, AIMessage):
            yield ChatGenerationChunk(message=AIMessageChunk(**reply.model_dump(exclude={"type", "id"})))
            return
        said = re.findall(r"\s*\S+\s*?", reply) if isinstance(reply, str) else reply
        pieces = said if isinstance(said, list) else [said]
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        text = "".join(map(str, pieces))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=_usage(messages, text)))


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
        self._lock = threading.Lock()

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
        with self._lock:
            self.calls.append((action, instruction))
            answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        return answer if isinstance(answer, Execution) else Execution(text=answer)


def chat_completion(text: str, *, model: str = "scripted") -> dict[str, Any]:
    """What an OpenAI-compatible server answers; a character counts as a token."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": len(text), "total_tokens": 1 + len(text)},
    }


class ScriptedServer(ThreadingHTTPServer):
    """An OpenAI-compatible server on loopback: one entry of its script a request, the last one for ever after.

    Entries: an answer, a status, "drop" (the connection ends without a word), HTML text, (seconds, answer), or a
    function of the request's body that gives one of these.

    Attributes:
        asked: Body and headers of every request so far.
        pages: What GET finds, by path.
    """

    daemon_threads = True

    def __init__(self, script: Iterable[Any], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = list(script)
        self.asked: list[tuple[Any, dict[str, str]]] = []
        self.pages: dict[str, Any] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, as clients take it."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections are dropped on purpose."""

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()

    def back(self) -> Self:
        """The same server on the same port, after it was closed."""
        again = type(self)(self.script, self.server_port)
        again.asked, again.pages = self.asked, self.pages
        return again


def _body(content: bytes, kind: str) -> Any:
    """A request's body: JSON, or the fields of a form as bytes by name."""
    boundary = kind.partition("boundary=")[2].strip('"')
    if not boundary:
        return json.loads(content)
    fields = {}
    for part in content.split(b"--" + boundary.encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0]
        fields[name.decode()] = value.removesuffix(b"\r\n")
    return fields


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        body = _body(self.rfile.read(int(self.headers["content-length"])), self.headers.get("content-type", ""))
        script = self.server.script
        answer = script[min(len(self.server.asked), len(script) - 1)]
        self.server.asked.append((body, dict(self.headers)))
        self._give(answer(body) if callable(answer) else answer)

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        self._give(404 if page is None else page)

    def _give(self, answer: Any) -> None:
        if answer == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if isinstance(answer, tuple):
            seconds, answer = answer
            time.sleep(seconds)
        status = answer if isinstance(answer, int) else 200
        kind = "text/html" if isinstance(answer, str) else "application/json"
        answer = {"error": {"message": "not now"}} if isinstance(answer, int) else answer
        content = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except BrokenPipeError:  # the client has given up
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass
