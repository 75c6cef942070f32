"""Virtual machines of E2B (its cloud, or a server of one's own) through its unmodified SDK.

The clock is ours: the SDK's time-out fires late, and a call sent right after one is never answered, so that a run that
is late is left behind and the next one gets a fresh context. Files travel by value in both directions, as in every
backend; charts and pictures that code displays come back as files of the workspace. Nothing is pickled.

What keeps code in is the server's business: a machine of its own in E2B's cloud, whatever you run where you run it.
"""

from __future__ import annotations

import asyncio
import json
import queue
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from tracer1_agents.errors import ConfigurationError, MissingExtraError, SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes import e2b_snippets
from tracer1_agents.sandboxes.base import (
    DEFAULT_LIMITS,
    NO_CALLS,
    Availability,
    Capabilities,
    HostCalls,
    Limits,
    RunResult,
    try_out,
)
from tracer1_agents.sandboxes.calls import CallDesk
from tracer1_agents.sandboxes.channel import clean_json
from tracer1_agents.sandboxes.e2b_results import as_sandbox_error, displayed, fetched, is_entry, outcome
from tracer1_agents.sandboxes.files import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_INSTALL: Final = (
    'install the extra (pip install "tracer1-agents[e2b]") and set E2B_API_KEY, or the address of a server'
)
_LIFETIME: Final = 3600  # seconds after which the server ends a sandbox that nobody has closed
_START_SECONDS: Final = 60.0
_FILES_SECONDS: Final = 60.0
_TICK: Final = 0.1


class E2BSandbox:
    """Sessions in virtual machines.

    Args:
        sandbox_id: Join this running sandbox, and leave it running at the end; None: a new one for each session.
        template: What the machine is made from; None: E2B's default.
        **options: For the SDK (`api_key`, `domain`, `api_url`, `sandbox_url`, `debug`); what is missing it reads from
            E2B_API_KEY, E2B_DOMAIN, E2B_API_URL, E2B_SANDBOX_URL and E2B_DEBUG.
    """

    name: Final = "e2b"

    def __init__(self, *, sandbox_id: str | None = None, template: str | None = None, **options: Any) -> None:
        self._sandbox_id, self._template, self._options = sandbox_id, template, options

    @property
    def capabilities(self) -> Capabilities:
        """See `Sandbox.capabilities`."""
        return Capabilities(
            packages="what the template has installed (E2B's default: numpy, pandas, matplotlib and many more)",
            subprocesses=True,
            not_covered=(
                "The server sees the code, its files and its output.",
                "Memory, processes, CPU time and disk are limited by the template, not by `Limits`.",
                "Network is off only where the server honours `allow_internet_access=False`.",
                "Code that is late is left behind, and may go on until the session is closed.",
                "A server of your own keeps in what it keeps in; without virtual machines that may be nothing.",
            ),
        )

    def probe(self) -> Availability:
        """See `Sandbox.probe`."""
        return try_out(self, _INSTALL)

    def open(
        self, workspace: Path | None = None, host_calls: HostCalls = NO_CALLS, limits: Limits = DEFAULT_LIMITS
    ) -> E2BSession:
        """See `Sandbox.open`."""
        shared = Workspace(workspace, limits) if workspace is not None else None
        return E2BSession(self._connect(), shared, CallDesk(host_calls, limits), limits, owned=self._sandbox_id is None)

    def _connect(self) -> Any:
        try:
            from e2b_code_interpreter import Sandbox  # noqa: PLC0415  (an extra)
        except ModuleNotFoundError as error:
            feature = "the E2B sandbox"
            raise MissingExtraError(feature, "e2b") from error
        try:
            if self._sandbox_id is not None:
                return Sandbox.connect(self._sandbox_id, **self._options)
            return Sandbox.create(
                template=self._template, timeout=_LIFETIME, allow_internet_access=False, **self._options
            )
        except Exception as error:
            problem = f"E2B gave no sandbox: {type(error).__name__}: {error}"
            raise SandboxUnavailableError(problem) from error


@dataclass(slots=True)
class _Run:
    """What one call of the SDK has brought so far; filled in by its thread, read when it is done or late."""

    nonce: str
    events: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    printed: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    cut: bool = False


