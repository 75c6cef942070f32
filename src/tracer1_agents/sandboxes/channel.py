"""Lines of JSON to and from an untrusted process, beside its output; nothing it sends can break the host.

Three pipes in one loop: requests out, replies in, and whatever the code prints. None of them blocks, what comes in is
capped, and a line that is not a JSON object with the current nonce is skipped: code that has found the descriptor can
at worst spoil its own run.
"""

from __future__ import annotations

import json
import os
import selectors
import threading
from typing import Any, Final

from tracer1_agents.errors import SandboxError

_READ: Final = 65536
# After the last reply at most this much output is still taken: a pipe holds no more (fs.pipe-max-size).
_DRAIN: Final = 1 << 20
_TEXT_DEPTH: Final = 32

Message = dict[str, Any]


class Channel:
    """Host's end of the three pipes.

    Args:
        requests: Descriptor to write requests to; owned from now on, like the others.
        replies: Descriptor to read replies from.
        output: Descriptor with the code's standard output and error.
        output_limit: Bytes of output kept per run.
        message_limit: Longest reply line; a longer one ends the conversation.
    """

    def __init__(self, *, requests: int, replies: int, output: int, output_limit: int, message_limit: int) -> None:
        self._requests, self._replies, self._output = requests, replies, output
        self._output_limit, self._message_limit = output_limit, message_limit
        self._wake_in, self._wake_out = os.pipe()
        self._outbound, self._inbound, self._printed = bytearray(), bytearray(), bytearray()
        self._lock = threading.Lock()
        self._descriptors: tuple[int, ...] = (requests, replies, output, self._wake_in, self._wake_out)
        self.nonce = ""
        self.output_cut = False
        self.ended = False
        for descriptor in self._descriptors:
            os.set_blocking(descriptor, False)
        self._selector = selectors.DefaultSelector()
        for descriptor in (replies, output, self._wake_in):
            self._selector.register(descriptor, selectors.EVENT_READ)

    def post(self, message: Message) -> None:
        """Queue a message; may be called from any thread, and wakes a waiting `pump`."""
        data = json.dumps({**message, "nonce": self.nonce}).encode("ascii") + b"\n"
        with self._lock:
            if self.ended:
                return
            self._outbound += data
            try:
                os.write(self._wake_out, b"x")
            except BlockingIOError:
                # Unread wake-ups are already waiting.
                return

    def pump(self, seconds: float) -> list[Message]:
        """Move bytes for at most this long, or until something arrives; replies with the current nonce."""
        self._want_write()
        for key, _ in self._selector.select(max(seconds, 0)):
            if key.fd == self._requests:
                self._write()
            elif key.fd == self._output:
                self._read_output()
            elif key.fd == self._replies:
                self._read_replies()
            else:
                os.read(self._wake_in, _READ)
        return self._messages()

    def take_output(self) -> bytes:
        """What the code has printed since the last call, what is still in the pipe included."""
        taken = 0
        while taken < _DRAIN and (got := self._read_output()):
            taken += got
        printed, self._printed = bytes(self._printed), bytearray()
        return printed

    def close(self) -> None:
        """Give all descriptors back; harmless when repeated."""
        with self._lock:
            if self._descriptors:
                self.ended = True
                self._selector.close()
                for descriptor in self._descriptors:
                    os.close(descriptor)
                self._descriptors = ()

    def _want_write(self) -> None:
        with self._lock:
            waiting = bool(self._outbound)
        registered = self._requests in self._selector.get_map()
        if waiting and not registered:
            self._selector.register(self._requests, selectors.EVENT_WRITE)
        elif registered and not waiting:
            self._selector.unregister(self._requests)

    def _write(self) -> None:
        with self._lock:
            try:
                del self._outbound[: os.write(self._requests, self._outbound[:_READ])]
            except BlockingIOError:
                return
            except BrokenPipeError:
                # The reader is gone; the end of the replies says so to the caller.
                self._outbound.clear()

    def _read_output(self) -> int:
        data = _read(self._output)
        if data is None:
            return 0
        if not data:
            if self._output in self._selector.get_map():
                self._selector.unregister(self._output)
            return 0
        room = self._output_limit - len(self._printed)
        self._printed += data[: max(room, 0)]
        self.output_cut = self.output_cut or len(data) > room
        return len(data)

    def _read_replies(self) -> None:
        data = _read(self._replies)
        if data is None:
            return
        if not data:
            self.ended = True
            self._selector.unregister(self._replies)
        self._inbound += data
        if len(self._inbound) > self._message_limit and b"\n" not in data:
            problem = f"the sandbox sent a message over {self._message_limit} bytes"
            raise SandboxError(problem)

    def _messages(self) -> list[Message]:
        *lines, rest = self._inbound.split(b"\n")
        self._inbound = bytearray(rest)
        return [message for line in lines if line and (message := self._parse(bytes(line))) is not None]

    def _parse(self, line: bytes) -> Message | None:
        try:
            message = json.loads(line, parse_constant=str)
            known = isinstance(message, dict) and message.get("nonce") == self.nonce
            return clean_json(message) if known else None
        except (ValueError, RecursionError):
            return None


def clean_json(value: Any, depth: int = _TEXT_DEPTH) -> Any:
    """A JSON value whose texts can be encoded as UTF-8 (lone surrogates become "?").

    Raises:
        ValueError: It is nested too deeply.
    """
    if depth == 0:
        problem = f"JSON nested more than {_TEXT_DEPTH} deep"
        raise ValueError(problem)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [clean_json(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {clean_json(key, depth - 1): clean_json(item, depth - 1) for key, item in value.items()}
    return value


def _read(descriptor: int) -> bytes | None:
    """Bytes, empty at the end, None when there is nothing now."""
    try:
        return os.read(descriptor, _READ)
    except BlockingIOError:
        return None
