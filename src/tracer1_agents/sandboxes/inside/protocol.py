"""The inside end of the conversation: requests, replies under the request's nonce, and host calls between the two.

One JSON object a line. Every reply carries the nonce of the request it answers, so that whatever an earlier run left in
the pipe is not taken for an answer.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from tracer1_agents.sandboxes.inside.wire import dumps, loads

TYPE_CHECKING = False  # `typing` would have to be loaded for it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Message = dict[str, Any]


class Channel:
    """Requests and replies.

    Args:
        read_line: Blocks for the next request line; empty when the host is gone.
        write: Sends bytes, all of them.
    """

    def __init__(self, read_line: Callable[[], bytes | str], write: Callable[[bytes], None]) -> None:
        self._read_line, self._write = read_line, write
        self._nonce = ""

    def receive(self) -> Message | None:
        """Next request, None when the host is gone."""
        line = self._read_line()
        if not line:
            return None
        message: Message = loads(line)
        self._nonce = message.get("nonce", self._nonce)
        return message

    def send(self, message: Message) -> None:
        """Reply; the leading newline ends whatever the code itself may have written into the pipe."""
        self._write(b"\n" + dumps({**message, "nonce": self._nonce}).encode("ascii") + b"\n")


class Desk:
    """Carries host calls to the host, one at a time, while a run is under way."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = allocate_lock()
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
            dumps((args, kwargs))
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
