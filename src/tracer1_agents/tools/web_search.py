"""A search engine behind an HTTP interface in the form of serper.dev, beside pages of the public web.

The address of the engine is the caller's and trusted; what it returns are titles, addresses and snippets: text.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, ToolError
from tracer1_agents.tools.formatting import collapse, short
from tracer1_agents.tools.search import Passage
from tracer1_agents.tools.web import PublicPages

if TYPE_CHECKING:
    from tracer1_agents.tools.web import PageLimits

_MOST_BYTES: Final = 2_000_000
_BUSY: Final = 429
_SERVER: Final = 500


class SearchedWeb(PublicPages):
    """A `WebBackend` that searches too.

    Args:
        url: Of the engine, such as "https://google.serper.dev/search".
        api_key: For it.
        seconds: For one search.
        limits: For pages; see `PublicPages`.

    Raises:
        ConfigurationError: The address is none.
    """

    searches = True

    def __init__(self, url: str, api_key: str, *, seconds: float = 20.0, limits: PageLimits | None = None) -> None:
        super().__init__(limits)
        if not url.startswith(("http://", "https://")):
            msg = f'the search engine must be an http(s) address, got "{short(url)}"'
            raise ConfigurationError(msg)
        self._url, self._key, self._seconds = url, api_key, seconds

    def search(self, query: str, limit: int) -> list[Passage]:
        """The best results first, an answer of the engine's own before them.

        Raises:
            ToolError: The engine refused, or its answer cannot be read.
            EnvironmentFailure: It cannot be reached.
        """
        body = json.dumps({"q": query, "num": limit}).encode()
        headers = {"X-API-KEY": self._key, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310  (http or https, checked above)
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as reply:  # noqa: S310  (as above)
                content = reply.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            msg = f"the search engine answered with status {error.code}"
            if error.code == _BUSY or error.code >= _SERVER:
                raise EnvironmentFailure(msg) from error
            raise ToolError(msg) from error
        except OSError as error:
            msg = f"the search engine cannot be reached: {short(str(error), 120)}"
            raise EnvironmentFailure(msg) from error
        try:
            return list(_passages(json.loads(content)))[:limit]
        except (ValueError, TypeError, AttributeError) as error:
            msg = f"the search engine sent what is no result: {short(content[:200].decode(errors='replace'))}"
            raise ToolError(msg) from error


def _passages(found: dict[str, Any]) -> list[Passage]:
    passages = []
    answer = found.get("answerBox") or {}
    words = answer.get("answer") or answer.get("snippet")
    if words:
        passages.append(Passage(str(answer.get("title", "Answer")), str(answer.get("link", "")), collapse(str(words))))
    for item in found.get("organic") or []:
        text = collapse(str(item.get("snippet", "")))
        passages.append(Passage(str(item.get("title", "")), str(item.get("link", "")), text))
    return passages
