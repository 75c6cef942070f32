"""A session that starts at its first run, and one that is closed while it starts."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.base import RunResult
from tracer1_agents.sandboxes.lazy import LazySession


class Session:
    """Counts how often it was closed."""

    def __init__(self):
        self.closed = 0

    def run(self, code, *, timeout=None):
        return RunResult(ok=True, value=code)

    async def arun(self, code, *, timeout=None):  # noqa: ASYNC109  (as `Session.arun`)
        return RunResult(ok=True, value=code)

    def close(self):
        self.closed += 1


class SlowStart:
    """Opens a session when it is let go."""

    def __init__(self):
        self.opened, self.started, self.go = [], threading.Event(), threading.Event()

    def __call__(self):
        self.started.set()
        assert self.go.wait(10)
        self.opened.append(Session())
        return self.opened[-1]


def test_it_opens_once_and_refuses_after_its_end():
    opened = []
    session = LazySession(lambda: opened.append(Session()) or opened[-1])
    assert opened == []
    with session:
        assert session.run("1").value == session.run("1").value == "1"
    assert [one.closed for one in opened] == [1]
    with pytest.raises(SandboxError, match="closed"):
        session.run("1")


def test_a_session_that_starts_after_close_is_closed():
    start = SlowStart()
    session = LazySession(start)
    told = []

    def run():
        try:
            session.run("1")
        except SandboxError as error:
            told.append(str(error))

    runner = threading.Thread(target=run)
    runner.start()
    assert start.started.wait(10)
    session.close()
    start.go.set()
    runner.join(10)
    assert [one.closed for one in start.opened] == [1]
    assert told == ["this session was closed while it started; open another one"]


def test_a_run_cancelled_while_its_session_starts_leaves_nothing_running():
    start = SlowStart()

    async def cancel():
        session = LazySession(start)
        task = asyncio.create_task(session.arun("1"))
        await asyncio.to_thread(start.started.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        session.close()
        start.go.set()

    asyncio.run(cancel())
    assert [one.closed for one in start.opened] == [1]
