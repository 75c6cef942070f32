"""A started worker process with its pipes, and a way to be sure that all of it is gone.

Workers are started by one thread that lives as long as the program: `PR_SET_PDEATHSIG` (bubblewrap's
`--die-with-parent`) fires when the *thread* that forked ends, so a session opened in a short-lived pool thread would be
killed at a random moment.
"""

from __future__ import annotations

import importlib.resources
import os
import selectors
import signal
import subprocess
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.channel import Channel

if TYPE_CHECKING:
    from tracer1_agents.sandboxes.totals import Total

_GONE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Unprivileged user that a worker is started as when the host runs as root."""

    user: int
    group: int


class WorkerProcess:
    """A worker, its channel, and what must die with it.

    Args:
        process: The started program.
        channel: Its pipes, host's end.
        init: pidfd of the first process of its pid namespace: when that one ends, the kernel has ended all others.
        apart: Whether the started program stands outside what the code can reach, so that only the host can kill it.
        stop: Ends what the started program has others run for it; must not hold the worker itself.
        total: The kernel's limit on all its processes together, removed with it.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        channel: Channel,
        init: int | None = None,
        *,
        apart: bool = False,
        stop: Callable[[], object] | None = None,
        total: Total | None = None,
    ) -> None:
        self.channel, self.apart = channel, apart
        self._process, self._total = process, total
        after = (*((stop,) if stop else ()), *((total.close,) if total else ()))
        self._finalizer = weakref.finalize(self, _end, process, channel, init, after, os.getpid())

    @property
    def pid(self) -> int:
        """Process id of the started program, on the host."""
        return self._process.pid

    @property
    def memory_ran_out(self) -> bool:
        """Whether the kernel ended one of its processes because all of them together took too much memory."""
        return self._total is not None and self._total.memory_ran_out

    def kill(self) -> None:
        """End everything and wait until it is gone; harmless when repeated."""
        self._finalizer()

    def exit_status(self, seconds: float) -> int | None:
        """Wait a moment for the program to end by itself; None when it has not."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def _end(
    process: subprocess.Popen[bytes],
    channel: Channel,
    init: int | None,
    after: Sequence[Callable[[], object]],
    owner: int,
) -> None:
    if os.getpid() != owner:
        # A forked copy of the host is ending; the worker belongs to the original.
        return
    if init is not None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(init, signal.SIGKILL)
        wait_readable(init, _GONE_SECONDS)
        os.close(init)
    process.kill()
    process.wait()
    for stop in after:
        stop()
    channel.close()


def wait_readable(descriptor: int, seconds: float) -> bool:
    """Wait until there is something to read; unlike `select.select`, also for descriptors from 1024 on."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(seconds))


class Launcher:
    """Starts programs from one long-lived thread; a forked child of the host gets a thread of its own."""

    def __init__(self) -> None:
        self._start_thread()
        os.register_at_fork(after_in_child=self._start_thread)

    def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], identity: Identity | None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own with exactly this environment.

        Args:
            command: Program and arguments.
            environment: All of its environment: it stays readable in /proc to whatever it starts.
            identity: Who to become; None: whoever the host is.
            **options: More for `subprocess.Popen`; it starts in the root folder unless `cwd` names another.

        Raises:
            SandboxError: It cannot be started.
        """
        options = {"cwd": "/", **options}
        if identity is not None:
            options |= {"user": identity.user, "group": identity.group, "extra_groups": []}

        def spawn() -> subprocess.Popen[bytes]:
            return subprocess.Popen(  # noqa: S603  (the command is built by a backend, never from model text)
                command, env=dict(environment), close_fds=True, start_new_session=True, **options
            )

        try:
            return self._thread.submit(spawn).result()
        except OSError as error:
            problem = f"cannot start {command[0]}: {error}"
            raise SandboxError(problem) from error

    def _start_thread(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-launcher")


launcher: Final = Launcher()


def all_or_none(makers: Iterable[Callable[[], tuple[int, ...]]]) -> list[tuple[int, ...]]:
    """Descriptors that a worker needs together; where one cannot be had, those before it are closed.

    Args:
        makers: Each opens some.

    Raises:
        SandboxError: The system gives no more.
    """
    made: list[tuple[int, ...]] = []
    try:
        for make in makers:
            made.append(make())  # noqa: PERF401  (those before a failure are needed)
    except OSError as error:
        for descriptor in chain.from_iterable(made):
            os.close(descriptor)
        problem = f"a sandbox cannot be started: {error.strerror}; run fewer at once, or raise the limit (ulimit -n)"
        raise SandboxError(problem) from error
    return made


@dataclass(slots=True)
class Pipes:
    """The three pipes of a worker; the child's ends are closed on the host once it has them."""

    requests: tuple[int, int]
    replies: tuple[int, int]
    output: tuple[int, int]

    @classmethod
    def make(cls) -> Pipes:
        """Open all three.

        Raises:
            SandboxError: The system gives no more descriptors.
        """
        requests, replies, output = ((read, write) for read, write in all_or_none([os.pipe] * 3))
        return cls(requests, replies, output)

    @property
    def child_ends(self) -> tuple[int, int, int]:
        """What the worker reads requests from, writes replies to, and prints to."""
        return self.requests[0], self.replies[1], self.output[1]

    def channel(self, *, output_limit: int, message_limit: int) -> Channel:
        """Host's ends as a channel."""
        return Channel(
            requests=self.requests[1],
            replies=self.replies[0],
            output=self.output[0],
            output_limit=output_limit,
            message_limit=message_limit,
        )

    def close_child_ends(self) -> None:
        """After the start: only the worker holds them."""
        for descriptor in self.child_ends:
            os.close(descriptor)

    def close_host_ends(self) -> None:
        """After a start that failed."""
        for descriptor in (self.requests[1], self.replies[0], self.output[0]):
            os.close(descriptor)


@cache
def inside_sources() -> Mapping[str, bytes]:
    """File name -> content of what runs inside; read once, so that a host that drops its rights can still start."""
    folder = importlib.resources.files("tracer1_agents.sandboxes.inside")
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.name.endswith(".py")}


StartWorker = Callable[[], WorkerProcess]
