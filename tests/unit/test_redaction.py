"""Secrets never reach the disk."""

from __future__ import annotations

import stat

import pytest

from tracer1_agents.blobs import BlobStore
from tracer1_agents.cli import main
from tracer1_agents.evals.results import ResultsFile, TaskResult, read_results
from tracer1_agents.redaction import redact


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-" + "a1B2" * 8,
        "hf_" + "a1B2" * 8,
        "ghp_" + "a1B2" * 8,
        "AKIA" + "A1B2" * 4,
        "xoxb-123456789-abcdef",
        "e2b_" + "0a" * 20,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: A-B\n\nMI\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_keys_of_well_known_services_go(secret):
    assert redact(f"it is {secret}, no?", {}) == "it is [redacted], no?"


def test_headers_and_addresses_lose_their_secret_only():
    assert redact("Authorization: Bearer abcdefgh.ijklmnop-1234", {}) == "Authorization: Bearer [redacted]"
    assert redact("authorization: bearer abcdefgh.ijklmnop-1234", {}) == "authorization: bearer [redacted]"
    assert redact("postgres://me:pa55word@host/db", {}) == "postgres://[redacted]@host/db"
    assert redact("redis://:pa55word@host:6379/0", {}) == "redis://[redacted]@host:6379/0"


def test_values_of_secret_variables_go_wherever_they_stand():
    environment = {"MY_API_KEY": "correct horse", "DB_PASSWORD": "correct horse battery", "HOME": "/home/me/longer"}
    value = {"correct horse": ["a correct horse battery b", 7, None], "path": "/home/me/longer"}
    assert redact(value, environment) == {"[redacted]": ["a [redacted] b", 7, None], "path": "/home/me/longer"}
    assert redact("none of it", {"NO_TOKEN": "none"}) == "none of it"


@pytest.mark.parametrize("text", ["task-1234567890abcdef", "monkey: 12", "the key is under the mat", "sk-8", "a:b@c"])
def test_plain_text_stays(text):
    assert redact(text, {}) == text


def test_a_results_file_holds_no_secret_and_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SERVICE_TOKEN", "hunter2-hunter2")
    file = ResultsFile(tmp_path / "run.jsonl")
    setup = {"model": "x", "url": "http://me:hunter2-hunter2@host"}
    file.resume(setup)
    file.append(TaskResult(task_id="a", status="finished", prediction="it is hunter2-hunter2", detail="sk-" + "x" * 30))
    file.resume(setup)
    for path in (file.path, file.meta_path):
        assert "hunter2" not in path.read_text()
        assert "sk-x" not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_results(file.path)[0][0].prediction == "it is [redacted]"


def test_clean_deletes_runs_and_screenshots_and_nothing_else(tmp_path, capsys):
    file = ResultsFile(tmp_path / "run.jsonl")
    file.resume({})
    store = BlobStore(tmp_path / "blobs")
    store.put(b"picture")
    (store.folder / "notes.txt").write_text("mine")
    (tmp_path / "other.txt").write_text("mine")
    assert main(["clean", str(file.path), str(store.folder)]) == 0
    assert "1 pictures" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["blobs", "notes.txt", "other.txt"]
    (store.folder / "notes.txt").unlink()
    assert main(["clean", str(store.folder)]) == 0
    assert not store.folder.exists()
    assert main(["clean", str(tmp_path / "other.txt")]) == 2
    assert (tmp_path / "other.txt").exists()
