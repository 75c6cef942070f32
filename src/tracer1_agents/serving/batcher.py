"""Concurrent callers share one engine: whoever has asked joins the batch at the next token.

There is no barrier: nothing waits for callers that have not asked yet, beyond a gathering window of a few milliseconds
when the engine was idle. Sync and async callers use the same queue.

Invariant: whoever has asked gets an answer, an error or a cancellation, also when the batcher is closed meanwhile. A
forked child begins with an empty queue and a thread of its own; futures from before the fork are its parent's.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.sampling import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.serving.engine import SamplingEngine
    from tracer1_agents.serving.sampling import Row, SampleRequest

_LAST_TOKEN: Final = 10.0  # seconds to wait for a forward pass to end
_WINDOW: Final = 0.01  # seconds to gather callers that arrive together

# Weak, so that an engine can go with its batcher; a hook of each batcher's own would keep it for ever.
_batchers: weakref.WeakSet[Batcher] = weakref.WeakSet()


def _forget_all() -> None:
    for batcher in list(_batchers):
        batcher._forget()  # noqa: SLF001  (this module's own)


os.register_at_fork(after_in_child=_forget_all)


class Batcher:
    """A thread that feeds an engine.

    Args:
        engine: Where batches run.
        max_batch: Rows under way at most.

    Attributes:
        batches: How often callers were let in, several at a time where several had asked.
        rows: How many callers in all.
    """

    def __init__(self, engine: SamplingEngine, *, max_batch: int = 64) -> None:
        self.engine, self.max_batch = engine, max_batch
        self.batches = self.rows = 0
        self._closed = threading.Event()
        self._begin()
        _batchers.add(self)

    def _begin(self) -> None:
        self._queue: queue.SimpleQueue[tuple[SampleRequest, Future[Sample]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def submit(self, request: SampleRequest) -> Future[Sample]:
        """Queue one request; cancelling the future, or setting `request.cancelled`, ends its row at the next token.

        Raises:
            ValueError: The prompt does not fit the model (before anything is queued).
            ConfigurationError: The batcher is closed.
        """
        self.engine.check(request)
        future: Future[Sample] = Future()
        future.add_done_callback(lambda done: request.cancelled.set() if done.cancelled() else None)
        with self._starting:
            if self._closed.is_set():
                msg = "this batcher is closed and its thread is gone; make another one"
                raise ConfigurationError(msg)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="tracer1-batcher", daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a thread inside a kernel while the interpreter goes away ends in abort()
            self._queue.put((request, future))
        return future

    def sample(self, request: SampleRequest) -> Sample:
        """Queue one request and wait; an interrupt of the caller ends its row.

        Raises:
            concurrent.futures.CancelledError: Someone set `request.cancelled`, or closed the batcher.
            ConfigurationError: The batcher was closed before.
        """
        future = self.submit(request)
        try:
            return future.result()
        except BaseException:
            request.cancelled.set()
            raise

    def close(self) -> None:
        """End the thread after the token it is at; callers still waiting are cancelled, later ones refused."""
        with self._starting:
            self._closed.set()
            self._queue.put(None)
        atexit.unregister(self.close)
        if self._thread is not None:
            self._thread.join(_LAST_TOKEN)

    def _serve(self) -> None:
        waiting: dict[int, tuple[Row, Future[Sample]]] = {}
        while not self._closed.is_set():
            try:
                self._admit(waiting)
                if self.engine.busy:
                    self.engine.step()
            except Exception as error:  # noqa: BLE001  (belongs to the callers, not to this thread)
                self.engine.abandon()
                for _, future in waiting.values():
                    _settle(future, error)
                waiting.clear()
            for key, (row, future) in list(waiting.items()):
                if row.finish_reason:
                    _settle(future, row.sample(self.engine.tokenizer))
                    del waiting[key]
        for _, future in [*waiting.values(), *self._left()]:
            future.cancel()

    def _left(self) -> Iterator[tuple[SampleRequest, Future[Sample]]]:
        """Who is still queued; nobody joins once the batcher is closed."""
        with suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    yield item

    def _forget(self) -> None:
        """In a forked child: the thread, its callers and their rows belong to the parent."""
        self._begin()
        self.engine.abandon()

    def _admit(self, waiting: dict[int, tuple[Row, Future[Sample]]]) -> None:
        """Let queued callers in; sleeps while there is nothing to do at all."""
        room = self.max_batch - len(waiting) if self.engine.accepts else 0
        items = self._gather(room)
        if not items:
            return
        try:
            rows = self.engine.admit([request for request, _ in items])
        except Exception as error:
            for _, future in items:
                _settle(future, error)
            raise
        self.batches += 1
        self.rows += len(rows)
        waiting.update({id(row): (row, future) for row, (_, future) in zip(rows, items, strict=True)})

    def _gather(self, room: int) -> list[tuple[SampleRequest, Future[Sample]]]:
        """At most `room` callers: those that are queued, and when idle also those who come within the window."""
        idle = not self.engine.busy
        arrivals = [self._queue.get()] if idle else []
        deadline = time.monotonic() + (_WINDOW if idle else 0.0)
        while len(arrivals) < room:
            try:
                left = deadline - time.monotonic()
                arrivals.append(self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait())
            except queue.Empty:
                break
        items = [arrival for arrival in arrivals if arrival is not None]
        for request, future in items:
            if request.cancelled.is_set():
                future.cancel()
        return [(request, future) for request, future in items if not request.cancelled.is_set()]


def _settle(future: Future[Sample], outcome: Sample | Exception) -> None:
    """Give a waiting caller its outcome, unless it has gone."""
    if isinstance(outcome, Sample) and outcome.finish_reason == "cancelled":
        future.cancel()
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
