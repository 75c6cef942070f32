"""A desktop behind the HTTP interface of OSWorld's controller, on loopback only, so that OSWorld's client can drive it.

    GET  /screenshot                           the screen as PNG
    POST /screen_size                          {"width": .., "height": ..}
    POST /execute {"command": ["python", "-c", SCRIPT]}    pyautogui calls, parsed and never run as code

OSWorld's own server runs any command in its virtual machine. This one has no machine to spare: what is not a list of
pyautogui calls is refused (400). A browser on the same machine can send such requests for any web page that is open in
it; what a browser sends is refused (403), and so is a command that is not declared to be JSON (415).
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from tracer1_agents.environments.base import ActionFailed
from tracer1_agents.environments.pyautogui_calls import carry_out, read_calls
from tracer1_agents.errors import EnvironmentFailure

if TYPE_CHECKING:
    from tracer1_agents.environments.desktop import DesktopEnvironment

_LARGEST: Final = 1_000_000  # bytes of a request
_LOCAL: Final = {"127.0.0.1", "localhost"}
_OF_BROWSERS: Final = ("Origin", "Sec-Fetch-Site")  # headers that a page's scripts can neither leave out nor change
_COMMAND: Final = 3  # python, -c, script


class DesktopController:
    """The server.

    Args:
        desktop: Reset; one request at a time acts on it.
        port: 0 takes a free one.

    Attributes:
        port: In use.
    """

    def __init__(self, desktop: DesktopEnvironment, port: int = 0) -> None:
        self.desktop = desktop
        self.lock = threading.Lock()
        handler = type("_Handler", (_Handler,), {"controller": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="tracer1-controller", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop serving; the desktop stays."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Itself; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    controller: DesktopController

    def do_GET(self) -> None:
        if not self._welcome():
            return
        if self.path != "/screenshot":
            self._answer(404, {"status": "error", "message": f"there is no {self.path[:80]}"})
            return
        try:
            with self.controller.lock:
                png = self.controller.desktop.grab()
        except EnvironmentFailure as error:
            self._answer(503, {"status": "error", "message": str(error)})
            return
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(png)))
        self.end_headers()
        self.wfile.write(png)

    def do_POST(self) -> None:
        if not self._welcome():
            return
        try:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}") if 0 <= length <= _LARGEST else None
        except (ValueError, RecursionError):
            body = None
        if self.path == "/screen_size":
            width, height = self.controller.desktop.size
            self._answer(200, {"width": width, "height": height})
        elif self.path != "/execute":
            self._answer(404, {"status": "error", "message": f"there is no {self.path[:80]}"})
        elif self.headers.get_content_type() != "application/json":
            message = f"a command comes as application/json, got {(self.headers.get('Content-Type') or 'no type')[:80]}"
            self._answer(415, {"status": "error", "message": message})
        else:
            self._execute(body)

    def _execute(self, body: Any) -> None:
        command = body.get("command") if isinstance(body, dict) else None
        if not isinstance(command, list) or len(command) != _COMMAND or command[:2] != ["python", "-c"]:
            message = 'only {"command": ["python", "-c", SCRIPT]} with pyautogui calls is carried out here'
            self._answer(400, {"status": "error", "message": message})
            return
        try:
            with self.controller.lock:
                pointer, type_text = self.controller.desktop.input()
                carry_out(read_calls(str(command[2])), pointer, type_text)
        except ActionFailed as problem:
            self._answer(400, {"status": "error", "message": problem.text})
        except EnvironmentFailure as error:
            self._answer(503, {"status": "error", "message": str(error)})
        else:
            self._answer(200, {"status": "success", "output": "", "error": "", "returncode": 0})

    def _welcome(self) -> bool:
        """Whether a program of this machine asks.

        A web page that was pointed here by its name server names another host; any other page's request says that a
        browser sent it.
        """
        host = (self.headers.get("Host") or "").partition(":")[0]
        sent = next((name for name in _OF_BROWSERS if name in self.headers), None)
        if host in _LOCAL and sent is None:
            return True
        problem = f"programs, not web pages; the request has {sent}" if sent else "127.0.0.1 only"
        self._answer(403, {"status": "error", "message": f"this controller answers to {problem}"})
        return False

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (name set by http.server)
        """Silent."""
