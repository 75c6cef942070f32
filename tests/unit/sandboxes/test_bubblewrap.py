"""What a session in bubblewrap promises; what it keeps out is in tests/security."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tracer1_agents.errors import ConfigurationError, SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes.base import Limits, RunResult
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox

pytestmark = pytest.mark.bwrap


@pytest.fixture
def session(bubblewrap):
    with bubblewrap.open() as opened:
        yield opened


def alive(mark):
    """Processes of this machine whose command line holds a mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def await_three(mark):
    deadline = time.monotonic() + 2
    while len(alive(mark)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(alive(mark)) == 3


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", RunResult(ok=True)),
        ("x = 1", RunResult(ok=True)),
        ("1 + 1", RunResult(ok=True, value="2")),
        ("None", RunResult(ok=True)),
        ("print('out'); 'value'", RunResult(ok=True, stdout="out\n", value="'value'")),
        ("import sys; sys.stderr.write('err'); None", RunResult(ok=True, stdout="err")),
        ("import subprocess; subprocess.run(['echo', 'child']); None", RunResult(ok=True, stdout="child\n")),
        ("print(input())", RunResult(ok=False, error="EOFError: EOF when reading a line")),
        ("raise SystemExit", RunResult(ok=True)),
        ("raise SystemExit(2)", RunResult(ok=False, error="SystemExit: 2")),
        ("1 / 0", RunResult(ok=False, error="ZeroDivisionError: division by zero")),
        ("def f(:", RunResult(ok=False, error="SyntaxError: invalid syntax")),
        ("raise KeyboardInterrupt", RunResult(ok=False, error="KeyboardInterrupt")),
    ],
)
def test_outcomes(session, code, expected):
    assert replace(session.run(code), traceback="") == expected


def test_a_start_loads_little(session):
    heavy = ("json", "re", "typing", "pathlib", "threading", "traceback", "linecache", "enum", "collections")
    assert session.run(f"import sys\n[name for name in {heavy} if name in sys.modules]").value == "[]"


@pytest.mark.parametrize("later", ["", "first"])
def test_code_that_prints_its_own_traceback_sees_its_lines(session, later):
    code = "import traceback\ntry:\n    1 / 0  # here\nexcept ZeroDivisionError:\n    traceback.print_exc()\n"
    if later:
        session.run("import linecache")
    assert "1 / 0  # here" in session.run(code).stdout
    assert "2 / 0  # there" in session.run("2 / 0  # there").traceback


def test_traceback_shows_the_code_and_none_of_the_worker(session):
    text = session.run("def f():\n    return 1 / 0\n\nf()\n").traceback
    assert "return 1 / 0" in text
    assert "worker" not in text
    assert "interpreter" not in text


def test_variables_live_from_run_to_run_also_after_an_error(session):
    session.run("x = 20\nraise ValueError")
    assert session.run("x + 1").value == "21"


def test_classes_of_the_session_can_be_pickled_and_made_into_dataclasses(session):
    code = """
import dataclasses, pickle
@dataclasses.dataclass
class Point:
    x: int
pickle.loads(pickle.dumps(Point(1)))
"""
    assert session.run(code).value == "Point(x=1)"


def test_sessions_share_nothing(bubblewrap):
    with bubblewrap.open() as first, bubblewrap.open() as second:
        first.run("secret = 1; open('left', 'w').write('x'); open('/tmp/left', 'w').write('x')")
        assert second.run("secret").error == "NameError: name 'secret' is not defined"
        assert second.run("import os; os.listdir('.') + os.listdir('/tmp')").value == "[]"


def test_a_timeout_loses_the_interpreter_and_the_next_run_gets_a_fresh_one(session):
    session.run("x = 1")
    result = session.run("print('before'); import time; time.sleep(60)", timeout=0.3)
    assert (result.ok, result.timed_out, result.state_lost) == (False, True, True)
    assert result.error.startswith("TimeoutError: the run took more than 0.3 s")
    assert session.run("x").error == "NameError: name 'x' is not defined"


def test_a_timeout_is_kept_to_the_clock(session):
    began = time.monotonic()
    session.run("while True: pass", timeout=0.5)
    assert 0.5 <= time.monotonic() - began < 1.5


def test_nothing_outlives_a_timeout_or_a_close(bubblewrap):
    code = """
import os, subprocess
for _ in range(3):
    subprocess.Popen(['sleep', '{mark}'], start_new_session=True, close_fds={close_fds})
"""
    for mark, close_fds in (("73101", True), ("73102", False)):
        with bubblewrap.open() as session:
            session.run(code.format(mark=mark, close_fds=close_fds))
            await_three(mark)
            session.run("while True: pass", timeout=0.2)
            assert alive(mark) == []
            session.run(code.format(mark=mark, close_fds=close_fds))
            await_three(mark)
        assert alive(mark) == []


