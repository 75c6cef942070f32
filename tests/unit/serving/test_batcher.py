"""Concurrent callers share batches; what goes wrong in one reaches its callers and nobody else."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from tracer1_agents.errors import ConfigurationError

pytestmark = pytest.mark.torch


class FakeTokenizer:
    def decode(self, ids, **options):
        return str(ids[0])


class FakeEngine:
    """Notes who is let in, and answers with the first id; waits until it is let go; fails for prompts of 13."""

    tokenizer = FakeTokenizer()
    accepts = True

    def __init__(self):
        self.admitted = []
        self.under_way = []
        self.go = threading.Event()
        self.go.set()

    @property
    def busy(self):
        return bool(self.under_way)

    def check(self, request):
        if len(request.prompt_ids) > 8:
            msg = "too long"
            raise ValueError(msg)

    def admit(self, requests):
        from tracer1_agents.serving.sampling import Row, Vocabulary  # noqa: PLC0415

        nothing = Vocabulary(frozenset(), frozenset(), frozenset())
        self.admitted.append([request.prompt_ids[0] for request in requests])
        rows = [Row(request, nothing, 2**40) for request in requests]
        self.under_way += rows
        return rows

    def step(self):
        assert self.go.wait(10)
        if any(row.request.prompt_ids[0] == 13 for row in self.under_way):
            msg = "out of memory"
            raise RuntimeError(msg)
        for row in self.under_way:
            row.take(row.request.prompt_ids[0], 0.0)
        self.under_way = [row for row in self.under_way if not row.finish_reason]

    def abandon(self):
        self.under_way = []


@pytest.fixture
def batcher(tiny):
    from tracer1_agents.serving.batcher import Batcher  # noqa: PLC0415

    return Batcher(FakeEngine(), max_batch=8)


@pytest.fixture
def ask(tiny):
    from tracer1_agents.serving.sampling import SampleRequest  # noqa: PLC0415

    return lambda number, length=1: SampleRequest((number,) * length, max_new_tokens=1)


def hold(batcher, request):
    """Let one row in and stop the engine before its next token; its future."""
    batcher.engine.go.clear()
    future = batcher.submit(request)
    while not batcher.engine.admitted:
        time.sleep(0.001)
    return future


def test_what_arrives_while_the_engine_is_busy_goes_in_together(batcher, ask):
    first = hold(batcher, ask(0))
    rest = [batcher.submit(ask(number)) for number in range(1, 11)]
    batcher.engine.go.set()
    assert [future.result(10).text for future in [first, *rest]] == [str(number) for number in range(11)]
    assert [len(rows) for rows in batcher.engine.admitted] == [1, 8, 2]
    assert (batcher.batches, batcher.rows) == (3, 11)


def test_nobody_waits_for_a_long_row(batcher, ask):
    from tracer1_agents.serving.sampling import SampleRequest  # noqa: PLC0415

    long = batcher.submit(SampleRequest((7,), max_new_tokens=1_000_000))
    assert batcher.sample(ask(1)).text == "1"
    assert not long.done()
    long.cancel()


def test_callers_that_arrive_together_share_a_batch(batcher, ask):
    barrier = threading.Barrier(6)

    def call(number):
        barrier.wait()
        return batcher.sample(ask(number)).text

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(call, range(6))) == [str(number) for number in range(6)]
    assert len(batcher.engine.admitted) <= 3


def test_refused_before_it_is_queued(batcher, ask):
    with pytest.raises(ValueError, match="too long"):
        batcher.submit(ask(1, length=9))
    assert batcher.sample(ask(2)).text == "2"
    assert batcher.engine.admitted == [[2]]


def test_an_engine_error_reaches_every_caller_and_the_batcher_goes_on(batcher, ask):
    hold(batcher, ask(0))
    futures = [batcher.submit(ask(number)) for number in (1, 13, 2)]
    batcher.engine.go.set()
    for future in futures:
        with pytest.raises(RuntimeError, match="out of memory"):
            future.result(10)
    assert batcher.sample(ask(5)).text == "5"


class TestCancelling:
    def test_a_queued_future_is_not_sampled(self, batcher, ask):
        hold(batcher, ask(0))
        gone, stays = batcher.submit(ask(1)), batcher.submit(ask(2))
        assert gone.cancel()
        batcher.engine.go.set()
        assert stays.result(10).text == "2"
        assert batcher.engine.admitted[1:] == [[2]]

    def test_a_cancelled_future_sets_the_flag_of_its_row(self, batcher, ask):
        batcher.engine.go.clear()
        request = ask(1)
        future = batcher.submit(request)
        future.cancel()
        assert request.cancelled.is_set()
        batcher.engine.go.set()

    @pytest.mark.parametrize("when", ["queued", "sampling"])
    def test_a_waiting_caller_is_told(self, batcher, ask, when):
        batcher.engine.go.clear()
        request = ask(1)
        if when == "queued":
            hold(batcher, ask(0))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(batcher.sample, request)
            while when == "sampling" and not batcher.engine.admitted:
                time.sleep(0.001)
            request.cancelled.set()
            batcher.engine.go.set()
            with pytest.raises(CancelledError):
                waiting.result(10)

    def test_an_abandoned_await_ends_the_row(self, batcher, ask):
        async def abandon():
            request = ask(1)
            task = asyncio.ensure_future(asyncio.wrap_future(batcher.submit(request)))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return request

        batcher.engine.go.clear()
        assert asyncio.run(abandon()).cancelled.is_set()
        batcher.engine.go.set()


def test_closing_ends_the_thread_and_cancels_who_waits(batcher):
    from tracer1_agents.serving.sampling import SampleRequest  # noqa: PLC0415  (torch)

    future = batcher.submit(SampleRequest((7,), max_new_tokens=1_000_000))
    batcher.close()
    with pytest.raises(CancelledError):
        future.result(timeout=5)
    assert not batcher._thread.is_alive()


def test_closing_cancels_who_is_queued(batcher, ask):
    hold(batcher, ask(0))
    queued = [batcher.submit(ask(number)) for number in range(1, 20)]  # more than the engine takes in at once
    threading.Timer(0.1, batcher.engine.go.set).start()
    batcher.close()
    for future in queued:
        with pytest.raises(CancelledError):
            future.result(5)


def test_a_closed_batcher_refuses(batcher, ask):
    assert batcher.sample(ask(1)).text == "1"
    batcher.close()
    with pytest.raises(ConfigurationError, match="closed"):
        batcher.submit(ask(2))
    batcher.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_serves_its_own_callers(batcher, ask):
    hold(batcher, ask(0))
    queued = batcher.submit(ask(1))
    child = os.fork()
    if child == 0:
        answer = None
        try:
            batcher.engine.go = threading.Event()
            batcher.engine.go.set()
            answer = batcher.submit(ask(5)).result(10).text
        finally:
            os._exit(0 if answer == "5" and [5] in batcher.engine.admitted else 1)
    batcher.engine.go.set()
    assert os.waitpid(child, 0)[1] == 0
    assert queued.result(10).text == "1"


def test_a_batcher_that_nobody_uses_goes_with_its_engine(tiny):
    from tracer1_agents.serving.batcher import Batcher  # noqa: PLC0415  (torch)

    engine = FakeEngine()
    kept = weakref.ref(engine)
    batcher = Batcher(engine)
    del batcher, engine
    gc.collect()
    assert kept() is None
