"""Limits: never more at once than allowed, nobody waits for a stuck call, and only infrastructure is tried again."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tracer1_agents.actions.space import ToolCall, Wait
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, SandboxError
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.tools.executor import takes_key
from tracer1_agents.tools.limited import LimitedExecutor, Slots
from tracer1_agents.types import Execution, Observation

SEEN = Observation()
QUICK = Retries(attempts=3, first_wait=0.001, longest_wait=0.002, timeout=2.0)
SHORT = Retries(attempts=3, first_wait=0.001, longest_wait=0.002, timeout=0.1)
LOST = Execution(ok=False, text="error: gone", infrastructure=True)


class Raising(RecordingExecutor):
    """Raises its answers where they are errors."""

    def _record(self, action, instruction):
        self.calls.append((action, instruction))
        answer = self.answers[min(len(self.calls), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Stuck:
    """Hangs for the first instruction, answers the others."""

    def __init__(self, first="stuck"):
        self.first, self.release = first, threading.Event()

    def execute(self, action, instruction, observation):
        if instruction == self.first:
            self.release.wait(5)
        return Execution(text=instruction)

    async def aexecute(self, action, instruction, observation):
        while instruction == self.first and not self.release.is_set():
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                await asyncio.sleep(0.3)  # takes its time to obey
                raise
        return Execution(text=instruction)


class Counting:
    """Keeps how many calls ran at once at most."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def enter(self, change):
        with self.lock:
            self.now += change
            self.most = max(self.most, self.now)

    def execute(self, action, instruction, observation):
        self.enter(1)
        time.sleep(0.01)
        self.enter(-1)
        return Execution(text=instruction)

    async def aexecute(self, action, instruction, observation):
        self.enter(1)
        await asyncio.sleep(0.01)
        self.enter(-1)
        return Execution(text=instruction)


def drive(executor, how, instruction=""):
    if how == "sync":
        return executor.execute(Wait(), instruction, SEEN)
    return asyncio.run(executor.aexecute(Wait(), instruction, SEEN))


WAYS = pytest.mark.parametrize(("how", "threads"), [("sync", False), ("async", False), ("async", True)])


@WAYS
class TestRetries:
    @pytest.mark.parametrize(
        "trouble", [LOST, SandboxError("gone"), EnvironmentFailure("gone"), ConnectionError("gone"), TimeoutError()]
    )
    def test_a_lost_executor_is_tried_again(self, how, threads, trouble):
        inner = Raising([trouble, Execution(text="done")])
        executor = LimitedExecutor(inner, retries=QUICK, threads=threads)
        assert drive(executor, how) == Execution(text="done")
        assert (executor.retried, executor.lost, executor.abandoned) == (1, 0, 0)

    def test_given_up(self, how, threads):
        inner = Raising([SandboxError("the sandbox died")])
        executor = LimitedExecutor(inner, retries=QUICK, threads=threads)
        execution = drive(executor, how)
        assert (execution.ok, execution.infrastructure) == (False, True)
        assert execution.text == "error: SandboxError: the sandbox died"
        assert (len(inner.calls), executor.retried, executor.lost) == (3, 2, 1)

    def test_a_failed_action_is_an_answer(self, how, threads):
        inner = Raising([Execution(ok=False, text="error: no such file"), Execution(text="done")])
        executor = LimitedExecutor(inner, retries=QUICK, threads=threads)
        assert drive(executor, how).text == "error: no such file"
        assert len(inner.calls) == 1

    def test_a_bug_is_seen(self, how, threads):
        executor = LimitedExecutor(Raising([KeyError("bug")]), retries=QUICK, threads=threads)
        with pytest.raises(KeyError, match="bug"):
            drive(executor, how)
        executor.inner = RecordingExecutor(["fine"])
        assert drive(executor, how).text == "fine"  # its place was given back


@WAYS
def test_a_stuck_call_is_left_behind_and_holds_up_nobody(how, threads):
    inner = Stuck()
    executor = LimitedExecutor(inner, slots=1, retries=SHORT, threads=threads)
    began = time.perf_counter()
    try:
        execution = drive(executor, how, "stuck")
        assert execution.text == "error: the executor gave no answer within 0.1 seconds"
        assert execution.infrastructure
        assert drive(executor, how, "other").text == "other"
        assert time.perf_counter() - began < 1.5
        assert (executor.abandoned, executor.lost, executor.retried) == (1, 1, 0)  # not tried again
    finally:
        inner.release.set()


@pytest.mark.parametrize("threads", [False, True])
def test_others_do_not_wait_for_it(threads):
    inner = Stuck()
    executor = LimitedExecutor(inner, slots=2, retries=Retries(attempts=1, timeout=1.0), threads=threads)

    async def run():
        stuck = asyncio.create_task(executor.aexecute(Wait(), "stuck", SEEN))
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        texts = [(await executor.aexecute(Wait(), str(number), SEEN)).text for number in range(5)]
        took = time.perf_counter() - began
        inner.release.set()
        await stuck
        return texts, took

    texts, took = asyncio.run(run())
    assert texts == ["0", "1", "2", "3", "4"]
    assert took < 0.5


@pytest.mark.parametrize("threads", [False, True])
def test_the_limit_holds_across_loops_threads_and_executors(threads):
    counting, slots = Counting(), Slots(3)
    executors = [LimitedExecutor(counting, slots=slots, retries=QUICK, threads=threads) for _ in range(2)]
    texts = []

    async def run_many():
        calls = [executors[at % 2].aexecute(Wait(), str(at), SEEN) for at in range(12)]
        texts.extend(execution.text for execution in await asyncio.gather(*calls))

    def run_few():
        texts.extend(executors[0].execute(Wait(), str(at), SEEN).text for at in range(4))

    workers = [threading.Thread(target=lambda: asyncio.run(run_many())) for _ in range(2)]
    workers += [threading.Thread(target=run_few) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert len(texts) == 2 * 12 + 2 * 4
    assert counting.most == 3


def test_cancelling_a_waiter_or_a_call_gives_its_place_on():
    inner = Stuck()
    executor = LimitedExecutor(inner, slots=1, retries=QUICK)

    async def run():
        running = asyncio.create_task(executor.aexecute(Wait(), "stuck", SEEN))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(executor.aexecute(Wait(), "waiting", SEEN))
        await asyncio.sleep(0.01)
        for task in (waiting, running):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return await asyncio.wait_for(executor.aexecute(Wait(), "next", SEEN), 1)

    assert asyncio.run(run()).text == "next"


def test_a_limit_below_one():
    with pytest.raises(ConfigurationError, match="got a limit of 0"):
        LimitedExecutor(RecordingExecutor(), slots=0)


def test_a_declared_idempotency_key_is_seen_through_wrappers():
    class Keyed(RecordingExecutor):
        def takes_key(self, action):
            return action.name == "pay"

    wrapped = LimitedExecutor(LimitedExecutor(Keyed()))
    assert takes_key(wrapped, ToolCall(name="pay", arguments={}))
    assert not takes_key(wrapped, ToolCall(name="look", arguments={}))
    assert not takes_key(LimitedExecutor(RecordingExecutor()), ToolCall(name="pay", arguments={}))
    assert not takes_key(None, ToolCall(name="pay", arguments={}))
