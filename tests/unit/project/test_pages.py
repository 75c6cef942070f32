"""Every Python block of every page of docs/ runs, page by page, and every file that a page names is there.

Blocks that need a server or a key are fenced as `python no-run`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tracer1_agents.data.readers.registry import READERS
from tracer1_agents.data.taskgen.families import FAMILIES

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.fixture
def left_alone(monkeypatch):
    """Whatever a page registers or imports is gone afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = [(registry, dict(registry)) for registry in (READERS, FAMILIES)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)
    for name in [name for name in sys.modules if name.endswith("_plugin")]:
        del sys.modules[name]


@pytest.mark.usefixtures("left_alone")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_blocks_run(page, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8")
    if "langchain.agents" in text:
        pytest.importorskip("langchain.agents", reason="langchain is not installed (extra agents)")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for block in BLOCK.findall(text):
        exec(compile(block, str(page), "exec"), names)  # noqa: S102  (our own page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_exist(page):
    for target in re.findall(r"\]\(([^)#:\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
