"""Somewhere to run code: what a sandbox is, and what every backend says about itself.

A `Sandbox` opens `Session`s; a session is one Python interpreter with variables that live from run to run. Files travel
by value: the regular files of the workspace are copied in before each run, and the regular files that the run made or
changed are copied out after it, so that the host never follows a path that sandboxed code has prepared.

Invariants, for every backend: the host survives any code; a run ends at its timeout; what one session did is invisible
to the next. "The code failed" is a `RunResult` with `ok=False`; "the sandbox failed" is a `SandboxError`.

All code of one session is one trust domain: code that digs through its own interpreter can falsify its *own* later
results, exactly as it could by printing them. What a backend does not keep out stands in its `Capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, runtime_checkable

from tracer1_agents.errors import ConfigurationError, SandboxError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

HostCalls: TypeAlias = Mapping[str, Callable[..., Any]]
"""Name inside the sandbox -> what the host runs for it; arguments and results are JSON."""

NO_CALLS: Final[HostCalls] = MappingProxyType({})
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one session may use. All values are ours: room for pandas, small enough for a laptop.

    Attributes:
        timeout: Seconds of wall time a run gets where the caller names none.
        memory_bytes: Address space of each process.
        total_memory_bytes: Resident memory of all processes together (sampled, see `watchdog`; by the kernel where it
            can be, see `totals`).
        processes: Processes and threads at one time (Linux before 5.14 counts all of the user's).
        cpu_seconds: CPU time of each process over the whole session.
        disk_bytes: Size of each of the writable file systems (work folder, /tmp, /dev/shm).
        inodes: Files and folders in each of them (sampled, see `watchdog`).
        file_bytes: Largest file, written inside or carried in or out.
        files: How many files one run may carry out, and how many are carried in.
        open_files: File descriptors of each process.
        output_bytes: Standard output and error kept of a run; what is over is dropped.
        value_bytes: Length of the value, error and traceback texts, each.
        host_calls: Host calls of one run.
        message_bytes: Largest single message either way: code, one call's arguments, one call's result.
    """

    timeout: float = 30.0
    memory_bytes: int = 1024 * MIB
    total_memory_bytes: int = 1536 * MIB
    processes: int = 32
    cpu_seconds: int = 600
    disk_bytes: int = 128 * MIB
    inodes: int = 20_000
    file_bytes: int = 64 * MIB
    files: int = 2_000
    open_files: int = 128
    output_bytes: int = 100_000
    value_bytes: int = 20_000
    host_calls: int = 1000
    message_bytes: int = 4 * MIB

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value <= 0:
                problem = f"Limits.{item.name} must be above 0, got {value!r}"
                raise ConfigurationError(problem)


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of one run.

    Attributes:
        ok: Whether the code ran to its end (`sys.exit()` and `sys.exit(0)` count as its end).
        stdout: Standard output and error of the code and its child processes, as they came, UTF-8 with replacement.
        value: `repr` of the last line where it is an expression that is not None.
        error: One line, such as "NameError: name 'x' is not defined"; None where `ok`.
        traceback: The code's own frames, for a person; empty where there are none.
        timed_out: The run was ended by its timeout.
        truncated: Some of `stdout`, `value` or `error` was cut at its limit.
        state_lost: The interpreter is gone (timeout, crash, `os._exit`, memory); the next run starts in a fresh one,
            without the variables of this one. Files in the workspace stay.
        files: Paths, relative to the workspace, that this run made or changed and that now lie there, sorted.
        missing_files: Files of the workspace that were not carried in, so that the code did not find them (or found an
            older content), each as "path: reason".
        dropped_files: Files that the run made or changed and that were not carried out, each as "path: reason".
    """

    ok: bool
    stdout: str = ""
    value: str | None = None
    error: str | None = None
    traceback: str = ""
    timed_out: bool = False
    truncated: bool = False
    state_lost: bool = False
    files: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()
    dropped_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend offers, and what it does not keep out.

    Attributes:
        packages: What code can import, in words.
        subprocesses: Whether code can start other programs.
        not_covered: What the backend leaves open, one sentence each; a deployment decides whether it can live with it.
    """

    packages: str
    subprocesses: bool
    not_covered: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a backend can run on this machine.

    Attributes:
        ok: A trial session has run code.
        reason: For a person: why not; empty where `ok`.
        install: What to install or change; empty where `ok`.
    """

    ok: bool
    reason: str = ""
    install: str = ""


@runtime_checkable
class Session(Protocol):
    """One interpreter; used by one thread at a time (a second `run` waits for the first)."""

    def run(self, code: str, *, timeout: float | None = None) -> RunResult:
        """Run code and wait for it.

        Args:
            code: Python source; variables of earlier runs are there.
            timeout: Seconds of wall time, host calls included; None: `Limits.timeout`.

        Returns:
            What became of it; failures of the code are data.

        Raises:
            SandboxError: The sandbox itself could not be started, or the session is closed.
        """
        ...

    async def arun(self, code: str, *, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109  (the limit is enforced by killing the interpreter, which asyncio.timeout cannot do)
        """Like `run`, without blocking the event loop; cancelling it kills the interpreter."""
        ...

    def close(self) -> None:
        """Kill every process of the session; harmless when repeated."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@runtime_checkable
class Sandbox(Protocol):
    """A way to run code apart from the host."""

    @property
    def name(self) -> str:
        """Short name, for messages and run files."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it offers and what it leaves open."""
        ...

    def probe(self) -> Availability:
        """Try it for real on this machine; never raises."""
        ...

    def open(
        self, workspace: Path | None = None, host_calls: HostCalls = NO_CALLS, limits: Limits = DEFAULT_LIMITS
    ) -> Session:
        """Start a session.

        Args:
            workspace: Folder whose regular files the code finds in its working folder, and where new and changed
                files come back to. Hidden names (".env", ".git") are carried neither way, and neither are removals.
                None: an empty working folder, and nothing comes back.
            host_calls: Functions of the host that the code may call by these names.
            limits: What the session may use.

        Raises:
            SandboxUnavailableError: This backend cannot run here; the message says what to install.
            SandboxError: It could, but did not start.
            ConfigurationError: The workspace is not a folder, or a host call's name is not an identifier.
        """
        ...


def try_out(sandbox: Sandbox, install: str) -> Availability:
    """What a backend's `probe` says: whether a session opens and runs code.

    Args:
        sandbox: The backend.
        install: What to install or change where it does not.
    """
    try:
        with sandbox.open() as session:
            result = session.run("6 * 7")
    except (SandboxError, ConfigurationError) as error:
        return Availability(ok=False, reason=str(error), install=install)
    if result.value != "42":
        return Availability(ok=False, reason=f"the trial run failed: {result.error}", install=install)
    return Availability(ok=True)
