"""A stand-in for E2B's servers: answers the real SDK's requests with kernels that are plain Python processes.

Only for code that the tests wrote themselves: it keeps nothing in. Every request is kept in `requests`.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

KERNEL = r"""
import ast, base64, json, sys, traceback
replies, requests = sys.stdout, sys.stdin
def tell(**event):
    replies.write(json.dumps(event) + "\n"); replies.flush()
class Stream:
    def __init__(self, kind): self.kind = kind
    def write(self, text):
        if text: tell(type=self.kind, text=text, timestamp=0)
        return len(text)
    def flush(self): pass
def show(value):
    shown = {"text": repr(value), "is_main_result": True}
    if hasattr(value, "_repr_png_"): shown["png"] = base64.b64encode(value._repr_png_()).decode()
    if hasattr(value, "_repr_svg_"): shown["svg"] = value._repr_svg_()
    if hasattr(value, "e2b_chart"): shown["chart"] = value.e2b_chart
    tell(type="result", **shown)
sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
space = {"__name__": "__main__"}
for line in requests:
    code = json.loads(line)
    try:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), space)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last else None
        if value is not None: show(value)
    except BaseException as error:
        tell(type="error", name=type(error).__name__, value=str(error), traceback=traceback.format_exc())
    tell(type="number_of_executions", execution_count=1)
    tell(type="end")
"""


class Kernel:
    def __init__(self, home):
        self.turn = threading.Lock()
        self.process = subprocess.Popen(  # noqa: S603  (this interpreter)
            [sys.executable, "-I", "-c", KERNEL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
            env={"HOME": str(home), "PATH": os.defpath},
        )

    def events(self, code):
        with self.turn:
            self.process.stdin.write(json.dumps(code) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                yield line
                if json.loads(line)["type"] == "end":
                    return

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Server:
    """E2B's API, its file service and its code interpreter at one address."""

    def __init__(self):
        self.requests, self.kernels, self.sandboxes = [], {}, {}
        self.failing = 0  # how many of the next executions break off
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._home = tempfile.TemporaryDirectory(prefix="e2b-stand-in-")
        self.home = Path(self._home.name)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        for kernel in list(self.kernels.values()):
            kernel.end()
        self._home.cleanup()

    def kernel(self, name):
        if name not in self.kernels:
            self.kernels[name] = Kernel(self.home)
        return self.kernels[name]


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        return

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type") or ""
        kept = json.loads(body) if kind.startswith("application/json") and body else None
        self.owner.requests.append({"method": self.command, "path": urlsplit(self.path).path, "json": kept})
        return body, kept

    def _reply(self, status, value=None, data=None):
        data = (b"" if value is None else json.dumps(value).encode()) if data is None else data
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if value is not None else "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._body()
        parts = urlsplit(self.path)
        if parts.path == "/health":
            self._reply(204)
        elif parts.path == "/files":
            try:
                self._reply(200, data=Path(parse_qs(parts.query)["path"][0]).read_bytes())
            except OSError as error:
                self._reply(404, {"code": 404, "message": str(error)})
        else:
            self._reply(404, {"code": 404, "message": f"no such thing: {self.command} {self.path}"})

    def do_POST(self):
        body, asked = self._body()
        parts = urlsplit(self.path)
        if parts.path.endswith(("/sandboxes", "/connect")):
            new = f"sandbox-{len(self.owner.sandboxes)}"
            joined = new if parts.path.endswith("/sandboxes") else parts.path.split("/")[-2]
            self.owner.sandboxes[joined] = True
            made = {"sandboxID": joined, "templateID": "t", "clientID": "c", "envdVersion": "0.5.0", "domain": None}
            self._reply(201, made)
        elif parts.path == "/contexts":
            name = f"context-{len(self.owner.kernels)}"
            self.owner.kernel(name)
            self._reply(200, {"id": name, "language": "python", "cwd": str(self.owner.home)})
        elif parts.path == "/files":
            self._write(Path(parse_qs(parts.query)["path"][0]), body)
        elif parts.path == "/execute":
            self._execute(asked)
        else:
            self._reply(404, {"code": 404, "message": f"no such thing: {self.command} {self.path}"})

    def do_DELETE(self):
        self._body()
        kind, name = self.path.split("/")[-2:]
        if kind == "contexts" and name in self.owner.kernels:
            self.owner.kernels[name].end()
        elif kind == "sandboxes":
            self.owner.sandboxes[name] = False
        self._reply(204)

    def _write(self, path, body):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        (part,) = message.iter_parts()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part.get_payload(decode=True))
        self._reply(200, [{"name": path.name, "type": "file", "path": str(path)}])

    def _execute(self, asked):
        if self.owner.failing:
            self.owner.failing -= 1
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for line in self.owner.kernel(asked["context_id"]).events(asked["code"]):
                data = line.encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, ValueError):
            self.close_connection = True
