"""A workspace with real files, and the default toolbox over it."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tracer1_agents.tools.backends import Backends
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.confined import parser
from tracer1_agents.tools.parsing import READERS
from tracer1_agents.tools.search import Corpus
from tracer1_agents.tools.toolbox import default_toolbox

if TYPE_CHECKING:
    from pathlib import Path

SALES = "city,unit price,qty,code\nBerlin,3.50,2,007\nRome,1.25,,008\nberlin,2,5,009\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace below `tmp_path`, so that there is an outside to be kept out of."""
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "sales.csv").write_text(SALES)
    return workspace


@pytest.fixture
def box(folder: Path) -> ToolRegistry:
    return ToolRegistry(default_toolbox(folder))


@pytest.fixture
def full_box(folder: Path) -> ToolRegistry:
    """Every tool: all that can be handed in stands there, and none of it can do anything."""
    models = Backends(**{item.name: object() for item in fields(Backends)})
    web = SimpleNamespace(search=None, visit=None, download=None)
    return ToolRegistry(
        default_toolbox(folder, corpus=Corpus([]), web=web, sandbox=object(), backends=models)  # type: ignore[arg-type]
    )


@pytest.fixture
def parsed_here(monkeypatch):
    """Files are read in this process, so that a test can change a reader's limits."""
    monkeypatch.setattr(parser, "read", lambda reader, path, **more: READERS[reader](path, **more))
