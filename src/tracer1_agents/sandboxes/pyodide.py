"""CPython as WebAssembly (Pyodide) in a Deno process that may read its own files and nothing else.

For machines without Linux namespaces: no kernel feature, no root, macOS too. Deno denies network, environment, writing,
subprocesses and foreign functions; the Python inside sees a file system in memory. It starts in 2 s and runs the
standard library only. Node is no substitute: there, Python code reaches the host through `js.process`.

Needs Deno and, once, its copy of Pyodide; nothing is downloaded when a session starts (`--cached-only`).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
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
from tracer1_agents.sandboxes.process import Pipes, WorkerProcess, launcher
from tracer1_agents.sandboxes.session import WorkerSession
from tracer1_agents.sandboxes.watchdog import Watchdog

if TYPE_CHECKING:
    from tracer1_agents.sandboxes.process import StartWorker

PYODIDE: Final = "npm:pyodide@0.28.3"
_REPLY_ROOM: Final = 2 << 20
_INSTALL: Final = "install Deno 2 (pip install deno, or https://deno.com), then once: tracer1 sandbox setup"


class PyodideSandbox:
    """Sessions in WebAssembly.

    Args:
        deno: The program; None: `deno` on the path, or beside the host's Python (where its wheel puts it).
        cache: Deno's cache, which holds Pyodide; None: $DENO_DIR, else Deno's default.
    """

    name: Final = "pyodide"

    def __init__(self, *, deno: Path | None = None, cache: Path | None = None) -> None:
        self._deno = deno
        self._cache = cache or _default_cache()

    @property
    def capabilities(self) -> Capabilities:
        """See `Sandbox.capabilities`."""
        return Capabilities(
            packages="the standard library, without threads, sockets and subprocesses",
            subprocesses=False,
            not_covered=(
                "Bugs of Deno or V8: one process with the rights of the host's user stands behind them.",
                "Reading Deno's own cache and this package's worker files.",
                "Memory and disk are one, and sampled ten times a second, on Linux only; CPU time is limited on Linux.",
                "Code can falsify its own results through the `js` module.",
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
            workspace=workspace,
            host_calls=host_calls,
            limits=limits,
            watchdog=Watchdog(limits) if sys.platform == "linux" else None,
        )

    def start(self, limits: Limits) -> WorkerProcess:
        """See `WorkerSandbox.start`."""
        command = self._command()
        pipes = Pipes.make()
        try:
            process = launcher.start(
                command,
                environment={"DENO_DIR": str(self._cache), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"},
                identity=None,
                stdin=pipes.requests[0],
                stdout=pipes.replies[1],
                stderr=pipes.output[1],
            )
        except SandboxError:
            pipes.close_host_ends()
            raise
        finally:
            pipes.close_child_ends()
        _confine(process, limits)
        channel = pipes.channel(output_limit=limits.output_bytes, message_limit=limits.message_bytes + _REPLY_ROOM)
        return WorkerProcess(process, channel)

    def set_up(self) -> str:
        """Fetch Pyodide into Deno's cache, from npm, and try it; what is there already is not fetched again.

        Returns:
            A line for a person: what works now.

        Raises:
            SandboxUnavailableError: Deno is missing, the fetch failed, or the trial run did.
        """
        command = [str(self._program()), "cache", "--no-config", "--no-lock", PYODIDE]
        environment = {**os.environ, "DENO_DIR": str(self._cache), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  (fixed arguments)
        if done.returncode != 0:
            problem = f"Pyodide could not be fetched into {self._cache}: {done.stderr.strip()[-500:]}"
            raise SandboxUnavailableError(problem)
        found = self.probe()
        if not found.ok:
            problem = f"Pyodide is in {self._cache}, but does not run: {found.reason}"
            raise SandboxUnavailableError(problem)
        return f"{PYODIDE} is in {self._cache}; a trial run worked, and needs no network from now on"

    def _program(self) -> Path:
        found = Path(self._deno or shutil.which("deno") or Path(sys.executable).with_name("deno"))
        if not found.exists():
            problem = f"Deno is not installed; {_INSTALL}"
            raise SandboxUnavailableError(problem)
        return found

    def _command(self) -> list[str]:
        found = self._program()
        if not self._cache.is_dir():
            problem = f"Deno has no cache at {self._cache}; {_INSTALL}"
            raise SandboxUnavailableError(problem)
        inside = Path(__file__).parent / "inside"
        return [
            *(str(found), "run", "--no-prompt", "--no-config", "--no-lock"),
            # Deno may import from some hosts without being asked; an address can carry data out.
            *("--cached-only", "--no-remote", "--deny-import"),
            f"--allow-read={self._cache},{inside}",
            *(str(inside / "pyodide.mjs"), str(inside)),
        ]


def _default_cache() -> Path:
    if set_by_user := os.environ.get("DENO_DIR"):
        return Path(set_by_user)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/deno"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "deno"


def _confine(process: subprocess.Popen[bytes], limits: Limits) -> None:
    """Set what Linux lets a parent set; no address-space limit, since V8 reserves far more than it uses."""
    if sys.platform != "linux":
        return
    for kind, value in ((resource.RLIMIT_CPU, limits.cpu_seconds), (resource.RLIMIT_CORE, 0)):
        try:
            resource.prlimit(process.pid, kind, (value, value))
        except ProcessLookupError:
            # It ended at once; the session finds out why.
            return
