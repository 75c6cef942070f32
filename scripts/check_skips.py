"""Skipped tests, counted, and held against this machine: a test may not be skipped for a program that is installed.

    python scripts/check_skips.py build/junit.xml

Reads the report that pytest writes. A skip's reason names the program it lacks; where that program is there after all,
the skip hides a broken check, and this ends with exit code 1.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS: Final[dict[str, tuple[str, ...]]] = {  # word in a reason -> names of the program
    "bubblewrap": ("bwrap",),
    "bwrap": ("bwrap",),
    "tesseract": ("tesseract",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "deno": ("deno",),
    "postgres": ("postgres",),
    "xvfb": ("Xvfb",),
    "openbox": ("openbox",),
    "xdotool": ("xdotool",),
    "xterm": ("xterm",),
}


def skip_reasons(report: str) -> list[str]:
    """The reason of every skipped test in a JUnit report.

    Args:
        report: Path of the file.
    """
    # the file was written a moment ago by our own pytest
    root = ET.parse(report).getroot()  # noqa: S314
    skips = [skip for case in root.iter("testcase") for skip in case.findall("skipped")]
    return [skip.get("message") or "no reason given" for skip in skips if skip.get("type") != "pytest.xfail"]


def wrongly_skipped(reasons: list[str], which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """Those reasons that name a program which is installed."""
    return [reason for reason in reasons if any(map(which, _programs_in(reason)))]


def _programs_in(reason: str) -> list[str]:
    words = set(re.findall(r"[a-z]+", reason.lower()))
    return [name for word, names in PROGRAMS.items() if word in words for name in names]


def main(arguments: list[str], which: Callable[[str], str | None] = shutil.which) -> int:
    """Print the count, each reason with how often it was given, and what is wrong."""
    if len(arguments) != 1:
        print("usage: python scripts/check_skips.py REPORT.xml", file=sys.stderr)
        return 2
    try:
        reasons = skip_reasons(arguments[0])
    except (OSError, ET.ParseError) as error:
        print(f"{arguments[0]}: no JUnit report ({error}); make one with pytest --junitxml", file=sys.stderr)
        return 2
    print(f"skipped tests: {len(reasons)}")
    for reason, count in Counter(reasons).most_common():
        print(f"  {count} x {reason}")
    wrong = wrongly_skipped(reasons, which)
    for reason in dict.fromkeys(wrong):
        print(f"skipped although the program is installed: {reason}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
