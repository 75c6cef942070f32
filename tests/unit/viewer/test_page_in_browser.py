"""The page in a real Chromium: it shows, moves, filters, and lets nothing in or out."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time

import pytest
from viewer_cases import EVIL, hostile_result, result, run_of, screen_result, text_steps

from tracer1_agents.types import Observation, StepRecord
from tracer1_agents.viewer.html import write_page
from tracer1_agents.viewer.pictures import Pictures
from tracer1_agents.viewer.server import PageServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 30_000  # milliseconds: a shared machine may be slow

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium"),
]


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=alone, timeout=PATIENCE)
        yield browser
        browser.close()


class Opened:
    """A page with what it complained about and what it asked for."""

    def __init__(self, page):
        self.page, self.complaints, self.requests = page, [], []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def until(self, condition):
        """Wait for a condition; Playwright's own way to wait needs `eval`, which the page's policy forbids."""
        ends = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < ends, condition
            self.page.wait_for_timeout(50)

    def texts(self, selector):
        """As the elements hold it: what is far from the window is not laid out, and has no inner text yet."""
        return self.page.locator(selector).all_text_contents()

    def step(self):
        return self.page.locator("article[aria-current=step]").first.get_attribute("id")


@pytest.fixture
def opened(chromium, tmp_path):
    contexts, pages = [], []

    def open_page(*runs, address=None, hash_="", width=1280, height=800, scheme="light"):
        if address is None:
            path = tmp_path / f"page-{len(pages)}.html"
            write_page(runs, Pictures(), path)
            address = path.as_uri() + hash_
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        found = Opened(context.new_page())
        pages.append(found)
        found.page.goto(address, timeout=PATIENCE)
        return found

    yield open_page
    for found in pages:
        assert found.complaints == []
    for context in contexts:
        context.close()


def many_steps(count):
    one = text_steps()[0]
    return tuple(one.model_copy(update={"step": number}) for number in range(1, count + 1))


def test_a_run_is_shown(opened):
    shown = opened(run_of(result("t-1"), result("t-2", correct=False, detail="the sum is wrong")))
    assert shown.texts("#episodes .name") == ["t-1", "t-2"]
    assert shown.texts("#runs")[0] == "run.jsonl 1 of 2 correct"
    assert shown.texts("#episode h2") == ["t-1"]
    # step 1: look ran, a sum ran instead of the mean, finish came true, nobody knows of the last
    badges = [text.split() for text in shown.page.locator("#step-1 .pair .badge").all_text_contents()]
    assert badges == [["→ran"], ["✗did", "not"], ["✓came", "true"], ["·not", "known"]]
    assert "ran instead: " in shown.texts("#step-1 .pair.no .instead")[0]
    assert 'operation="sum"' in shown.texts("#step-1 .pair.no .instead")[0]
    assert shown.texts("#step-2 .event .badge")[0].endswith("re-planned")
    assert shown.texts("#step-2 .back pre") == ['error: no column "qty"']
    assert "1,200 + 30 tokens" in shown.texts("#step-1 .numbers")[0]


def test_each_step_saw_what_the_one_before_returned(opened):
    shown = opened(run_of(result("t-1", observation=Observation(text="a table"))))
    seen = [shown.texts(f"#step-{number} .seen pre") for number in (1, 2, 3)]
    assert seen == [["a table"], ["table, 3 rows, columns: item, qty"], ['error: no column "qty"']]


def test_the_matrix_says_what_came_true(opened):
    shown = opened(run_of(result()))
    rows = [row.locator("td").all_text_contents() for row in shown.page.locator(".matrix tbody tr").all()]
    assert rows == [["→", "✗", "✓", "+1"], ["", "→", "✓", ""], ["", "", "→", ""]]
    names = shown.page.locator(".matrix button").evaluate_all("cells => cells.map((cell) => cell.ariaLabel)")
    assert names[1].startswith("forecast at step 1 for step 2, did not: table_aggregate(")
    assert shown.texts(".rates dd") == ["1 of 2", "1 of 1"]


def test_keys_move_through_steps_episodes_and_matrix(opened):
    shown = opened(run_of(result("t-1"), result("t-2")))
    shown.press("j", "j")
    assert shown.step() == "step-3"
    shown.press("j", "k")  # there is no fourth
    assert shown.step() == "step-2"
    shown.press("n")
    assert shown.texts("#episode h2") == ["t-2"]
    shown.press("p", "m", "ArrowRight", "ArrowDown")
    focused = "document.activeElement.ariaLabel"
    assert shown.page.evaluate(focused).startswith("forecast at step 2 for step 2")
    shown.press("ArrowUp", "ArrowRight", "Enter")
    assert shown.page.evaluate("document.activeElement.textContent").startswith("step 3")  # the pair about step 3
    assert shown.step() == "step-1"
    shown.press("l", "ArrowDown", "Enter")
    assert shown.texts("#episode h2") == ["t-2"]
    assert shown.page.evaluate("new URLSearchParams(location.hash.slice(1)).get('task')") == "t-2"
    shown.press("?")
    assert shown.page.locator("#help").evaluate("dialog => dialog.open")
    shown.press("Escape")
    assert not shown.page.locator("#help").evaluate("dialog => dialog.open")


def test_everything_is_reached_with_tab(opened):
    shown = opened(run_of(result("t-1")))
    reached = set()
    for _ in range(20):
        shown.press("Tab")
        reached.add(shown.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"theme", "help-open", "search", "chip", "row"} <= reached
    assert any(name.startswith("cell") for name in reached)


def test_an_address_leads_to_its_step(opened):
    shown = opened(run_of(result("t-1"), result("t-2", many_steps(30))), hash_="#task=t-2&step=20")
    shown.until("Math.abs(document.getElementById('step-20').getBoundingClientRect().top) < 120")
    assert shown.step() == "step-20"
    shown.page.evaluate("location.hash = '#task=t-1&step=2'")  # as a link or a bookmark in the same tab
    shown.until("document.querySelector('#episode h2').textContent === 't-1'")
    assert shown.step() == "step-2"
    assert shown.page.locator(".row[aria-current]").get_attribute("data-task") == "t-1"
    shown.page.evaluate("location.hash = '#task=gone&step=1'")
    shown.press("j")
    assert shown.step() == "step-3"


def test_an_address_beyond_the_end_leads_to_the_last_step(opened):
    shown = opened(run_of(result("t-1")), hash_="#task=t-1&step=999")
    assert shown.step() == "step-3"
    shown.press("k")
    assert shown.step() == "step-2"


def test_filters_narrow_the_list(opened):
    quiet = StepRecord.model_validate(text_steps()[2].model_dump())
    shown = opened(
        run_of(
            result("right", (quiet,), family="sums"),
            result("wrong", (quiet,), correct=False, family="maps"),
            result("looped", family="maps"),
        )
    )
    names = lambda: shown.texts("#episodes .name")  # noqa: E731
    shown.press("f")
    assert names() == ["wrong"]
    assert shown.texts("#count") == ["1 of 3 episodes"]
    shown.press("f")
    shown.page.get_by_role("button", name="loops", exact=True).click()
    assert names() == ["looped"]
    shown.page.get_by_role("button", name="loops", exact=True).click()
    shown.page.get_by_label("Family").select_option("maps")
    assert names() == ["wrong", "looped"]
    shown.page.locator("body").click(position={"x": 900, "y": 700})
    shown.press("/")
    shown.page.keyboard.type("QTY table_aggregate")
    assert names() == ["looped"]
    shown.page.keyboard.type(" nowhere")
    assert shown.texts("#episodes .empty") == ["No episode is like that."]


def test_both_themes(opened):
    shown = {scheme: opened(run_of(result()), scheme=scheme) for scheme in ("light", "dark")}
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {scheme: found.page.evaluate(ground) for scheme, found in shown.items()}
    assert colours == {"light": "rgb(252, 251, 249)", "dark": "rgb(23, 23, 22)"}
    shown["dark"].press("t")  # auto, then light
    assert shown["dark"].page.evaluate(ground) == colours["light"]
    shown["dark"].press("t")
    assert shown["dark"].page.evaluate(ground) == colours["dark"]
    assert shown["dark"].texts("#theme") == ["Theme: dark"]


def test_a_phone_never_scrolls_sideways(opened, tmp_path):
    steps = many_steps(12)
    long = result("a-task-with-a-very-long-identifier-" + "x" * 80, steps)
    runs = (run_of(long, screen_result(tmp_path, task_id="screen")), run_of(long, hostile_result()))
    shown = opened(*runs, width=360, height=740)
    sideways = "document.documentElement.scrollWidth > innerWidth"
    assert not shown.page.locator("#episode").is_visible()  # the list first
    assert not shown.page.evaluate(sideways)
    for row in range(3):
        shown.page.locator("#episodes .row").nth(row).click()
        assert shown.page.locator("#episode h2").is_visible()
        assert not shown.page.evaluate(sideways), row
        shown.page.get_by_role("button", name="← Episodes").click()
        assert shown.page.locator("#episodes").is_visible()


def test_screenshots_are_decoded_when_they_come_near_with_their_marks(opened, tmp_path):
    shown = opened(run_of(screen_result(tmp_path, count=60)))
    loaded = "[...document.querySelectorAll('.seen img')].filter((image) => image.src).length"
    shown.until(loaded)
    assert shown.page.evaluate(loaded) < 20
    first = shown.page.locator("#step-1 .seen")
    assert first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    cross = first.locator("g.ran path").last.get_attribute("d")
    x = float(cross[1:].split()[0]) + 320 / 70  # its left end, and half its width
    assert x == pytest.approx(0.12 * 320)
    assert shown.texts("#step-1 .legend span") == ["ran here", "forecast for now", "forecast for later, by step: 2, 3"]
    assert shown.texts("#step-3 .legend span")[-1] == "forecast earlier for now, at step 1, 2"
    # later ones carry their step's number and are fainter, in the picture and in the list of pairs alike
    assert first.locator("g.ahead").evaluate_all(
        "all => all.map((one) => [one.textContent, one.getAttribute('opacity')])"
    ) == [
        ["3", "0.76"],
        ["2", "0.88"],
    ]
    assert shown.texts("#step-1 .pair .key") == ["", "2", "3"]
    before = first.locator("figure").bounding_box()["width"]
    first.locator(".screen").click()
    assert first.locator("figure").bounding_box()["width"] > before
    shown.page.locator("#step-60").scroll_into_view_if_needed()
    shown.until("document.querySelector('#step-60 .seen img').src.startsWith('data:image/png')")


def test_a_damaged_screenshot_says_so_in_its_place(opened, tmp_path):
    """A small one is taken in as it came: only the browser finds out."""
    seen = screen_result(tmp_path)
    (tmp_path / "screen-0.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    shown = opened(run_of(seen))
    shown.until("document.querySelector('#step-1 .seen .left-out')")
    assert shown.texts("#step-1 .seen .left-out") == ["this picture cannot be shown: it is damaged"]
    assert shown.page.locator("#step-1 .seen .screen").count() == 0
    assert shown.page.locator("#step-2 .seen .screen").count() == 1


def test_a_long_episode_shows_the_part_of_the_matrix_around_the_step(opened):
    shown = opened(run_of(result(steps=many_steps(120))), hash_="#task=t-1&step=100")
    assert shown.page.locator(".matrix tbody tr").count() == 30
    assert "of 120, around the current one" in shown.texts(".matrix-part .note")[0]
    assert shown.texts(".matrix tr[aria-current] .n") == ["100"]


def test_two_runs_side_by_side(opened):
    shorter = result("t-1", text_steps()[:1], correct=False)
    shown = opened(
        run_of(result("t-1"), result("only-a"), name="a.jsonl"), run_of(shorter, result("only-b"), name="b.jsonl")
    )
    assert shown.texts("#episodes .name") == ["t-1", "only-a", "only-b"]
    assert shown.texts("#episode > .note") == ["The runs part at step 2."]
    left, right = (shown.page.locator(f"#step-{run}1").bounding_box() for run in "AB")
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert shown.page.locator("#step-A2").count() == 1
    assert shown.page.locator("#step-B2").count() == 0
    shown.page.get_by_role("button", name="runs differ").click()
    assert shown.texts("#episodes .name") == ["t-1"]
    shown.press("j", "j", "j")
    assert shown.step() == "step-A3"


def test_hostile_text_stays_text(opened):
    shown = opened(run_of(hostile_result(), name=EVIL, problems=[EVIL], setup={EVIL: EVIL}))
    assert shown.page.evaluate("window.hacked") is None
    assert shown.page.locator("body img").count() == 0
    task = shown.texts("#episode .task")[0]
    assert "<script>window.hacked=1</script></script><!--<script>" in task
    assert r"\x1b[31m\x1b]0;title\x07\u202egnp.exe" in task
    everything = shown.page.evaluate("document.documentElement.textContent")
    assert not set(everything) & set("\x1b\a\u202e\u2066\u2028")
    shown.press("n", "f", "m", "j")
    assert shown.page.evaluate("window.hacked") is None


def test_nothing_leaves_the_page(opened, tmp_path):
    shown = opened(run_of(hostile_result(), screen_result(tmp_path)))
    shown.press("n", "j", "j")
    shown.until("document.querySelector('#step-1 img')?.src")
    assert len([url for url in shown.requests if not url.startswith("data:")]) == 1  # the file itself
    # the policy stands in the way of what a mistake could add
    refused = shown.page.evaluate(
        """async () => {
          const tries = [];
          document.addEventListener("securitypolicyviolation", (event) => tries.push(event.effectiveDirective));
          await fetch("http://127.0.0.1:9/").catch(() => {});
          document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/a.png" }));
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          document.body.append(script);
          await new Promise((done) => setTimeout(done, 500));
          return [tries.sort(), window.hacked];
        }"""
    )
    assert refused[0] == ["connect-src", "img-src", "script-src-elem"]
    assert refused[1] is None
    assert len(shown.complaints) >= 3  # the browser says so, which is as it should be
    shown.complaints.clear()


def test_a_page_without_episodes_waits_for_them(opened):
    shown = opened(run_of())
    assert shown.texts("#episodes .empty") == ["No episode is finished yet."]
    shown.press("j", "n", "m", "l", "t")


def test_a_served_page_grows_and_keeps_its_place(opened, tmp_path):
    results = [screen_result(tmp_path, task_id="t-1", count=6)]
    server = PageServer(lambda: [run_of(*results)], lambda: len(results), Pictures())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        shown = opened(address=server.address)
        shown.until("document.querySelector('#step-1 img')?.naturalWidth === 320")
        shown.press("j", "j")
        place = shown.page.evaluate("scrollY")
        results.append(result("t-2"))
        shown.until("document.querySelectorAll('#episodes .row').length === 2")
        assert shown.texts("#live") == ["live"]
        assert (shown.step(), shown.page.evaluate("scrollY")) == ("step-3", place)
        assert all(url.startswith(server.address) for url in shown.requests)
    finally:
        server.shutdown()
        server.server_close()


def test_the_data_in_the_page_is_what_it_shows(opened):
    shown = opened(run_of(result()))
    data = json.loads(shown.page.locator("#data").evaluate("element => element.textContent"))
    actions = [pair["action"] for step in data["runs"][0]["episodes"][0]["steps"] for pair in step["forecast"]]
    assert shown.texts(".pair .drawn code") == actions
