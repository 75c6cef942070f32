"""Pages as they are found: redirects, frames from elsewhere, fields with unlucky names, controls drawn over."""

from __future__ import annotations

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Hotkey, OpenApp, Type, Wait
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.base import Failure, failure_of
from tracer1_agents.environments.browser import BrowserEnvironment
from tracer1_agents.environments.browser_options import BrowserOptions
from tracer1_agents.environments.chromium import Chromium
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure

SECONDS = 60.0
PAGES = {
    "/": "<title>Start</title><a href='/inside'>inside</a> <a href='/out'>out</a> <a href='/dead'>dead</a>"
    "<form method=post action=/send><button>send</button></form><a href='/frames'>frames</a><a href='/slow'>slow</a>",
    "/there": "<title>There</title>arrived",
    "/frames": "<title>Frames</title>text<iframe src='http://localhost:{port}/foreign'></iframe>"
    "<iframe src='/out'></iframe>",
    "/slow": "<title>Slow</title><button onclick='this.textContent += \"!\"'>press</button><img src=/never>",
    "/foreign": "<title>Foreign</title>elsewhere",
}
REDIRECTS = {"/inside": (302, "/hop"), "/hop": (301, "/there"), "/send": (303, "/there")}


class Site:
    """Loopback under two names, of which only 127.0.0.1 is the start page's own; notes who was asked for what."""

    def __init__(self):
        self.asked = []
        handler = type("_Handler", (_Handler,), {"site": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def foreign(self):
        return [path for host, path in self.asked if host.startswith("localhost")]


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self):
        self.site.asked.append((self.headers["Host"], self.path))
        code, where = REDIRECTS.get(self.path, (0, ""))
        if self.path == "/out":
            code, where = 302, f"http://localhost:{self.site.port}/foreign?secret=1"
        if code:
            self.send_response(code)
            self.send_header("Location", where)
            self.end_headers()
            return
        if self.path == "/never":
            time.sleep(SECONDS)
        content = PAGES.get(self.path.partition("?")[0], "?").replace("{port}", str(self.site.port)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    found = Site()
    yield found
    found.server.shutdown()


@pytest.fixture
def visit(site, loopback_chromium, tmp_path):
    """Opens a page of the site, or HTML of its own."""
    opened = []

    def make(html="", *, start="", **options):
        site.asked.clear()
        PAGES["/own"] = html
        options = {"viewport": Size(640, 480), "settle": 1.0, **options}
        page = BrowserEnvironment(
            start or f"http://127.0.0.1:{site.port}{'/own' if html else '/'}",
            BlobStore(tmp_path / "blobs"),
            chromium=loopback_chromium,
            options=BrowserOptions(**options),
        )
        opened.append(page)
        page.reset()
        return page

    yield make
    for page in opened:
        page.close()


def press(page, name):
    element = next(one for one in page.seen.page.elements if name in one.name)
    return page.act(Click(point=element.centre(page.size)))


def names(page):
    return [(element.role, element.name) for element in page.seen.page.elements]


class TestRedirects:
    def test_every_hop_is_held_to_the_allow_list(self, visit, site):
        page = visit(allowed_domains=())
        for lead in (
            lambda: press(page, "out"),
            lambda: page.act(OpenApp(app_name=f"http://127.0.0.1:{site.port}/out")),
        ):
            assert failure_of(lead()) is Failure.BLOCKED
            assert page.observe().text.startswith("Page: Start")
        assert site.foreign == []

    @pytest.mark.parametrize("name", ["inside", "send"])
    def test_what_is_allowed_leads_on(self, visit, site, name):
        page = visit(allowed_domains=())
        went = press(page, name)
        assert went.ok
        assert went.text.splitlines()[:2] == ["Page: There", f"Address: http://127.0.0.1:{site.port}/there"]

    def test_frames_from_elsewhere_stay_empty_and_fail_nothing(self, visit, site):
        went = press(visit(allowed_domains=()), "frames")
        assert went.ok
        assert "Note: a part of the page is not on the allow-list and stays empty: http://localhost:" in went.text
        assert site.foreign == []

    def test_where_the_start_page_leads_is_its_own(self, visit, site):
        page = visit(start=f"http://127.0.0.1:{site.port}/out", allowed_domains=())
        assert page.observe().text.startswith("Page: Foreign")
        assert page.act(Wait()).ok
        assert page.act(OpenApp(app_name=f"http://localhost:{site.port}/there")).ok

    def test_frames_of_the_start_page_are_held_to_the_list(self, visit, site):
        visit(start=f"http://127.0.0.1:{site.port}/frames", allowed_domains=())
        assert site.foreign == []

    def test_a_start_that_fails_leaves_the_gate_closed(self, visit, site, monkeypatch):
        page = visit(allowed_domains=())

        async def breaks(self, front, seed):
            raise TimeoutError

        monkeypatch.setattr(BrowserEnvironment, "_begin", breaks)
        with pytest.raises(EnvironmentFailure):
            page.reset()
        assert failure_of(page.act(OpenApp(app_name=f"http://localhost:{site.port}/foreign"))) is Failure.BLOCKED
        assert site.foreign == []

    def test_a_domain_that_never_matches_is_refused(self):
        for wrong in ("https://docs.python.org", "*.python.org", "a b"):
            with pytest.raises(ConfigurationError, match="an allowed domain is a host"):
                BrowserOptions(allowed_domains=(wrong,))
        assert BrowserOptions(allowed_domains=("python.org", "localhost:8000"))


def test_an_address_that_does_not_answer_is_called_that(visit):
    page = visit("<title>Own</title><a href='http://127.0.0.1:9/'>gone</a>")
    dead = press(page, "gone")
    assert failure_of(dead) is Failure.REFUSED
    assert "the address did not answer" in dead.text
    assert page.observe().text.startswith("Page: Own")


def test_a_page_that_still_loads_something_is_there(visit):
    page = visit(settle=0.5)
    press(page, "slow")
    pressed = press(page, "press")
    assert pressed.ok
    assert "Note: the page is still loading something" in pressed.text
    assert 'button "press!"' in pressed.text


class TestElements:
    def test_fields_that_shadow_their_forms_properties(self, visit):
        page = visit(
            "<title>Real</title><form name=title><input name=children aria-label=Children>"
            "<input name=getAttribute><button>Book</button></form><form role=search><input name=title></form>"
        )
        assert page.observe().text.startswith("Page: Real\n")
        assert ("textbox", "Children") in names(page)
        assert ("button", "Book") in names(page)

    def test_a_password_stays_one_whatever_its_role(self, visit):
        page = visit("<input type=password role=textbox aria-label=Secret value=hunter2>")
        assert 'password "Secret" = "*******"' in page.observe().text

    def test_what_is_slotted_into_a_component_is_seen(self, visit):
        page = visit(
            "<div id=host><button>Buy now</button></div><script>document.getElementById('host')"
            ".attachShadow({mode: 'open'}).innerHTML = '<select aria-label=Size><option>S<option>M</select>"
            "<slot></slot>'</script>"
        )
        assert names(page) == [("listbox", "Size"), ("button", "Buy now")]

    def test_a_styled_checkbox_is_its_label(self, visit):
        page = visit(
            "<label><input type=checkbox style='opacity:0' onchange='document.title=this.checked'>Agree</label>"
            "<label>Plain <input type=checkbox></label>"
        )
        assert names(page) == [("checkbox", "Agree"), ("checkbox", "Plain")]
        assert press(page, "Agree").text.startswith("Page: true")
        assert "checked" in page.seen.page.elements[0].states

    def test_the_bodys_overflow_is_the_windows(self, visit):
        rows = "".join(f"<button style='display:block;height:60px'>row {at}</button>" for at in range(20))
        style = "html, body {height: 100%; margin: 0} body {overflow-x: hidden}"
        page = visit(f"<!doctype html><style>{style}</style>{rows}")
        page.act(Hotkey(keys=("end",)))
        assert ("button", "row 19") in names(page)

    def test_fixed_boxes_are_not_clipped_and_faint_ones_not_seen(self, visit):
        page = visit(
            "<div style='overflow:hidden;height:1px'><div style='position:fixed;top:50px'><button>Cookies</button>"
            "</div><button style='position:absolute;top:90px'>Over</button></div>"
            "<div style='opacity:0'><button>Ghost</button></div>"
        )
        assert names(page) == [("button", "Cookies"), ("button", "Over")]


class TestKeys:
    def test_keys_of_the_browsers_window(self, visit):
        page = visit()
        page.act(OpenApp(app_name=f"{page.start_url}there"))
        assert page.act(Hotkey(keys=("alt", "left"))).text.startswith("Page: Start")
        assert page.act(Hotkey(keys=("alt", "right"))).text.startswith("Page: There")
        assert page.act(Hotkey(keys=("f5",))).text.startswith("Page: There")

    def test_a_tab_goes_to_the_next_field_and_a_line_break_is_one(self, visit):
        page = visit(
            "<input aria-label=User autofocus><input aria-label=Word>"
            "<textarea aria-label=Text oninput='document.title = this.value.length'></textarea>"
        )
        press(page, "User")
        typed = page.act(Type(content="ann\tpass\ta\r\nb"))
        assert [element.value for element in page.seen.page.elements[:2]] == ["ann", "pass"]
        assert typed.text.startswith("Page: 3\n")


class TestPictures:
    def test_a_page_that_goes_elsewhere_meanwhile_is_looked_at_again(self, visit, monkeypatch):
        from playwright.async_api import Error  # noqa: PLC0415

        page, take, failures = visit(), BrowserEnvironment._screenshot, [Error("Not attached to an active page")]

        async def once(self, front):
            if failures:
                raise failures.pop()
            return await take(self, front)

        monkeypatch.setattr(BrowserEnvironment, "_screenshot", once)
        assert page.act(Wait()).ok

    def test_a_picture_that_never_comes_costs_the_action(self, visit, monkeypatch):
        page, take, hangs = visit(settle=0.2), BrowserEnvironment._screenshot, [True] * 3

        async def never(self, front):
            if hangs:
                hangs.pop()
                await asyncio.sleep(SECONDS)
            return await take(self, front)

        monkeypatch.setattr(BrowserEnvironment, "_screenshot", never)
        lost = page.act(Wait())
        assert failure_of(lost) is Failure.UNSETTLED
        assert "no picture" in lost.text
        assert page.act(Wait()).ok


def test_closing_ends_what_waits_for_the_browser(site, tmp_path):
    chromium = Chromium()
    page = BrowserEnvironment(f"http://127.0.0.1:{site.port}/", BlobStore(tmp_path), chromium=chromium)
    page.reset()
    ended = []

    def act():
        try:
            page.act(Wait())
        except EnvironmentFailure as error:
            ended.append(str(error))

    acting = threading.Thread(target=act)
    acting.start()
    time.sleep(0.3)
    chromium.close()
    acting.join(SECONDS)
    assert len(ended) == 1
    for call in (page.observe, page.reset, lambda: page.act(Wait())):
        with pytest.raises(EnvironmentFailure, match=r"it was closed'\); make another environment"):
            call()
