"""Every Python block of every page of docs/ runs, page by page, and every file that a page names is there.

Blocks that need a server or a key are fenced as `python no-run`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


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
