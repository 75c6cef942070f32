"""Concurrent callers share one engine: whoever has asked joins the batch at the next token.

There is no barrier: nothing waits for callers that have not asked yet, beyond a gathering window of a few milliseconds
when the engine was idle. Sync and async callers use the same queue.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from tracer1_agents.serving.sampling import Sample

if TYPE_CHECKING:
    from tracer1_agents.serving.engine import SamplingEngine
    from tracer1_agents.serving.sampling import Row, SampleRequest

_LAST_TOKEN: Final = 10.0  # seconds to wait for a forward pass to end
_WINDOW: Final = 0.01  # seconds to gather callers that arrive together


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
        self._queue: queue.SimpleQueue[tuple[SampleRequest, Future[Sample]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def submit(self, request: SampleRequest) -> Future[Sample]:
        """Queue one request; cancelling the future, or setting `request.cancelled`, ends its row at the next token.

        Raises:
            ValueError: The prompt does not fit the model (before anything is queued).
        """
        self.engine.check(request)
        future: Future[Sample] = Future()
        future.add_done_callback(lambda done: request.cancelled.set() if done.cancelled() else None)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="tracer1-batcher", daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a thread inside a kernel while the interpreter goes away ends in abort()
        self._queue.put((request, future))
        return future

    def sample(self, request: SampleRequest) -> Sample:
        """Queue one request and wait; an interrupt of the caller ends its row.

        Raises:
            concurrent.futures.CancelledError: Someone set `request.cancelled`.
        """
        future = self.submit(request)
        try:
            return future.result()
        except BaseException:
            request.cancelled.set()
            raise

    def close(self) -> None:
        """End the thread after the token it is at; callers still waiting are cancelled."""
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
        for _, future in waiting.values():
            future.cancel()

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
