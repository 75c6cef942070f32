"""Control groups: found where they can be made, held to by the kernel, gone with the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes import totals
from tracer1_agents.sandboxes.base import MIB, Limits
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.watchdog import Watchdog

V1 = """cgroup {root}/memory cgroup rw,nosuid,memory 0 0
cgroup {root}/pids cgroup rw,pids 0 0
"""
V2 = "cgroup2 {root} cgroup2 rw,nosuid 0 0\n"


def candidates(tmp_path, mounts, own):
    (tmp_path / "mounts").write_text(mounts.format(root=tmp_path))
    (tmp_path / "own").write_text(own)
    return list(totals._candidates(tmp_path / "mounts", tmp_path / "own"))


def test_version_1_is_looked_for_at_its_own_place_and_at_the_top(tmp_path):
    memory, pids = tmp_path / "memory", tmp_path / "pids"
    assert candidates(tmp_path, V1, "4:memory:/box\n8:pids:/\n0::/\n") == [
        {"memory": memory / "box", "pids": pids},
        {"memory": memory, "pids": pids},
    ]
    assert candidates(tmp_path, V1.splitlines(keepends=True)[0], "4:memory:/box\n") == []


def test_version_2_needs_controllers_that_are_handed_down(tmp_path):
    scope = tmp_path / "user.slice" / "app.slice" / "term.scope"
    scope.mkdir(parents=True)
    own = "0::/user.slice/app.slice/term.scope\n"
    assert candidates(tmp_path, V2, own) == []
    (scope / "cgroup.subtree_control").write_text("\n")
    (scope.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    assert candidates(tmp_path, V2, own) == [{"memory": scope.parent, "pids": scope.parent}]


def test_a_group_is_limited_and_says_what_the_kernel_did(tmp_path):
    both = totals.Total(dict.fromkeys(("memory", "pids"), tmp_path), 100, 7)
    (group,) = tmp_path.iterdir()
    assert (group / "memory.max").read_text() == str(100 + (64 << 20))
    assert (group / "pids.max").read_text() == "7"
    both.add(4711)
    assert (group / "cgroup.procs").read_text() == "4711"
    assert not both.memory_ran_out
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 0\n")
    assert not both.memory_ran_out
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert both.memory_ran_out


def test_where_no_group_can_be_made_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(totals, "group_folders", lambda: None)
    assert totals.new_total(100, 7) is None
    gone = dict.fromkeys(("memory", "pids"), tmp_path / "gone")
    monkeypatch.setattr(totals, "group_folders", lambda: gone)
    assert totals.new_total(100, 7) is None


@pytest.fixture
def folders():
    found = totals.group_folders()
    if found is None:
        pytest.skip("no control group can be made here")
    return set(found.values())


def own_groups(folders):
    return [group for folder in folders for group in folder.glob(f"tracer1-{os.getpid()}-*")]


@pytest.fixture
def unwatched(folders, monkeypatch):
    """A session whose totals only the kernel holds."""
    monkeypatch.setattr(Watchdog, "__call__", lambda *_: None)
    sandbox = BubblewrapSandbox()
    if not sandbox.probe().ok:
        pytest.skip("bubblewrap does not work here")
    with sandbox.open(limits=Limits(total_memory_bytes=150 * MIB, disk_bytes=8 * MIB)) as session:
        assert len(own_groups(folders)) == len(folders)
        yield session
    assert own_groups(folders) == []


BURST = """
import os, time
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        filled = bytearray(80 << 20)
        time.sleep(1)
        os._exit(0)
    children.append(child)
[os.waitpid(child, 0)[1] for child in children]
"""


def test_a_burst_of_processes_is_ended_by_the_kernel(unwatched):
    result = unwatched.run(BURST)
    assert result.error or "9" in result.value.strip("[]").split(", ")


def test_a_run_that_takes_all_is_told_why(unwatched):
    result = unwatched.run("len(bytearray(600 << 20))")
    assert (result.ok, result.state_lost) == (False, True)
    assert "MemoryError: the processes of the run used over 157286400 bytes together" in result.error


def test_groups_of_killed_hosts_are_swept(folders):
    code = (
        "import os; from tracer1_agents.sandboxes import totals;"
        "print(totals.group_folders() is not None and totals.new_total(1 << 30, 9) is not None, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    host = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert host.stdout == "True\n"
    left = [group for folder in folders for group in folder.glob("tracer1-*-*")]
    dead = [group for group in left if not Path("/proc", group.name.split("-")[1]).exists()]
    assert dead
    totals._sweep(folders)
    assert not any(group.exists() for group in dead)


def test_a_sandbox_that_cannot_be_held_does_not_start(folders, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(totals.Total, "add", refused)
    with pytest.raises(SandboxError, match=r"cannot be put into its control group: .*not yours"):
        BubblewrapSandbox().open().run("1")
    assert own_groups(folders) == []
