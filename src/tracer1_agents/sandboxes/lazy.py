"""A session that starts when it is first needed: most episodes never run code."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from tracer1_agents.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.sandboxes.base import RunResult, Session


class LazySession:
    """Opens a session at the first run.

    Args:
        opener: Opens it; its errors surface at that first run, and again at the next.
    """

    def __init__(self, opener: Callable[[], Session]) -> None:
        self._opener = opener
        self._session: Session | None = None
        self._closed = False
        self._lock = threading.Lock()

    def run(self, code: str, *, timeout: float | None = None) -> RunResult:
        """See `Session.run`."""
        return self._opened().run(code, timeout=timeout)

    async def arun(self, code: str, *, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109  (as `Session.arun`)
        """See `Session.arun`."""
        session = await asyncio.to_thread(self._opened)
        return await session.arun(code, timeout=timeout)

    def _opened(self) -> Session:
        with self._lock:
            if self._closed:
                msg = "this session is closed; open another one"
                raise SandboxError(msg)
            if self._session is None:
                self._session = self._opener()
            return self._session

    def close(self) -> None:
        """Kill the session if it was ever opened; later runs are refused."""
        self._closed = True
        session = self._session
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
