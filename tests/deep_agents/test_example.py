"""The example of the planner as a sub-agent of a deep agent runs as shown."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed" / "deep_agent.py"


def test_deep_agent(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    assert "tool: 5 euros" in printed
    assert "ai: A cake costs 5 euros." in printed
