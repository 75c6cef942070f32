"""Which addresses an agent may go to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_allowed(url: str, domains: Sequence[str] | None, start: str) -> bool:
    """Whether a page may be shown.

    Args:
        url: Its address.
        domains: Hosts that may be visited with all their subdomains, with a port where only that one is meant; None
            allows every host.
        start: Where the environment begins: its own host, or for a file its own folder, is always allowed. No other
            file is, whatever the domains.
    """
    parts, first = urlsplit(url), urlsplit(start)
    if parts.scheme in {"about", "data", "blob"}:
        return True
    if parts.scheme == "file":
        folder = first.path.rpartition("/")[0]
        return first.scheme == "file" and ".." not in parts.path and parts.path.startswith(f"{folder}/")
    if parts.scheme not in {"http", "https"}:
        return False
    if domains is None or (parts.hostname and parts.netloc == first.netloc):
        return True
    host = (parts.hostname or "").rstrip(".")
    return any(_covers(domain.lower(), host, parts.netloc.lower()) for domain in domains)


def _covers(domain: str, host: str, netloc: str) -> bool:
    return host == domain or host.endswith(f".{domain}") or netloc == domain