def test_a_session_survives_the_thread_that_opened_it(bubblewrap):
    opened = []
    thread = threading.Thread(target=lambda: opened.append(bubblewrap.open()))
    thread.start()
    thread.join()
    time.sleep(0.1)
    with opened[0] as session:
        assert session.run("'here'").value == "'here'"


def test_a_forgotten_session_is_killed(bubblewrap):
    session = bubblewrap.open()
    session.run("import subprocess; subprocess.Popen(['sleep', '73103'])")
    del session
    assert alive("73103") == []


def test_a_forked_copy_of_the_host_leaves_the_session_alone(session):
    child = os.fork()
    if child == 0:
        session.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert session.run("'mine'").value == "'mine'"


def test_a_closed_session_refuses(bubblewrap):
    session = bubblewrap.open()
    session.close()
    session.close()
    with pytest.raises(SandboxError, match="closed"):
        session.run("1")


def test_misuse_is_refused(bubblewrap, session, tmp_path):
    with pytest.raises(ConfigurationError, match="above 0"):
        session.run("1", timeout=0)
    with pytest.raises(ConfigurationError, match="folder"):
        bubblewrap.open(tmp_path / "missing")
    assert "over 4194304" in session.run("#" * (5 << 20)).error


def test_output_and_values_are_cut_and_say_so(bubblewrap):
    with bubblewrap.open(limits=Limits(output_bytes=100, value_bytes=50)) as session:
        result = session.run("print('x' * 1000); 'y' * 1000")
        assert (len(result.stdout), len(result.value), result.truncated) == (100, 50, True)
        assert session.run("1").truncated is False
        assert len(session.run("raise ValueError('z' * 1000)").error) == 50


def test_forged_replies_change_nothing(session):
    code = """
import os
import resource
forged = b'\\n{"op": "done", "ok": true, "value": "forged", "nonce": "%s"}\\n'
for nonce in (b'', b'0' * 32):
    print((forged % nonce).decode())
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, forged % nonce)
        except OSError:
            pass
'real'
"""
    assert session.run(code).value == "'real'"
    assert session.run("1").value == "1"


def test_half_a_forged_line_does_not_swallow_the_reply(session):
    code = "import os\nfor d in range(3, 64):\n    try: os.write(d, b'{\"op\": ')\n    except OSError: pass\n'real'\n"
    assert session.run(code).value == "'real'"


def test_a_forked_child_that_returns_does_not_answer(session):
    assert session.run("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\npid > 0").value == "True"
    assert session.run("'still one'").value == "'still one'"


class TestAsync:
    def test_runs(self, session):
        assert asyncio.run(session.arun("6 * 7")).value == "42"

    def test_cancelling_kills_the_run(self, session):
        async def main():
            task = asyncio.create_task(session.arun("import time; time.sleep(60)", timeout=60))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        began = time.monotonic()
        asyncio.run(main())
        assert time.monotonic() - began < 2
        assert session.run("'fresh'").value == "'fresh'"


class TestPython:
    def test_site_packages_can_be_added(self, public_folder):
        (public_folder / "shipped.py").write_text("answer = 42")
        (public_folder / "shipped.py").chmod(0o644)
        with BubblewrapSandbox(site_packages=[public_folder]).open() as session:
            assert session.run("import shipped; shipped.answer").value == "42"
            assert "Read-only" in session.run("import os; os.unlink(shipped.__file__)").error

    def test_an_interpreter_outside_usr_is_bound(self, public_folder):
        system = Path("/usr/bin/python3").resolve()
        (public_folder / "bin").mkdir()
        shutil.copy(system, public_folder / "bin/python3")
        (public_folder / "lib").symlink_to("/usr/lib")
        with BubblewrapSandbox(python=public_folder / "bin/python3").open() as session:
            assert session.run("import sys; sys.executable").value == "'/opt/python/bin/python3'"

    def test_a_missing_interpreter_is_the_sandbox_failing(self, public_folder):
        with pytest.raises(SandboxError, match="did not start"):
            BubblewrapSandbox(python=public_folder / "bin/python3").open()

    def test_no_bubblewrap_is_unavailable(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(SandboxUnavailableError, match="not installed"):
            BubblewrapSandbox().open()


def test_descriptors_do_not_pile_up(bubblewrap):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with bubblewrap.open() as session:
            session.run("1")
            session.run("import os; os._exit(1)")
            session.run("1")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_start_without_descriptors_is_the_sandbox_failing_and_leaves_none_open(bubblewrap):
    with bubblewrap.open() as session:
        session.run("1")
    open_now = {int(item.name) for item in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(100) if number not in open_now]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    refused = 0
    for room in range(1, 24, 2):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[room], hard))
        try:
            bubblewrap.open().close()
        except SandboxError:
            refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused > 4
    assert len(list(Path("/proc/self/fd").iterdir())) == len(open_now)
