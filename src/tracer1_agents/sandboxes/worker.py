"""What runs inside the sandbox: one interpreter that keeps its variables and answers requests, one JSON object a line.

The host copies this file in and starts it with two file descriptors of its own (requests in, replies out), apart from
standard output, which belongs to the code. Every reply carries the nonce of the request it answers, so that whatever an
earlier run left in the pipe is not taken for an answer. It needs the standard library only, and no package of the host.

Invariant: whatever the code does (SystemExit, a hostile `__repr__`, closed descriptors, a fork that returns), the loop
either answers or the process ends; it never answers twice.
"""

from __future__ import annotations

import ast
import base64
import binascii
import contextlib
import json
import linecache
import os
import resource
import stat
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

_CHUNK = 512 * 1024
Message = dict[str, Any]


class Channel:
    """Requests and replies; the nonce of the current request stands on every reply."""

    def __init__(self, requests: int, replies: int) -> None:
        for descriptor in (requests, replies):
            os.set_inheritable(descriptor, False)  # noqa: FBT003  (positional-only)
        self._requests = os.fdopen(requests, "rb")
        self._replies = replies
        self._nonce = ""

    def receive(self) -> Message | None:
        """Next request, None when the host is gone."""
        line = self._requests.readline()
        if not line:
            return None
        message: Message = json.loads(line)
        self._nonce = message.get("nonce", self._nonce)
        return message

    def send(self, message: Message) -> None:
        """Reply; the leading newline ends whatever the code itself may have written into the pipe."""
        data = b"\n" + json.dumps({**message, "nonce": self._nonce}).encode("ascii") + b"\n"
        view = memoryview(data)
        while view:
            view = view[os.write(self._replies, view) :]


class Desk:
    """Carries host calls to the host, one at a time, while a run is under way."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._calls = 0
        self._open = False

    def open(self) -> None:
        """A run begins."""
        self._open = True

    def close(self) -> None:
        """A run ends: wait for a thread's call that is under way, and refuse the next."""
        with self._lock:
            self._open = False

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Ask the host and wait; its refusals and errors arrive as RuntimeError."""
        if os.getpid() != self._owner:
            problem = f"{name}() can only be called in the main process, not in a forked one"
            raise RuntimeError(problem)
        try:
            json.dumps((args, kwargs))
        except (TypeError, ValueError) as error:
            problem = f"{name}() takes JSON arguments (text, numbers, lists, dicts): {error}"
            raise TypeError(problem) from None
        with self._lock:
            answer = self._exchange({"op": "call", "name": name, "args": args, "kwargs": kwargs})
        if answer.get("ok"):
            return answer.get("value")
        raise RuntimeError(answer.get("error"))

    def _exchange(self, request: Message) -> Message:
        if not self._open:
            problem = "host functions can only be called while a run is under way"
            raise RuntimeError(problem)
        self._calls += 1
        number = self._calls
        self._channel.send({**request, "id": number})
        # An exception from a signal handler may have abandoned an earlier call, whose answer comes first.
        while (answer := self._channel.receive()) is not None:
            if answer.get("id") == number:
                return answer
        os._exit(1)

    def function(self, name: str) -> HostCall:
        """A callable for the code's namespace."""
        return HostCall(name, self)


class HostCall:
    """A function of the host, callable by name from the code."""

    def __init__(self, name: str, desk: Desk) -> None:
        self.__name__ = self.__qualname__ = name
        self._desk = desk

    def __repr__(self) -> str:
        return f"<host function {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it with JSON arguments."""
        return self._desk.call(self.__name__, args, kwargs)


class Files:
    """The working folder: what the host put there, and what has changed since."""

    def __init__(self, root: str, limits: dict[str, int]) -> None:
        self._root, self._limits = Path(root), limits
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._refused: dict[str, str] = {}

    def put(self, path: str, data: bytes, *, start: bool, last: bool) -> None:
        """Write one chunk of a file of the host; a failure is remembered for `refused`."""
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if start:
                target.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
                file.write(data)
            if last:
                self._seen[path] = self._signature(target.lstat())
        except OSError as error:
            self._refused[path] = f"could not be put into the sandbox: {error.strerror}"

    def refused(self) -> dict[str, str]:
        """Files of the host that could not be written since the last look, with the reasons."""
        refused, self._refused = self._refused, {}
        return refused

    def changed(self) -> list[str]:
        """Regular files that are new or different since the last look; hidden names and links are left out."""
        found: list[str] = []
        for path, status in self._walk():
            if self._seen.get(path) != self._signature(status):
                self._seen[path] = self._signature(status)
                found.append(path)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """Content of a regular file within the size limit; OSError otherwise."""
        limit = self._limits["file_bytes"]
        descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                problem = f"no regular file of at most {limit} bytes"
                raise OSError(problem)
            return file.read(limit)

    def _walk(self) -> list[tuple[str, os.stat_result]]:
        found: list[tuple[str, os.stat_result]] = []
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                status = path.lstat()
                if not name.startswith(".") and stat.S_ISREG(status.st_mode):
                    found.append((path.relative_to(self._root).as_posix(), status))
            if len(found) > self._limits["inodes"]:
                break
        return found

    @staticmethod
    def _signature(status: os.stat_result) -> tuple[int, int, int]:
        return (status.st_mtime_ns, status.st_size, status.st_ino)


