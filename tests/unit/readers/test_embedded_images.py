"""Pictures that stand inside a source: named, measured, stored."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.types import ImageRef


@pytest.fixture
def finder(tmp_path):
    return ImageFinder(tmp_path / "rows.parquet", None)


def _png(width, height):
    content = io.BytesIO()
    Image.new("L", (width, height)).save(content, "PNG")
    return content.getvalue()


def _claiming(width, height):
    """The beginning of a PNG whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_a_picture_is_named_by_its_place_and_measured(finder):
    assert finder.embedded(_png(3, 5), "row-1") == ImageRef(ref="rows.parquet#row-1", width=3, height=5)
    assert finder.picture({"bytes": _png(3, 5), "path": "x.png"}, "row-1").width == 3
    assert list(finder.problems()) == []


def test_a_size_that_is_told_is_not_measured(finder):
    assert finder.embedded(b"anything", "1/0", Size(7, 9)) == ImageRef(ref="rows.parquet#1/0", width=7, height=9)


@pytest.mark.parametrize("content", [b"", b"no image", _claiming(100_000, 100_000)])
def test_what_is_no_image_is_a_problem(finder, content):
    assert finder.embedded(content, "row-4", line=4) is None
    [problem] = finder.problems()
    assert problem.line == 4
    assert problem.problem.startswith("the picture row-4 is no image: ")


@pytest.mark.parametrize("value", [None, "", {"bytes": None, "path": None}, 5])
def test_nothing_is_no_picture_and_no_problem(finder, value):
    assert finder.picture(value, "row-1") is None
    assert list(finder.problems()) == []


def test_a_path_is_looked_for(finder, tmp_path):
    (tmp_path / "a.png").write_bytes(_png(3, 5))
    for value in ("a.png", {"bytes": None, "path": "a.png"}):
        assert finder.picture(value, "row-1") == ImageRef(ref=str(tmp_path / "a.png"), width=3, height=5)
