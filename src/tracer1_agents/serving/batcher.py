"""Concurrent callers share one `generate`: whatever is queued when the engine is free goes in together.

There is no barrier: a batch never waits for callers that have not asked yet, beyond a gathering window of a few
milliseconds. Sync and async callers use the same queue.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from tracer1_agents.serving.engine import Sample

if TYPE_CHECKING:
    from tracer1_agents.serving.engine import SampleRequest, SamplingEngine

_WINDOW: Final = 0.01  # seconds to gather callers that arrive together


class Batcher:
    """A thread that feeds an engine.

    Args:
        engine: Where batches run.
        max_batch: Rows per batch at most.
    """

    def __init__(self, engine: SamplingEngine, *, max_batch: int = 64) -> None:
        self.engine, self.max_batch = engine, max_batch
        self.batches = self.rows = 0
        self._queue: queue.SimpleQueue[tuple[SampleRequest, Future[Sample]]] = queue.SimpleQueue()
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

    def _gather(self) -> list[tuple[SampleRequest, Future[Sample]]]:
        items = [self._queue.get()]
        deadline = time.monotonic() + _WINDOW
        while len(items) < self.max_batch:
            try:
                items.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                break
        for request, future in items:
            if request.cancelled.is_set():
                future.cancel()
        return [(request, future) for request, future in items if not request.cancelled.is_set()]

    def _serve(self) -> None:
        while True:
            items = self._gather()
            if not items:
                continue
            try:
                samples = self.engine.sample([request for request, _ in items])
            except Exception as error:  # noqa: BLE001  (belongs to the callers, not to this thread)
                for _, future in items:
                    _settle(future, error)
                continue
            self.batches += 1
            self.rows += len(items)
            for (_, future), sample in zip(items, samples, strict=True):
                _settle(future, sample)


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
