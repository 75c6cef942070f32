"""Files that nobody has looked at are parsed in another process, with limits on its memory, its time and its writing.

One worker a host process, started at the first file and kept: a request costs a fraction of a millisecond more than a
call. Whatever a file does to its parser (endless loops, gigabytes, a crash in a C library) ends that worker and is one
error about that file; the next file gets a fresh worker. Requests and answers are JSON, so that a parser that was taken
over can lie about its file and do nothing to the host. The worker sees no environment but its own.

It is no sandbox: it runs as the host's user, with the host's files in reach. Code goes to `sandboxes`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.sandboxes.process import wait_readable

if TYPE_CHECKING:
    from pathlib import Path

_START_SECONDS: Final = 60.0
_READ: Final = 1 << 20
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tracer1_agents.tools.parsing import main; main(json.loads(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserLimits:
    """What one file may cost. All values are ours.

    Attributes:
        seconds: Wall time.
        memory_bytes: Address space of the worker, its libraries included (Linux enforces it, macOS does not).
        file_bytes: Largest file that it may write (archives are unpacked by it, and pictures written as pixels).
        answer_bytes: Longest answer.
    """

    seconds: float = 30.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 210_000_000
    answer_bytes: int = 200_000_000


class Parser:
    """A worker that reads files, started when it is first needed; one file at a time.

    Args:
        limits: For each file.
    """

    def __init__(self, limits: ParserLimits | None = None) -> None:
        self._limits = limits or ParserLimits()
        self._turn = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        os.register_at_fork(after_in_child=self._forget)

    def read(self, reader: str, path: Path, **more: Any) -> Any:
        """Read a file.

        Args:
            reader: Name in `parsing.READERS`.
            path: The file.
            **more: Further arguments of that reader, as JSON.

        Returns:
            What the reader found, as JSON.

        Raises:
            ValueError: The file cannot be read: broken, or over a limit; the text says which.
            ConfigurationError: A library is missing.
            SandboxError: The worker cannot be started.
        """
        with self._turn:
            try:
                answer = self._ask({"reader": reader, "path": str(path), **more})
            except BaseException:
                # A worker that is late or has sent half an answer cannot serve the next file.
                self.close()
                raise
            if answer.get("ended"):
                self.close()
        if "missing" in answer:
            raise ConfigurationError(answer["missing"])
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer.get("value")

    def close(self) -> None:
        """End the worker; the next file starts another."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = self._worker if self._worker is not None and self._worker.poll() is None else self._start()
        try:
            os.write(_descriptor(worker.stdin), json.dumps(request).encode("ascii") + b"\n")
        except BrokenPipeError as error:
            problem = "its parser ended before it began; try again"
            raise SandboxError(problem) from error
        line = self._line(worker, self._limits.seconds)
        if not line.endswith(b"\n"):
            problem = f"its parser ended with status {worker.wait()} (a crash, or out of memory)"
            raise ValueError(problem)
        answer = json.loads(line)
        if not isinstance(answer, dict):
            problem = "its parser gave no answer"
            raise ValueError(problem)  # noqa: TRY004  (about the file, not about an argument)
        return answer

    def _line(self, worker: subprocess.Popen[bytes], seconds: float) -> bytes:
        """Up to the next line end, or less where the worker is gone."""
        output, deadline, got = _descriptor(worker.stdout), time.monotonic() + seconds, bytearray()
        while not got.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not wait_readable(output, left):
                problem = f"it takes longer than {seconds:g} seconds"
                raise ValueError(problem)
            data = os.read(output, _READ)
            if not data:
                break
            got += data
            if len(got) > self._limits.answer_bytes:
                problem = f"its content has more than {self._limits.answer_bytes} bytes"
                raise ValueError(problem)
        return bytes(got)

    def _start(self) -> subprocess.Popen[bytes]:
        self.close()
        command = [sys.executable, "-I", "-c", _BOOT, json.dumps(sys.path), json.dumps(asdict(self._limits))]
        try:
            self._worker = subprocess.Popen(  # noqa: S603  (fixed arguments)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            problem = f"the process that reads files cannot be started: {error}"
            raise SandboxError(problem) from error
        try:
            ready = self._line(self._worker, _START_SECONDS)
        except ValueError:
            ready = b""
        if not ready:
            problem = "the process that reads files did not start; try: python -m tracer1_agents.tools.parsing"
            raise SandboxError(problem)
        return self._worker

    def _forget(self) -> None:
        """In a forked child: the worker and its pipes belong to the parent."""
        self._turn = threading.Lock()
        self._worker = None


def _descriptor(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number


parser: Final = Parser()
"""The worker of this process."""
