"""Which addresses an agent may go to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PORTS: Final = {"http": 80, "https": 443}


def is_allowed(url: str, domains: Sequence[str] | None, start: str) -> bool:
    """Whether a page may be shown; addresses are compared as browsers read them, not letter by letter.

    Args:
        url: Its address.
        domains: Hosts that may be visited with all their subdomains, with a port where only that one is meant; None
            allows every host.
        start: Where the environment begins: its own host and port, or for a file its own folder, is always allowed. No
            other file is, whatever the domains.
    """
    try:
        parts, first = urlsplit(url), urlsplit(start)
    except ValueError:  # such as half of an IPv6 address
        return False
    if parts.scheme in {"about", "data", "blob"}:
        return True
    if parts.scheme == "file":
        path, folder = unquote(parts.path), unquote(first.path).rpartition("/")[0]
        return first.scheme == "file" and ".." not in path and path.startswith(f"{folder}/")
    place = _place(parts) if parts.scheme in _PORTS else None
    return place is not None and (
        domains is None or place == _place(first) or any(_covers(domain, place) for domain in domains)
    )


def check_domains(domains: Sequence[str] | None) -> None:
    """Refuse what would never match.

    Raises:
        ConfigurationError: One is no host such as "python.org" or "localhost:8000".
    """
    for domain in domains or ():
        place = _place(urlsplit(f"//{domain}"))
        if place is None or set(domain) & set("/*@ "):
            msg = f"an allowed domain is a host (python.org holds its subdomains) or host:port, got {domain!r}"
            raise ConfigurationError(msg)


def _place(parts: SplitResult) -> tuple[str, int | None] | None:
    """Host and port; None where there is no host, or no such port."""
    try:
        port = parts.port or _PORTS.get(parts.scheme)
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii").lower()
    except ValueError:  # UnicodeError is one
        return None
    return (host, port) if host else None


def _covers(domain: str, place: tuple[str, int | None]) -> bool:
    named = _place(urlsplit(f"//{domain}"))
    if named is None:
        return False
    host, port = named
    if port is not None:
        return place == named
    return place[0] == host or place[0].endswith(f".{host}")
