"""Holds the navigation of a browser context to the allow-list, every hop of it.

Playwright tells of the first request of a chain of redirects only, and a page that was led elsewhere has already asked
there. So a redirect is not handed to the browser: it becomes a page that goes on, whose request is asked about anew.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from tracer1_agents.environments.allowed import is_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import APIResponse, Request, Route

    from tracer1_agents.environments.page_events import PageEvents

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD: Final = frozenset({307, 308})  # a form is sent again, which a page that goes on cannot do
_SHOWN: Final = 200  # characters of an address in a note


class Gate:
    """What may be shown, and what is answered instead.

    Args:
        start_url: Where an episode begins.
        domains: See `allowed.is_allowed`.
        events: Told of what was refused.
        seconds: That a server may take to answer.

    Attributes:
        landed: Where the start page led, whose host counts as its own.
    """

    def __init__(self, start_url: str, domains: tuple[str, ...] | None, events: PageEvents, seconds: float) -> None:
        self._start, self._domains, self._events, self._seconds = start_url, domains, events, seconds
        self.landed = start_url
        self._starting = False

    @contextmanager
    def starting(self) -> Iterator[None]:
        """While an episode begins, the start page leads where it leads; frames in it are held to the list as ever."""
        self._starting, self.landed = True, self._start
        try:
            yield
        finally:
            self._starting = False

    def allows(self, url: str, *, inner: bool = False) -> bool:
        """Whether a page may be shown.

        Args:
            url: Its address.
            inner: Whether a frame of the page is meant.
        """
        if self._starting and not inner:
            return is_allowed(url, None, self._start)
        return any(is_allowed(url, self._domains, start) for start in (self._start, self.landed))

    async def let_through(self, route: Route) -> None:
        """Answer a request of the context, as Playwright's routes do."""
        from playwright.async_api import Error  # noqa: PLC0415  (an extra)

        request = route.request
        if not request.is_navigation_request():
            await route.fallback()
        elif not self.allows(request.url, inner=_is_inner(request)):
            await self._refuse(route, request.url)
        elif not request.url.startswith(("http:", "https:")):
            await route.fallback()
        else:
            try:
                response = await route.fetch(max_redirects=0, timeout=self._seconds * 1000)
            except Error:
                await route.abort("connectionfailed")
            else:
                await self._answer(route, response)

    async def _answer(self, route: Route, response: APIResponse) -> None:
        where = response.headers.get("location")
        if response.status not in _REDIRECTS or where is None:
            await route.fulfill(response=response)
            return
        following = urljoin(route.request.url, where)
        again = response.status in _SAME_METHOD and route.request.method != "GET"
        if again or not self.allows(following, inner=_is_inner(route.request)):
            await self._refuse(route, following)
            return
        address = json.dumps(following).replace("<", "\\u003c")
        script = f"<script>location.replace({address})</script>"
        await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=script)

    async def _refuse(self, route: Route, url: str) -> None:
        if _is_inner(route.request):  # an advertisement is no reason to call a click a failure
            self._events.note(f"a part of the page is not on the allow-list and stays empty: {url[:_SHOWN]}")
        else:
            self._events.blocked.append(url)
        await route.fulfill(status=204)  # "nothing to show": the page stays as it is


def _is_inner(request: Request) -> bool:
    """Whether a frame within a page is meant; a window that does not stand yet is none."""
    from playwright.async_api import Error  # noqa: PLC0415  (an extra)

    try:
        return request.frame.parent_frame is not None
    except Error:
        return False
