from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox


@pytest.fixture
def public_folder():
    """A folder that the unprivileged user of a sandbox can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="tracer1-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def bubblewrap():
    sandbox = BubblewrapSandbox()
    found = sandbox.probe()
    if not found.ok:
        pytest.skip(f"bubblewrap does not work here: {found.reason}")
    return sandbox
