"""langchain-tests' standard tests of a deep agent's backend against bubblewrap, and what is ours alone.

Not part of the ordinary tests: deepagents has an environment of its own (`make deepagents-test`).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from deepagents.backends.protocol import SandboxBackendProtocol
from langchain_tests.integration_tests import SandboxIntegrationTests

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.deep_agents import LIMITS, DeepAgentsBackend
from tracer1_agents.sandboxes.pyodide import PyodideSandbox

ABSOLUTE = "BaseSandbox.glob returns absolute paths, the test looks for relative ones"
OVERWRITES = "BaseSandbox.write replaces a file that exists, the test wants an error"


def _at_odds(name, reason):
    def test(self, sandbox_backend, sandbox_test_root):
        getattr(SandboxIntegrationTests, name)(self, sandbox_backend, sandbox_test_root)

    return pytest.mark.xfail(reason=reason, strict=True)(test)


class TestStandard(SandboxIntegrationTests):
    @pytest.fixture(scope="class")
    def sandbox(self):
        with DeepAgentsBackend(BubblewrapSandbox(), limits=LIMITS) as backend:
            yield backend

    # deepagents 0.7.32 and langchain-tests 1.1.9 do not agree; what fails is code of deepagents that this package does
    # not touch, and a release in which it passes fails here, since the marks are strict.
    test_glob = _at_odds("test_glob", ABSOLUTE)
    test_glob_basic_pattern = _at_odds("test_glob_basic_pattern", ABSOLUTE)
    test_glob_with_directories = _at_odds("test_glob_with_directories", ABSOLUTE)
    test_glob_hidden_files_explicitly = _at_odds("test_glob_hidden_files_explicitly", ABSOLUTE)
    test_glob_with_character_class = _at_odds("test_glob_with_character_class", ABSOLUTE)
    test_glob_with_question_mark = _at_odds("test_glob_with_question_mark", ABSOLUTE)
    test_write_existing_file_fails = _at_odds("test_write_existing_file_fails", OVERWRITES)


@pytest.fixture
def backend():
    with DeepAgentsBackend(BubblewrapSandbox()) as opened:
        yield opened


def test_it_is_a_backend(backend):
    assert isinstance(backend, SandboxBackendProtocol)
    assert backend.id.startswith("bubblewrap-")


def test_exit_codes_and_both_streams_come_back(backend):
    done = backend.execute("echo out; echo err >&2; exit 3")
    assert (done.exit_code, sorted(done.output.split()), done.truncated) == (3, ["err", "out"], False)


def test_a_late_command_is_ended_and_the_files_stay(backend):
    backend.upload_files([("/tmp/kept.txt", b"kept")])
    late = backend.execute("echo begun; sleep 1000", timeout=1)
    assert late.exit_code == 124
    assert "begun" in late.output
    assert "took more than 1 s" in late.output
    assert backend.download_files(["/tmp/kept.txt"])[0].content == b"kept"


def test_a_killed_interpreter_is_told_and_the_next_command_runs(backend):
    lost = backend.execute("kill -9 $PPID")
    assert lost.exit_code is None
    assert "variables are gone" in lost.output
    assert backend.execute("echo again").output == "again\n"


def test_long_output_is_cut(backend):
    done = backend.execute(f"head -c {LIMITS.output_bytes + 1} /dev/zero | tr '\\0' x")
    assert (len(done.output), done.truncated) == (LIMITS.output_bytes, True)


def test_the_workspace_is_the_working_folder(tmp_path):
    (tmp_path / "in.txt").write_text("4")
    with DeepAgentsBackend(BubblewrapSandbox(), workspace=tmp_path) as backend:
        assert backend.execute("cat in.txt; echo 5 > out.txt").output == "4"
    assert (tmp_path / "out.txt").read_text() == "5\n"


def test_the_host_is_out_of_reach(backend, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    assert "hunter2" not in backend.execute(f"cat {secret}; env").output
    assert backend.download_files([str(secret)])[0].error == "file_not_found"
    assert backend.upload_files([("/usr/x", b"")])[0].error == "Read-only file system"


@pytest.mark.parametrize("path", ["relative.txt", "/tmp/a\0b", "", "~/x"])
def test_odd_paths_are_refused(backend, path):
    assert backend.upload_files([(path, b"x")])[0].error == "invalid_path"
    assert backend.download_files([path])[0].error == "invalid_path"


def test_only_regular_files_come_out(backend):
    found = backend.download_files(["/dev/zero", "/tmp"])
    assert [(item.content, item.error) for item in found] == [(None, "invalid_path"), (None, "is_directory")]


def test_files_that_come_out_side_by_side_are_whole(backend):
    files = {"/tmp/a": b"a" * 40_000_000, "/tmp/b": b"b" * 40_000_000}
    backend.upload_files(list(files.items()))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(backend.download_files, ["/tmp/a"])
        time.sleep(0.5)
        second = pool.submit(backend.download_files, ["/tmp/b"])
    for done in (first, second):
        found = done.result()[0]
        assert found.error is None
        assert found.content == files[found.path]


def test_python_is_the_interpreter_of_the_session(backend):
    assert backend.execute("python -c 'print(6 * 7)'").output == "42\n"


def test_a_sandbox_without_programs_is_refused():
    with pytest.raises(ConfigurationError, match="pyodide starts no programs"):
        DeepAgentsBackend(PyodideSandbox())


def test_a_timeout_of_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="above 0 seconds, got 0"):
        DeepAgentsBackend(BubblewrapSandbox(), timeout=0)
