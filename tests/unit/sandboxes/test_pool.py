"""A pool of started workers: what it saves, what it keeps apart, and that nothing of it is left."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from tracer1_agents.errors import ConfigurationError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import DEFAULT_LIMITS, Availability, Capabilities, Limits
from tracer1_agents.sandboxes.e2b import E2BSandbox
from tracer1_agents.sandboxes.pool import SandboxPool

PATIENCE = 60.0


class Counted:
    """Hands starts on, and counts them by thread; lets them fail on demand."""

    def __init__(self, sandbox):
        self._sandbox, self.failing = sandbox, None
        self.starts, self.workers = [], []
        self.name, self.capabilities = sandbox.name, sandbox.capabilities
        self.probe, self.session = sandbox.probe, sandbox.session

    def start(self, limits):
        if self.failing:
            raise self.failing
        self.starts.append((threading.current_thread().name, limits))
        worker = self._sandbox.start(limits)
        self.workers.append(worker.pid)
        return worker

    @property
    def in_front(self):
        """How many callers had to wait for a start of their own."""
        return sum(name != "sandbox-pool" for name, _ in self.starts)


@pytest.fixture
def counted(bubblewrap):
    return Counted(bubblewrap)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def settle(pool):
    """Until it is full and its thread is over."""
    until(lambda: pool.waiting == pool._size and pool._filler is None)


def gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.bwrap
class TestPool:
    def test_sessions_take_from_the_stock_and_it_is_refilled(self, counted):
        with SandboxPool(counted, size=2) as pool:
            for _ in range(3):
                until(lambda: pool.waiting == 2)
                with pool.open() as session:
                    assert session.run("6 * 7").value == "42"
        assert counted.in_front == 0

    def test_each_session_has_its_own_files_tools_and_variables(self, counted, tmp_path):
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "name.txt").write_text(name)
        with SandboxPool(counted) as pool:
            until(lambda: pool.waiting == 2)
            for name in ("one", "two"):
                with pool.open(tmp_path / name, {"mine": lambda name=name: name}) as session:
                    code = "seen = 'left' in globals(); left = 1\nopen('out.txt', 'w').write(mine())\n"
                    assert session.run(code + "(open('name.txt').read(), seen)").value == repr((name, False))
        assert [(tmp_path / name / "out.txt").read_text() for name in ("one", "two")] == ["one", "two"]
        assert counted.in_front == 0

    def test_a_lost_interpreter_comes_from_the_stock_too(self, counted):
        with SandboxPool(counted, size=2) as pool:
            until(lambda: pool.waiting == 2)
            with pool.open() as session:
                assert session.run("while True: pass", timeout=0.3).state_lost
                assert session.run("1").value == "1"
        assert counted.in_front == 0

    def test_other_limits_are_kept_by_a_worker_of_its_own(self, counted):
        with SandboxPool(counted, size=1) as pool:
            until(lambda: pool.waiting == 1)
            with pool.open(limits=Limits(timeout=5.0)) as session:
                assert session.run("1").value == "1"
            with pool.open(limits=Limits(disk_bytes=1 << 20)) as session:
                code = "open('big', 'wb').write(bytes(2 << 20))"
                assert "No space left" in session.run(code).error
        assert counted.in_front == 1

    def test_dead_workers_are_passed_over(self, counted):
        with SandboxPool(counted, size=1) as pool:
            until(lambda: pool.waiting == 1)
            os.kill(counted.workers[0], 9)
            until(lambda: not Path(f"/proc/{counted.workers[0]}/exe").exists())
            with pool.open() as session:
                assert session.run("1").value == "1"

    @pytest.mark.parametrize("error", [SandboxUnavailableError("out of order"), OSError("out of order")])
    def test_a_start_that_fails_is_told_to_whoever_opens(self, counted, error):
        counted.failing = error
        with SandboxPool(counted) as pool:
            with pytest.raises(type(error), match="out of order"):
                pool.open()
            until(lambda: pool._filler is None)
            counted.failing = None
            with pool.open() as session:
                assert session.run("1").value == "1"
            until(lambda: pool.waiting == 2)

    @pytest.mark.parametrize("waited", [False, True])
    def test_closing_leaves_no_process(self, counted, waited):
        pool = SandboxPool(counted, size=3)
        if waited:
            until(lambda: pool.waiting == 3)
        pool.close()
        pool.close()
        assert pool.waiting == 0
        assert all(map(gone, counted.workers))
        with pool.open() as session:
            assert session.run("1").value == "1"
        assert counted.in_front == 1

    def test_a_pool_that_is_forgotten_ends_its_workers(self, counted):
        settle(SandboxPool(counted, size=2))
        gc.collect()
        until(lambda: all(map(gone, counted.workers)))

    def test_a_forked_host_starts_its_own(self, counted):
        with SandboxPool(counted, size=1) as pool:
            until(lambda: pool.waiting == 1)
            child = os.fork()
            if child == 0:
                try:
                    with pool.open() as session:
                        os._exit(0 if session.run("6 * 7").value == "42" and counted.in_front == 1 else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            with pool.open() as session:
                assert session.run("6 * 7").value == "42"
        assert counted.in_front == 0


def test_what_cannot_be_pooled_is_refused():
    with pytest.raises(ConfigurationError, match="E2BSandbox starts no workers"):
        SandboxPool(E2BSandbox())

    class Nothing:
        name, capabilities = "none", Capabilities(packages="none", subprocesses=False)
        probe = start = session = lambda *_: Availability(ok=False)

    with pytest.raises(ConfigurationError, match="at least 1, got 0"):
        SandboxPool(Nothing(), size=0, limits=DEFAULT_LIMITS)
