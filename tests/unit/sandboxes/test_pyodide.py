"""The same promises, kept by WebAssembly; runs where Deno and its copy of Pyodide are at hand ($DENO_DIR)."""

from __future__ import annotations

import pytest

from tracer1_agents.errors import SandboxUnavailableError
from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.pyodide import PyodideSandbox


@pytest.fixture(scope="module")
def pyodide():
    sandbox = PyodideSandbox()
    found = sandbox.probe()
    if not found.ok:
        pytest.skip(f"Pyodide does not work here: {found.reason}")
    return sandbox


@pytest.fixture(scope="module")
def shared(pyodide, tmp_path_factory):
    """One session for what leaves it intact: a start takes seconds."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "a.csv").write_text("x\n1\n")
    with pyodide.open(root, {"add": lambda first, second=0: first + second}) as session:
        yield session, root


def test_state_output_files_and_host_calls(shared):
    session, root = shared
    assert session.run("x = 20; print('é')").stdout == "é\n"
    assert session.run("x + 1").value == "21"
    assert session.run("open('b.csv', 'w').write(open('a.csv').read())").files == ("b.csv",)
    assert (root / "b.csv").read_text() == "x\n1\n"
    assert session.run("[add(n, second=1) for n in range(3)]").value == "[1, 2, 3]"
    assert session.run("add('x')").error.startswith("RuntimeError: can only concatenate")
    assert session.run("1 / 0").error == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("code", "stopped"),
    [
        ("open('/etc/passwd').read()", "FileNotFoundError"),
        ("import js; js.Deno.readTextFileSync('/etc/passwd')", "NotCapable: Requires read access"),
        ("import js; js.Deno.writeTextFileSync('/tmp/planted', 'x')", "NotCapable: Requires write access"),
        ("import js; js.Deno.env.get('PATH')", "NotCapable: Requires env access"),
        ("import js; js.Deno.Command.new('/usr/bin/id').outputSync()", "NotCapable: Requires run access"),
        ("import js; js.Deno.listen(port=8000)", "JsException|NotCapable"),
        ("import os; os.fork()", "OSError|AttributeError"),
        ("import subprocess; subprocess.run(['id'])", "OSError"),
        ("import socket; socket.create_connection(('127.0.0.1', 80), 1)", "OSError|Error"),
    ],
)
def test_the_host_is_out_of_reach(shared, code, stopped):
    result = shared[0].run(code)
    assert not result.ok
    assert any(word in result.error for word in stopped.split("|")), result.error


@pytest.mark.parametrize(
    ("expression", "stopped"),
    [
        ("import('https://deno.land/std/version.ts')", "Requires import access"),
        ("import('npm:left-pad@1.3.0')", "--cached-only is specified"),
        ("fetch('http://127.0.0.1:80')", "Requires net access"),
    ],
)
def test_a_thread_of_its_own_reaches_no_further(shared, expression, stopped):
    code = f"""
import json, time
from pyodide.code import run_js
work = "const say = (text) => Deno.stderr.writeSync(new TextEncoder().encode(String(text)));" + {expression!r}
work += ".then(() => say('BREACH')).catch(say)"
run_js(f"new Worker({{json.dumps('data:text/javascript,' + work)}}, {{{{type: 'module'}}}})")
time.sleep(1)
"""
    result = shared[0].run(code)
    assert result.error is None
    assert stopped in result.stdout, result


def test_limits_end_a_run_and_the_next_is_fresh(pyodide):
    with pyodide.open(limits=Limits(total_memory_bytes=700 << 20)) as session:
        assert session.run("x = 1; import time\nwhile True: pass", timeout=0.5).timed_out
        assert "NameError" in session.run("x").error
        bomb = session.run("import time\nblocks = [bytearray(b'x' * (1 << 20)) for _ in range(1500)]; time.sleep(9)")
        assert bomb.state_lost
        assert "MemoryError" in bomb.error


class TestSetUp:
    """`tracer1 sandbox setup`, with a program in Deno's place."""

    def deno(self, folder, lines):
        program = folder / "deno"
        program.write_text("#!/bin/sh\n" + lines)
        program.chmod(0o755)
        return PyodideSandbox(deno=program, cache=folder / "cache")

    def test_a_fetch_that_fails_says_why(self, tmp_path):
        sandbox = self.deno(tmp_path, 'echo "no route to $1 $4 in $DENO_DIR" >&2; exit 1')
        with pytest.raises(SandboxUnavailableError, match=r"no route to cache npm:pyodide@.* in .*/cache"):
            sandbox.set_up()

    def test_a_copy_that_does_not_run_is_no_success(self, tmp_path):
        (tmp_path / "cache").mkdir()
        with pytest.raises(SandboxUnavailableError, match="but does not run"):
            self.deno(tmp_path, "exit 0").set_up()

    def test_without_deno_it_says_what_to_install(self, tmp_path):
        with pytest.raises(SandboxUnavailableError, match="pip install deno"):
            PyodideSandbox(deno=tmp_path / "deno").set_up()

    def test_what_is_there_is_tried(self, pyodide):
        assert "a trial run worked" in pyodide.set_up()
