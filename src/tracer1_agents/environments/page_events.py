"""What happens around a page: windows that open and close, other pages that come, crashes, dialogs, downloads.

Playwright reports these as events; here they become a stack of pages with the newest in front, and notes for the next
observation. Dialogs have to be answered at once, since a page stands still until then.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import BrowserContext, CDPSession, Dialog, Download, Page

_LONGEST: Final = 300  # characters of a dialog's message
_LARGEST: Final = 100 * 2**20  # bytes of a download that is kept
_MOST_NOTES: Final = 10


class PageEvents:
    """The pages of one context and what they did since the last action.

    Args:
        downloads: Where files go; None refuses downloads.
        dialogs: How dialogs are answered; an alert can only be accepted.

    Attributes:
        pages: Open ones, the newest last.
        crashed: Pages whose process died.
        blocked: Addresses that were refused since the last action.
        notes: What the planner is told of all this.
    """

    def __init__(self, downloads: Path | None, *, dialogs: Literal["accept", "dismiss"]) -> None:
        self.downloads, self._dialogs = downloads, dialogs
        self.pages: list[Page] = []
        self.crashed: list[Page] = []
        self.blocked: list[str] = []
        self.notes: list[str] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._announced = 0
        self._window = asyncio.Event()
        self._came = asyncio.Event()
        self._came.set()

    def watch(self, context: BrowserContext) -> None:
        """Follow a context from its first page on."""
        context.on("page", self._opened)

    def forget(self) -> None:
        """Begin a new action: what was told is told."""
        self.notes, self.blocked = [], []

    def clear(self) -> None:
        """Begin a new episode."""
        self.forget()
        self.pages, self.crashed = [], []
        self._announced = 0
        self._came.set()

    def follow(self, session: CDPSession, frame: str) -> None:
        """Know when the page in front has asked for another one, which only shows once its server has answered.

        Args:
            session: Chromium's own protocol for that page, with `Page` enabled.
            frame: Id of its main frame.
        """

        def left(event: dict[str, str]) -> None:
            if event["frameId"] == frame and event.get("disposition", "currentTab") == "currentTab":
                self._came.clear()

        def stopped(event: dict[str, str]) -> None:
            if event["frameId"] == frame:
                self._came.set()

        def came(event: dict[str, dict[str, str]]) -> None:
            if event["frame"]["id"] == frame:
                self._came.set()

        self._came.set()
        session.on("Page.frameRequestedNavigation", left)
        session.on("Page.frameStartedLoading", left)
        session.on("Page.frameStoppedLoading", stopped)
        session.on("Page.frameNavigated", came)

    def announce(self, _: object) -> None:
        """The page in front is about to open a window; the window itself is reported when it has an answer."""
        self._announced = len(self.pages) + 1

    def note(self, text: str) -> None:
        """Something the planner should read, once, as one line."""
        line = f"Note: {' '.join(text.split())}"
        if line not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(line)

    def front(self) -> Page | None:
        """The page that a person would see, None when all are gone."""
        return next((page for page in reversed(self.pages) if page not in self.crashed and not page.is_closed()), None)

    def leave(self, page: Page) -> None:
        """Take a page off the stack."""
        self.pages = [one for one in self.pages if one is not page]
        self.crashed = [one for one in self.crashed if one is not page]

    @property
    def expecting(self) -> bool:
        """Whether another page, a window or a file is on its way."""
        return bool(self._arriving) or len(self.pages) < self._announced or not self._came.is_set()

    async def arrived(self, until: float) -> None:
        """Wait for downloads that have begun, for a window that was announced, and for the page that was asked for.

        Args:
            until: By `time.monotonic`.
        """
        if len(self.pages) < self._announced:
            self._window.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                    await self._window.wait()
            self._announced = 0
        if not self._came.is_set():
            try:
                async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                    await self._came.wait()
            except TimeoutError:
                self.note("another page was asked for and has not come yet; this is the old one")
                self._came.set()
        if self._arriving:
            await asyncio.wait(set(self._arriving), timeout=max(until - time.monotonic(), 0.0))
            self._arriving.clear()

    def _opened(self, page: Page) -> None:
        if self.pages:
            self.note("a new window opened; it is in front now")
        self.pages.append(page)
        self._window.set()
        page.on("close", self._closed)
        page.on("crash", self._died)
        page.on("dialog", self._asked)
        page.on("download", self._downloading)

    def _closed(self, page: Page) -> None:
        if page in self.pages and len(self.pages) > 1:
            self.note("a window closed")
        self.leave(page)

    def _died(self, page: Page) -> None:
        self.crashed.append(page)

    async def _asked(self, dialog: Dialog) -> None:
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        accepting = dialog.type in {"alert", "beforeunload"} or self._dialogs == "accept"
        with suppress(Error):  # its page may be gone
            await (dialog.accept(dialog.default_value) if accepting else dialog.dismiss())
        answer = "accepted" if accepting else "dismissed"
        self.note(f'the page showed a dialog ({dialog.type}): "{dialog.message[:_LONGEST]}"; it was {answer}')

    def _downloading(self, download: Download) -> None:
        task = asyncio.get_running_loop().create_task(self._keep(download))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _keep(self, download: Download) -> None:
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        name = re.sub(r"[^\w.\- ]", "_", download.suggested_filename).lstrip(".")[:100] or "download"
        try:
            if self.downloads is None:
                await download.cancel()
                self.note(f'the page offered a file "{name}"; files are not kept here')
                return
            path = await download.path()
            size = path.stat().st_size
            if size > _LARGEST:
                self.note(f'the file "{name}" is too large to keep ({size} bytes)')
            else:
                self.downloads.mkdir(parents=True, exist_ok=True)
                await download.save_as(self.downloads / name)
                self.note(f'downloaded "{name}" ({size} bytes)')
            await download.delete()
        except (Error, OSError) as error:
            self.note(f'the file "{name}" did not arrive: {str(error).splitlines()[0][:_LONGEST]}')
