"""`scripts/leaks.py`: twenty sessions, four ended in each way, leave nothing behind, and it would tell if they did."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "leaks.py"
pytestmark = pytest.mark.bwrap


@pytest.fixture(scope="module")
def leaks():
    spec = importlib.util.spec_from_file_location("leaks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def own_temporary_files(monkeypatch, public_folder):
    """Tests that run beside these ones make temporary files too."""
    monkeypatch.setattr(tempfile, "tempdir", str(public_folder))


@pytest.mark.slow
def test_twenty_sessions_leave_nothing_behind(leaks, bubblewrap, tmp_path):
    assert dict(leaks.rounds(20, bubblewrap, tmp_path)) == {}


def test_what_is_left_is_counted(leaks):
    before = leaks.left_behind()
    with (
        tempfile.NamedTemporaryFile(prefix="sandbox-"),
        subprocess.Popen(["/bin/sleep", leaks.MARK]) as daemon,  # noqa: S603  (fixed arguments)
    ):
        more = leaks.left_behind() - before
        daemon.kill()
    assert more["processes"] == 1
    assert more["temporary files"] == 1
    assert more["descriptors"] >= 1


def test_a_way_that_leaks_is_told(leaks, monkeypatch, bubblewrap, tmp_path):
    kept = []
    monkeypatch.setattr(leaks, "WAYS", (lambda _session: kept.append((tmp_path / "a.txt").open()),))
    monkeypatch.setattr(leaks, "_SETTLE_SECONDS", 0.5)
    assert leaks.rounds(2, bubblewrap, tmp_path)["descriptors"] == 2
    for file in kept:
        file.close()
