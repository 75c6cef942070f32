"""The picture of the viewer in README and docs, made anew from a run.

    python examples/gaia_agent.py --level 2 --output runs/level2.jsonl
    python scripts/viewer_picture.py runs/level2.jsonl --task demo-017

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

from PIL import Image
from playwright.sync_api import sync_playwright

from tracer1_agents import cli

_LARGEST = 200_000  # bytes of a picture in the repository


def photograph(page: Path, task: str, *, width: int, height: int, scheme: Literal["light", "dark"]) -> bytes:
    """A PNG of the page, opened at a task.

    Args:
        page: The HTML file.
        task: Its id; "" for the first.
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
        window.goto(page.as_uri() + (f"#task={task}" if task else ""), timeout=120_000)
        window.wait_for_timeout(1_000)
        picture: bytes = window.screenshot()
        browser.close()
    return picture


def main() -> int:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--task", default="", help="which episode to open (default: the first)")
    parser.add_argument("--out", type=Path, default=Path("docs/images/viewer.png"))
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=860)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        if code := cli.main(["show", str(arguments.run), "--html", str(page)]):
            return code
        size = {"width": arguments.width, "height": arguments.height}
        picture = photograph(page, arguments.task, **size, scheme=arguments.scheme)
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
