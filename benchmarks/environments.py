"""What environments cost: a step beside the bare library calls, eight pages in one browser, and memory over resets.

    python benchmarks/environments.py              MiniWoB step against Playwright's click + screenshot; desktop alike
    python benchmarks/environments.py --soak       100 episodes and 200 resets: memory, and processes that are left

Steps are measured in pairs, in turning order (`paired.py`); ratios are within a round.
"""
# ruff: noqa: INP001, T201  (a program)

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paired import measured, ratios, spread

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Point
from tracer1_agents.blobs import BlobStore
from tracer1_agents.environments.desktop import DesktopEnvironment
from tracer1_agents.environments.miniwob import MiniWobEnvironment, miniwob_chromium

if TYPE_CHECKING:
    from tracer1_agents.environments.chromium import Chromium

_NOWHERE: Final = Point(0.02, 0.98)  # a click that changes nothing
_STEPS: Final = 10
_ENDING_SECONDS: Final = 10.0  # until a process that was ended is gone, on a busy machine
_TASK: Final = "click-button"


def miniwob_steps(rounds: int) -> None:
    """A step against a bare click and screenshot, both with the same page and size."""
    folder = Path(tempfile.mkdtemp())
    with miniwob_chromium() as chromium, MiniWobEnvironment(_TASK, BlobStore(folder), chromium=chromium) as task:
        task.reset(1)
        page = task.events.front()

        async def bare() -> None:
            for _ in range(_STEPS):
                await page.mouse.click(3, 206)
                await page.screenshot(clip={"x": 0, "y": 0, "width": 160, "height": 210})

        def ours() -> None:
            for _ in range(_STEPS):
                assert task.act(Click(point=_NOWHERE)).ok  # noqa: S101

        ways = {"bare": lambda: chromium.thread.run(bare()), "ours": ours}
        report("MiniWoB step (click, settle, elements, screenshot)", ways, rounds)
        eight(chromium, folder)


def eight(chromium: Chromium, folder: Path) -> None:
    """Eight environments at a time in one process tree."""
    tasks = [MiniWobEnvironment(_TASK, BlobStore(folder), chromium=chromium) for _ in range(8)]

    async def together() -> None:
        for seed, task in enumerate(tasks):
            await task.areset(seed)
        started = time.perf_counter()
        for _ in range(_STEPS):
            await asyncio.gather(*(task.aact(Click(point=_NOWHERE)) for task in tasks))
        seconds = time.perf_counter() - started
        print(f"eight pages, one browser: {8 * _STEPS / seconds:.1f} steps/s, {browsers(chromium)} browser process(es)")

    asyncio.run(together())
    for task in tasks:
        task.close()


def desktop_steps(rounds: int) -> None:
    """Click and screenshot against mss and XTest called by hand; both make a PNG of the same level."""
    from mss.tools import to_png  # noqa: PLC0415  (an extra)

    with DesktopEnvironment(BlobStore(Path(tempfile.mkdtemp())), size=Size(1280, 800), settle=0.0) as desktop:
        desktop.reset()
        pointer, _ = desktop.input()
        grabber = desktop._grabber  # noqa: SLF001  (the same connection for both)

        def bare() -> None:
            for _ in range(_STEPS):
                pointer.move(25, 784)
                pointer.click(1)
                shot = grabber.grab(grabber.monitors[0])
                to_png(shot.rgb, shot.size, level=1)

        def ours() -> None:
            for _ in range(_STEPS):
                assert desktop.act(Click(point=_NOWHERE)).ok  # noqa: S101

        report("desktop step (click, screenshot)", {"bare": bare, "ours": ours}, rounds)


def report(name: str, ways: dict[str, Any], rounds: int) -> None:
    """Medians a step, and the ratio within rounds."""
    timings = measured(ways, rounds)
    for way, timing in timings.items():
        print(f"{name}: {way} {spread([1_000 * wall / _STEPS for wall in timing.wall], 1)} ms")
    print(f"{name}: ratio {spread(ratios(timings['ours'].wall, timings['bare'].wall))}")


def soak(resets: int, episodes: int) -> None:
    """Memory of this process and of the browser's tree over resets; what is left when environments come and go."""
    folder = Path(tempfile.mkdtemp())
    with miniwob_chromium() as chromium:
        with MiniWobEnvironment(_TASK, BlobStore(folder), chromium=chromium) as task:
            for number in range(resets + 1):
                task.reset(number)
                if number and number % (resets // 5) == 0:
                    gc.collect()
                    chromium.thread.run(task.events.front().request_gc())
                    own, tree = memory(os.getpid()), sum(map(memory, family(chromium)))
                    print(f"after {number} resets: {own:.0f} MB here, {tree:.0f} MB in the browser", flush=True)
        for number in range(episodes):
            with MiniWobEnvironment(_TASK, BlobStore(folder), chromium=chromium, screenshots=False) as task:
                task.reset(number)
                task.act(Click(point=_NOWHERE))
        pages = chromium.thread.run(_contexts(chromium))
        print(f"after {episodes} episodes: {pages} contexts open, {browsers(chromium)} browser process(es)")
        marked = family(chromium)
    until = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in marked):
        time.sleep(0.1)
    print(f"after closing: {sum(Path(f'/proc/{pid}').exists() for pid in marked)} of {len(marked)} processes left")


async def _contexts(chromium: Chromium) -> int:
    return len(chromium._browser.contexts) if chromium._browser else 0  # noqa: SLF001


def family(chromium: Chromium) -> list[int]:
    """The browser's processes: those whose command line, or an ancestor's, names its folder or follows from it."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").glob("[0-9]*")}
    roots = {pid for pid in parents if str(chromium.folder).encode() in _read(Path(f"/proc/{pid}/cmdline"))}
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def browsers(chromium: Chromium) -> int:
    """Main processes of the browser: Chromium's own without a `--type`."""
    lines = [_read(Path(f"/proc/{pid}/cmdline")) for pid in family(chromium)]
    return sum(line.startswith(b"/usr/lib/chromium/chromium") and b"--type=" not in line for line in lines)


def memory(pid: int) -> float:
    """Proportional set size in MB."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).decode().splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith("Pss:")), 0.0) / 1024


def _parent(path: Path) -> int:
    fields = _read(path / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if given.soak:
        soak(200, 100)
    else:
        miniwob_steps(given.rounds)
        desktop_steps(given.rounds)
