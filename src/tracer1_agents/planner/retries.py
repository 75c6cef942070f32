"""Asking an endpoint again when it is busy, and giving up on an answer that never comes."""

from __future__ import annotations

import contextvars
import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import BaseMessage

_RETRY_STATUS: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_RETRY_NAMES: Final = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
    }
)


@dataclass(frozen=True)
class Retries:
    """What to do when an endpoint is busy.

    Attributes:
        attempts: How often to ask in all; 1 never asks again.
        first_wait: Seconds before the second attempt; doubled each time, with jitter.
        longest_wait: Seconds a wait may grow to.
        timeout: Seconds to wait for one answer; None waits for ever.
    """

    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 20.0
    timeout: float | None = 300.0

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            msg = f"attempts counts the first one too and must be a whole number of at least 1, got {self.attempts!r}"
            raise ConfigurationError(msg)
        if self.first_wait < 0 or self.longest_wait < 0 or (self.timeout is not None and self.timeout <= 0):
            msg = f"waits must be at least 0 seconds, and a timeout above 0, or None to wait for ever, got {self}"
            raise ConfigurationError(msg)

    def wait(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        doubled = self.first_wait * 2.0 ** min(attempt - 1, 60)
        return min(self.longest_wait, doubled) * random.uniform(0.75, 1.25)  # noqa: S311  (jitter)


def is_busy(error: Exception) -> bool:
    """Whether asking again may help: no connection, no answer in time, or a status that says "later"."""
    names = {kind.__name__ for kind in type(error).__mro__}  # integrations subclass their provider's errors
    said = getattr(error, "is_retryable", False) is True  # LangChain's own errors know
    if said or isinstance(error, ConnectionError | TimeoutError) or names & _RETRY_NAMES:
        return True
    return status_of(error) in _RETRY_STATUS


def status_of(error: Exception) -> int | None:
    """The HTTP status that an endpoint answered with; None where it was none that failed."""
    response = getattr(error, "response", None)
    said = (getattr(error, "status_code", None), getattr(response, "status_code", None), getattr(error, "code", None))
    return next((status for status in said if isinstance(status, int)), None)  # Google's clients say `code`


def within(call: Callable[[], BaseMessage], timeout: float | None) -> BaseMessage:
    """Run a blocking call, giving up on it after `timeout` seconds (it is left to die in a daemon thread)."""
    if timeout is None:
        return call()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((True, call()))
        except BaseException as error:  # noqa: BLE001  (carried over to the caller's thread)
            outcome.extend((False, error))

    worker = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    worker.start()
    worker.join(timeout)
    if not outcome:
        msg = f"no answer within {timeout:g} seconds"
        raise TimeoutError(msg)
    done, value = outcome
    if not done:
        raise value
    return cast("BaseMessage", value)
