"""A page that grows with its run, for this machine only.

Bound to loopback; every address begins with a random token, so that neither other users' programs nor web pages can
guess it; a request whose Host is not this server (DNS rebinding) is refused. Only GET is answered, nothing on this side
changes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.viewer.html import policy, render_page
from tracer1_agents.viewer.page_data import page_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.viewer.episodes import Run
    from tracer1_agents.viewer.pictures import Pictures

_LOOPBACK: Final = "127.0.0.1"


class _Reading(NamedTuple):
    """The runs as they were last read: the stamp they had, what the page shows, and that as an answer with its tag."""

    stamp: Any
    data: dict[str, Any]
    body: bytes
    tag: str


class PageServer(ThreadingHTTPServer):
    """Serves the page of runs that are read again whenever they have changed.

    Args:
        load: Reads the runs as they are now.
        stamp: Something cheap that changes when the runs do, such as sizes and times of their files.
        pictures: Takes in their screenshots.
        port: 0 for any free one.

    Attributes:
        address: What to open in a browser, token included.
    """

    daemon_threads = True

    def __init__(
        self, load: Callable[[], Sequence[Run]], stamp: Callable[[], Any], pictures: Pictures, *, port: int = 0
    ) -> None:
        super().__init__((_LOOPBACK, port), _Handler)
        self.token = secrets.token_urlsafe(24)
        self.address = f"http://{_LOOPBACK}:{self.server_port}/{self.token}/"
        self._load, self._stamp, self.pictures = load, stamp, pictures
        self._lock = threading.Lock()
        self._known: _Reading | None = None

    def data(self) -> dict[str, Any]:
        """What the page shows now."""
        return self.reading().data

    def reading(self) -> _Reading:
        """The runs as they are now."""
        with self._lock:  # pictures are taken in one at a time
            stamp = self._stamp()
            if self._known is None or self._known.stamp != stamp:
                data = page_data(self._load(), self.pictures, live=True)
                body = json.dumps(data, allow_nan=False).encode()
                self._known = _Reading(stamp, data, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            return self._known

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed or loaded anew takes no more of an answer; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "tracer1"
    sys_version = ""

    def do_GET(self) -> None:
        """One page, its data, or one picture."""
        port = self.server.server_port
        _, token, rest = (*self.path.split("/", 2), "", "")[:3]
        known = self.headers.get("Host") in {f"{_LOOPBACK}:{port}", f"localhost:{port}"}
        if not known or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
            return
        try:
            self._serve(rest)
        except Tracer1Error as error:  # such as a run file that was deleted meanwhile
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode(), "text/plain; charset=utf-8")

    def _serve(self, rest: str) -> None:
        if rest == "":
            page = render_page(self.server.data(), None)
            self._answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
        elif rest == "data.json":
            self._data()
        elif picture := self.server.pictures.taken.get(rest.removeprefix("pictures/")):
            self._answer(HTTPStatus.OK, picture.content, picture.kind)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")

    def _data(self) -> None:
        now = self.server.reading()
        if self.headers.get("If-None-Match") == now.tag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", "application/json", now.tag)
        else:
            self._answer(HTTPStatus.OK, now.body, "application/json", now.tag)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, tag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", policy(live=True) + "; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (name set by BaseHTTPRequestHandler)
        """Say nothing: the terminal shows the address only."""


def serve_page(
    load: Callable[[], Sequence[Run]],
    stamp: Callable[[], Any],
    pictures: Pictures,
    *,
    port: int = 0,
    announce: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C.

    Args:
        load: See `PageServer`.
        stamp: See `PageServer`.
        pictures: See `PageServer`.
        port: 0 for any free one.
        announce: Told the address once.

    Raises:
        ConfigurationError: The port cannot be had.
    """
    try:
        server = PageServer(load, stamp, pictures, port=port)
    except (OSError, OverflowError) as error:
        msg = f"port {port} of this machine cannot be had ({error}); choose another --port, or none"
        raise ConfigurationError(msg) from error
    with server:
        announce(f"{server.address}  (Ctrl-C ends it; the address is the key, give it to nobody)")
        server.serve_forever()
