"""A session that starts when it is first needed: most episodes never run code.

Invariant: once it is closed nothing of it runs, not even a session whose start was under way at that moment.
"""

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
        self._opening = threading.Lock()  # one caller opens, the others wait for it
        self._state = threading.Lock()  # guards the two fields above; never held while a session starts

    def run(self, code: str, *, timeout: float | None = None) -> RunResult:
        """See `Session.run`."""
        return self._opened().run(code, timeout=timeout)

    async def arun(self, code: str, *, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109  (as `Session.arun`)
        """See `Session.arun`."""
        session = await asyncio.to_thread(self._opened)
        return await session.arun(code, timeout=timeout)

    def _opened(self) -> Session:
        with self._opening:
            with self._state:
                if self._closed:
                    msg = "this session is closed; open another one"
                    raise SandboxError(msg)
                if self._session is not None:
                    return self._session
            session = self._opener()
            with self._state:
                self._session, closed = session, self._closed
        if closed:
            session.close()
            msg = "this session was closed while it started; open another one"
            raise SandboxError(msg)
        return session

    def close(self) -> None:
        """Kill the session if it was ever opened; later runs are refused.

        Does not wait for a session that is just starting: whoever starts it ends it.
        """
        with self._state:
            self._closed = True
            session = self._session
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
