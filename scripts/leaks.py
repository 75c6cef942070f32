"""Time-outs and kills of sandboxed code, over and over: what is left behind afterwards must be nothing.

    python scripts/leaks.py --rounds 1000

Each round opens a session over a workspace, leaves daemons and files in it, and ends it in one of five ways: a
time-out, `os._exit`, a kill of the sandbox from outside, a close in mid-run, a cancelled run. Processes, mounts,
threads and temporary files of the host are counted before and after. Exit code 1 where anything is left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.totals import group_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.sandboxes.session import WorkerSession

MARK: Final = "86399.0271"  # seconds that the daemons sleep: a word that stands on no other command line
LITTER: Final = f"""
import os, subprocess
for name in ('a.txt', '/tmp/b', '/dev/shm/c'):
    open(name, 'w').write('x')
subprocess.Popen(['sleep', '{MARK}'], start_new_session=True)
"""
_TIMEOUT: Final = 0.3
_SETTLE_SECONDS: Final = 10.0


def time_out(session: WorkerSession) -> None:
    """The clock ends an endless loop."""
    if not session.run("while True: pass", timeout=_TIMEOUT).timed_out:
        sys.exit("a run did not end by its time-out")


def leave(session: WorkerSession) -> None:
    """The interpreter ends itself."""
    session.run("import os; os._exit(3)")


def kill(session: WorkerSession) -> None:
    """Somebody on the host kills the sandbox in mid-run."""
    worker = session._worker  # noqa: SLF001  (what an out-of-memory killer would pick)
    if worker is not None:
        threading.Timer(_TIMEOUT / 2, os.kill, (worker.pid, signal.SIGKILL)).start()
    with suppress(SandboxError):
        session.run("while True: pass", timeout=10 * _TIMEOUT)


def close_midway(session: WorkerSession) -> None:
    """Another thread closes the session while code runs."""
    threading.Timer(_TIMEOUT / 2, session.close).start()
    session.run("while True: pass", timeout=10 * _TIMEOUT)


def cancel(session: WorkerSession) -> None:
    """The task that awaits the run is cancelled."""

    async def main() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(session.arun("while True: pass", timeout=10 * _TIMEOUT), _TIMEOUT / 2)

    asyncio.run(main())


WAYS: Final[tuple[Callable[[WorkerSession], None], ...]] = (time_out, leave, kill, close_midway, cancel)


def left_behind() -> Counter[str]:
    """What is here that a session could have left: daemons, sandboxes, mounts, groups, descriptors, threads, files."""
    gc.collect()
    found: Counter[str] = Counter()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                # bwrap is counted where it is a child of ours: others may use it on this machine.
                status = (entry / "status").read_text(encoding="utf-8")
                ours = f"PPid:\t{os.getpid()}\n" in status
                found["processes"] += MARK.encode() in words or (ours and b"bwrap" in words[0])
                found["zombies"] += ours and "State:\tZ" in status
    found["mounts"] = len(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    folders = set((group_folders() or {}).values())
    found["control groups"] = sum(len(list(folder.glob(f"tracer1-{os.getpid()}-*"))) for folder in folders)
    found["descriptors"] = len(list(Path("/proc/self/fd").iterdir()))
    found["threads"] = threading.active_count()
    found["temporary files"] = len([item for item in Path(tempfile.gettempdir()).iterdir() if "sandbox" in item.name])
    return found


def rounds(count: int, sandbox: BubblewrapSandbox, folder: Path) -> Counter[str]:
    """Run them, and return what is left that was not there before (an empty counter where all is well).

    Args:
        count: How many sessions.
        sandbox: Their backend.
        folder: Workspace of all of them.
    """
    one_round(0, sandbox, folder)
    before = left_behind()
    for number in range(count):
        one_round(number, sandbox, folder)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (more := left_behind() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    strangers = {item.name for item in folder.iterdir()} - {"a.txt"}
    more.update({f"in the workspace: {name}": 1 for name in strangers})
    return more


def one_round(number: int, sandbox: BubblewrapSandbox, folder: Path) -> None:
    """One session, ended in the way that is next."""
    with sandbox.open(folder) as session:
        session.run(LITTER)
        WAYS[number % len(WAYS)](session)


def main() -> int:
    """Run the rounds and print what was counted."""
    parser = argparse.ArgumentParser(description="Count what time-outs and kills of sandboxed code leave behind.")
    parser.add_argument("--rounds", type=int, default=1000, metavar="N", help="sessions to end (default: 1000)")
    wanted = parser.parse_args().rounds
    sandbox = BubblewrapSandbox()
    found = sandbox.probe()
    if not found.ok:
        print(f"bubblewrap does not work here: {found.reason}", file=sys.stderr)
        return 2
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="tracer1-leaks-"))
    try:
        more = rounds(wanted, sandbox, folder)
    finally:
        shutil.rmtree(folder)
    print(f"{wanted} sessions ended in {time.monotonic() - began:.0f} s; left behind: {dict(more) or 'nothing'}")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
