"""Linux namespaces through bubblewrap: the default sandbox, 30 ms to start and 0.1 ms a run.

What a plain `bwrap --unshare-all` leaves open is closed here: bwrap itself gets an empty environment (it would be
readable in /proc/1/environ), it is started as an unprivileged user when the host is root (root keeps powers that its
namespaces do not take away, and ignores process limits), /proc/sys and every mount but the three sized ones are
read-only, a seccomp filter refuses what namespaces do not fence, and the whole pid namespace dies with a timeout.

The host's file system is never shared writably: files travel through the worker's channel (see `base`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import (
    DEFAULT_LIMITS,
    NO_CALLS,
    Availability,
    Capabilities,
    HostCalls,
    Limits,
    try_out,
)
from tracer1_agents.sandboxes.process import (
    Identity,
    Pipes,
    WorkerProcess,
    all_or_none,
    inside_sources,
    launcher,
    wait_readable,
)
from tracer1_agents.sandboxes.seccomp import filter_program
from tracer1_agents.sandboxes.session import WorkerSession
from tracer1_agents.sandboxes.totals import group_folders, new_total
from tracer1_agents.sandboxes.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.sandboxes.process import StartWorker
    from tracer1_agents.sandboxes.totals import Total

_NOBODY: Final = 65534
_WORK: Final = "/work"
_INSIDE: Final = "/run/tracer1_agents/sandboxes/inside"
_PYTHON_HOME: Final = "/opt/python"
_SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
_WRITABLE: Final = (_WORK, "/tmp", "/dev/shm")  # noqa: S108  (the sandbox's own)
_OUTSIDE_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_INSIDE_ENVIRONMENT: Final = {
    **_OUTSIDE_ENVIRONMENT,
    "HOME": _WORK,
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108  (the sandbox's own)
    # One thread each: numeric libraries otherwise reserve address space and processes for every core.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_BWRAPS_OWN: Final = 2  # processes
_INFO_SECONDS: Final = 10.0
_REPLY_ROOM: Final = 2 << 20
_INSTALL: Final = (
    "install bubblewrap 0.8 or newer (Debian, Ubuntu: apt-get install bubblewrap) and allow unprivileged user "
    "namespaces (kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, "
    "user.max_user_namespaces above 0; in a container: a seccomp profile that permits them)"
)


class BubblewrapSandbox:
    """Sessions in their own user, pid, network, mount, IPC, UTS and cgroup namespaces.

    Args:
        python: Interpreter to run; None: /usr/bin/python3, else the one that runs the host. Its installation is bound
            read-only where it lies outside /usr.
        site_packages: Folders with further packages for exactly that interpreter version, bound read-only.
    """

    name: Final = "bubblewrap"

    def __init__(self, *, python: Path | None = None, site_packages: Sequence[Path] = ()) -> None:
        chosen = python or (_SYSTEM_PYTHON if _SYSTEM_PYTHON.exists() else Path(sys.executable))
        self._python = chosen.resolve()
        self._site_packages = tuple(Path(folder).resolve() for folder in site_packages)

    @property
    def capabilities(self) -> Capabilities:
        """See `Sandbox.capabilities`."""
        sampled = "File counts are" if group_folders() else "Total memory and file counts are"
        return Capabilities(
            packages="the standard library, what the interpreter has installed, and the given site_packages",
            subprocesses=True,
            not_covered=(
                "Reading the programs and libraries of the host's /usr (read-only).",
                "Kernel bugs in calls that the seccomp denylist allows; for hostile multi-tenant code use a VM.",
                f"{sampled} sampled ten times a second, during runs only: a burst can pass.",
                "Processes that a run leaves behind live on, within their own limits, until the session is closed.",
                "Timing and other side channels, and the load on the machine within the limits.",
            ),
        )

    def probe(self) -> Availability:
        """See `Sandbox.probe`."""
        return try_out(self, _INSTALL)

    def open(
        self, workspace: Path | None = None, host_calls: HostCalls = NO_CALLS, limits: Limits = DEFAULT_LIMITS
    ) -> WorkerSession:
        """See `Sandbox.open`."""
        return self.session(lambda: self.start(limits), workspace, host_calls, limits)

    def session(
        self, start: StartWorker, workspace: Path | None, host_calls: HostCalls, limits: Limits
    ) -> WorkerSession:
        """See `WorkerSandbox.session`."""
        return WorkerSession(
            start,
            paths=tuple(_site_target(index) for index in range(len(self._site_packages))),
            workspace=workspace,
            host_calls=host_calls,
            limits=limits,
            watchdog=Watchdog(limits, _WRITABLE),
        )

    def start(self, limits: Limits) -> WorkerProcess:
        """See `WorkerSandbox.start`."""
        program = shutil.which("bwrap")
        if program is None:
            problem = f"bubblewrap (bwrap) is not installed; {_INSTALL}"
            raise SandboxUnavailableError(problem)
        total = new_total(
            limits.total_memory_bytes + len(_WRITABLE) * limits.disk_bytes, limits.processes + _BWRAPS_OWN
        )
        try:
            pipes, handed = self._opened(limits, held=total is not None)
        except SandboxError:
            if total is not None:
                total.close()
            raise
        try:
            process = launcher.start(
                [program, *handed.arguments, "--", *self._worker_command(pipes)],
                environment=_OUTSIDE_ENVIRONMENT,
                identity=Identity(user=_NOBODY, group=_NOBODY) if os.geteuid() == 0 else None,
                stdin=subprocess.DEVNULL,
                stdout=pipes.output[1],
                stderr=pipes.output[1],
                pass_fds=(pipes.requests[0], pipes.replies[1], *handed.descriptors),
            )
        except SandboxError:
            pipes.close_host_ends()
            if total is not None:
                total.close()
            raise
        finally:
            pipes.close_child_ends()
            init = handed.read_init(total)
        channel = pipes.channel(output_limit=limits.output_bytes, message_limit=limits.message_bytes + _REPLY_ROOM)
        worker = WorkerProcess(process, channel, init, apart=True, total=total)
        if handed.problem:
            worker.kill()
            raise SandboxError(handed.problem)
        return worker

    def _opened(self, limits: Limits, *, held: bool) -> tuple[Pipes, _Handed]:
        """All descriptors of a worker to be; none stays open where one cannot be had."""
        pipes = Pipes.make()
        try:
            return pipes, _Handed(self._options(limits), held=held)
        except SandboxError:
            pipes.close_host_ends()
            pipes.close_child_ends()
            raise

    def _options(self, limits: Limits) -> list[str]:
        """What bwrap is to build, in order: later mounts cover earlier ones, and the root becomes read-only last."""
        return [
            *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
            *("--cap-drop", "ALL", "--uid", str(_NOBODY), "--gid", str(_NOBODY), "--hostname", "sandbox"),
            "--clearenv",
            *(part for name, value in _INSIDE_ENVIRONMENT.items() for part in ("--setenv", name, value)),
            *_system_folders(),
            *self._extra_folders(),
            *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
            *(part for folder in _WRITABLE for part in ("--size", str(limits.disk_bytes), "--tmpfs", folder)),
            *("--remount-ro", "/dev", "--chdir", _WORK),
        ]

    def _extra_folders(self) -> list[str]:
        binds: list[str] = []
        if not self._python.is_relative_to("/usr"):
            binds += ["--ro-bind", str(self._python.parent.parent), _PYTHON_HOME]
        for index, folder in enumerate(self._site_packages):
            binds += ["--ro-bind", str(folder), _site_target(index)]
        return binds

    def _worker_command(self, pipes: Pipes) -> list[str]:
        requests, replies, _ = pipes.child_ends
        python = str(self._python)
        if not self._python.is_relative_to("/usr"):
            # An installation is the parent of its `bin`, and finds its library from there wherever it lies.
            python = f"{_PYTHON_HOME}/bin/{self._python.name}"
        return [python, "-I", "-B", f"{_INSIDE}/worker.py", str(requests), str(replies), _WORK]


class _Handed:
    """Descriptors for bwrap: its options, its filter, the worker's files, and where it tells its first process's pid.

    The options go this way because whoever is inside can read the command line of process 1.

    Args:
        options: Of bwrap.
        held: Whether its first process has to wait until `read_init` has put it where it belongs.

    Raises:
        SandboxError: The system gives no more descriptors.
    """

    def __init__(self, options: list[str], *, held: bool) -> None:
        sources = inside_sources()
        contents = [filter_program(), *sources.values(), b""]
        self._info, self._hold, *memory = all_or_none(
            [os.pipe, os.pipe, *(partial(_memory_file, data) for data in contents)]
        )
        seccomp, *files, self._options = (descriptor for (descriptor,) in memory)
        self.problem = ""
        options = [*options, "--seccomp", str(seccomp), "--info-fd", str(self._info[1])]
        if held:
            options += ["--block-fd", str(self._hold[0])]
        for name, file in zip(sources, files, strict=True):
            options += ["--ro-bind-data", str(file), f"{_INSIDE}/{name}"]
        options += ["--remount-ro", "/"]
        _fill(self._options, "\0".join(options).encode())
        self.descriptors = (self._options, seccomp, *files, self._info[1], self._hold[0])

    @property
    def arguments(self) -> list[str]:
        """For the command line of bwrap."""
        return ["--args", str(self._options)]

    def read_init(self, total: Total | None) -> int | None:
        """Close everything; pidfd of the namespace's first process, None when bwrap did not get that far.

        Args:
            total: Where that process is put before it goes on.
        """
        for descriptor in self.descriptors:
            os.close(descriptor)
        text = b""
        with os.fdopen(self._info[0], "rb", buffering=0) as info:
            while b"}" not in text and wait_readable(info.fileno(), _INFO_SECONDS) and (more := info.read(4096)):
                text += more
        try:
            first = json.loads(text)["child-pid"]
            init = os.pidfd_open(first)
        except (ValueError, OSError):
            # Without it --die-with-parent still ends the namespace, only unobserved.
            return None
        else:
            self._put(total, first)
            return init
        finally:
            os.close(self._hold[1])

    def _put(self, total: Total | None, process: int) -> None:
        try:
            if total is not None:
                total.add(process)
        except ProcessLookupError:
            return  # it has ended already, and says so elsewhere
        except OSError as error:
            self.problem = f"the sandbox cannot be put into its control group: {error}"


def _memory_file(data: bytes) -> tuple[int]:
    descriptor = os.memfd_create("sandbox", os.MFD_CLOEXEC)
    _fill(descriptor, data)
    return (descriptor,)


def _fill(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)


def _site_target(index: int) -> str:
    return f"/opt/site-packages-{index}"


def _system_folders() -> list[str]:
    """/usr, and /bin, /lib and the like as the host has them: links on a merged /usr, folders elsewhere."""
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/") / name
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            binds += ["--ro-bind", str(path), str(path)]
    for needed in ("/etc/alternatives", "/etc/ld.so.cache", "/etc/fonts"):
        binds += ["--ro-bind-try", needed, needed]
    return binds