class Interpreter:
    """Runs code in one namespace that stands in for `__main__`."""

    def __init__(self, value_limit: int) -> None:
        self._module = ModuleType("__main__")
        self._limit = value_limit
        self._runs = 0
        # Pickle and dataclasses look up the defining module there; it also keeps the worker's names out of reach.
        sys.modules["__main__"] = self._module

    def define(self, name: str, value: Any) -> None:
        """Put a name into the namespace."""
        self._module.__dict__[name] = value

    def run(self, code: str) -> Message:
        """Execute, and describe what became of it; never raises."""
        self._runs += 1
        name = f"<run {self._runs}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        try:
            value = self._execute(code, name)
            return {"ok": True, **({} if value is None else self._text("value", repr(value)))}
        except SystemExit as error:
            if error.code in (None, 0):
                return {"ok": True}
            return self._failure(error, name)
        except BaseException as error:  # noqa: BLE001  (whatever the code raises is its outcome)
            return self._failure(error, name)

    def _execute(self, code: str, name: str) -> Any:
        tree = ast.parse(code, name)
        space = self._module.__dict__
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), space)  # noqa: S102  (running code is this file's purpose, in a sandbox)
        if isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), name, "eval"), space)  # noqa: S307  (as above)
        return None

    def _failure(self, error: BaseException, name: str) -> Message:
        try:
            frames = error.__traceback__
            while frames is not None and frames.tb_frame.f_code.co_filename != name:
                frames = frames.tb_next
            line = traceback.format_exception_only(type(error), error)[-1].strip()
            text = "".join(traceback.format_exception(type(error), error, frames))
            return {"ok": False, **self._text("error", line), **self._text("traceback", text)}
        except BaseException:  # noqa: BLE001  (its own __str__ may raise anything)
            return {"ok": False, "error": "an exception that cannot be printed"}

    def _text(self, key: str, text: str) -> Message:
        text = str.__str__(text)
        clean = text[: self._limit].encode("utf-8", "replace").decode()
        return {key: clean, "cut": True} if len(text) > self._limit else {key: clean}


def apply_limits(limits: dict[str, int]) -> None:
    """Lower the process limits for good: nobody inside has the capability to raise a hard limit again."""
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def flush() -> None:
    """Push out what the code printed; it may have closed or replaced its streams."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(BaseException):
            if stream is not None:
                stream.flush()


def send_files(channel: Channel, files: Files, limit: int) -> None:
    """Hand changed files to the host in chunks; what cannot be carried either way is named with its reason."""
    changed = files.changed()
    dropped = files.refused() | dict.fromkeys(changed[limit:], f"more than {limit} files")
    for path in changed[:limit]:
        try:
            data = files.read(path)
        except (OSError, MemoryError) as error:
            dropped[path] = str(error)
            continue
        for start in range(0, max(len(data), 1), _CHUNK):
            chunk = base64.b64encode(data[start : start + _CHUNK]).decode()
            channel.send({"op": "file", "path": path, "data": chunk, "last": start + _CHUNK >= len(data)})
    for path, reason in dropped.items():
        channel.send({"op": "drop", "path": path, "reason": reason})


def serve(channel: Channel, interpreter: Interpreter, desk: Desk, files: Files, limits: dict[str, int]) -> None:
    """Answer requests until the host goes away."""
    owner = os.getpid()
    while (request := channel.receive()) is not None:
        if request["op"] == "put":
            data = binascii.a2b_base64(request["data"])
            files.put(request["path"], data, start=request["start"], last=request["last"])
        elif request["op"] == "run":
            desk.open()
            outcome = interpreter.run(request["code"])
            flush()
            if os.getpid() != owner:
                # The code forked and its child came back here: only the parent may answer.
                os._exit(0)
            desk.close()
            if request["files"]:
                send_files(channel, files, limits["files"])
            channel.send({"op": "done", **outcome})


def main() -> None:
    """Set up from the first request, then serve."""
    requests, replies, work = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    channel = Channel(requests, replies)
    setup = channel.receive()
    if setup is None:
        return
    limits: dict[str, int] = setup["limits"]
    sys.path.extend(setup["paths"])
    apply_limits(limits)
    interpreter, desk = Interpreter(limits["value_bytes"]), Desk(channel)
    for name in setup["calls"]:
        interpreter.define(name, desk.function(name))
    channel.send({"op": "ready"})
    serve(channel, interpreter, desk, Files(work, limits), limits)


main()
