"""A block as T3's agents write them, a loop over two tools, on every backend that runs here (E2B: test_e2b.py)."""

from __future__ import annotations

import os

import pytest

from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.sandboxes.calls import HostFunction
from tracer1_agents.sandboxes.docker import DockerSandbox
from tracer1_agents.sandboxes.pyodide import PyodideSandbox

BLOCK = """
found = []
for city in cities():
    for number in lookup(city, column="qty"):
        found.append(number)
print("looked at", len(found))
sum(found)
"""
IMAGE = os.environ.get("TRACER1_DOCKER_IMAGE", "")
needs_docker = pytest.mark.skipif(not IMAGE, reason="set TRACER1_DOCKER_IMAGE to run it in a container")
TABLE = {"Rome": [1, 2], "Berlin": [3]}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(BubblewrapSandbox, marks=pytest.mark.bwrap, id="bubblewrap"),
        pytest.param(PyodideSandbox, marks=pytest.mark.deno, id="pyodide"),
        pytest.param(lambda: DockerSandbox(image=IMAGE), marks=needs_docker, id="docker"),
    ],
)
def test_a_loop_with_two_tools(make):
    sandbox = make()
    found = sandbox.probe()
    if not found.ok:
        pytest.skip(f"{sandbox.name} does not work here: {found.reason}")
    asked = []

    def lookup(city, column):
        asked.append((city, column))
        return TABLE[city]

    only_known = HostFunction(lookup, allow=lambda args, _: None if args[0] in TABLE else f"no city {args[0]}", calls=3)
    with sandbox.open(host_calls={"cities": lambda: sorted(TABLE), "lookup": only_known}, limits=Limits()) as session:
        result = session.run(BLOCK)
        assert (result.value, result.stdout) == ("6", "looked at 3\n")
        assert asked == [("Berlin", "qty"), ("Rome", "qty")]
        assert session.run("lookup('Paris', column='qty')").error == "RuntimeError: no city Paris"
        assert "more than 3 calls of lookup" in session.run("for _ in range(4): lookup('Rome', column='x')").error
    assert len(asked) == 5
