"""Tracing by environment variables alone: LangSmith's client, unmodified, against a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SOURCES = str(Path(__file__).parents[3] / "src")
INGEST = {
    "use_multipart_endpoint": True,
    "size_limit": 100,
    "size_limit_bytes": 20_971_520,
    "scale_up_qsize_trigger": 1000,
    "scale_up_nthreads_limit": 16,
    "scale_down_nempty_trigger": 4,
}
PROGRAM = """
from langchain_core.tracers.langchain import wait_for_all_tracers

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel


def look(page: int) -> str:
    "Look at a page."
    return "seen"


model = ScriptedModel(script=['look(page=1) # "Look"', 'finish(answer="42") # "Tell"'])
agent = create_tracer1_agent(model, [look], profile="compact")
print(agent.invoke({"instruction": "What is it?"})["status"])
wait_for_all_tracers()
"""


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.bodies.append((self.path, body))
        self._answer(b"{}")

    do_PATCH = do_POST  # noqa: N815

    def do_GET(self):
        self._answer(json.dumps({"version": "0.12.0", "batch_ingest_config": INGEST}).encode())

    def _answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def run(**variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LANGSMITH", "LANGCHAIN"))}
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": SOURCES, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_langsmith_gets_the_nodes_and_the_model_calls():
    pytest.importorskip("langsmith", reason="langsmith is not installed")
    collector = Collector()
    done = run(
        LANGSMITH_TRACING="true",
        LANGSMITH_API_KEY="none",
        LANGSMITH_ENDPOINT=f"http://127.0.0.1:{collector.server_port}",
        LANGSMITH_DISABLE_RUN_COMPRESSION="true",
    )
    collector.shutdown()
    assert done.stdout == "finished\n", done.stderr[-2000:]
    sent = b"\n".join(body for _, body in collector.bodies)
    for name in (b'"tracer1"', b'"plan"', b'"toolbox"', b'"observe"', b'"look"', b'"ScriptedModel"'):
        assert name in sent, name
    assert sent.count(b'"name":"plan"') + sent.count(b'"name": "plan"') >= 2


def test_nothing_is_sent_unless_asked_for():
    collector = Collector()
    done = run(LANGSMITH_API_KEY="none", LANGSMITH_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    collector.shutdown()
    assert (done.stdout, collector.bodies) == ("finished\n", [])
