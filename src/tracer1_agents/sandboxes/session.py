"""The host's side of a session: drive one worker, whatever started it, and start another when it is lost.

A run ends in one of four ways: the worker says it is done, the clock runs out, the worker is gone, or the watchdog
says so. Only the first keeps the interpreter. The clock is the host's; nothing the code does can move it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.sandboxes.base import HostCalls, Limits, RunResult
from tracer1_agents.sandboxes.calls import CallDesk
from tracer1_agents.sandboxes.files import Workspace
from tracer1_agents.sandboxes.process import StartWorker, WorkerProcess
from tracer1_agents.sandboxes.transfer import Transfer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_TICK: Final = 0.1
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 1.0

Watchdog = Callable[[WorkerProcess], str | None]
"""Looks at a running worker every tick; a text ends the run and says why."""


@dataclass(slots=True)
class _Run:
    """What one run has brought so far."""

    seconds: float
    cancelled: threading.Event
    transfer: Transfer
    began: float = field(default_factory=time.monotonic)
    done: dict[str, Any] | None = None
    stopped: str | None = None
    timed_out: bool = False

    @property
    def remaining(self) -> float:
        """Seconds until the timeout."""
        return self.began + self.seconds - time.monotonic()


class WorkerSession:
    """A `Session` over any worker that speaks the protocol of `worker.py`.

    Args:
        start: Starts a worker.
        paths: Extra `sys.path` entries, as the worker sees them.
        workspace: See `Sandbox.open`.
        host_calls: See `Sandbox.open`.
        limits: See `Sandbox.open`.
        watchdog: Looks after what no process limit covers.
    """

    def __init__(
        self,
        start: StartWorker,
        *,
        paths: tuple[str, ...] = (),
        workspace: Path | None,
        host_calls: HostCalls,
        limits: Limits,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._start, self._paths, self._limits, self._watchdog = start, paths, limits, watchdog
        self._workspace = Workspace(workspace, limits) if workspace is not None else None
        self._desk = CallDesk(host_calls, limits)
        self._turn = threading.Lock()
        self._closed = False
        self._next_look = 0.0
        self._worker: WorkerProcess | None = None
        self._open()

    def run(self, code: str, *, timeout: float | None = None) -> RunResult:
        """See `Session.run`."""
        return self._checked(code, timeout, threading.Event())

    async def arun(self, code: str, *, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109  (see Session.arun)
        """See `Session.arun`."""
        cancelled = threading.Event()
        running = asyncio.create_task(asyncio.to_thread(self._checked, code, timeout, cancelled))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([running])
            raise

    def close(self) -> None:
        """See `Session.close`."""
        self._closed = True
        with self._turn:
            self._lose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _checked(self, code: str, timeout: float | None, cancelled: threading.Event) -> RunResult:
        size = len(code.encode("utf-8", "replace"))
        if size > self._limits.message_bytes:
            return RunResult(ok=False, error=f"the code has {size} bytes, over {self._limits.message_bytes}")
        seconds = self._limits.timeout if timeout is None else timeout
        if seconds <= 0:
            problem = f"timeout must be above 0 seconds, got {seconds}"
            raise ConfigurationError(problem)
        with self._turn:
            try:
                return self._run(code, seconds, cancelled)
            except BaseException:
                # Ctrl-C, for one: the worker may still be busy with this run, so it cannot serve the next.
                self._lose()
                raise

    def _run(self, code: str, seconds: float, cancelled: threading.Event) -> RunResult:
        if cancelled.is_set():
            return RunResult(ok=False, error="the run was cancelled before it began")
        worker = self._worker or self._open()
        run = _Run(seconds, cancelled, Transfer(self._workspace, self._limits))
        self._desk.begin_run()
        worker.channel.nonce = secrets.token_hex(16)
        worker.channel.output_cut = False
        run.transfer.carry_in(worker.channel.post)
        worker.channel.post({"op": "run", "code": code, "files": run.transfer.wanted})
        self._converse(worker, run)
        printed = worker.channel.take_output().decode("utf-8", "replace")
        cut = worker.channel.output_cut
        if run.done is None:
            run.stopped = run.stopped or self._describe_end(worker)
            self._lose()
            return _ended(run, printed, cut=cut)
        return _answered(run, run.done, printed, cut=cut)

    def _converse(self, worker: WorkerProcess, run: _Run) -> None:
        """Serve the worker until the run has ended; afterwards `run.done` or `run.stopped` says how."""
        while run.done is None and not worker.channel.ended:
            run.stopped = self._reason_to_stop(worker, run)
            if run.stopped is not None:
                return
            try:
                for message in worker.channel.pump(min(_TICK, run.remaining)):
                    self._handle(worker, run, message)
            except SandboxError as error:
                run.stopped = str(error)
                return

    def _reason_to_stop(self, worker: WorkerProcess, run: _Run) -> str | None:
        if run.cancelled.is_set() or self._closed:
            return "the run was cancelled"
        if run.remaining <= 0:
            run.timed_out = True
            return f"TimeoutError: the run took more than {run.seconds:g} s"
        if self._watchdog is None or time.monotonic() < self._next_look:
            return None
        # Over the whole session, not anew in each run: a look costs more than a short run.
        self._next_look = time.monotonic() + _TICK
        return self._watchdog(worker)

    def _handle(self, worker: WorkerProcess, run: _Run, message: dict[str, Any]) -> None:
        match message.get("op"):
            case "call":
                self._desk.serve(message, worker.channel.post)
            case "file" | "drop":
                run.transfer.receive(message)
            case "done":
                run.done = message
            case _:
                return

    def _describe_end(self, worker: WorkerProcess) -> str:
        """Why a worker is gone.

        Raises:
            SandboxError: Somebody on the host killed it, which says nothing about the code.
        """
        status = worker.exit_status(_END_SECONDS)
        if worker.apart and status is not None and status < 0:
            problem = f"the sandbox was killed from outside (signal {-status}); out of memory on this machine?"
            raise SandboxError(problem)
        if worker.memory_ran_out:
            return f"MemoryError: the processes of the run used over {self._limits.total_memory_bytes} bytes together"
        if status is None:
            return "the code closed the interpreter's channel"
        return f"the interpreter ended with exit status {status} (os._exit, a crash, or a limit)"

    def _lose(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _open(self) -> WorkerProcess:
        if self._closed:
            problem = "this sandbox session is closed; open another"
            raise SandboxError(problem)
        worker = self._start()
        self._worker = worker
        if self._workspace is not None:
            self._workspace.forget()
        limits = {key: value for key, value in asdict(self._limits).items() if key != "timeout"}
        worker.channel.nonce = secrets.token_hex(16)
        worker.channel.post({"op": "setup", "limits": limits, "calls": self._desk.names, "paths": self._paths})
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and not worker.channel.ended:
            if any(message.get("op") == "ready" for message in worker.channel.pump(_TICK)):
                return worker
        output = worker.channel.take_output().decode("utf-8", "replace").strip()
        why = self._describe_end(worker) if worker.channel.ended else f"no answer within {_START_SECONDS:.0f} s"
        self._lose()
        problem = f"the sandbox did not start: {output or why}"
        raise SandboxError(problem)


def _ended(run: _Run, stdout: str, *, cut: bool) -> RunResult:
    return RunResult(
        ok=False,
        stdout=stdout,
        error=f"{run.stopped}; its variables are gone, the next run starts in a fresh interpreter",
        timed_out=run.timed_out,
        truncated=cut,
        state_lost=True,
        missing_files=run.transfer.missing,
        dropped_files=run.transfer.dropped,
    )


def _answered(run: _Run, done: dict[str, Any], stdout: str, *, cut: bool) -> RunResult:
    files = run.transfer.carry_out()
    return RunResult(
        ok=done.get("ok") is True,
        stdout=stdout,
        value=_text(done.get("value")),
        error=_text(done.get("error")),
        traceback=_text(done.get("traceback")) or "",
        truncated=cut or done.get("cut") is True,
        files=files,
        missing_files=run.transfer.missing,
        dropped_files=run.transfer.dropped,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
