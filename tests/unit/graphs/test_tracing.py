"""Tracing by environment variables alone: LangSmith's client and OpenInference, as published, send to loopback."""

from __future__ import annotations

import gzip
import json
import os
import shutil
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
import sys, tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from langchain_core.tracers.langchain import wait_for_all_tracers

from tracer1_agents import create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import ImageRef


def look(page: int) -> str:
    "Look at a page."
    return "the code is 4711-0815"


with tempfile.TemporaryDirectory() as folder:
    blobs, picture = BlobStore(Path(folder)), BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    image = ImageRef(ref=blobs.put(picture.getvalue()), width=64, height=64).model_dump()
    plan = '{"plan": [{"action": "%s", "arguments": {%s}, "instruction": "Do it"}]}'
    model = ScriptedModel(script=[plan % ("look", '"page": 1'), plan % ("finish", '"answer": "42"')])
    agent = create_tracer1_agent(model, [look], profile="generic", blobs=blobs)
    result = agent.invoke({"instruction": "What is it?", "observation": {"image": image}})
    print(result["status"], result["usage"]["output_tokens"])
    wait_for_all_tracers()
"""
PICTURE = b"iVBORw0KGgo"  # how a PNG begins in base64
SECRET = b"4711-0815"  # what a tool returned, and the planner then read
ENDED = "finished 18\n"


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
        body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
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


def run(*launcher, **variables):
    tracing = ("LANGSMITH", "LANGCHAIN", "OTEL", "OPENINFERENCE")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(tracing)}
    return subprocess.run(  # noqa: S603
        [*launcher, sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": SOURCES, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
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
    assert done.stdout == ENDED, done.stderr[-2000:]
    sent = b"\n".join(body for _, body in collector.bodies)
    for name in (b'"tracer1"', b'"plan"', b'"toolbox"', b'"observe"', b'"look"', b'"ScriptedModel"'):
        assert name in sent, name
    assert sent.count(b'"name":"plan"') + sent.count(b'"name": "plan"') >= 2


def test_nothing_is_sent_unless_asked_for():
    collector = Collector()
    done = run(LANGSMITH_API_KEY="none", LANGSMITH_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    collector.shutdown()
    assert (done.stdout, collector.bodies) == (ENDED, [])


def spans(way, **variables):
    """Run the program under a way of tracing; returns its spans, each a name with attributes, and all that was sent."""
    service = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="opentelemetry is missing (extra otel)"
    )
    collector = Collector()
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.server_port}"
    done = run(*WAYS[way][0], **WAYS[way][1], **variables)
    collector.shutdown()
    assert done.stdout == ENDED, done.stderr[-2000:]
    found, sent = [], [body for path, body in collector.bodies if path == "/v1/traces"]
    for body in sent:
        for resource in service.ExportTraceServiceRequest.FromString(body).resource_spans:
            told = [span for scope in resource.scope_spans for span in scope.spans]
            found += [(span.name, {pair.key: pair.value for pair in span.attributes}) for span in told]
    return found, b"".join(sent)


INSTRUMENT = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))
WAYS = {
    "langsmith": (
        (),
        {"LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"},
    ),
    "openinference": ((INSTRUMENT,), {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}),
}
TOKENS = {"langsmith": "gen_ai.usage.output_tokens", "openinference": "llm.token_count.completion"}
HIDE = {
    "langsmith": {"LANGSMITH_HIDE_INPUTS": "true", "LANGSMITH_HIDE_OUTPUTS": "true"},
    "openinference": {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"},
}


@pytest.mark.skipif(INSTRUMENT is None, reason="opentelemetry-instrument is not installed (extra otel)")
@pytest.mark.parametrize("way", WAYS)
class TestSpans:
    def test_name_nodes_calls_and_tokens(self, way):
        found, sent = spans(way)
        names = [name for name, _ in found]
        assert {"tracer1", "begin", "plan", "toolbox", "observe", "look", "ScriptedModel"} <= set(names)
        assert names.count("plan") == names.count("ScriptedModel") == 2
        told = [attributes[TOKENS[way]].int_value for name, attributes in found if name == "ScriptedModel"]
        assert sum(told) == int(ENDED.split()[1])
        assert PICTURE in sent  # as docs/embed.md warns: a trace holds what the model is sent, screenshots whole
        assert SECRET in sent

    def test_contents_can_be_kept_back(self, way):
        found, sent = spans(way, **HIDE[way])
        assert {"plan", "look", "ScriptedModel"} <= {name for name, _ in found}
        assert PICTURE not in sent
        assert SECRET not in sent
