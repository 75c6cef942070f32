"""A web page as an environment: Chromium through Playwright, seen as a screenshot, as a list of elements, or both.

An episode is a browser context of its own. Windows that a page opens are followed, and left again when they close;
dialogs are answered at once, downloads kept in a folder; all of it is told in the observation. Navigation can be held
to an allow-list. A page that hangs or crashes costs the action, not the episode: a new page is opened where it was.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracer1_agents.environments.base import (
    ActionFailed,
    Environment,
    Failure,
    check_action,
    failed,
    gone,
    keep_png,
    succeeded,
)
from tracer1_agents.environments.browser_options import BrowserOptions
from tracer1_agents.environments.chromium import AGAIN, MAKE_ANOTHER, Chromium
from tracer1_agents.environments.gate import Gate
from tracer1_agents.environments.look import LOOK_SCRIPT, Look, read_look
from tracer1_agents.environments.page_actions import perform
from tracer1_agents.environments.page_events import PageEvents
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure
from tracer1_agents.types import Execution, Observation

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from playwright.async_api import BrowserContext, CDPSession, Page

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import BlobStore

T = TypeVar("T")

_MORE_SECONDS: Final = 2.0  # for a page to answer at all, beyond what it was given to settle
NO_ANSWER: Final = "chrome-error:"  # the address of the page that Chromium shows in place of one
_PICTURES: Final = 3  # tries, of a page that goes elsewhere while it is taken


class BrowserEnvironment(Environment):
    """Pages in a browser context.

    Args:
        start_url: Where an episode begins.
        blobs: Where screenshots go.
        chromium: Shared with other environments; None starts one that ends with this environment.
        downloads: Where downloaded files go; None keeps none.
        options: See `BrowserOptions`.
    """

    platform = "computer"
    _script = LOOK_SCRIPT

    def __init__(
        self,
        start_url: str,
        blobs: BlobStore,
        *,
        chromium: Chromium | None = None,
        downloads: Path | None = None,
        options: BrowserOptions | None = None,
    ) -> None:
        self.options = options or BrowserOptions()
        self.size = self.options.view or self.options.viewport
        self.start_url, self.blobs = start_url, blobs
        self.events = PageEvents(downloads, dialogs=self.options.dialogs)
        self.gate = Gate(start_url, self.options.allowed_domains, self.events, self.options.seconds)
        if not self.gate.allows(start_url):
            msg = f"an episode cannot begin at {start_url[:200]!r}; give an http, https, file or about address"
            raise ConfigurationError(msg)
        self._own = chromium is None
        self.chromium = chromium or Chromium()
        self._context: BrowserContext | None = None
        self._screens: tuple[Page, CDPSession] | None = None
        area = self.size.width * self.size.height
        self.scale = min(self.options.scale, math.sqrt(self.options.max_pixels / area))
        self.seen = Look()

    def reset(self, seed: int | None = None) -> Observation:
        """A fresh context at the start page; a browser cannot be seeded, so `seed` is for tasks built on it."""
        return self.chromium.thread.run(self._guarded(self._reset(seed)))

    def observe(self) -> Observation:
        """The page as it is."""
        return self.chromium.thread.run(self._guarded(self._observe()))

    def act(self, action: Action) -> Execution:
        """See `Environment.act`."""
        return self.chromium.thread.run(self._guarded(self._act(action)))

    def close(self) -> None:
        """End the context, and the browser where it is this environment's own."""
        if not self.chromium.thread.loop.is_closed():
            with contextlib.suppress(EnvironmentFailure):
                self.chromium.thread.run(self._guarded(self._leave()))
        if self._own:
            self.chromium.close()

    async def areset(self, seed: int | None = None) -> Observation:
        """`reset`, awaitable."""
        return await self.chromium.thread.arun(self._guarded(self._reset(seed)))

    async def aobserve(self) -> Observation:
        """`observe`, awaitable."""
        return await self.chromium.thread.arun(self._guarded(self._observe()))

    async def aact(self, action: Action) -> Execution:
        """`act`, awaitable."""
        return await self.chromium.thread.arun(self._guarded(self._act(action)))

    def _guarded(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """The work, with what Playwright says of a browser that went away in our words.

        Raises:
            EnvironmentFailure: The browser was closed.
        """
        if self.chromium.thread.ended:
            work.close()
            raise gone(MAKE_ANOTHER, "the browser", "it was closed")
        return self._translated(work)

    async def _translated(self, work: Coroutine[Any, Any, T]) -> T:
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        try:
            return await work
        except Error as error:
            raise gone(AGAIN, "the page", error.message) from error
        except TimeoutError as error:
            raise gone(AGAIN, "the page", f"no answer within {self.options.seconds:g} s") from error

    async def _reset(self, seed: int | None) -> Observation:
        await self._leave()
        await self._enter()
        with self.gate.starting():
            async with asyncio.timeout(self.options.seconds):
                page = await self._page()
                await self._begin(page, seed)
                if self.options.allowed_domains is not None:
                    await self._look()  # until the start page has led where it leads
        self.gate.landed = page.url
        return await self._observe()

    async def _begin(self, page: Page, seed: int | None) -> None:
        """Bring a fresh page to where an episode begins."""
        del seed
        await page.goto(self.start_url, wait_until="commit")

    async def _enter(self) -> None:
        size = self.options.viewport
        self._context = await self.chromium.context(
            viewport={"width": size.width, "height": size.height},
            accept_downloads=self.events.downloads is not None,
            offline=self.options.offline,
        )
        self._context.set_default_timeout(self.options.seconds * 1000)
        self.events.watch(self._context)
        if self.options.allowed_domains is not None:
            await self._context.route("**/*", self.gate.let_through)

    async def _leave(self) -> None:
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        context, self._context, self._screens = self._context, None, None
        self.events.clear()
        if context is not None:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(self.options.seconds):
                    await context.close()

    async def _page(self) -> Page:
        """The page in front; a new one where the last one crashed or closed itself.

        Raises:
            EnvironmentFailure: There is no context: nothing was reset, or the browser died.
        """
        if self._context is None:
            raise gone(AGAIN, "the browser", "no episode was begun, or it has ended")
        if (page := self.events.front()) is not None:
            return page
        return await self._context.new_page()

    async def _act(self, action: Action) -> Execution:
        started = time.perf_counter()
        self.events.forget()
        try:
            check_action(action, self.platform)
            page = await self._page()
            last = page.url
            look = await self._try(page, action)
            seen = await self._pictured(look, last)
        except ActionFailed as problem:
            return failed(problem, await self._after(problem), time.perf_counter() - started)
        return succeeded(action, seen, time.perf_counter() - started)

    async def _pictured(self, look: Look, last: str) -> Observation:
        """A look with its picture; a page that goes elsewhere just then is looked at again.

        Raises:
            ActionFailed: UNSETTLED: no picture comes; the page was opened anew.
        """
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        for _ in range(_PICTURES):
            try:
                async with asyncio.timeout(self.options.settle + _MORE_SECONDS):
                    return await self._shown(look)
            except (Error, TimeoutError):
                self._screens = None
                look = await self._look()
        if (front := self.events.front()) is not None:
            await self._replace(front, last)
        text = "the page gave no picture of itself; it was opened anew"
        raise ActionFailed(Failure.UNSETTLED, text)

    async def _try(self, page: Page, action: Action) -> Look:
        """One action with its time limit; a page that does not survive it is replaced, and that is the failure."""
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        last = page.url
        if not (self.gate.allows(last) or last.startswith(NO_ANSWER)):  # it went there by itself
            await self._back(page, self.start_url)
            raise self._blocked(last)
        try:
            async with asyncio.timeout(self.options.seconds):
                await self._session(page)
                await perform(page, action, self.size)
                return await self._check(page, last)
        except TimeoutError:
            await self._replace(page, last)
            text = f"the page did not answer within {self.options.seconds:g} s; it was opened anew"
            raise ActionFailed(Failure.UNSETTLED, text) from None
        except Error as error:
            if not page.is_closed() and page not in self.events.crashed and not self.events.blocked:
                text = f"the page did not take this: {error.message.splitlines()[0][:200]}"
                raise ActionFailed(Failure.REFUSED, text) from None
            return await self._check(page, last)

    async def _check(self, page: Page, last: str) -> Look:
        """Look at what an action led to: maybe another page in front, one that is not allowed, or none at all.

        Raises:
            ActionFailed: CRASHED, CLOSED, BLOCKED or UNSETTLED.
        """
        look = await self._look()
        if page in self.events.crashed:
            await self._replace(page, last)
            raise ActionFailed(Failure.CRASHED, "the page crashed; it was opened anew")
        front = self.events.front()
        if front is None:
            await self._reopen(last)
            raise ActionFailed(Failure.CLOSED, "the page closed itself; it was opened anew")
        if front.url.startswith(NO_ANSWER):
            await self._back(front, last)
            raise ActionFailed(Failure.REFUSED, "the address did not answer; this is the page before it")
        if self.events.blocked or not self.gate.allows(front.url):
            url = self.events.blocked[-1] if self.events.blocked else front.url
            if not self.gate.allows(front.url):
                await self._back(front, last)
            raise self._blocked(url)
        if look.loading and look.empty:
            text = f"the page showed nothing after {self.options.settle:g} s; wait, or go elsewhere"
            raise ActionFailed(Failure.UNSETTLED, text)
        return look

    def _blocked(self, url: str) -> ActionFailed:
        allowed = ", ".join(self.options.allowed_domains or ()) or "the start page's own"
        return ActionFailed(Failure.BLOCKED, f"{url[:200]} is not on the allow-list ({allowed})")

    async def _look(self) -> Look:
        """Wait until the page in front is loaded and still, and read it, in one call; not settled in time is told."""
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        until = time.monotonic() + self.options.settle
        while (page := self.events.front()) is not None:
            left = max(until - time.monotonic(), 0.0)
            asked = self._question(left)
            try:
                async with asyncio.timeout(left + _MORE_SECONDS):
                    answer = await page.evaluate(self._script, asked)
                if self.events.expecting:
                    await self.events.arrived(until)
                    continue
            except Error:  # it went to another page meanwhile, or is gone: look again
                if left == 0.0:
                    return Look(loading=True, empty=True)
                await asyncio.sleep(0.01)
            except TimeoutError:
                return Look(loading=True, empty=True)
            else:
                if page is self.events.front():
                    return read_look(answer, page.url, self.scale)
        return Look()

    def _question(self, left: float) -> dict[str, Any]:
        options = self.options
        return {
            "quiet": options.quiet * 1000,
            "limit": left * 1000,
            "list": options.elements,
            "area": [self.size.width, self.size.height, options.skip],
        }

    async def _replace(self, page: Page, url: str) -> None:
        """Another page in place of one that crashed or hangs."""
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        self.events.leave(page)
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(_MORE_SECONDS):
                await page.close()
        await self._reopen(url)

    async def _reopen(self, url: str) -> None:
        page = await self._page()
        async with asyncio.timeout(self.options.seconds):
            await page.goto(url if self.gate.allows(url) else self.start_url, wait_until="commit")

    async def _back(self, page: Page, last: str) -> None:
        """Leave a page that is not allowed: close it where it is a window of its own, else return."""
        if len(self.events.pages) > 1:
            self.events.leave(page)
            await page.close()
        else:
            await page.goto(last if self.gate.allows(last) else self.start_url, wait_until="commit")

    async def _after(self, problem: ActionFailed) -> Observation | None:
        """What is to be seen after a failure; nothing where that is what failed."""
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        if problem.failure is Failure.EMPTY_SCREENSHOT:
            return None
        try:
            return await self._observe()
        except ActionFailed:
            return None
        except (Error, TimeoutError):  # it hangs again
            if (front := self.events.front()) is not None:
                await self._replace(front, self.start_url)
            return await self._observe()

    async def _observe(self) -> Observation:
        await self._page()
        async with asyncio.timeout(self.options.seconds):
            return await self._shown(await self._look())

    async def _shown(self, look: Look) -> Observation:
        """A look as an observation, with its picture."""
        if look.loading:
            self.events.note("the page is still loading something")
        elif not look.settled:
            self.events.note("the page keeps changing")
        self.seen = look
        lines = [f"Page: {look.title}", f"Address: {look.url}"] if self.options.address else []
        text = "\n".join(line for line in (*lines, *self.events.notes, look.page.text()) if line)
        if not self.options.screenshots:
            return Observation(text=text)
        return Observation(text=text, image=keep_png(await self._screenshot(await self._page()), self.blobs))

    async def _session(self, page: Page) -> CDPSession:
        """Chromium's own protocol for the page in front."""
        if self._screens is None or self._screens[0] is not page:
            session = await page.context.new_cdp_session(page)
            session.on("Page.windowOpen", self.events.announce)
            await session.send("Page.enable")
            tree = await session.send("Page.getFrameTree")
            self.events.follow(session, tree["frameTree"]["frame"]["id"])
            self._screens = (page, session)
        return self._screens[1]

    async def _screenshot(self, page: Page) -> bytes:
        """A PNG of what the agent sees. Chromium's own call: it takes the part and scale in one go."""
        session = await self._session(page)
        size = {"x": 0, "y": 0, "width": self.size.width, "height": self.size.height, "scale": self.scale}
        answer = await session.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True, "clip": size})
        return base64.b64decode(answer["data"])
