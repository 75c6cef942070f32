"""The host's side of a session: drive one worker, whatever started it, and start another when it is lost.

A run ends in one of four ways: the worker says it is done, the clock runs out, the worker is gone, or the watchdog
says so. Only the first keeps the interpreter. The clock is the host's; nothing the code does can move it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
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

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_TICK: Final = 0.1
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 1.0
_CHUNK: Final = 512 * 1024
_MAX_NOTES, _MAX_NOTE = 100, 400

Watchdog = Callable[[WorkerProcess], str | None]
"""Looks at a running worker every tick; a text ends the run and says why."""


@dataclass(slots=True)
class _Run:
    """What one run has brought so far."""

    deadline: float
    cancelled: threading.Event
    done: dict[str, Any] | None = None
    stopped: str | None = None
    timed_out: bool = False
    parts: dict[str, bytearray] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    carried_bytes: int = 0

    def drop(self, note: str) -> None:
        """Remember that a file was not carried; a flood of notes is cut."""
        if len(self.dropped) < _MAX_NOTES:
            self.dropped.append(note[:_MAX_NOTE])


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
            return self._run(code, seconds, cancelled)

    def _run(self, code: str, seconds: float, cancelled: threading.Event) -> RunResult:
        worker = self._worker or self._open()
        run = _Run(deadline=time.monotonic() + seconds, cancelled=cancelled)
        self._desk.begin_run()
        worker.channel.nonce = secrets.token_hex(16)
        worker.channel.output_cut = False
        self._carry_in(worker, run)
        worker.channel.post({"op": "run", "code": code, "files": self._workspace is not None})
        self._converse(worker, run)
        printed = worker.channel.take_output()
        cut = worker.channel.output_cut
        if run.done is None:
            run.stopped = run.stopped or self._describe_end(worker)
            self._lose()
        files = self._carry_out(run)
        return _result(run, printed.decode("utf-8", "replace"), cut=cut, files=files, seconds=seconds)

    def _converse(self, worker: WorkerProcess, run: _Run) -> None:
        """Serve the worker until the run has ended; afterwards `run.done` or `run.stopped` says how."""
        while run.done is None and not worker.channel.ended:
            remaining = run.deadline - time.monotonic()
            if run.cancelled.is_set() or self._closed:
                run.stopped = "the run was cancelled"
            elif remaining <= 0:
                run.timed_out, run.stopped = True, "TimeoutError"
            elif self._watchdog is not None:
                run.stopped = self._watchdog(worker)
            if run.stopped:
                return
            try:
                for message in worker.channel.pump(min(_TICK, remaining)):
                    self._handle(worker, run, message)
            except SandboxError as error:
                run.stopped = str(error)

    def _handle(self, worker: WorkerProcess, run: _Run, message: dict[str, Any]) -> None:
        match message.get("op"):
            case "call":
                self._desk.serve(message, worker.channel.post)
            case "file":
                self._receive_file(run, message)
            case "drop":
                run.drop(f"{message.get('path')}: {message.get('reason')}")
            case "done":
                run.done = message
            case _:
                return

    def _receive_file(self, run: _Run, message: dict[str, Any]) -> None:
        """Gather one chunk; the limits hold here too, since a worker that was taken over ignores its own."""
        path = str(message.get("path"))
        try:
            chunk = binascii.a2b_base64(str(message.get("data")))
        except (binascii.Error, ValueError):
            run.drop(f"{path}: unreadable")
            return
        run.carried_bytes += len(chunk)
        over = run.carried_bytes > self._limits.disk_bytes or len(run.parts) > self._limits.files
        if over or self._workspace is None:
            run.drop(f"{path}: over the session's limits")
            return
        run.parts.setdefault(path, bytearray()).extend(chunk)
        if message.get("last"):
            run.complete.append(path)

    def _carry_in(self, worker: WorkerProcess, run: _Run) -> None:
        if self._workspace is None:
            return
        pending = self._workspace.pending()
        run.dropped.extend(pending.dropped)
        for path, data in pending.files:
            for start in range(0, max(len(data), 1), _CHUNK):
                chunk = base64.b64encode(data[start : start + _CHUNK]).decode()
                place = {"start": start == 0, "last": start + _CHUNK >= len(data)}
                worker.channel.post({"op": "put", "path": path, "data": chunk, **place})

    def _carry_out(self, run: _Run) -> tuple[str, ...]:
        written: set[str] = set()
        if self._workspace is not None and run.done is not None:
            for path in run.complete:
                refusal = self._workspace.write(path, bytes(run.parts[path]))
                if refusal is None:
                    written.add(path)
                else:
                    run.drop(f"{path}: {refusal}")
        return tuple(sorted(written))

    def _describe_end(self, worker: WorkerProcess) -> str:
        status = worker.exit_status(_END_SECONDS)
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


def _result(run: _Run, stdout: str, *, cut: bool, files: tuple[str, ...], seconds: float) -> RunResult:
    dropped = tuple(run.dropped)
    if run.done is None:
        why = f"TimeoutError: the run took more than {seconds:g} s" if run.timed_out else run.stopped
        error = f"{why}; its variables are gone, the next run starts in a fresh interpreter"
        return RunResult(
            ok=False,
            stdout=stdout,
            error=error,
            timed_out=run.timed_out,
            truncated=cut,
            state_lost=True,
            dropped_files=dropped,
        )
    return RunResult(
        ok=run.done.get("ok") is True,
        stdout=stdout,
        value=_text(run.done.get("value")),
        error=_text(run.done.get("error")),
        traceback=_text(run.done.get("traceback")) or "",
        truncated=cut or run.done.get("cut") is True,
        files=files,
        dropped_files=dropped,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
