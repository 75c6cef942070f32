"""Workers that are started before they are needed, so that a session opens at once.

What is kept in stock are workers that have been started and told nothing: no files, no tools, no code. Workspace and
host calls belong to the session that takes one, since both travel through its channel. A worker serves one session and
is never put back, so episodes stay as far apart as without a pool; a session that loses its worker to a time-out takes
the next one from the stock.

The stock is refilled in the background, one worker at a time. What a pool cannot do is lend workers under other limits
than its own: the sizes of the file systems are fixed at the start, so such a session starts its own.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.base import DEFAULT_LIMITS, NO_CALLS, Availability, Capabilities, HostCalls, Limits

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tracer1_agents.sandboxes.process import StartWorker, WorkerProcess
    from tracer1_agents.sandboxes.session import WorkerSession


@runtime_checkable
class WorkerSandbox(Protocol):
    """A `Sandbox` whose sessions are processes of this machine."""

    @property
    def name(self) -> str:
        """See `Sandbox.name`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """See `Sandbox.capabilities`."""
        ...

    def probe(self) -> Availability:
        """See `Sandbox.probe`."""
        ...

    def start(self, limits: Limits) -> WorkerProcess:
        """Start a worker that waits to be set up."""
        ...

    def session(
        self, start: StartWorker, workspace: Path | None, host_calls: HostCalls, limits: Limits
    ) -> WorkerSession:
        """A session over workers that come from `start`."""
        ...


class SandboxPool:
    """A sandbox in front of another, with workers in stock; close it, or use it in a `with` block.

    Args:
        sandbox: Bubblewrap, Pyodide or Docker; E2B's machines are started by its server.
        size: Workers in stock.
        limits: Of the workers in stock; sessions that ask for others (than the time-out) start their own.

    Raises:
        ConfigurationError: The size is below 1, or that sandbox has no workers.
    """

    def __init__(self, sandbox: WorkerSandbox, *, size: int = 2, limits: Limits = DEFAULT_LIMITS) -> None:
        if size < 1:
            problem = f"a pool needs a size of at least 1, got {size}"
            raise ConfigurationError(problem)
        if not isinstance(sandbox, WorkerSandbox):
            problem = f"{type(sandbox).__name__} starts no workers on this machine; open its sessions without a pool"
            raise ConfigurationError(problem)
        self._sandbox, self._size, self._limits = sandbox, size, limits
        self._stock: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._filler: threading.Thread | None = None
        self._closed = False
        self._owner = os.getpid()
        self._refill()

    @property
    def name(self) -> str:
        """That of the sandbox behind it."""
        return self._sandbox.name

    @property
    def capabilities(self) -> Capabilities:
        """Those of the sandbox behind it."""
        return self._sandbox.capabilities

    def probe(self) -> Availability:
        """See `Sandbox.probe`."""
        return self._sandbox.probe()

    @property
    def waiting(self) -> int:
        """Workers in stock now."""
        return len(self._stock)

    def open(
        self, workspace: Path | None = None, host_calls: HostCalls = NO_CALLS, limits: Limits = DEFAULT_LIMITS
    ) -> WorkerSession:
        """See `Sandbox.open`."""
        return self._sandbox.session(lambda: self._take(limits), workspace, host_calls, limits)

    def close(self) -> None:
        """End the workers in stock; open sessions stay, and start their own workers from now on."""
        with self._lock:
            self._closed = True
            stock, self._stock = self._stock, []
            filler = self._filler
        for worker in stock:
            worker.kill()
        if filler is not None:
            filler.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _take(self, limits: Limits) -> WorkerProcess:
        # In a forked child the workers are the parent's, and so may be the lock.
        if os.getpid() == self._owner and replace(limits, timeout=self._limits.timeout) == self._limits:
            while (worker := self._next()) is not None:
                if worker.exit_status(0) is None:
                    self._refill()
                    return worker
                worker.kill()
            self._refill()
        return self._sandbox.start(limits)

    def _next(self) -> WorkerProcess | None:
        with self._lock:
            return self._stock.pop(0) if self._stock else None

    def _refill(self) -> None:
        """A thread of its own each time: a pool that nobody holds any more can then be collected with its workers."""
        with self._lock:
            if self._closed or self._filler is not None:
                return
            self._filler = threading.Thread(target=self._fill, name="sandbox-pool", daemon=True)
            self._filler.start()

    def _fill(self) -> None:
        while self._is_short():
            try:
                worker = self._sandbox.start(self._limits)
            except Exception:  # noqa: BLE001  (a thread that ended otherwise would keep its place, and refill no more)
                # Whoever opens a session next starts one in front of the caller, who then reads why.
                with self._lock:
                    self._filler = None
                return
            with self._lock:
                if not self._closed:
                    self._stock.append(worker)
                    continue
            worker.kill()

    def _is_short(self) -> bool:
        """Whether to go on; where not, the thread has given its place up under the same lock."""
        with self._lock:
            short = not self._closed and len(self._stock) < self._size
            if not short:
                self._filler = None
            return short
