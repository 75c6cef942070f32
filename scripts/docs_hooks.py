"""For the docs site: links of a page to files outside docs/ become plain code, since the site does not carry them."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Called by mkdocs for every page."""
    del kwargs
    return _OUTSIDE.sub(lambda link: f"{link[1]} (`{link[2]}`)", markdown)
