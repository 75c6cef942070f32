"""A real Chromium: what is seen, every action, windows, dialogs, downloads, the allow-list, and what breaks."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Hotkey,
    Hover,
    LeftDouble,
    MiddleClick,
    OpenApp,
    Point,
    RightSingle,
    Scroll,
    Select,
    TripleClick,
    Type,
    Wait,
)
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.base import Failure, failure_of
from tracer1_agents.environments.browser import BrowserEnvironment
from tracer1_agents.environments.browser_options import BrowserOptions
from tracer1_agents.environments.chromium import Chromium
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure
from tracer1_agents.testing import ScriptedServer

EVENTS = """<title>Events</title><div id=area style="width:300px;height:200px;background:#ddd">area</div>
<input id=said value="one two"><script>
const area = document.getElementById("area");
for (const kind of ["click", "dblclick", "contextmenu", "auxclick", "mousemove", "wheel", "mouseup"])
  area.addEventListener(kind, event => { event.preventDefault(); document.title += " " + kind + event.detail; });
document.addEventListener("keydown", event => {
  document.title += " key:" + event.key + (event.ctrlKey ? "+ctrl" : ""); });
</script>"""
MAIN = """<title>Main</title><label>Name <input></label> <input type=password aria-label=Secret value=abc>
<button onclick="alert('hi ' + document.querySelector('input').value)">Say</button>
<button onclick="document.title = confirm('sure?') ? 'yes' : 'no'">Ask</button>
<a href="second.html" target="_blank">window</a> <a href="https://example.com/x">elsewhere</a>
<a download="a b.txt" href="data:text/plain,hello">file</a>
<select aria-label=Colour><option>red<option>green</select>
<iframe srcdoc="<button onclick='this.textContent=`pressed`'>inner</button>"></iframe>
<div style="height:3000px"></div><button>far below</button>"""


@pytest.fixture(scope="session")
def pages(site):
    for name, content in {
        "events": EVENTS,
        "main": MAIN,
        "second": "<title>Second</title><button onclick='window.close()'>close me</button>",
        "busy": "<title>Busy</title><button onclick='while(true){}'>hang</button>",
        "restless": "<title>Restless</title><p>0</p><script>setInterval(() => {"
        "document.querySelector('p').textContent = Math.random() }, 5)</script>",
    }.items():
        (site / f"{name}.html").write_text(content)
        (site / f"{name}.html").chmod(0o644)
    return site


@pytest.fixture
def open_page(pages, chromium, tmp_path):
    opened = []

    def make(name, **options):
        options = {"viewport": Size(640, 480), **options}
        environment = BrowserEnvironment(
            (pages / f"{name}.html").as_uri(),
            BlobStore(tmp_path / "blobs"),
            chromium=chromium,
            downloads=tmp_path / "downloads",
            options=BrowserOptions(**options),
        )
        opened.append(environment)
        environment.reset()
        return environment

    yield make
    for environment in opened:
        environment.close()


def place(environment, name):
    element = next(one for one in environment.seen.page.elements if name in one.name)
    return element.centre(environment.size)


def test_what_is_seen(open_page):
    main = open_page("main")
    seen = main.observe()
    assert seen.text.splitlines()[:2] == ["Page: Main", f"Address: {main.start_url}"]
    assert '[1] textbox "Name"' in seen.text
    assert 'password "Secret" = "***"' in seen.text
    assert "abc" not in seen.text
    assert 'button "inner"' in seen.text
    assert '    options: ["red", "green"]' in seen.text
    assert "far below" not in seen.text
    assert seen.text.endswith("(the page goes on: scroll down)")
    assert (seen.image.width, seen.image.height) == (640, 480)


def test_screenshots_are_capped_and_boxes_fit_them(open_page):
    small = open_page("main", max_pixels=640 * 480 // 4)
    seen = small.observe()
    assert (seen.image.width, seen.image.height) == (320, 240)
    assert small.act(Click(point=small.seen.page.elements[0].centre(Size(320, 240)))).text.count("focused") == 1
    assert open_page("main", screenshots=False).observe().image is None
    assert "button" not in open_page("main", elements=False).observe().text


MIDDLE = Point(0.25, 0.2)


@pytest.fixture(scope="module")
def listener(pages, chromium, tmp_path_factory):
    """The page that says in its title what it heard; loaded anew for every test, which costs less than a context."""
    blobs = BlobStore(tmp_path_factory.mktemp("blobs"))
    options = BrowserOptions(viewport=Size(640, 480))
    with BrowserEnvironment((pages / "events.html").as_uri(), blobs, chromium=chromium, options=options) as page:
        page.reset()
        yield page


@pytest.mark.parametrize(
    ("action", "heard"),
    [
        (Click(point=MIDDLE), "click1"),
        (LeftDouble(point=MIDDLE), "dblclick2"),
        (TripleClick(point=MIDDLE), "click3"),
        (RightSingle(point=MIDDLE), "contextmenu"),
        (MiddleClick(point=MIDDLE), "auxclick"),
        (Hover(point=MIDDLE), "mousemove"),
        (Scroll(direction="down", point=MIDDLE), "wheel"),
        (Drag(start=Point(0.1, 0.1), end=MIDDLE), "mouseup"),
        (Type(content="Q"), "key:Q"),
        (Hotkey(keys=("ctrl", "b")), "key:b+ctrl"),
    ],
)
def test_actions_reach_the_page(listener, action, heard):
    assert listener.act(OpenApp(app_name=listener.start_url)).text.splitlines()[0] == "Page: Events"
    assert heard in listener.act(action).text.splitlines()[0]


def test_typing_selecting_waiting(open_page):
    main = open_page("main")
    main.act(Click(point=place(main, "Name")))
    assert 'textbox "Name" = "Ann"' in main.act(Type(content="Ann")).text
    assert 'listbox "Colour" = "green"' in main.act(Select(option="green", point=place(main, "Colour"))).text
    assert failure_of(main.act(Select(option="blue", point=place(main, "Colour")))) is Failure.NO_TARGET
    assert failure_of(main.act(Select(option="blue", point=place(main, "Say")))) is Failure.NO_TARGET
    assert main.act(Wait()).ok
    assert 'button "pressed"' in main.act(Click(point=place(main, "inner"))).text
    assert "far below" in [main.act(Scroll(direction="down")) for _ in range(12)][-1].text
    assert failure_of(main.act(Click())) is Failure.NO_PLACE
    assert failure_of(main.act(Hotkey(keys=("hyper",)))) is Failure.UNSUPPORTED
    assert failure_of(main.act(OpenApp(app_name="not an address"))) is Failure.UNSUPPORTED


def test_dialogs_are_answered_and_told(open_page):
    main = open_page("main")
    main.act(Click(point=place(main, "Name")))
    main.act(Type(content='"x"\n[9] button'))
    said = main.act(Click(point=place(main, "Say"))).text.splitlines()
    assert sum(line.startswith("Note: the page showed a dialog (alert)") for line in said) == 1
    assert main.act(Click(point=place(main, "Ask"))).text.startswith("Page: yes")
    careful = open_page("main", dialogs="dismiss")
    assert careful.act(Click(point=place(careful, "Ask"))).text.startswith("Page: no")


def test_windows_are_followed_and_left(open_page):
    main = open_page("main")
    inside = main.act(Click(point=place(main, "window")))
    assert inside.text.startswith("Page: Second")
    assert "a new window opened" in inside.text
    back = main.act(Click(point=place(main, "close me")))
    assert back.text.startswith("Page: Main")
    assert "a window closed" in back.text


def test_downloads_are_kept(open_page, tmp_path):
    main = open_page("main")
    assert 'downloaded "a b.txt" (5 bytes)' in main.act(Click(point=place(main, "file"))).text
    assert (tmp_path / "downloads" / "a b.txt").read_text() == "hello"


SLOW_SITE = {
    "/v1/": '<title>First</title><a href="/v1/second">on</a><form action="/v1/second"><button>send</button></form>'
    '<a href="/v1/never">nowhere</a>',
    "/v1/second": (0.3, "<title>Second</title>there"),
    "/v1/never": (30.0, ""),
}


@pytest.fixture
def slow_site(loopback_chromium, tmp_path):
    server = ScriptedServer([])
    server.pages |= SLOW_SITE
    options = BrowserOptions(viewport=Size(640, 480), settle=1.0, allowed_domains=())
    with BrowserEnvironment(
        f"{server.url}/", BlobStore(tmp_path / "blobs"), chromium=loopback_chromium, options=options
    ) as page:
        page.reset()
        yield page
    server.close()


@pytest.mark.parametrize("name", ["on", "send"])
def test_a_page_that_takes_its_time_is_waited_for(slow_site, name):
    """The old page is complete and still until the server answers: looking at it alone would show it."""
    assert slow_site.act(Click(point=place(slow_site, name))).text.startswith("Page: Second")


def test_a_page_that_never_comes_is_a_typed_failure(slow_site):
    assert failure_of(slow_site.act(Click(point=place(slow_site, "nowhere")))) is Failure.UNSETTLED


def test_the_allow_list_holds_the_page_where_it_is(open_page):
    main = open_page("main", allowed_domains=())
    main.act(Click(point=place(main, "Name")))
    main.act(Type(content="kept"))
    for action in (Click(point=place(main, "elsewhere")), OpenApp(app_name="https://example.com")):
        blocked = main.act(action)
        assert failure_of(blocked) is Failure.BLOCKED
        assert '= "kept"' in blocked.text
    assert failure_of(main.act(OpenApp(app_name="file:///etc/passwd"))) is Failure.BLOCKED
    assert "root:" not in main.observe().text


def test_a_page_that_hangs_costs_the_action(open_page):
    busy = open_page("busy", seconds=4.0, settle=0.5)
    hung = busy.act(Click(point=place(busy, "hang")))
    assert failure_of(hung) is Failure.UNSETTLED
    assert busy.observe().text.startswith("Page: Busy")  # opened anew


def test_a_page_that_never_rests_is_noted(open_page):
    restless = open_page("restless", quiet=1.0, settle=1.5)
    assert "Note: the page keeps changing" in restless.act(Wait()).text


def test_a_page_that_crashes_is_opened_anew(open_page):
    main = open_page("main")

    async def crash():
        page = main.events.front()
        with pytest.raises(Exception, match="crash"):
            await page.goto("chrome://crash")

    main.chromium.thread.run(crash())
    after = main.act(Wait())
    assert after.ok or after.infrastructure
    assert main.observe().text.startswith("Page:")
    assert main.reset().text.startswith("Page: Main")


def test_a_browser_that_dies_is_an_environment_failure_and_comes_back(pages, tmp_path):
    with (
        Chromium(readable=[pages]) as browser,
        BrowserEnvironment((pages / "main.html").as_uri(), BlobStore(tmp_path), chromium=browser) as main,
    ):
        main.reset()
        browser.thread.run(browser._browser.close())
        with pytest.raises(EnvironmentFailure, match="reset"):
            main.act(Wait())
        assert main.reset().text.startswith("Page: Main")


def test_nothing_works_before_the_first_reset(pages, chromium, tmp_path):
    main = BrowserEnvironment((pages / "main.html").as_uri(), BlobStore(tmp_path), chromium=chromium)
    with pytest.raises(EnvironmentFailure, match="reset"):
        main.observe()


def test_it_is_awaitable_and_shares_one_browser(open_page):
    pair = [open_page("events"), open_page("events")]

    async def together():
        return await asyncio.gather(*(one.aact(Click(point=MIDDLE)) for one in pair))

    assert all("click1" in execution.text for execution in asyncio.run(together()))
    assert pair[0].chromium is pair[1].chromium


@pytest.mark.skipif(os.geteuid() != 0, reason="this user is unprivileged already")
def test_the_browser_is_not_root(open_page):
    open_page("main")
    uids = {
        path.stat().st_uid
        for path in Path("/proc").glob("[0-9]*")
        if b"tracer1-browser-" in _read(path / "cmdline") or b"/usr/lib/chromium/chromium" in _read(path / "cmdline")
        if str(os.getpid()) in _ancestors(path)
    }
    assert 0 not in uids
    assert uids


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _ancestors(path):
    """Process ids above a process."""
    found, at = [], path.name
    while at not in {"0", "1", ""}:
        stat = _read(Path("/proc") / at / "stat").rpartition(b")")[2].split()
        at = stat[1].decode() if len(stat) > 1 else ""
        found.append(at)
    return found


def test_no_process_outlives_its_browser(pages, tmp_path):
    with Chromium(readable=[pages]) as browser:
        marks = str(browser.folder).encode()
        for _ in range(2):
            with BrowserEnvironment((pages / "main.html").as_uri(), BlobStore(tmp_path), chromium=browser) as main:
                main.reset()
        assert _with(marks)
    until = time.monotonic() + 20
    while _with(marks) and time.monotonic() < until:
        time.sleep(0.1)
    assert _with(marks) == []
    assert not browser.folder.exists()


def _with(marks):
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if marks in _read(path)]


def test_wrong_options_are_refused(pages, tmp_path):
    with pytest.raises(ConfigurationError, match="neither"):
        BrowserOptions(elements=False, screenshots=False)
    with pytest.raises(ConfigurationError, match="begin"):
        BrowserEnvironment("chrome://settings", BlobStore(tmp_path))
