"""Public web pages for `visit_page`: a model picks the address, so it is an attack until it is shown not to be.

Every hop is checked by itself: only http and https, no user names, names resolved once and every resolved address
public (no loopback, private, link-local, multicast or reserved networks, also inside IPv6 forms of IPv4), and the
connection goes to the very address that was checked, so that a second answer of the name server changes nothing.
Redirects are followed by hand, bodies are cut off at a size and at a time. No cookies, no credentials, no proxies.
Letters beyond ASCII are sent as browsers send them.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import string
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from tracer1_agents.errors import ToolError, ToolUnavailableError
from tracer1_agents.tools.charsets import decode_page
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.markup import visible_text
from tracer1_agents.tools.plain_text import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer1_agents.tools.search import Passage

_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_CHUNK: Final = 65_536
_HEADERS: Final = {"User-Agent": "tracer1-agents", "Accept": "text/html, text/plain;q=0.9", "Connection": "close"}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], "Sequence[str]"]
Connect = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """What one page may cost. All values are ours.

    Attributes:
        seconds: Wall time, redirects included.
        body_bytes: Longest body of a page.
        file_bytes: Longest file that is downloaded.
        redirects: How many are followed.
    """

    seconds: float = 20.0
    body_bytes: int = 2_000_000
    file_bytes: int = 20_000_000
    redirects: int = 5


def resolve(host: str, port: int) -> list[str]:
    """Addresses of a host, as the system knows them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """Open a connection to an address that was checked."""
    return socket.create_connection((address, port), seconds)


class PublicPages:
    """A `WebBackend` that reads pages of the public web and searches nothing.

    Args:
        limits: For each page.
        resolve: Host and port -> addresses.
        connect: Address, port and seconds -> an open connection.
    """

    searches = False

    def __init__(
        self, limits: PageLimits | None = None, *, resolve: Resolve = resolve, connect: Connect = connect
    ) -> None:
        self._limits, self._resolve, self._connect = limits or PageLimits(), resolve, connect

    def search(self, query: str, limit: int) -> Sequence[Passage]:
        """There is no search engine behind this.

        Raises:
            ToolUnavailableError: Always.
        """
        del query, limit
        msg = "search is off here: configure a corpus file or a web backend that searches"
        raise ToolUnavailableError(msg)

    def visit(self, url: str) -> str:
        """The text of a page.

        Args:
            url: As a model wrote it.

        Raises:
            ToolError: The address is refused, or the page cannot be had; the text says why.
        """
        found, status, header, body = self._get(url, self._limits.body_bytes)
        return _text(found, status, header, body)

    def download(self, url: str) -> bytes:
        """A file of any kind, as it is.

        Args:
            url: As a model wrote it.

        Raises:
            ToolError: The address is refused, or the file cannot be had; the text says why.
        """
        found, status, _, body = self._get(url, self._limits.file_bytes)
        _check_status(found, status)
        return body

    def _get(self, url: str, most: int) -> tuple[str, int, http.client.HTTPMessage, bytes]:
        """What an address leads to in the end: address, status, header, body."""
        deadline = time.monotonic() + self._limits.seconds
        for _ in range(self._limits.redirects + 1):
            parts = _checked(url)
            status, header, body = self._fetch(parts, deadline, most)
            target = header.get("Location")
            if status not in _REDIRECTS or not target:
                return url, status, header, body
            url = urljoin(url, _location(target))
        msg = f"more than {self._limits.redirects} redirects, the last to {short(url)}"
        raise ToolError(msg)

    def _fetch(self, parts: SplitResult, deadline: float, most: int) -> tuple[int, http.client.HTTPMessage, bytes]:
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        address = self._public_address(host, port)
        try:
            with self._open(parts.scheme, host, address, port, deadline) as line, _cut_off(line, deadline):
                connection = http.client.HTTPConnection(host, port)
                connection.sock = line
                path = _ascii(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
                connection.request("GET", path, headers=_HEADERS)
                response = connection.getresponse()
                return response.status, response.headers, self._body(response, deadline, most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._in_time(deadline)
            msg = f"{short(host)} cannot be read: {short(str(error) or type(error).__name__, 120)}"
            raise ToolError(msg) from error

    def _open(self, scheme: str, host: str, address: str, port: int, deadline: float) -> socket.socket:
        line = self._connect(address, port, max(deadline - time.monotonic(), 0.1))
        if scheme == "http":
            return line
        return ssl.create_default_context().wrap_socket(line, server_hostname=host)

    def _body(self, response: http.client.HTTPResponse, deadline: float, most: int) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > most:
                msg = f"the page has more than {most} bytes"
                raise ToolError(msg)
        self._in_time(deadline)
        if response.length:  # what the header promised and nobody sent
            msg = f"the page broke off: {response.length} of its bytes did not come; try again"
            raise ToolError(msg)
        return bytes(body)

    def _in_time(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            msg = f"the page takes longer than {self._limits.seconds:g} seconds"
            raise ToolError(msg)

    def _public_address(self, host: str, port: int) -> str:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            msg = f"no address is known for {short(host)}"
            raise ToolError(msg) from error
        refused = [address for address in found if not is_public(address)]
        if refused or not found:
            msg = f"{short(host)} is not on the public web ({', '.join(refused) or 'no address'}); it is not visited"
            raise ToolError(msg)
        return found[0]


@contextmanager
def _cut_off(line: socket.socket, deadline: float) -> Iterator[None]:
    """Shut a connection down at its deadline, however slowly the other end sends headers or body."""

    def shut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), shut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where an IPv6 address stands for an IPv4 one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:  # given up in 2004, still of one site, and "global" to Python
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        msg = f'"{short(url)}" is no address: {error}'
        raise ToolError(msg) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        msg = f'"{short(url)}" is not visited: only http:// and https:// addresses of public hosts are'
        raise ToolError(msg)
    if parts.username is not None or port == 0 or not url.isprintable() or " " in url:
        msg = f'"{short(url)}" is not visited: no user names, blanks or control characters in an address'
        raise ToolError(msg)
    return parts


def _ascii(address: str) -> str:
    """Path and query as they are sent: letters beyond ASCII as the bytes of their UTF-8."""
    return quote(address, safe=string.punctuation)


def _location(header: str) -> str:
    """Where a redirect leads. http.client reads headers as Latin-1; most servers that send other letters send UTF-8."""
    sent = header.encode("latin-1", "replace")
    try:
        return sent.decode("utf-8")
    except UnicodeDecodeError:
        return quote(sent, safe=string.punctuation)


def _check_status(url: str, status: int) -> None:
    if status != _OK:
        msg = f"{short(url)} answered with status {status}"
        raise ToolError(msg)


def _text(url: str, status: int, header: http.client.HTTPMessage, body: bytes) -> str:
    _check_status(url, status)
    kind = header.get_content_type()
    if kind not in {"text/html", "application/xhtml+xml"} and not kind.startswith("text/"):
        msg = f"{short(url)} is {short(kind, 40)}, not a page of text"
        raise ToolError(msg)
    try:
        text = decode_page(body, header.get_content_charset(), markup=kind != "text/plain")
        return (visible_text(text) if kind != "text/plain" else tidy(text)) or "no text found"
    except ValueError as error:
        msg = f"{short(url)} cannot be read: {error}"
        raise ToolError(msg) from error
