"""Pages of the public web, played by a server on this machine; what is not public is never even connected to."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tracer1_agents.errors import ToolError, ToolUnavailableError
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.search import search_tools
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.web import PageLimits, PublicPages, is_public

PUBLIC = "93.184.215.14"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n<p>Hello <b>reader</b></p>\n"


class Site:
    """Answers every connection with the next of its replies: bytes, or a function that writes to the socket."""

    def __init__(self, *replies):
        self.replies, self.requests, self.connected = list(replies), [], []
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for reply in self.replies:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            with line:
                self.requests.append(line.recv(4096).decode())
                try:
                    reply(line) if callable(reply) else line.sendall(reply)
                except OSError:
                    continue

    def connect(self, address, port, seconds):
        self.connected.append((address, port))
        return socket.create_connection(self._server.getsockname(), seconds)

    def close(self):
        self._server.close()


@pytest.fixture
def site(request):
    made = []

    def make(*replies, names=None, limits=None):
        opened = Site(*replies)
        made.append(opened)
        known = {"public.test": [PUBLIC], **(names or {})}
        opened.pages = PublicPages(
            limits or PageLimits(seconds=5), resolve=lambda host, _port: known.get(host, [host]), connect=opened.connect
        )
        return opened

    yield make
    for opened in made:
        opened.close()


def redirect(target):
    return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_page_is_read_as_text_over_the_address_that_was_checked(site):
    opened = site(PAGE)
    assert opened.pages.visit("http://public.test/a?b=c#d") == "Hello reader"
    assert opened.connected == [(PUBLIC, 80)]
    assert opened.requests[0].startswith("GET /a?b=c HTTP/1.1\r\nHost: public.test")
    assert "Cookie" not in opened.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://public.test/",
        "gopher://public.test/",
        "javascript:alert(1)",
        "public.test",
        "http://",
        "http://user:pass@public.test/",
        "http://public.test:99999/",
        "http://public.test:0/",
        "http://public.test/a b",
        "http://public.test/\r\nX: y",
        "http://[::1",
        "",
    ],
)
def test_addresses_of_other_kinds_are_refused(site, url):
    opened = site()
    with pytest.raises(ToolError):
        opened.pages.visit(url)
    assert opened.connected == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  (an address to refuse)
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "fec0::1",
        "feff:ffff::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "no address",
    ],
)
def test_addresses_that_are_not_public_are_never_connected_to(site, address):
    assert not is_public(address)
    opened = site(PAGE, names={"inside.test": [address]})
    with pytest.raises(ToolError, match="not on the public web"):
        opened.pages.visit("http://inside.test/")
    assert opened.connected == []


def test_public_addresses_are_public():
    assert all(map(is_public, (PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8")))


def test_one_private_address_among_public_ones_is_enough(site):
    opened = site(PAGE, names={"mixed.test": [PUBLIC, "127.0.0.1"]})
    with pytest.raises(ToolError, match=r"127\.0\.0\.1"):
        opened.pages.visit("http://mixed.test/")


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("http://public.test/wiki/Zürich?q=straße&a=%20b", "/wiki/Z%C3%BCrich?q=stra%C3%9Fe&a=%20b"),
        ("http://public.test/東京#x", "/%E6%9D%B1%E4%BA%AC"),
        ("http://public.test/a%2Fb;c='d'|{e}[f]?*", "/a%2Fb;c='d'|{e}[f]?*"),
    ],
)
def test_letters_beyond_ascii_are_sent_as_browsers_send_them(site, address, sent):
    opened = site(PAGE, redirect(address), PAGE)
    assert opened.pages.visit(address) == opened.pages.visit("http://public.test/") == "Hello reader"
    assert [request.split()[1] for request in opened.requests] == [sent, "/", sent]


def test_a_redirect_in_latin_1_is_followed(site):
    opened = site(redirect("/Z?rich").replace(b"?", b"\xfc"), PAGE)
    assert opened.pages.visit("http://public.test/") == "Hello reader"
    assert opened.requests[1].startswith("GET /Z%FCrich ")


@pytest.mark.parametrize("target", ["http://127.0.0.1/ü", "http://127。0。0。1/"])
def test_letters_beyond_ascii_lead_nowhere_else(site, target):
    opened = site(redirect(target))
    with pytest.raises(ToolError):
        opened.pages.visit("http://public.test/")
    assert opened.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://inside.test/", "file:///etc/passwd", "//10.0.0.1/x"])
def test_redirects_are_checked_like_any_address(site, target):
    opened = site(redirect(target), PAGE, names={"inside.test": ["192.168.0.1"]})
    with pytest.raises(ToolError):
        opened.pages.visit("http://public.test/")
    assert len(opened.connected) == 1


def test_redirects_are_followed_and_counted(site):
    assert site(redirect("/b"), PAGE).pages.visit("http://public.test/a") == "Hello reader"
    endless = site(*[redirect("/b")] * 6)
    with pytest.raises(ToolError, match="more than 5 redirects"):
        endless.pages.visit("http://public.test/a")


def test_a_body_over_the_limit_is_refused_also_where_it_declares_less(site):
    def flood(line):
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            line.sendall(b"x" * 65536)

    opened = site(flood, limits=PageLimits(seconds=20, body_bytes=100_000))
    with pytest.raises(ToolError, match="more than 100000 bytes"):
        opened.pages.visit("http://public.test/")


def test_a_page_that_breaks_off_is_no_page(site, tmp_path):
    half = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + b"x" * 400
    tools = ToolRegistry(default_toolbox(tmp_path, web=site(half, half).pages))
    for name in ("visit_page", "download_file"):
        done = tools.run(name, {"url": "http://public.test/a.txt"})
        assert done.text == "error: the page broke off: 600 of its bytes did not come; try again"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_headers_and_bodies_that_never_end_are_left(site, start):
    def drip(line):
        line.sendall(start)
        for _ in range(600):
            line.sendall(b"x")
            time.sleep(0.05)

    opened = site(drip, limits=PageLimits(seconds=1))
    began = time.monotonic()
    with pytest.raises(ToolError, match="longer than 1 seconds"):
        opened.pages.visit("http://public.test/")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 2\r\n\r\nPK", "not a page of text"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\na\0", "binary data"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "cannot be read"),
        (b"nonsense\r\n\r\n", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_is_no_page_is_said(site, reply, said):
    with pytest.raises(ToolError, match=said):
        site(reply).pages.visit("http://public.test/")


@pytest.mark.parametrize(
    ("codec", "header"), [("cp1251", "; charset=windows-1251"), ("cp1251", ""), ("koi8-r", "; charset=koi8-r")]
)
def test_the_encoding_that_header_or_page_declares_is_used(site, codec, header):
    body = "<meta charset=windows-1251><p>Привет</p>".encode(codec)
    page = f"HTTP/1.1 200 OK\r\nContent-Type: text/html{header}\r\n\r\n".encode() + body
    assert site(page).pages.visit("http://public.test/") == "Привет"


def test_a_name_that_is_not_known(site):
    def unknown(_host, _port):
        raise socket.gaierror

    with pytest.raises(ToolError, match="no address is known"):
        PublicPages(resolve=unknown).visit("http://nowhere.test/")


def test_as_the_backend_of_the_tools(site):
    box = ToolRegistry(search_tools(web=site(PAGE).pages))
    assert box.run("visit_page", {"url": "http://public.test/"}).text == "Hello reader"
    assert not box.run("visit_page", {"url": "http://localhost/"}).ok
    assert "search is off" in box.run("search", {"query": "x"}).text
    with pytest.raises(ToolUnavailableError):
        PublicPages().search("x", 1)


def test_files_come_as_they_are_under_the_same_rule(site, tmp_path):
    body = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 5\r\n\r\n%PDF\0"
    opened = site(redirect("/files/b.pdf"), body)
    tools = ToolRegistry(default_toolbox(tmp_path, web=opened.pages))
    done = tools.run("download_file", {"url": "http://public.test/a.pdf"})
    assert (done.text, (tmp_path / "a.pdf").read_bytes()) == ("saved a.pdf, 5 bytes", b"%PDF\0")
    assert "search" not in tools  # these pages have no engine
    for url in ("file:///etc/passwd", "http://127.0.0.1/a.pdf", "http://169.254.169.254/a.pdf"):
        refused = tools.run("download_file", {"url": url})
        assert not refused.ok
        assert "not" in refused.text
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_a_file_that_leads_inside_or_never_ends_is_not_saved(site, tmp_path):
    def flood(line):
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            line.sendall(b"x" * 65536)

    for reply, said in ((redirect("http://10.0.0.1/"), "not on the public web"), (flood, "more than 100000 bytes")):
        pages = site(reply, limits=PageLimits(seconds=20, file_bytes=100_000)).pages
        done = ToolRegistry(default_toolbox(tmp_path, web=pages)).run(
            "download_file", {"url": "http://public.test/a.pdf"}
        )
        assert said in done.text
    assert list(tmp_path.iterdir()) == []
