"""Files that nobody has looked at are parsed in another process, with limits on its memory, its time and its writing.

So is other work whose cost nobody knows beforehand (`parsing.JOBS`: equations).

A few workers a host process, started when they are needed and kept: a request costs a fraction of a millisecond more
than a call, and a slow file holds up nobody while another worker is free. Whatever a file does to its parser (endless
loops, gigabytes, a crash in a C library) ends that worker and is one error about that file; the next file gets a fresh
worker. Requests and answers are JSON, so that a parser that was taken over can lie about its files and do nothing to
the host. A worker sees no environment but its own.

It is no sandbox: it runs as the host's user, with the host's files in reach. Code goes to `sandboxes`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.sandboxes.process import wait_readable

if TYPE_CHECKING:
    from pathlib import Path

_START_SECONDS: Final = 60.0
_READ: Final = 1 << 20
_WORKERS: Final = 4  # each may take up to `memory_bytes`
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
        waiting_seconds: How long a file waits for a worker while all of them are busy.
    """

    seconds: float = 30.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 210_000_000
    answer_bytes: int = 200_000_000
    waiting_seconds: float = 30.0


class TooSlowError(ValueError):
    """A file or a job took longer than it may."""


class _Worker:
    """One process that reads files, started at its first; used by one thread at a time.

    Args:
        limits: For each file.
    """

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer to one request; after an exception the process has to be closed."""
        process = self._process if self._process is not None and self._process.poll() is None else self._start()
        try:
            os.write(_descriptor(process.stdin), json.dumps(request).encode("ascii") + b"\n")
        except BrokenPipeError as error:
            problem = "its process ended before it began; try again"
            raise SandboxError(problem) from error
        line = self._line(process, seconds)
        if not line.endswith(b"\n"):
            problem = f"its process ended with status {process.wait()} (a crash, or out of memory)"
            raise ValueError(problem)
        answer = json.loads(line)
        if not isinstance(answer, dict):
            problem = "its process gave no answer"
            raise ValueError(problem)  # noqa: TRY004  (about the file, not about an argument)
        return answer

    def _line(self, process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """Up to the next line end, or less where the process is gone."""
        output, deadline, got = _descriptor(process.stdout), time.monotonic() + seconds, bytearray()
        while not got.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not wait_readable(output, left):
                problem = f"it takes longer than {seconds:g} seconds"
                raise TooSlowError(problem)
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
            self._process = subprocess.Popen(  # noqa: S603  (fixed arguments)
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
            ready = self._line(self._process, _START_SECONDS)
        except ValueError:
            ready = b""
        if not ready:
            problem = "the process that reads files did not start; try: python -m tracer1_agents.tools.parsing"
            raise SandboxError(problem)
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


class Parser:
    """Workers that read files, each started when it is first needed; a worker reads one file at a time.

    Args:
        limits: For each file.
        workers: How many there are at most.
    """

    def __init__(self, limits: ParserLimits | None = None, *, workers: int = _WORKERS) -> None:
        self._limits, self._most = limits or ParserLimits(), workers
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Without workers: those of before a fork, and their pipes, belong to the parent."""
        self._places = threading.BoundedSemaphore(self._most)
        self._idle: list[_Worker] = []

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
            SandboxError: No worker can be started, or none was free in time.
        """
        return self._found({"reader": reader, "path": str(path), **more}, self._limits.seconds)

    def work(self, job: str, *, seconds: float, **arguments: Any) -> Any:
        """Do what needs no file, within the same limits.

        Args:
            job: Name in `parsing.JOBS`.
            seconds: Wall time; at most that of a file.
            **arguments: Of that job, as JSON.

        Returns:
            Its result, as JSON; raises as `read`.
        """
        return self._found({"job": job, **arguments}, min(seconds, self._limits.seconds))

    def close(self) -> None:
        """End the workers that are not reading; the next file starts another."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _found(self, request: dict[str, Any], seconds: float) -> Any:
        answer = self._ask(request, seconds)
        if "missing" in answer:
            raise ConfigurationError(answer["missing"])
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer.get("value")

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        places = self._places
        if not places.acquire(timeout=self._limits.waiting_seconds):
            problem = (
                f"all {self._most} processes that read files were busy for {self._limits.waiting_seconds:g} seconds; "
                "try again, or run fewer episodes at once"
            )
            raise SandboxError(problem)
        try:
            worker = self._free_worker()
            try:
                answer = worker.ask(request, seconds)
            except BaseException:
                # A worker that is late or has sent half an answer cannot serve the next file.
                worker.close()
                raise
            if answer.get("ended"):
                worker.close()
            else:
                self._idle.append(worker)
        finally:
            places.release()
        return answer

    def _free_worker(self) -> _Worker:
        """The last that became idle: where one file comes after another, one worker serves them all."""
        try:
            return self._idle.pop()
        except IndexError:
            return _Worker(self._limits)


def _descriptor(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number


parser: Final = Parser()
"""The workers of this process."""
