"""Sampling, pointed at this very process."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.watchdog import Watchdog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BLOCK = 200 << 20


CHILD = f"block = bytearray(b'x') * {BLOCK}; print('ready', flush=True); input()"
PARENT = f"""
import subprocess, sys
print("up", flush=True)
input()
pipes = {{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}}
child = subprocess.Popen([sys.executable, "-I", "-c", {CHILD!r}], **pipes)
child.stdout.readline()
print("large", flush=True)
input()
child.communicate("\\n")
print("small", flush=True)
input()
"""


def test_memory_of_children_counts():
    with subprocess.Popen(  # noqa: S603  (a fixed command)
        [sys.executable, "-I", "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:

        def until(said):
            assert parent.stdout.readline() == f"{said}\n"

        def go_on():
            parent.stdin.write("\n")
            parent.stdin.flush()

        until("up")
        watchdog = Watchdog(Limits(total_memory_bytes=BLOCK // 2))
        assert watchdog(parent) is None
        go_on()
        until("large")
        assert watchdog(parent).startswith("MemoryError: the processes of the run use")
        go_on()
        until("small")
        assert watchdog(parent) is None
        go_on()


def test_a_process_that_is_gone_is_no_reason_to_stop():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert Watchdog(Limits(), ("/proc",))(SimpleNamespace(pid=child.pid)) is None
