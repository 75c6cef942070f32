"""The E2B backend through E2B's unmodified SDK: against a stand-in, or a real server.

With TRACER1_E2B_REAL=1 the tests use what the SDK finds in its own variables: E2B_API_KEY for the cloud (and
E2B_DOMAIN), or E2B_API_URL and E2B_SANDBOX_URL for a server of one's own (E2B_DEBUG=true for one without the API).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from e2b_server import Server

from tracer1_agents.errors import ConfigurationError, SandboxError, SandboxUnavailableError
from tracer1_agents.sandboxes.attacks.check import Verdict, check
from tracer1_agents.sandboxes.attacks.elsewhere import ELSEWHERE
from tracer1_agents.sandboxes.base import Limits, Sandbox, Session
from tracer1_agents.sandboxes.calls import HostFunction
from tracer1_agents.sandboxes.e2b import E2BSandbox

pytest.importorskip("e2b_code_interpreter", reason="the SDK of E2B is not installed (extra e2b)")

REAL = os.environ.get("TRACER1_E2B_REAL") == "1"
FIXTURE = Path(__file__).with_name("e2b_requests.json")
LIMITS = Limits(timeout=60)
only_stand_in = pytest.mark.skipif(REAL, reason="looks into the stand-in")
pytestmark = [pytest.mark.network, pytest.mark.enable_socket] if REAL else []


@pytest.fixture
def server():
    if REAL:
        yield None
        return
    made = Server()
    yield made
    made.close()


@pytest.fixture
def sandbox(server):
    if server is None:
        return E2BSandbox()
    return E2BSandbox(api_key="e2b_" + "0" * 40, api_url=server.url, sandbox_url=server.url)


@pytest.fixture
def session(sandbox):
    with sandbox.open(limits=LIMITS) as opened:
        yield opened


def test_it_is_a_sandbox_that_works(sandbox, session):
    assert isinstance(sandbox, Sandbox)
    assert isinstance(session, Session)
    assert sandbox.probe().ok


def test_state_output_values_and_errors(session):
    assert session.run("x = 20; print('é')").stdout == "é\n"
    assert session.run("x + 1").value == "21"
    failed = session.run("print('before'); 1 / 0")
    assert (failed.ok, failed.stdout) == (False, "before\n")
    assert failed.error == "ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in failed.traceback
    assert session.run("x").value == "20"


def test_a_late_run_ends_by_our_clock_and_the_next_has_a_fresh_context(session):
    session.run("x = 1")
    began = time.monotonic()
    late = session.run("print('begun', flush=True)\nimport time\ntime.sleep(300)", timeout=2)
    assert time.monotonic() - began < 30
    assert (late.ok, late.timed_out, late.state_lost) == (False, True, True)
    assert late.error.startswith("TimeoutError: the run took more than 2 s")
    assert late.stdout == "begun\n"
    assert "NameError" in session.run("x").error
    assert session.run("6 * 7").value == "42"


def test_files_travel_both_ways(sandbox, tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    (tmp_path / ".env").write_text("KEY=hunter2")
    with sandbox.open(tmp_path, limits=LIMITS) as session:
        result = session.run(
            "import os\nos.makedirs('sub', exist_ok=True)\n"
            "open('sub/out.txt', 'w').write(open('in.csv').read().upper())\n"
            "os.symlink('/etc/passwd', 'link'); open('.hidden', 'w').write('x')\nsorted(os.listdir('.'))"
        )
        assert result.files == ("sub/out.txt",)
        assert ".env" not in result.value
        assert (tmp_path / "sub/out.txt").read_text() == "A,B\n1,2\n"
        assert session.run("1").files == ()
        (tmp_path / "in.csv").write_text("changed")
        assert session.run("open('in.csv').read()").value == "'changed'"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "in.csv", "sub"]


def test_files_over_the_limits_are_named(sandbox, tmp_path):
    with sandbox.open(tmp_path, limits=Limits(timeout=60, file_bytes=1000, files=2)) as session:
        result = session.run(
            "for name, size in (('a', 10), ('b', 2000), ('c', 10), ('d', 10)): open(name, 'w').write('x' * size)"
        )
    assert result.files == ("a", "c")
    assert [note.split(":")[0] for note in result.dropped_files] == ["b", "d"]
    assert result.missing_files == ()


def test_files_that_stay_out_are_named(sandbox, tmp_path):
    (tmp_path / "large").write_bytes(bytes(2000))
    with sandbox.open(tmp_path, limits=Limits(timeout=60, file_bytes=1000)) as session:
        result = session.run("import os; os.listdir()")
    assert (result.value, result.dropped_files) == ("[]", ())
    assert result.missing_files == ("large: 2000 bytes do not fit into the sandbox",)


T3_BLOCK = """
total = 0
for city in cities():
    for number in lookup(city, column="qty"):
        total += number
