"""The pictures of the viewer in README and docs, made anew from a run.

    python scripts/browser_rehearsal.py --separate --site --seed 0 --output runs/shop.jsonl
    python scripts/viewer_picture.py runs/shop.jsonl --blobs runs/shop.blobs
    python scripts/viewer_picture.py runs/shop.jsonl --blobs runs/shop.blobs --step 6 --out docs/images/forecast.png
    python examples/browser_agent.py --task login-user --output runs/login.jsonl
    python scripts/viewer_picture.py runs/login.jsonl --blobs runs/login.blobs --step 3 --out docs/images/miniwob.png

Writes the page as `tracer1 show --html` does, opens it in Chromium, and takes its picture with few colours.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import sync_playwright

from tracer1_agents import cli

_LARGEST = 200_000  # bytes of a picture in the repository


def photograph(page: Path, place: str, *, width: int, height: int, scheme: Literal["light", "dark"]) -> bytes:
    """A PNG of the page, opened at a place.

    Args:
        page: The HTML file.
        place: The address' hash, such as "#task=demo-019&step=3"; "" for the first task.
        width: Of the window, in pixels.
        height: Of the window.
        scheme: "light" or "dark".
    """
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=alone
        )
        window = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        window.goto(page.as_uri() + place, timeout=120_000)
        window.wait_for_timeout(1_000)
        picture: bytes = window.screenshot()
        browser.close()
    return picture


def main() -> int:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--task", default="", help="which episode to open (default: the first)")
    parser.add_argument("--step", type=int, help="which step to scroll to (default: the episode's head)")
    parser.add_argument("--blobs", type=Path, help="the store of the run's screenshots")
    parser.add_argument("--out", type=Path, default=Path("docs/images/viewer.png"))
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=860)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        store = ["--blobs", str(arguments.blobs)] if arguments.blobs else []
        if code := cli.main(["show", str(arguments.run), *store, "--html", str(page)]):
            return code
        place = urlencode({"task": arguments.task, "step": arguments.step or 1}) if arguments.task else ""
        size = {"width": arguments.width, "height": arguments.height}
        picture = photograph(page, f"#{place}" if place else "", **size, scheme=arguments.scheme)
    small = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(128).save(small, "PNG", optimize=True)
    if small.tell() > _LARGEST:
        print(f"the picture has {small.tell():,} bytes, more than {_LARGEST:,}; take a smaller window", file=sys.stderr)
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(small.getvalue())
    print(f"{arguments.out}: {small.tell():,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
