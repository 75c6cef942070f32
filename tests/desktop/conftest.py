"""What the tests on a real X11 display need, and the reason where it is missing."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

PROGRAMS = ("Xvfb", "openbox", "xdotool", "xterm")


def pytest_collection_modifyitems(items):
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    reason = f"the program {missing[0]} is not installed" if missing else ""
    if importlib.util.find_spec("mss") is None:
        reason = "mss is not installed (extra browser)"
    for item in items:
        if "tests/desktop" in str(item.path):
            item.add_marker(pytest.mark.desktop)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
