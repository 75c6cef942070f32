"""An executor under a limit: so many actions at once, so much time each, and another try when the executor was lost.

Nothing an executor does can hold up others for longer than its own time: a call that is late is left behind, its place
is given on, and the abandoned call is counted. Being late or lost is infrastructure and says nothing about the action.
An action that fails is the executor's answer and is not tried again.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.retries import Retries
from tracer1_agents.tools.executor import LOST, lost
from tracer1_agents.tools.formatting import format_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tracer1_agents.actions.space import Action
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Execution, Observation

DEFAULT_RETRIES: Final = Retries(attempts=3, timeout=60.0)  # ours


class Slots:
    """A number of places that threads and event loops share; who comes first is served first.

    Args:
        count: Places, at least 1.

    Raises:
        ConfigurationError: `count` is below 1.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            msg = f"at least one action must be allowed to run, got a limit of {count}"
            raise ConfigurationError(msg)
        self._free = count
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; waits for one."""
        ticket = self._queue()
        try:
            ticket.result()
        except BaseException:
            self._leave(ticket)
            raise
        try:
            yield
        finally:
            self._give_on()

    @asynccontextmanager
    async def aplace(self) -> AsyncIterator[None]:
        """Hold a place without blocking the event loop."""
        ticket = self._queue()
        try:
            await asyncio.shield(asyncio.wrap_future(ticket))
        except BaseException:
            self._leave(ticket)
            raise
        try:
            yield
        finally:
            self._give_on()

    def _queue(self) -> Future[None]:
        ticket: Future[None] = Future()
        ticket.set_running_or_notify_cancel()  # so that no waiter can cancel it and lose the place it is given
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.set_result(None)
            else:
                self._waiting.append(ticket)
        return ticket

    def _give_on(self) -> None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            ticket = self._waiting.popleft()
        ticket.set_result(None)

    def _leave(self, ticket: Future[None]) -> None:
        """Stop waiting; a place that was given in the same moment goes to the next."""
        with self._lock:
            waiting = ticket in self._waiting
            if waiting:
                self._waiting.remove(ticket)
        if not waiting:
            self._give_on()


class LimitedExecutor:
    """Limits, times and retries another executor.

    Args:
        inner: Who carries actions out.
        slots: How many at once: a number for this executor alone, or `Slots` that several executors share.
        retries: How often a lost executor is asked in all, and how long one call may take (`timeout`; waiting for a
            place does not count).
        threads: Whether async calls run `inner.execute` in a thread of their own. Choose it for executors whose async
            path may block: their thread is left behind when it is late, where a blocked event loop could not be.

    Attributes:
        abandoned: Calls that were left behind because they were late.
        lost: Calls that gave nothing in the end.
        retried: Calls that were made again.

    Raises:
        ConfigurationError: Fewer than one place.
    """

    def __init__(
        self,
        inner: Executor,
        *,
        slots: Slots | int = 8,
        retries: Retries = DEFAULT_RETRIES,
        threads: bool = False,
    ) -> None:
        self.inner, self.retries, self.threads = inner, retries, threads
        self.slots = slots if isinstance(slots, Slots) else Slots(slots)
        self.abandoned = self.lost = self.retried = 0
        self._lock = threading.Lock()

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Execute in a thread of its own and wait for it, at most as long as it may take."""
        for attempt in range(1, self.retries.attempts + 1):
            with self.slots.place():
                execution, late = self._wait_for(self._in_thread(action, instruction, observation))
            if self._is_final(execution, attempt, late=late):
                return execution
            time.sleep(self.retries.wait(attempt))
        raise AssertionError  # the last attempt is final

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Execute without blocking the event loop; cancelling it cancels the call."""
        for attempt in range(1, self.retries.attempts + 1):
            async with self.slots.aplace():
                execution, late = await self._attempt(action, instruction, observation)
            if self._is_final(execution, attempt, late=late):
                return execution
            await asyncio.sleep(self.retries.wait(attempt))
        raise AssertionError  # the last attempt is final

    def _wait_for(self, call: Future[Execution]) -> tuple[Execution, bool]:
        """What a call in a thread gave, and whether it was late."""
        try:
            return call.result(self.retries.timeout), False
        except LOST as error:
            return (_lost(error), False) if call.done() else self._late()

    async def _attempt(self, action: Action, instruction: str, observation: Observation) -> tuple[Execution, bool]:
        call: asyncio.Future[Execution] = (
            asyncio.wrap_future(self._in_thread(action, instruction, observation))
            if self.threads
            else asyncio.ensure_future(self.inner.aexecute(action, instruction, observation))
        )
        call.add_done_callback(_read)
        try:
            # not `timeout`, which waits for the call to obey: one that ignores its cancellation must not hold its place
            await asyncio.wait([call], timeout=self.retries.timeout)
        except asyncio.CancelledError:
            call.cancel()
            raise
        if not call.done():
            call.cancel()
            return self._late()
        try:
            return call.result(), False
        except LOST as error:
            return _lost(error), False

    def _in_thread(self, action: Action, instruction: str, observation: Observation) -> Future[Execution]:
        outcome: Future[Execution] = Future()
        outcome.set_running_or_notify_cancel()

        def work() -> None:
            try:
                outcome.set_result(self.inner.execute(action, instruction, observation))
            except BaseException as error:  # noqa: BLE001  (carried over to whoever waits)
                outcome.set_exception(error)

        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
        return outcome

    def _late(self) -> tuple[Execution, bool]:
        with self._lock:
            self.abandoned += 1
        seconds = self.retries.timeout or 0.0
        return lost(f"the executor gave no answer within {format_number(seconds)} seconds", seconds=seconds), True

    def _is_final(self, execution: Execution, attempt: int, *, late: bool) -> bool:
        """Whether to stop here: it worked, the action itself failed, it was late, or it was tried often enough.

        A late call is not made again: whatever holds it up would hold up a place once more.
        """
        final = not execution.infrastructure or late or attempt == self.retries.attempts
        with self._lock:
            self.lost += final and execution.infrastructure
            self.retried += not final
        return final


def _lost(error: Exception) -> Execution:
    return lost(f"{type(error).__name__}: {error}".rstrip(": "))


def _read(call: asyncio.Future[Execution]) -> None:
    """Look at what a call ended with, so that asyncio does not complain when nobody is left to."""
    if not call.cancelled():
        call.exception()
