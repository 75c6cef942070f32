"""How long a browser takes to open a run of many steps, each with a screenshot of its own.

Draws the screenshots (noise, so that they stay large), writes the page as `tracer1 show --html` does, and opens the
file in Chromium, a fresh context each time. Seconds from the start of the navigation: until the step in the
middle, which the address asks for, stands there with its screenshot ("opened", to be held against two seconds), and
until the whole file is parsed ("loaded"): ``python benchmarks/viewer.py --steps 500 --kilobytes 190``. Screenshots
above 200 KB would be written anew and smaller, which takes longer to write and makes the page lighter.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tracer1_agents.actions.space import Click, Point
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.types import Execution, ForecastPair, ImageRef, Observation, Status, StepRecord, Trace
from tracer1_agents.viewer.episodes import Run
from tracer1_agents.viewer.html import write_page
from tracer1_agents.viewer.pictures import Pictures

_HORIZON = 8
_SIZE = (1280, 720)
_WATCH = """(() => {
  const look = () => {
    const image = document.querySelector("article[aria-current] img");
    if (image && image.src && image.complete && image.naturalWidth) window.openedAt = performance.now();
    else setTimeout(look, 10);
  };
  look();
})()"""
_TIMES = "[window.openedAt, performance.getEntriesByType('navigation')[0].loadEventEnd]"


def screenshots(folder: Path, count: int, kilobytes: int) -> list[ImageRef]:
    """JPEG files of about the wanted size, each with other noise in its lower half."""
    rng = random.Random(0)  # noqa: S311  (noise)
    found = []
    quality = 30
    for number in range(count):
        grain = Image.frombytes("L", (640, 180), rng.randbytes(640 * 180)).resize((_SIZE[0], _SIZE[1] // 2))
        picture = Image.new("RGB", _SIZE, (240, 240, 235))
        picture.paste(grain.convert("RGB"), (0, _SIZE[1] // 2))
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=quality)
        while number == 0 and content.tell() < kilobytes * 1000 and quality < 95:  # noqa: PLR2004  (Pillow's own limit)
            quality += 1
            content = io.BytesIO()
            picture.save(content, "JPEG", quality=quality)
        path = folder / f"{number}.jpg"
        path.write_bytes(content.getvalue())
        found.append(ImageRef(ref=str(path), width=_SIZE[0], height=_SIZE[1]))
    return found


def episode(images: list[ImageRef]) -> TaskResult:
    """One episode with a step for each screenshot and a forecast of eight clicks at each."""
    steps = []
    for number in range(len(images)):
        ahead = [number + more for more in range(_HORIZON)]
        pairs = [
            ForecastPair(action=Click(point=Point(at % 10 / 10, 0.3)), instruction=f"Press the button number {at}")
            for at in ahead
        ]
        execution = Execution(text="clicked", image=images[min(number + 1, len(images) - 1)])
        steps.append(
            StepRecord(
                step=number + 1,
                forecast=tuple(pairs),
                executed=pairs[0].action,
                instruction=pairs[0].instruction,
                execution=execution,
            )
        )
    trace = Trace(
        instruction="Press every button.",
        observation=Observation(image=images[0]),
        steps=tuple(steps),
        status=Status.STEP_LIMIT,
    )
    return TaskResult(task_id="many-steps", status="step_limit", trace=trace)


def open_page(browser: Browser, address: str) -> tuple[float, float, float]:
    """Seconds until opened, until loaded, and of processor that the page's own thread took for it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(_WATCH)
    tools = context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address, timeout=120_000)
    while not page.evaluate("window.openedAt > 0"):
        page.wait_for_timeout(20)
    opened, loaded = page.evaluate(_TIMES)
    counted = {metric["name"]: metric["value"] for metric in tools.send("Performance.getMetrics")["metrics"]}
    context.close()
    return opened / 1000, loaded / 1000, counted["TaskDuration"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--kilobytes", type=int, default=190, help="of each screenshot (default 190)")
    parser.add_argument("--pictures", type=float, default=1000, help="MB of pictures taken (default: all)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        result = episode(screenshots(folder, arguments.steps, arguments.kilobytes))
        pictures, path = Pictures(total_mb=arguments.pictures), folder / "page.html"
        began = time.perf_counter()
        write_page([Run("many.jsonl", [result])], pictures, path)
        written = time.perf_counter() - began
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        middle = max(2, arguments.steps // 2)
        browser = playwright.chromium.launch(executable_path=chromium, args=alone)
        times = [open_page(browser, f"{path.as_uri()}#task=many-steps&step={middle}") for _ in range(arguments.repeats)]
        browser.close()
        kept = sum(len(picture.content) for picture in pictures.taken.values()) / 1e6
        print(f"{arguments.steps} steps, {len(pictures.taken)} screenshots of {kept:.0f} MB in all")
        print(f"page of {path.stat().st_size / 1e6:.0f} MB, written in {written:.1f} s")
        for what, values in zip(("opened", "loaded", "processor"), zip(*times, strict=True), strict=True):
            print(f"{what} {statistics.median(values):.2f} s (median of {len(values)}; worst {max(values):.2f})")
        print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
