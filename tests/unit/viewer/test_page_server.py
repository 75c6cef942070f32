"""The page that grows: on this machine only, for whoever knows the address."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest
from viewer_cases import png, result, run_of, screen_result

from tracer1_agents import cli
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.pictures import Pictures
from tracer1_agents.viewer.server import PageServer


class Growing:
    """A run that a test adds to; counts how often it was read."""

    def __init__(self, *results):
        self.results, self.reads, self.gone = list(results), 0, False

    def load(self):
        self.reads += 1
        if self.gone:
            msg = "run.jsonl: no such results file"
            raise ConfigurationError(msg)
        return [run_of(*self.results)]

    def stamp(self):
        return len(self.results), self.gone


@pytest.fixture
def serving():
    servers = []

    def start(run):
        server = PageServer(run.load, run.stamp, Pictures())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(server, path=None, **headers):
    where = urlsplit(server.address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    connection.request("GET", where.path if path is None else path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_page_its_data_and_its_pictures(serving, tmp_path):
    server = serving(Growing(screen_result(tmp_path)))
    base = urlsplit(server.address).path
    answer, page = ask(server)
    assert answer.status == 200
    assert b'id="data">{"live":true' in page
    assert b'type="text/plain"' not in page  # pictures are asked for one by one
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    _, body = ask(server, base + "data.json")
    assert json.loads(body)["runs"][0]["episodes"][0]["steps"][0]["picture"]["key"] == "p0"
    answer, content = ask(server, base + "pictures/p0")
    assert (answer.headers["Content-Type"], content) == ("image/png", png(320, 200, (0, 120, 160)))


def test_only_who_knows_the_address_is_answered(serving):
    server = serving(Growing(result()))
    base = urlsplit(server.address).path
    assert len(server.token) >= 32
    for path in ("/", "/data.json", "/wrong/", base[:-2] + "/", "/favicon.ico", "//", "x"):
        assert ask(server, path)[0].status == 404, path
    for path in ("pictures/p0", "pictures/../../etc/passwd", "..%2f", "run.jsonl"):
        assert ask(server, base + path)[0].status == 404, path
    # a page elsewhere whose name was made to point at this machine
    assert ask(server, Host="evil.example")[0].status == 404
    assert server.server_address[0] == "127.0.0.1"


def test_other_methods_are_refused(serving):
    server = serving(Growing(result()))
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("POST", urlsplit(server.address).path, body=b"x")
    assert connection.getresponse().status == 501


def test_a_run_that_grew_is_read_again_and_only_then(serving):
    run = Growing(result("t-1"))
    server = serving(run)
    path = urlsplit(server.address).path + "data.json"
    answer, _ = ask(server, path)
    tag = answer.headers["ETag"]
    assert ask(server, path, **{"If-None-Match": tag})[0].status == 304
    assert run.reads == 1
    run.results.append(result("t-2"))
    answer, body = ask(server, path, **{"If-None-Match": tag})
    assert answer.status == 200
    assert [episode["id"] for episode in json.loads(body)["runs"][0]["episodes"]] == ["t-1", "t-2"]
    assert run.reads == 2
    assert server.reading() is server.reading()  # an open page asks every two seconds: nothing is put into words anew


def test_a_page_that_is_closed_while_it_loads_is_no_error(serving, capsys, monkeypatch):
    left, over = threading.Event(), threading.Event()

    class Slow(Growing):
        def load(self):
            left.wait(60)
            if self.reads:
                raise RuntimeError
            return super().load()

    run = Slow(result())
    server = serving(run)
    end = server.shutdown_request
    monkeypatch.setattr(server, "shutdown_request", lambda request: (end(request), over.set()))
    with socket.create_connection(server.server_address) as page:
        host = f"127.0.0.1:{server.server_port}"
        page.sendall(f"GET {urlsplit(server.address).path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
    left.set()
    assert over.wait(60)
    assert run.reads == 1
    assert capsys.readouterr() == ("", "")
    run.results.append(result("t-2"))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server)
    assert "RuntimeError" in capsys.readouterr().err  # a fault of our own is told


def test_the_command_says_the_address_and_ends_with_an_interrupt(tmp_path, capsys, monkeypatch):
    run = tmp_path / "run.jsonl"
    run.write_text(result("t-1").model_dump_json() + "\n", encoding="utf-8")
    asked = []

    def answer_one_page_and_end(server):
        asked.append([episode["id"] for episode in server.data()["runs"][0]["episodes"]])
        with run.open("a", encoding="utf-8") as file:
            file.write(result("t-2").model_dump_json() + "\n")
        asked.append([episode["id"] for episode in server.data()["runs"][0]["episodes"]])
        raise KeyboardInterrupt

    monkeypatch.setattr(PageServer, "serve_forever", answer_one_page_and_end)
    assert cli.main(["show", str(run), "--serve"]) == 130
    assert asked == [["t-1"], ["t-1", "t-2"]]
    assert re.match(r"http://127\.0\.0\.1:\d+/[\w-]{32}/ ", capsys.readouterr().out)


def test_a_run_that_vanished_is_told_and_may_come_back(serving):
    run = Growing(result("t-1"))
    server = serving(run)
    path = urlsplit(server.address).path + "data.json"
    run.gone = True
    answer, body = ask(server, path)
    assert (answer.status, body) == (503, b"run.jsonl: no such results file")
    run.gone = False
    assert ask(server, path)[0].status == 200
