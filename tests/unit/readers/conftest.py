"""Small sources written by hand, and the published samples where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.errors import DataError


@pytest.fixture
def write_lines(tmp_path):
    """Writes JSON values, or raw text as it is, one a line; returns the path."""

    def write(*rows, name="source.jsonl", end="\n"):
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + end, encoding="utf-8")
        return path

    return write


@pytest.fixture
def write_rows(tmp_path):
    """Writes rows as Parquet; returns the path."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the extra train")
    import pyarrow as pa  # noqa: PLC0415  (only here)

    def write(*rows, name="source.parquet"):
        path = tmp_path / name
        parquet.write_table(pa.Table.from_pylist(list(rows)), path)
        return path

    return write


@pytest.fixture
def read():
    """Reads a source; returns trajectories and (line, problem) of what could not be read."""

    def run(source, path, **options):
        items = list(reader_named(source, ReaderOptions(**options)).read(path))
        problems = [(item.line, item.problem) for item in items if isinstance(item, DataError)]
        return [item for item in items if not isinstance(item, DataError)], problems

    return run


@pytest.fixture(scope="session")
def samples():
    """The folder with published sample data."""
    folder = os.environ.get("TRACER1_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TRACER1_DATA does not name a folder with published sample data")
    return Path(folder)
