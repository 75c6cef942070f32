"""Screenshots by reference."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import DataError


def test_round_trip(tmp_path):
    store = BlobStore(tmp_path / "blobs")
    for content in (b"", b"x", bytes(range(256)) * 100):
        ref = store.put(content)
        assert ref == hashlib.sha256(content).hexdigest()
        assert store.get(ref) == content
        assert BlobStore(tmp_path / "blobs").get(ref) == content


def test_the_same_bytes_are_stored_once(tmp_path):
    store = BlobStore(tmp_path)
    assert store.put(b"x") == store.put(b"x")
    assert len(list(tmp_path.iterdir())) == 1


def test_only_the_owner_can_read(tmp_path):
    store = BlobStore(tmp_path / "blobs")
    path = store.folder / store.put(b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(BlobStore().folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("ref", ["", "x", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "/" + "0" * 64])
def test_malformed_references(tmp_path, ref):
    with pytest.raises(DataError, match="not a blob reference"):
        BlobStore(tmp_path).get(ref)


def test_missing(tmp_path):
    store = BlobStore(tmp_path / "blobs")
    ref = store.put(b"x")
    store.clear()
    with pytest.raises(DataError, match="is not there; was the folder cleaned or moved"):
        store.get(ref)


def test_writers_at_once(tmp_path):
    store = BlobStore(tmp_path)
    threads = [threading.Thread(target=lambda: [store.put(bytes([k])) for k in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.iterdir())) == 50
    assert store.get(store.put(b"\x07")) == b"\x07"


def test_a_temporary_store_goes_with_its_process():
    made = "from tracer1_agents.blobs import BlobStore; store = BlobStore(); store.put(b'x'); print(store.folder)"
    done = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True)  # noqa: S603  (fixed code)
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("tracer1-blobs-")
    assert not folder.exists()
