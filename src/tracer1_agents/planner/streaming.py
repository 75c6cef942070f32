"""Replies that are read while they are written: the first pair is known long before the last one.

A `StreamedReply` is filled by whoever reads the stream, a thread or an asyncio task, and waited for from anywhere.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracer1_agents.errors import PlannerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from langchain_core.messages import BaseMessage, BaseMessageChunk

    from tracer1_agents.planner.policy import PolicyReply

_T = TypeVar("_T")
_LOOK_AGAIN: Final = 100  # a text is read again once it has grown by a hundredth: linear work, and hardly ever late


class StreamedReply:
    """A reply under way.

    Args:
        enough: Whether the text so far says what is waited for first.
        read: The whole message as a `PolicyReply`.
        timeout: Seconds to wait for either part; None waits for ever.
    """

    def __init__(
        self, enough: Callable[[str], bool], read: Callable[[BaseMessage], PolicyReply], timeout: float | None = None
    ) -> None:
        self._enough, self._read, self._timeout = enough, read, timeout
        self._head: Future[str] = Future()
        self._whole: Future[PolicyReply] = Future()
        self._message: Any = None
        self._look_at = 0  # characters
        self._given_up = False
        self._task: asyncio.Task[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether the whole reply is here, unbroken."""
        return self._whole.done() and self._whole.exception() is None

    def head(self) -> str:
        """The text once there is enough of it; all of it when that never was.

        Raises:
            PlannerError: The stream broke before, or nothing came in time.
        """
        return _waited(self._head, self._timeout)

    async def ahead(self) -> str:
        """The same, awaitable."""
        return await _awaited(self._head, self._timeout)

    def whole(self) -> PolicyReply:
        """The whole reply.

        Raises:
            PlannerError: The stream broke, or did not end in time.
        """
        return _waited(self._whole, self._timeout)

    async def awhole(self) -> PolicyReply:
        """The same, awaitable."""
        return await _awaited(self._whole, self._timeout)

    def follow(self, stream: Iterator[BaseMessageChunk]) -> StreamedReply:
        """Read a stream in a thread of its own."""

        def run() -> None:
            try:
                for chunk in stream:
                    self._take(chunk)
                    if self._given_up:
                        return
                self._end()
            except BaseException as error:  # noqa: BLE001  (carried over to whoever waits)
                self._break(error)

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        return self

    def afollow(self, stream: AsyncIterator[BaseMessageChunk]) -> StreamedReply:
        """Read a stream in a task of the running loop."""

        async def run() -> None:
            try:
                async for chunk in stream:
                    self._take(chunk)
                self._end()
            except BaseException as error:
                self._break(error)
                if not isinstance(error, Exception):
                    raise

        reading: Coroutine[Any, Any, None] = run()
        self._task = asyncio.get_running_loop().create_task(reading)
        return self

    def give_up(self) -> None:
        """Stop reading: at once in a task, after the next piece in a thread."""
        self._given_up = True
        if self._task is not None:
            self._task.cancel()

    def _take(self, chunk: BaseMessageChunk) -> None:
        self._message = chunk if self._message is None else self._message + chunk
        if self._head.done() or len(text := str(self._message.text)) < self._look_at:
            return
        self._look_at = len(text) + 1 + len(text) // _LOOK_AGAIN
        if self._enough(text):
            self._head.set_result(text)

    def _end(self) -> None:
        if self._message is None:
            msg = "the model's stream ended without a word"
            raise PlannerError(msg)
        reply = self._read(self._message)
        self._whole.set_result(reply)
        if not self._head.done():
            self._head.set_result(reply.text)

    def _break(self, error: BaseException) -> None:
        broken = error
        if not isinstance(error, PlannerError):
            broken = PlannerError(f"the model's stream broke: {type(error).__name__}: {error}".strip(": "))
        for future in (self._head, self._whole):
            if not future.done():
                future.set_exception(broken)


def _waited(future: Future[_T], timeout: float | None) -> _T:
    try:
        return future.result(timeout)
    except TimeoutError:
        raise _late(timeout) from None


async def _awaited(future: Future[_T], seconds: float | None) -> _T:
    here = asyncio.wrap_future(future)
    here.add_done_callback(lambda done: done.cancelled() or done.exception())  # asyncio logs what nobody asks for
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(here)
    except TimeoutError:
        raise _late(seconds) from None


def _late(timeout: float | None) -> PlannerError:
    return PlannerError(f"the model's stream brought nothing to go on with within {timeout:g} seconds")
