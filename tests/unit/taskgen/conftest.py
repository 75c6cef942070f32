"""A folder that a task's files are written to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def folder():
    """One that a sandbox's unprivileged user can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="tracer1-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
