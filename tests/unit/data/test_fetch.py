"""`tracer1 data fetch` against a server on this machine; what is pinned, against published files where they are."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from tracer1_agents.cli import main
from tracer1_agents.data import fetch
from tracer1_agents.data.fetch import Sample, SampleFile
from tracer1_agents.data.readers.registry import READERS
from tracer1_agents.errors import DataError

CONTENT = {"LICENSE": b"do what you like", "images/a 1.png": b"\x89PNG" * 40_000, "s.json": b"{}"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Files(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(PurePosixPath(self.path).name)
        if answer is None:
            self.send_error(404)
            return
        body, promised = answer
        self.send_response(200)
        self.send_header("content-length", str(promised))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def sample_of(content):
    files = [
        SampleFile(f"up/{name}", name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items()
    ]
    return Sample("tiny", "a tiny sample", "owner/repo", COMMIT, "MIT", "agentnet", "", tuple(files))


@pytest.fixture
def server(monkeypatch):
    """Serves `CONTENT`; `answers` may be changed, `asked` says what was asked for."""
    served = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    served.asked = []
    served.answers = {name.rpartition("/")[2].replace(" ", "%20"): (data, len(data)) for name, data in CONTENT.items()}
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "BASE_URL", f"http://127.0.0.1:{served.server_port}")
    monkeypatch.setattr(fetch, "samples", lambda: {"tiny": sample_of(CONTENT)})
    yield served
    served.shutdown()
    served.server_close()


def left_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.enable_socket
class TestOverHttp:
    def test_fetches_what_is_missing_and_leaves_what_is_right(self, server, tmp_path, capsys):
        command = partial(main, ["data", "fetch", "tiny", "--out", str(tmp_path)])
        assert command() == 0
        assert left_in(tmp_path / "tiny") == CONTENT
        assert server.asked == [f"/owner/repo/{COMMIT}/up/{name}" for name in ("LICENSE", "images/a%201.png", "s.json")]
        out = capsys.readouterr().out
        assert out.count("fetched  ") == 3
        folder = tmp_path / "tiny"
        assert f"tiny: MIT, 0.2 MB in {folder}\n" in out
        assert out.endswith(f"check it with: tracer1 data validate agentnet {folder}\n")
        server.asked.clear()
        (tmp_path / "tiny" / "s.json").write_bytes(b"[]")  # the right size, the wrong content
        assert command() == 0
        assert [PurePosixPath(path).name for path in server.asked] == ["s.json"]
        assert left_in(tmp_path / "tiny") == CONTENT
        assert capsys.readouterr().out.count("is there  ") == 2

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (None, r"up/s\.json: could not be downloaded \(HTTP Error 404: Not Found\)\. Run it again"),
            ((b"[]", 2), r"what came is not the pinned file \(2 bytes for 2, SHA-256 44136fa355b3"),
            ((b"<html>sign in</html>", 20), r"not the pinned file \(3 bytes for 2"),  # read no further than it must
            ((b"{", 2), r"not the pinned file|could not be downloaded"),  # the line broke off
        ],
    )
    def test_what_is_not_right_is_not_kept_and_the_rest_is(self, server, tmp_path, answer, message):
        server.answers["s.json"] = answer
        with pytest.raises(DataError, match=message):
            list(fetch.fetch(sample_of(CONTENT), tmp_path))
        kept = {name: data for name, data in CONTENT.items() if name != "s.json"}
        assert left_in(tmp_path / "tiny") == kept
        server.answers["s.json"] = (b"{}", 2)
        server.asked.clear()
        assert [fresh for _, fresh in fetch.fetch(sample_of(CONTENT), tmp_path)] == [False, False, True]

    def test_no_network_says_what_to_do_by_hand(self, server, tmp_path, capsys):
        server.shutdown()
        server.server_close()
        assert main(["data", "fetch", "tiny", "--out", str(tmp_path)]) == 2
        told = capsys.readouterr().err
        assert f"/owner/repo/{COMMIT}/up/LICENSE: could not be downloaded (" in told
        assert f"download the file by hand to {tmp_path / 'tiny' / 'LICENSE'}" in told
        assert left_in(tmp_path) == {}


def test_files_that_are_right_need_no_network(tmp_path):
    for name, data in CONTENT.items():
        (tmp_path / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tiny" / name).write_bytes(data)
    assert [fresh for _, fresh in fetch.fetch(sample_of(CONTENT), tmp_path)] == [False, False, False]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "tiny").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be written: .*--out"):
        list(fetch.fetch(sample_of(CONTENT), tmp_path))


def test_without_a_name_it_lists_with_licence_and_size(capsys):
    assert main(["data", "fetch"]) == 0
    out = capsys.readouterr().out
    assert all(sample.title in out and sample.repository in out for sample in fetch.samples().values())
    assert "MIT, 60 files, 22.0 MB, xlang-ai/OpenCUA at 1d70f20" in out


def test_wrong_usage_is_said(capsys):
    assert main(["data", "fetch", "nonesuch", "--out", "x"]) == 2
    assert "there is no sample 'nonesuch'; choose one of: androidcontrol, " in capsys.readouterr().err
    assert main(["data", "fetch", "mm_traj"]) == 2
    assert "tracer1 data fetch mm_traj --out DIR" in capsys.readouterr().err


def test_what_is_pinned_is_pinned_in_full():
    for sample in fetch.samples().values():
        assert re.fullmatch(r"[0-9a-f]{40}", sample.commit)
        assert sample.files[0].name == "LICENSE"
        assert sample.reader in {*READERS, ""}
        names = [file.name for file in sample.files]
        assert len(set(names)) == len(names)
        assert all(".." not in name and not name.startswith("/") for name in names)
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.size > 0 for file in sample.files)


def test_pinned_files_are_those_of_the_published_samples():
    folder = os.environ.get("TRACER1_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TRACER1_DATA does not name a folder with published sample data")
    renamed = {"android_control_train_example.jsonl": "train_example.jsonl"}
    compared = 0
    for sample in fetch.samples().values():
        for file in sample.files:
            path = Path(folder, sample.name, renamed.get(file.name, file.name))
            if path.is_file():
                compared += 1
                assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256, path
    assert compared >= 30
