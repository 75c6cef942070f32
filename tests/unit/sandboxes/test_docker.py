"""The conversation with a container: against a stand-in for `docker`, and against a real one where TRACER1_DOCKER_IMAGE
names an image with Python in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tracer1_agents.errors import SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.docker import DockerSandbox
from tracer1_agents.sandboxes.pool import SandboxPool

REAL = os.environ.get("TRACER1_DOCKER_IMAGE")
FAKE = Path(__file__).with_name("fake_docker.py")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Where the stand-in writes down what it was asked."""
    monkeypatch.setenv("DOCKER_FAKE", str(tmp_path))
    monkeypatch.setenv("SOME_SECRET", "hunter2")
    return tmp_path


@pytest.fixture
def fake(asked, bubblewrap):
    return DockerSandbox(docker=FAKE, image="any")


@pytest.fixture
def sandbox(request):
    if REAL:
        return DockerSandbox(image=REAL)
    return request.getfixturevalue("fake")


def calls(folder):
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


@pytest.mark.bwrap
class TestSessions:
    def test_variables_live_and_output_comes_back(self, sandbox):
        with sandbox.open() as session:
            assert session.run("x = 6; print('out')").stdout == "out\n"
            result = session.run("import sys; sys.stderr.write('err'); x * 7")
        assert (result.value, result.stdout) == ("42", "err")

    def test_files_and_tools(self, sandbox, tmp_path):
        folder = tmp_path / "work"
        folder.mkdir()
        (folder / "in.txt").write_text("4")
        with sandbox.open(folder, {"add": lambda a, b: a + b}) as session:
            result = session.run("open('out.txt', 'w').write(str(add(int(open('in.txt').read()), b=3)))")
        assert (result.error, result.files) == (None, ("out.txt",))
        assert (folder / "out.txt").read_text() == "7"

    def test_the_streams_of_the_conversation_are_out_of_reach(self, sandbox):
        with sandbox.open() as session:
            assert session.run("import sys; sys.stdin.read()").value == "''"
            assert "forged" in session.run("import os; os.write(1, b'forged\\n'); None").stdout
            child = "import subprocess; subprocess.run(['echo', 'child']); None"
            assert session.run(child).stdout == "child\n"

    def test_a_timeout_ends_the_container_and_the_next_run_gets_another(self, sandbox):
        with sandbox.open() as session:
            session.run("x = 1")
            late = session.run("while True: pass", timeout=0.5)
            assert (late.timed_out, late.state_lost) == (True, True)
            assert session.run("'x' in globals()").value == "False"

    def test_the_filter_is_on(self, sandbox):
        with sandbox.open() as session:
            result = session.run("import socket; socket.socket(socket.AF_INET)")
        assert "Address family not supported" in result.error

    def test_a_pool_of_containers(self, sandbox):
        with SandboxPool(sandbox, size=1) as pool, pool.open() as session:
            assert session.run("6 * 7").value == "42"


@pytest.mark.bwrap
class TestWhatDockerIsAsked:
    def test_everything_is_taken_away(self, fake, asked):
        limits = Limits(total_memory_bytes=123 << 20, processes=7, disk_bytes=5 << 20, inodes=99)
        with fake.open(limits=limits) as session:
            session.run("1")
        first = calls(asked)[0]["arguments"]
        text = " ".join(first)
        for wanted in (
            *("--network none", "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--pull never"),
            *("--user 65534:65534", f"--memory {123 << 20} --memory-swap {123 << 20}", "--pids-limit 7", "--rm"),
            f"--tmpfs /work:size={5 << 20},nr_inodes=99,",
            f"--shm-size {5 << 20}",
        ):
            assert wanted in text
        assert not any(part in text for part in ("--privileged", "--volume", " -v ", "--mount", "--cap-add"))

    def test_each_container_is_removed_by_its_name(self, fake, asked):
        with fake.open() as session:
            session.run("import os; os._exit(3)")
            session.run("1")
        made = calls(asked)
        names = [
            call["arguments"][call["arguments"].index("--name") + 1] for call in made if "run" in call["arguments"]
        ]
        removed = [call["arguments"][-1] for call in made if call["arguments"][0] == "rm"]
        assert len(set(names)) == 2
        assert removed == names

    def test_the_client_gets_its_own_environment_only(self, fake, asked):
        with fake.open():
            pass
        assert "SOME_SECRET" not in calls(asked)[0]["environment"]


@pytest.mark.bwrap
def test_what_the_daemon_says_is_told(fake, asked):
    (asked / "refuse").touch()
    with pytest.raises(SandboxError, match="Cannot connect to the Docker daemon"):
        fake.open()
    found = fake.probe()
    assert not found.ok
    assert "docker pull" in found.install


def test_without_the_program(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailableError, match="docker is not installed"):
        DockerSandbox().open()


@pytest.mark.skipif(not REAL, reason="set TRACER1_DOCKER_IMAGE to run it against a daemon")
def test_no_container_is_left():
    with DockerSandbox(image=REAL).open() as session:
        session.run("import subprocess; subprocess.Popen(['sleep', '1000'])")
    command = ["docker", "ps", "--all", "--quiet", "--filter", "label=tracer1"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  (fixed arguments)
    assert found.stdout == ""
