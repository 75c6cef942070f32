"""A real Chromium for all tests of this folder, and what skips them where there is none."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import pytest

from tracer1_agents.environments.confine import find_chromium


def pytest_collection_modifyitems(items):
    lacking = None
    if importlib.util.find_spec("playwright") is None:
        lacking = "playwright is not installed (extra browser)"
    elif find_chromium() is None:
        lacking = "the program chromium is not installed"
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if lacking:
                item.add_marker(pytest.mark.skip(reason=lacking))


@pytest.fixture(scope="session")
def site():
    """A folder with pages that the browser may read, as pytest's own are not: it runs as somebody else."""
    with tempfile.TemporaryDirectory(prefix="tracer1-site-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def chromium(site):
    """Without network where bubblewrap can cut it off."""
    from tracer1_agents.environments.chromium import Chromium  # noqa: PLC0415
    from tracer1_agents.environments.confine import choose  # noqa: PLC0415

    with Chromium(readable=[site], network=choose("auto") != "bubblewrap") as browser:
        yield browser


@pytest.fixture(scope="session")
def loopback_chromium():
    """One that reaches servers of this machine."""
    from tracer1_agents.environments.chromium import Chromium  # noqa: PLC0415

    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def tasks_chromium():
    """One for MiniWoB++."""
    from tracer1_agents.environments.miniwob import miniwob_chromium  # noqa: PLC0415

    with miniwob_chromium() as browser:
        yield browser
