"""The examples of `examples/embed/` run as shown; those whose host framework is not installed are skipped."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EMBED = Path(__file__).parents[3] / "examples" / "embed"
EXPECTED = {
    "middleware": ("langchain.agents", ["8; pairs ahead at each step: [3, 2, 1]", "8 euros; pairs ahead at each step"]),
    "parent_graph": (
        "langgraph",
        ["Ada: 5 euros, after 2 steps (finished)", "Ada: None euros, after 1 steps (step_li"],
    ),
    "supervisor": ("langgraph_supervisor", ["ai: 5 euros", "ai: A cake costs 5 euros."]),
    "mcp_tools": (
        "langchain_mcp_adapters",
        ["finished: ['in the basket: tea', 'in the basket: tea, cake']\n" * 2],
    ),
    "swarm": ("langgraph_swarm", ["tool: Successfully transferred to till", "ai: 5 euros"]),
}


@pytest.mark.filterwarnings("ignore:::langgraph_supervisor", "ignore:::langgraph_swarm")
@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, capsys):
    needs, lines = EXPECTED[name]
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    if name == "mcp_tools":  # its server inherits stderr, which has to be a real one
        printed = subprocess.check_output([sys.executable, str(EMBED / f"{name}.py")], text=True)  # noqa: S603
    else:
        runpy.run_path(str(EMBED / f"{name}.py"), run_name="__main__")
        printed = capsys.readouterr().out
    for line in lines:
        assert line in printed


def test_every_example_is_run():
    elsewhere = {"mcp_server", "served", "deep_agent"}  # the MCP example, make serve-test, make deepagents-test
    assert {path.stem for path in EMBED.glob("*.py")} == {*EXPECTED, *elsewhere}
