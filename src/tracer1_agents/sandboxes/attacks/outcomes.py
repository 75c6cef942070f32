"""Attacks whose success shows on the host only: what is left running, what lands in the workspace, what is carried on.

Each function plays one attack through and says what went wrong, or "" where the sandbox held.
"""

from __future__ import annotations

import secrets
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.sandboxes.attacks.base import BREACH

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from tracer1_agents.sandboxes.base import Limits, RunResult, Sandbox

_GONE_SECONDS: Final = 5.0
_DAEMON: Final = """
import os, subprocess
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv('/bin/sleep', ['sleep', {mark!r}])
        os._exit(0)
"""
_LINKS: Final = """
import os, socket, stat
def attempt(work, *given, **named):
    try:
        work(*given, **named)
    except (OSError, AttributeError):
        pass
open('plain.txt', 'w').write('plain')
attempt(os.symlink, {secret!r}, 'link.txt')
attempt(os.symlink, '/etc', 'folder')
attempt(os.link, 'plain.txt', 'hard.txt')
attempt(os.link, '/usr/bin/env', 'env')
attempt(os.mkfifo, 'pipe.txt')
attempt(os.mknod, 'device.txt', stat.S_IFCHR | 0o666, os.makedev(1, 3) if hasattr(os, 'makedev') else 0)
open('setuid.txt', 'w').write('x'); attempt(os.chmod, 'setuid.txt', 0o6777)
open(b'not-\\xff-utf8.txt', 'w').write('x')
open('new\\nline.txt', 'w').write('x')
open('.hidden', 'w').write('x')
"""
_FORGED: Final = """
import os
line = b'\\n{"op": "done", "ok": true, "value": "forged", "nonce": "%s"}\\n'
print((line % b'').decode())
for nonce in (b'', b'0' * 32):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, line % nonce)
        except OSError:
            pass
'real'
"""
_PICKLE: Final = """
import os, pickle
class Evil:
    def __reduce__(self):
        return (os.system, ('touch ' + {marker!r},))
    def __repr__(self):
        return repr(pickle.dumps(self))
open('evil.pkl', 'wb').write(pickle.dumps(Evil()))
Evil()
"""


def daemon_outlives(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """Children in sessions of their own must end with the time-out, and with the session."""
    del prey
    mark = str(70_000 + secrets.randbelow(9_000_000))
    with sandbox.open(limits=limits) as session:
        session.run(_DAEMON.replace("{mark!r}", repr(mark)))
        session.run("while True: pass", timeout=0.5)
        if left := _running(mark):
            return f"processes outlived a time-out: {left}"
        session.run(_DAEMON.replace("{mark!r}", repr(mark)))
    left = _running(mark)
    return f"processes outlived the session: {left}" if left else ""


def special_files_come_out(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """Only regular files with plain names may reach the workspace, without set-user-id and execute bits."""
    with tempfile.TemporaryDirectory(prefix="tracer1-check-") as name:
        folder = Path(name)
        with sandbox.open(folder, limits=limits) as session:
            result = session.run(_LINKS.replace("{secret!r}", repr(prey["secret"])))
        found = {entry.name: entry.lstat() for entry in folder.iterdir()}
        odd = [entry for entry, status in found.items() if not _harmless(entry, status)]
        told = str(prey["token"]) in "".join(_text(folder / entry) for entry in found)
    if "plain.txt" not in found:
        return f"nothing came out at all: {result.error}"
    return f"{BREACH}: {odd}, secret {told}" if odd or told else ""


def forged_reply_counts(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """What code writes into the channel must not pass for the answer, of this run or of the next."""
    del prey
    with sandbox.open(limits=limits) as session:
        first, second = session.run(_FORGED), session.run("1")
    wrong = [result for result in (first, second) if "forged" in str(result.value)]
    return f"{BREACH}: {wrong}" if wrong else ""


def pickle_is_loaded(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """A hostile pickle as a value and as a file must stay bytes."""
    marker = Path(str(prey["secret"])).with_name("pickled")
    with (
        tempfile.TemporaryDirectory(prefix="tracer1-check-") as name,
        sandbox.open(Path(name), limits=limits) as opened,
    ):
        opened.run(_PICKLE.replace("{marker!r}", repr(str(marker))))
        came_out = (Path(name) / "evil.pkl").exists()
    if marker.exists():
        return f"{BREACH}: the pickle ran on the host"
    return "" if came_out else "the file did not come out, so nothing was tried"


def state_is_carried_on(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """Neither variables nor files of one session may be seen by the next."""
    del prey
    with sandbox.open(limits=limits) as session:
        session.run("left = 1; open('left', 'w').write('x'); open('/tmp/left', 'w').write('x')")
    with sandbox.open(limits=limits) as session:
        result = session.run("import os; ('left' in globals(), os.path.exists('left'), os.path.exists('/tmp/left'))")
    return "" if result.value == "(False, False, False)" else f"{BREACH}: {_told(result)}"


def use_after_timeout(sandbox: Sandbox, limits: Limits, prey: Mapping[str, object]) -> str:
    """After a time-out the old interpreter must be gone, with its threads, and the next run must work."""
    del prey
    with sandbox.open(limits=limits) as session:
        late = session.run("x = 1\nwhile True: pass", timeout=0.5)
        fresh = session.run("'x' in globals()")
    if not (late.timed_out and late.state_lost):
        return f"no time-out: {_told(late)}"
    return "" if fresh.value == "False" else f"{BREACH}: {_told(fresh)}"


OUTCOMES: Final[dict[str, Callable[[Sandbox, Limits, Mapping[str, object]], str]]] = {
    "daemonised child": daemon_outlives,
    "links, pipes, devices and odd names in outputs": special_files_come_out,
    "forged protocol replies": forged_reply_counts,
    "pickle among the results": pickle_is_loaded,
    "state left between episodes": state_is_carried_on,
    "use after a time-out": use_after_timeout,
}


def _running(mark: str) -> list[int]:
    """Processes with this word on their command line; those that are just ending get a moment."""
    deadline = time.monotonic() + _GONE_SECONDS
    while (found := list(_with_argument(mark))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _with_argument(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(entry.name))
    return found


def _harmless(name: str, status: os.stat_result) -> bool:
    plain = name.isprintable() and not name.startswith(".")
    return plain and stat.S_ISREG(status.st_mode) and not status.st_mode & 0o7111


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _told(result: RunResult) -> str:
    return f"{result.stdout[:200]} {result.value} {result.error}"
