"""One Chromium process that any number of environments share, driven from a thread of its own.

Playwright belongs to one event loop. That loop runs in a daemon thread here, and callers hand coroutines to it: from
plain code, from another loop, from many threads at once. Each environment has a browser context of its own (cookies,
storage, downloads), so eight of them cost one process tree. A Chromium that died is started anew by the next `context`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import shutil
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tracer1_agents.environments.base import gone
from tracer1_agents.environments.confine import INSTALL, Confinement, choose, find_chromium, write_launcher
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from playwright.async_api import Browser, BrowserContext, Playwright

T = TypeVar("T")

_ARGUMENTS: Final = ("--disable-gpu", "--hide-scrollbars", "--disable-smooth-scrolling", "--disable-dev-shm-usage")
_CLOSE_SECONDS: Final = 10.0
_LAUNCH_SECONDS: Final = 60.0
AGAIN: Final = "reset the environment to start a new one"
MAKE_ANOTHER: Final = "make another environment"


class LoopThread:
    """An event loop in a daemon thread.

    Attributes:
        ended: Whether it takes no more work.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.ended = False
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here.

        Raises:
            EnvironmentFailure: The thread has ended, or ends before the work is done.
        """
        future = self._begun(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise gone(MAKE_ANOTHER, "the browser", "it was closed") from None

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and await it; cancelling cancels it.

        Raises:
            EnvironmentFailure: As `run`.
        """
        future = self._begun(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if waiting is not None and waiting.cancelling():
                raise
            raise gone(MAKE_ANOTHER, "the browser", "it was closed") from None

    def _begun(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if self.ended:
            work.close()
            raise gone(MAKE_ANOTHER, "the browser", "it was closed")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> None:
        """End the thread, and what runs there; harmless when repeated."""
        self.ended = True
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._cancel_all)
            self._thread.join(_CLOSE_SECONDS)
            if not self._thread.is_alive():
                self.loop.close()

    def _cancel_all(self) -> None:
        """Whoever waits for work in another thread would wait for ever once the loop stands still."""
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        ended.add_done_callback(lambda _: self.loop.stop())


class Chromium:
    """A browser process, started at first use.

    Args:
        executable: The program; None: the system's Chromium or Chrome.
        cdp: Address of a running Chromium's debugging port (``http://127.0.0.1:9222``); nothing is started then.
        headless: Without a window.
        confine: "bubblewrap", "user" (unprivileged user only), "none" (as whoever this is, Chromium's own sandbox
            off for root), or "auto": the best of the first two that works here.
        network: Whether it may reach beyond this machine; False needs bubblewrap, whose network is empty then.
        readable: Folders with local pages that it may read; a confined browser has them at their real paths alone.
        arguments: More for its command line.

    Raises:
        ConfigurationError: There is no browser, or it cannot be confined as asked.
        MissingExtraError: Playwright is not installed.
    """

    def __init__(
        self,
        *,
        executable: str | None = None,
        cdp: str | None = None,
        headless: bool = True,
        confine: Confinement = "auto",
        network: bool = True,
        readable: Sequence[Path] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        try:
            import playwright.async_api  # noqa: F401, PLC0415  (an extra)
        except ImportError:
            feature = "a browser"
            raise MissingExtraError(feature, "browser") from None
        program = executable or find_chromium()
        if program is None and cdp is None:
            msg = f"there is no Chromium here; {INSTALL}, or pass its path as executable"
            raise ConfigurationError(msg)
        self.confinement = "none" if cdp else choose(confine)
        if not network and self.confinement != "bubblewrap":
            msg = "a browser without network needs bubblewrap; install it, or allow the network"
            raise ConfigurationError(msg)
        self._program, self._cdp, self._headless, self._network = program or "", cdp, headless, network
        self._readable, self._arguments = tuple(Path(folder).resolve() for folder in readable), tuple(arguments)
        self.thread = LoopThread("tracer1-chromium")
        self.folder = Path(tempfile.mkdtemp(prefix="tracer1-browser-"))
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._starting = asyncio.Lock()
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def version(self) -> str:
        """Of the running browser, "" before the first use."""
        return self._browser.version if self._browser else ""

    async def context(self, **options: Any) -> BrowserContext:
        """A new context; called on this browser's own thread.

        Raises:
            EnvironmentFailure: The browser cannot be started.
        """
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        async with self._starting:
            try:
                if self._browser is None or not self._browser.is_connected():
                    self._browser = await self._start()
                return await self._browser.new_context(**options)
            except Error as error:
                raise gone(AGAIN, "Chromium", _reason(error.message)) from error

    async def _start(self) -> Browser:
        from playwright.async_api import async_playwright  # noqa: PLC0415  (an extra)

        if self._playwright is None:
            self._playwright = await async_playwright().start()
        kind = self._playwright.chromium
        if self._cdp is not None:
            return await kind.connect_over_cdp(self._cdp)
        program = self._program
        environment: dict[str, str | float | bool] | None = None
        if self.confinement != "none":
            script = write_launcher(
                self.folder, program, self.confinement, network=self._network, readable=self._readable
            )
            program, environment = str(script), {"PATH": "/usr/bin:/bin"}
        own_sandbox = self.confinement == "user" and os.geteuid() != 0
        return await kind.launch(
            executable_path=program,
            headless=self._headless,
            args=[*_ARGUMENTS, *self._arguments],
            chromium_sandbox=own_sandbox,
            downloads_path=str(self.folder / "shared"),
            env=environment,
            timeout=_LAUNCH_SECONDS * 1000,
        )

    def close(self) -> None:
        """End the browser with all that it started; harmless when repeated."""
        if self.thread.loop.is_closed():
            return
        with suppress(EnvironmentFailure, TimeoutError):
            self.thread.run(asyncio.wait_for(self._stop(), _CLOSE_SECONDS))
        self.thread.stop()
        self._finalizer()

    async def _stop(self) -> None:
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        # an episode that was cut off leaves answers of the driver that nobody waits for any more
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with suppress(Error):
            if self._browser is not None and self._cdp is None:
                await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        self._browser = self._playwright = None

    def __enter__(self) -> Self:
        """Itself; leaving the block ends it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(message: str) -> str:
    """What the program itself said before it ended, of all that Playwright tells; else its first line."""
    said = re.findall(r"\]\[err\] (.+)", message)
    return said[-1] if said else message
