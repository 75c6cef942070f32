"""A sandbox as the backend of a deep agent: shell commands and files inside, nothing on the host.

    with DeepAgentsBackend(BubblewrapSandbox()) as backend:
        create_deep_agent(model, backend=backend)

deepagents' own `BaseSandbox` does reading, writing, editing, searching and listing by commands; here are the three
things it builds on: run a command, put files in, take files out. All of them go through one session, so files live as
long as that does. A command that is late is ended inside, which keeps them; where even that fails, the whole
session is ended, and the files outside its workspace with it.

Needs deepagents (`pip install deepagents`), which does not go together with every version of LangChain that the rest
of this package runs with.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.base import DEFAULT_LIMITS, MIB, Limits, RunResult

try:
    from deepagents.backends.protocol import ExecuteResponse, FileDownloadResponse, FileUploadResponse
    from deepagents.backends.sandbox import BaseSandbox
except ModuleNotFoundError as missing:
    problem = "a sandbox as a deep agent's backend needs deepagents; install it: pip install deepagents"
    raise ConfigurationError(problem) from missing

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.sandboxes.base import Sandbox

LIMITS: Final = replace(DEFAULT_LIMITS, output_bytes=2 * MIB)
"""Room for files that deepagents reads by printing them."""
_COMMAND_SECONDS: Final = 120
_GRACE_SECONDS: Final = 10.0  # from the end of a late command to the end of the session
_CHUNK: Final = MIB
_LATE: Final = 124  # as of coreutils' `timeout`
_KEEP: Final = "_keep"

_EXECUTE: Final = """
def _execute(command, seconds, folder="/tmp/.programs"):
    import os, shutil, signal, subprocess, sys
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("python") is None:
        # Debian calls it python3 only; a deep agent takes `python` for granted.
        os.makedirs(folder, exist_ok=True)
        if not os.path.lexists(folder + "/python"):
            os.symlink(sys.executable, folder + "/python")
        path += os.pathsep + folder
    running = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PATH": path},
    )
    try:
        return running.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        return None
"""
_FILES: Final = """
def _told(work):
    try:
        return work()
    except FileNotFoundError:
        return "file_not_found"
    except (IsADirectoryError, FileExistsError):
        return "is_directory"
    except PermissionError:
        return "permission_denied"
    except NotADirectoryError:
        return "invalid_path"
    except OSError as error:
        return error.strerror or str(error)

def _put(path, text, first):
    import binascii, os
    def work():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if first else "ab") as file:
            file.write(binascii.a2b_base64(text))
    return _told(work)

def _take(path, chunk, most):
    import binascii, os, stat
    def work():
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return "is_directory"
        if not stat.S_ISREG(status.st_mode):
            return "invalid_path"
        if status.st_size > most:
            return f"the file has {status.st_size} bytes, over {most}"
        with open(path, "rb") as file:
            while data := file.read(chunk):
                _keep(binascii.b2a_base64(data, newline=False).decode())
    return _told(work)
"""


class DeepAgentsBackend(BaseSandbox):  # type: ignore[misc]  # deepagents is not there where types are checked
    """deepagents' `SandboxBackendProtocol` over one session.

    Args:
        sandbox: Where; it has to let code start programs.
        workspace: See `Sandbox.open`: its files are found in the working folder, and those changed there come back.
        limits: See `Sandbox.open`.
        timeout: Seconds of a command where the caller names none.

    Raises:
        ConfigurationError: The sandbox runs no programs, or the time-out is not above 0.
        SandboxError: It does not start.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        workspace: Path | None = None,
        limits: Limits = LIMITS,
        timeout: int = _COMMAND_SECONDS,
    ) -> None:
        if not sandbox.capabilities.subprocesses:
            problem = f"a deep agent runs shell commands, and the sandbox {sandbox.name} starts no programs"
            raise ConfigurationError(problem)
        if timeout <= 0:
            problem = f"timeout must be above 0 seconds, got {timeout}"
            raise ConfigurationError(problem)
        self._limits, self._timeout = limits, timeout
        self._id = f"{sandbox.name}-{secrets.token_hex(6)}"
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._taking = threading.Lock()
        self._session = sandbox.open(workspace, {_KEEP: self._keep}, limits)
        self._ready = False

    @property
    def id(self) -> str:
        """Name of the sandbox, with a number of its own."""
        return self._id

    def execute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        """Run a command by `/bin/sh`; output and error as they come, up to `Limits.output_bytes`.

        Args:
            command: For the shell.
            timeout: Seconds; None or 0: that of the backend.

        Returns:
            Output and exit code; 124 for a command that was late, None for one that took the session with it.
        """
        seconds = timeout or self._timeout
        result = self._call(f"_execute({command!r}, {seconds!r})", seconds + _GRACE_SECONDS)
        if not result.ok:
            return ExecuteResponse(f"{result.stdout}{result.error}", None, truncated=result.truncated)
        if result.value is None:
            late = f"{result.stdout}\nthe command took more than {seconds} s and was ended"
            return ExecuteResponse(late, _LATE, truncated=result.truncated)
        return ExecuteResponse(result.stdout, int(result.value), truncated=result.truncated)

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        """Put files at absolute paths inside; folders are made.

        Args:
            files: Paths and contents.
        """
        return [FileUploadResponse(path, self._put(path, data)) for path, data in files]

    def download_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        """Take regular files of at most `Limits.file_bytes` out.

        Args:
            paths: Absolute.
        """
        return [self._take(path) for path in paths]

    def close(self) -> None:
        """End the session and all that runs in it; harmless when repeated."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _call(self, code: str, seconds: float) -> RunResult:
        if not self._ready:
            self._session.run(_EXECUTE + _FILES)
            self._ready = True
        result = self._session.run(code, timeout=seconds)
        self._ready = not result.state_lost
        return result

    def _told(self, code: str) -> str | None:
        """None, or what went wrong, in deepagents' words where it has some."""
        result = self._call(code, self._limits.timeout)
        if not result.ok:
            return result.error
        return None if result.value is None else result.value.strip("'\"")

    def _put(self, path: str, data: bytes) -> str | None:
        if not _is_absolute(path):
            return "invalid_path"
        for start in range(0, max(len(data), 1), _CHUNK):
            text = base64.b64encode(data[start : start + _CHUNK]).decode()
            wrong = self._told(f"_put({json.dumps(path)}, {text!r}, {start == 0})")
            if wrong is not None:
                return wrong
        return None

    def _take(self, path: str) -> FileDownloadResponse:
        if not _is_absolute(path):
            return FileDownloadResponse(path, None, "invalid_path")
        with self._taking:  # tools are called side by side, and the chunks of one file come one after the other
            self._kept, self._kept_bytes = [], 0
            wrong = self._told(f"_take({json.dumps(path)}, {_CHUNK}, {self._limits.file_bytes})")
            data, self._kept = b"".join(self._kept), []
        return FileDownloadResponse(path, data if wrong is None else None, wrong)

    def _keep(self, text: Any) -> None:
        """Take one chunk over from inside, where anything may have been made of it."""
        try:
            data = base64.b64decode(text, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            problem = f"a chunk of a file must be base64 text: {error}"
            raise ValueError(problem) from error
        self._kept_bytes += len(data)
        if self._kept_bytes > self._limits.file_bytes:
            problem = f"the file has more than {self._limits.file_bytes} bytes"
            raise ValueError(problem)
        self._kept.append(data)


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and "\0" not in path
