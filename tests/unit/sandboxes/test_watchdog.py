"""Sampling, pointed at this very process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.watchdog import Watchdog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
BLOCK = 200 << 20


def test_memory_of_children_counts():
    here = SimpleNamespace(pid=os.getpid())
    code = f"block = bytearray(b'x') * {BLOCK}; print('ready', flush=True); input()"
    limit = Limits(total_memory_bytes=_private() + BLOCK // 2)
    assert Watchdog(limit)(here) is None
    with subprocess.Popen(  # noqa: S603  (a fixed command)
        [sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        assert Watchdog(limit)(here).startswith("MemoryError: the processes of the run use")
        child.stdin.write("\n")
    assert Watchdog(limit)(here) is None


def test_a_process_that_is_gone_is_no_reason_to_stop():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert Watchdog(Limits(), ("/proc",))(SimpleNamespace(pid=child.pid)) is None


def _private():
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
