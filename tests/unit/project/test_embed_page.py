"""Every Python block of docs/embed.md runs, and every file it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block(block):
    if "langchain.agents" in block:
        pytest.importorskip("langchain.agents", reason="langchain is not installed (extra agents)")
    exec(compile(block, "docs/embed.md", "exec"), {"__name__": "embed"})  # noqa: S102  (our own page)


def test_files_exist():
    targets = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert targets
    for target in targets:
        assert (ROOT / "docs" / target).exists(), target