class E2BSession:
    """A `Session` in one E2B sandbox.

    Args:
        sandbox: The SDK's sandbox.
        workspace: Files shared by copy, None where there are none.
        desk: Answers host calls.
        limits: See `Sandbox.open`; those of the machine are the server's.
        owned: Whether closing the session ends the sandbox.
    """

    def __init__(
        self, sandbox: Any, workspace: Workspace | None, desk: CallDesk, limits: Limits, *, owned: bool
    ) -> None:
        self._sandbox, self._workspace, self._desk, self._limits, self._owned = sandbox, workspace, desk, limits, owned
        self._folder = f"tracer1-{secrets.token_hex(6)}"
        self._turn = threading.Lock()
        self._cancelled = threading.Event()
        self._closed = self._ended = False
        self._context: Any = None
        self._mark, self._nonce, self._home = "", "", ""
        self._seen: dict[str, list[Any]] = {}
        self._pictures = 0

    @property
    def sandbox_id(self) -> str:
        """With it, `E2BSandbox(sandbox_id=...)` joins the same machine, from another process too."""
        return str(self._sandbox.sandbox_id)

    def run(self, code: str, *, timeout: float | None = None) -> RunResult:
        """See `Session.run`."""
        return self._checked(code, timeout, threading.Event())

    def _checked(self, code: str, timeout: float | None, cancelled: threading.Event) -> RunResult:
        seconds = self._limits.timeout if timeout is None else timeout
        if seconds <= 0:
            problem = f"timeout must be above 0 seconds, got {seconds}"
            raise ConfigurationError(problem)
        size = len(code.encode("utf-8", "replace"))
        if size > self._limits.message_bytes:
            return RunResult(ok=False, error=f"the code has {size} bytes, over {self._limits.message_bytes}")
        with self._turn:
            self._cancelled = cancelled
            if cancelled.is_set():
                return RunResult(ok=False, error="the run was cancelled before it began")
            return self._run(code, seconds)

    async def arun(self, code: str, *, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109  (see Session.arun)
        """See `Session.arun`."""
        cancelled = threading.Event()  # its own: one that waits for its turn is cancelled without the one that runs
        running = asyncio.create_task(asyncio.to_thread(self._checked, code, timeout, cancelled))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([running])
            raise

    def close(self) -> None:
        """End the sandbox, or leave it running where it was joined; harmless when repeated."""
        self._closed = True
        self._cancelled.set()
        with self._turn:
            ended, self._ended = self._ended, True
            if not ended and self._owned:
                # The server ends it by itself later; there is nobody left to tell.
                with suppress(Exception):
                    self._sandbox.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _run(self, code: str, seconds: float) -> RunResult:
        if self._closed:
            problem = "this sandbox session is closed; open another"
            raise SandboxError(problem)
        dropped: list[str] = []
        if self._context is None:
            self._begin()
        missing = self._carry_in()
        self._desk.begin_run()
        run = self._call(code, seconds)
        stdout = "".join(run.printed)
        if "done" not in run.told:
            late = run.told.get("stopped", f"TimeoutError: the run took more than {seconds:g} s")
            self._abandon()
            error = f"{late}; its variables are gone, the next run starts in a fresh interpreter"
            timed_out = "stopped" not in run.told
            return RunResult(
                ok=False,
                stdout=stdout,
                error=error,
                timed_out=timed_out,
                truncated=run.cut,
                state_lost=True,
                missing_files=missing,
            )
        execution = run.told["done"]
        files = self._carry_out(dropped) + self._displayed(execution, dropped)
        result = outcome(execution, stdout, self._limits.value_bytes, cut=run.cut)
        return replace(result, files=tuple(sorted(files)), missing_files=missing, dropped_files=tuple(dropped))

    def _begin(self) -> None:
        """A fresh context with the working folder and the host calls."""
        self._nonce = secrets.token_hex(8)
        self._mark = f"\x1e{secrets.token_hex(16)} "
        with as_sandbox_error("gave no context"):
            self._context = self._sandbox.create_code_context(request_timeout=_START_SECONDS)
        run = self._call(e2b_snippets.set_up(self._folder, self._mark, self._nonce, self._desk.names), _START_SECONDS)
        if "home" not in run.told:
            self._abandon()
            problem = f"E2B's context could not be set up: {''.join(run.printed)[:300] or 'no answer'}"
            raise SandboxError(problem)
        self._home = str(run.told["home"])

    def _abandon(self) -> None:
        """Leave a context that is late behind; its end is asked for, but nobody waits."""
        context, self._context = self._context, None

        def end() -> None:
            with suppress(Exception):
                self._sandbox.remove_code_context(context)

        threading.Thread(target=end, name="e2b-abandoned", daemon=True).start()

    def _call(self, code: str, seconds: float) -> _Run:
        """Run code in the context by our own clock; `told["done"]` is there where it ended in time."""
        run, deadline = _Run(self._nonce), time.monotonic() + seconds
        context = self._context

        def work() -> None:
            def say(message: Any) -> None:
                run.events.put(("text", str(message.line)))

            try:
                done = self._sandbox.run_code(
                    code, context=context, on_stdout=say, on_stderr=say, timeout=2 * seconds + _START_SECONDS
                )
                run.events.put(("done", done))
            except Exception as error:  # noqa: BLE001  (whatever the SDK raises is told to the thread that waits)
                run.events.put(("failed", error))

        threading.Thread(target=work, name="e2b-run", daemon=True).start()
        rest = ""
        while "done" not in run.told and (left := deadline - time.monotonic()) > 0:
            if self._cancelled.is_set():
                run.told["stopped"] = "the run was cancelled"
                break
            try:
                kind, value = run.events.get(timeout=min(left, _TICK))
            except queue.Empty:
                continue
            if kind == "text":
                *lines, rest = (rest + value).split("\n")
                for line in lines:
                    self._take(run, line + "\n")
            elif kind == "done":
                run.told["done"] = value
            else:
                self._context = None
                problem = f"E2B failed during a run: {type(value).__name__}: {value}"
                raise SandboxError(problem) from value
        self._take(run, rest)
        return run

    def _take(self, run: _Run, line: str) -> None:
        """One line of output: for the host where it carries the mark, else printed."""
        before, mark, message = line.partition(self._mark)
        self._print(run, before.removesuffix("\n") if mark else line)
        if not mark:
            return
        try:
            told = clean_json(json.loads(message))
        except (ValueError, RecursionError):
            return
        if isinstance(told, dict) and told.get("op") == "call":
            try:
                self._desk.serve(told, lambda answer: self._answer(run.nonce, answer))
            except SandboxError as error:
                run.told["stopped"] = str(error)
                self._cancelled.set()
        elif isinstance(told, dict):
            run.told.update({key: told.get(key) for key in ("home", "files") if key in told})

    def _print(self, run: _Run, text: str) -> None:
        room = self._limits.output_bytes - run.size
        kept = text.encode("utf-8", "replace")[: max(room, 0)].decode("utf-8", "ignore")
        run.cut = run.cut or len(text.encode("utf-8", "replace")) > room
        run.size += len(kept.encode())
        run.printed.append(kept)

    def _answer(self, nonce: str, answer: Mapping[str, Any]) -> None:
        # Where this fails the code goes on waiting, and its time-out says so.
        with suppress(Exception):
            self._sandbox.files.write(f"{self._home}/calls/{nonce}-{answer.get('id')}", json.dumps(answer))

    def _carry_in(self) -> tuple[str, ...]:
        """Send what is new or changed on the host; what stays out, with the reasons."""
        if self._workspace is None:
            return ()
        pending = self._workspace.pending()
        with as_sandbox_error("took no files"):
            for path, data in pending.files:
                self._sandbox.files.write(f"{self._home}/work/{path}", data)
        if pending.files:
            self._seen.update({entry[0]: entry for entry in self._listed()})
        return tuple(note[:400] for note in pending.dropped)

    def _listed(self) -> list[list[Any]]:
        run = self._call(e2b_snippets.list_files(self._home, self._mark, self._limits.inodes), _FILES_SECONDS)
        found = run.told.get("files")
        return [entry for entry in found if is_entry(entry)] if isinstance(found, list) else []

    def _carry_out(self, dropped: list[str]) -> list[str]:
        if self._workspace is None:
            return []
        changed = [entry for entry in self._listed() if self._seen.get(entry[0]) != entry]
        written: list[str] = []
        total = 0
        for entry in changed:
            path, size = entry[0], entry[2]
            self._seen[path] = entry
            if len(written) >= self._limits.files or size > self._limits.file_bytes:
                dropped.append(f"{path}: over the session's limits"[:400])
                continue
            data = fetched(partial(self._sandbox.files.read, f"{self._home}/work/{path}", format="bytes"))
            if data is None:
                dropped.append(f"{path}: gone, or its name is not UTF-8"[:400])
                continue
            total += len(data)
            if total > self._limits.disk_bytes or len(data) > self._limits.file_bytes:
                dropped.append(f"{path}: over the session's limits"[:400])
            elif (refused := self._workspace.write(path, data)) is not None:
                dropped.append(f"{path}: {refused}"[:400])
            else:
                written.append(path)
        return written

    def _displayed(self, execution: Any, dropped: list[str]) -> list[str]:
        """Pictures and charts that the code displayed, as files of the workspace."""
        if self._workspace is None:
            return []
        written: list[str] = []
        for result in execution.results:
            self._pictures += 1
            for name, data in displayed(result, f"display-{self._pictures}"):
                refused = self._workspace.write(name, data) if len(data) <= self._limits.file_bytes else "too large"
                if refused is None:
                    written.append(name)
                else:
                    dropped.append(f"{name}: {refused}")
        return written