total
"""


def test_a_block_with_a_loop_and_two_tools(sandbox):
    table = {"Rome": [1, 2], "Berlin": [3]}
    calls = {"cities": lambda: sorted(table), "lookup": HostFunction(lambda city, column: table[city], calls=3)}
    with sandbox.open(host_calls=calls, limits=LIMITS) as session:
        result = session.run(T3_BLOCK)
        assert (result.value, result.stdout.strip()) == ("6", "")
        assert "KeyError" not in session.run("cities()").stdout
        assert "RuntimeError: 'Paris'" in session.run("lookup('Paris', column='x')").error
        assert "takes JSON arguments" in session.run("lookup(object())").error
        many = session.run("for _ in range(9): lookup('Rome', column='x')")
        assert "more than 3 calls of lookup in one run" in many.error


def test_pictures_come_back_as_files(sandbox, tmp_path):
    code = "class Picture:\n    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n' + bytes(8)\nPicture()"
    with sandbox.open(tmp_path, limits=LIMITS) as session:
        result = session.run(code)
    assert result.files == ("display-1.png",)
    assert (tmp_path / "display-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_session_is_joined_again_by_its_id(sandbox, server, session):
    session.run("open('/tmp/left', 'w').write('kept')")
    options = {} if server is None else sandbox._options
    with E2BSandbox(sandbox_id=session.sandbox_id, **options).open(limits=LIMITS) as other:
        assert other.run("open('/tmp/left').read()").value == "'kept'"
    assert session.run("6 * 7").value == "42"


def test_output_is_capped(sandbox):
    with sandbox.open(limits=Limits(timeout=60, output_bytes=100, value_bytes=50)) as session:
        result = session.run("print('x' * 1000)\n'y' * 1000")
        assert (len(result.stdout), len(result.value), result.truncated) == (100, 50, True)


def test_misuse_and_a_closed_session(sandbox, session):
    with pytest.raises(ConfigurationError, match="above 0"):
        session.run("1", timeout=0)
    assert "over 4194304" in session.run("#" * (5 << 20)).error
    session.close()
    session.close()
    with pytest.raises(SandboxError, match="closed"):
        session.run("1")


def test_cancelling_leaves_the_run_behind(session):
    async def main():
        task = asyncio.create_task(session.arun("import time; time.sleep(300)", timeout=300))
        await asyncio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 60
    assert session.run("'fresh'").value == "'fresh'"


def test_cancelling_a_run_that_waits_leaves_the_one_that_runs_alone(session):
    async def main():
        first = asyncio.create_task(session.arun("import time; time.sleep(3); 'first'", timeout=100))
        await asyncio.sleep(1)
        second = asyncio.create_task(session.arun("ran = True"))
        await asyncio.sleep(0.5)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        return await first

    assert asyncio.run(main()).value == "'first'"
    assert session.run("'ran' in globals()").value == "False"


@only_stand_in
def test_charts_come_back_as_json(sandbox, tmp_path):
    bar = {"label": "Rome", "group": "qty", "value": "3"}
    axes = dict.fromkeys(("x_label", "y_label", "x_unit", "y_unit"))
    chart = {"type": "bar", "title": "Sales", "elements": [bar], **axes}
    code = f"class Figure: e2b_chart = {chart!r}\nFigure()"
    with sandbox.open(tmp_path, limits=LIMITS) as session:
        assert session.run(code).files == ("display-1.chart.json",)
    assert json.loads((tmp_path / "display-1.chart.json").read_text())["title"] == "Sales"


@only_stand_in
def test_a_broken_connection_is_the_sandbox_failing_and_the_next_run_works(server, session):
    session.run("1")
    server.failing = 1
    with pytest.raises(SandboxError, match="E2B failed during a run"):
        session.run("1")
    assert session.run("6 * 7").value == "42"


@only_stand_in
def test_a_sandbox_is_ended_by_who_made_it(sandbox, server):
    with sandbox.open() as session:
        name = session.sandbox_id
        assert server.sandboxes[name]
        with E2BSandbox(sandbox_id=name, **sandbox._options).open():
            pass
        assert server.sandboxes[name]
    assert not server.sandboxes[name]


@only_stand_in
def test_no_server_is_unavailable():
    nowhere = E2BSandbox(api_key="e2b_" + "0" * 40, api_url="http://127.0.0.1:9", sandbox_url="http://127.0.0.1:9")
    with pytest.raises(SandboxUnavailableError, match="E2B gave no sandbox"):
        nowhere.open()
    assert not nowhere.probe().ok


@only_stand_in
def test_without_the_api_a_server_of_ones_own_is_enough(server):
    with E2BSandbox(debug=True, sandbox_url=server.url).open(limits=LIMITS) as session:
        assert session.run("6 * 7").value == "42"
    assert all(not request["path"].startswith("/sandboxes") for request in server.requests)


@only_stand_in
def test_the_sdk_asks_what_it_asked_when_this_was_written(sandbox, server, tmp_path):
    """The requests of one episode; a new SDK that asks otherwise shows here (UPDATE_SNAPSHOTS=1 rewrites the file)."""
    (tmp_path / "in.txt").write_text("x")
    with sandbox.open(tmp_path, limits=LIMITS) as session:
        session.run("open('out.txt', 'w').write('y')")
    asked = [
        {**request, "json": sorted(request["json"]) if isinstance(request["json"], dict) else None}
        for request in server.requests
    ]
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FIXTURE.write_text(json.dumps(asked, indent=1) + "\n")
    assert asked == json.loads(FIXTURE.read_text())


# The stand-in runs code as a plain process of this machine, with its /tmp and its descriptors: it can tell about the
# conversation and the clock, and about nothing that a machine of its own would keep in.
TELLING = {
    *("CPU loop", "sleep", "ignored signals", "SystemExit", "hostile repr", "a line of 10 MB"),
    *("a value of 10 MB", "lone surrogates in an error", "links, pipes, devices and odd names in outputs"),
    *("forged protocol replies", "pickle among the results", "use after a time-out"),
}


@pytest.mark.slow
def test_the_attacks_that_make_sense_there(sandbox, monkeypatch):
    if not REAL:
        monkeypatch.setitem(ELSEWHERE, "e2b", replace(ELSEWHERE["e2b"], asked=frozenset(TELLING)))
    findings = list(check(sandbox))
    assert [finding for finding in findings if finding.verdict is Verdict.FAILED] == []
    held = {finding.attack for finding in findings if finding.verdict is Verdict.HELD}
    assert held == ELSEWHERE["e2b"].asked
