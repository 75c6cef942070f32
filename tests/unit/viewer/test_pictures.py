"""Which pictures a page takes, and why it leaves others out."""

from __future__ import annotations

import os
import random

import pytest
from viewer_cases import png

from tracer1_agents.blobs import BlobStore
from tracer1_agents.types import ImageRef
from tracer1_agents.viewer.pictures import Pictures


def ref_of(path):
    return ImageRef(ref=str(path), width=10, height=10)


def test_one_content_under_two_names_is_taken_once(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(10, 10))
    pictures = Pictures()
    taken = [pictures.take(ref_of(tmp_path / name)) for name in ("a.png", "b.png", "a.png")]
    assert [picture["key"] for picture in taken] == ["p0"] * 3
    assert pictures.taken["p0"].content == png(10, 10)
    assert pictures.taken["p0"].kind == "image/png"


def test_pictures_from_a_store(tmp_path):
    blobs = BlobStore(tmp_path)
    ref = blobs.put(png(4, 4))
    assert Pictures(blobs).take(ref_of(ref))["key"] == "p0"
    assert "is not there" in Pictures(blobs).take(ref_of("0" * 64))["why"]


def test_no_other_file_of_the_machine_gets_into_a_page(tmp_path):
    secret = tmp_path / "id_rsa"
    secret.write_text("-----BEGIN PRIVATE KEY-----")
    drawing = tmp_path / "a.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    pictures = Pictures()
    assert "not a PNG, JPEG, WebP or GIF" in pictures.take(ref_of(secret))["why"]
    assert "not a PNG, JPEG, WebP or GIF" in pictures.take(ref_of(drawing))["why"]
    assert pictures.taken == {}


def test_what_never_ends_is_not_read(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero", tmp_path):
        assert "not a picture file" in Pictures().take(ref_of(path))["why"]


@pytest.mark.parametrize("ref", ["", "none.png", "bad\0name", "x" * 5000, "http://127.0.0.1/a.png", "\x1b[31m"])
def test_a_reference_that_leads_nowhere_is_told(ref):
    found = Pictures().take(ref_of(ref))
    assert "key" not in found
    assert "\x1b" not in found["why"]
    assert len(found["why"]) <= 300


def test_a_total_size_is_kept(tmp_path):
    contents = [png(10, 10, noise=bytes([65 + number]) * 400) for number in range(3)]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.png").write_bytes(content)
    pictures = Pictures(total_mb=2.5 * len(contents[0]) / 1e6)
    found = [pictures.take(ref_of(tmp_path / f"{number}.png")) for number in range(3)]
    assert ["key" in picture for picture in found] == [True, True, False]
    assert "--pictures takes more" in found[2]["why"]
    all_of_them = Pictures(total_mb=float("inf"))
    assert all("key" in all_of_them.take(ref_of(tmp_path / f"{number}.png")) for number in range(3))


def test_a_large_screenshot_becomes_small(tmp_path):
    image = pytest.importorskip("PIL.Image")
    noise = random.Random(0).randbytes(160 * 120 * 3)
    path = tmp_path / "large.png"
    image.frombytes("RGB", (160, 120), noise).resize((1920, 1440)).save(path)
    assert path.stat().st_size > 200_000
    pictures = Pictures()
    pictures.take(ref_of(path))
    small = pictures.taken["p0"]
    assert small.kind == "image/webp"
    assert len(small.content) < path.stat().st_size / 2


def test_a_damaged_or_enormous_picture_is_told(tmp_path):
    pytest.importorskip("PIL.Image")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(png(10, 10)[:40] + b"\0" * 300_000)
    enormous = tmp_path / "enormous.png"
    enormous.write_bytes(png(9_000, 9_000, noise=b"A" * 300_000))  # 81 million pixels in a small file
    assert "damaged picture" in Pictures().take(ref_of(damaged))["why"]
    assert "9000 x 9000 pixels are too many" in Pictures().take(ref_of(enormous))["why"]
