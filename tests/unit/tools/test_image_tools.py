from __future__ import annotations

import io
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from tracer1_agents.tools import images
from tracer1_agents.tools.backends import PixelBox
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.toolbox import default_toolbox

if TYPE_CHECKING:
    from pathlib import Path

needs_tesseract = [
    pytest.mark.tesseract,
    pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program tesseract is not installed"),
]


def draw(path: Path, text: str, size: tuple[int, int] = (400, 160), mode: str = "RGB") -> None:
    image = Image.new(mode, size, "white")
    ImageDraw.Draw(image).text((20, 15), text, fill="black", font=ImageFont.load_default(28))
    image.save(path)


class TestOcr:
    pytestmark = needs_tesseract

    @pytest.mark.parametrize("text", ["Total 1234", "7", "Berlin\nLisbon", "price: 17.50"])
    def test_lines(self, box: ToolRegistry, folder: Path, text: str) -> None:
        draw(folder / "a.png", text)
        done = box.run("ocr", {"image_path": "a.png"})
        assert done.text == text
        assert done.value == text.split("\n")

    def test_transparent_and_large_images(self, box: ToolRegistry, folder: Path) -> None:
        clear = Image.new("RGBA", (1200, 300), (0, 0, 0, 0))
        ImageDraw.Draw(clear).text((40, 40), "Order 58", fill="black", font=ImageFont.load_default(60))
        clear.save(folder / "a.png")
        assert box.run("ocr", {"image_path": "a.png"}).text == "Order 58"

    def test_nothing_to_read(self, box: ToolRegistry, folder: Path) -> None:
        Image.new("RGB", (200, 100), "white").save(folder / "a.png")
        done = box.run("ocr", {"image_path": "a.png"})
        assert (done.text, done.value) == ("no text found", [])

    def test_too_slow(self, box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "_OCR_SECONDS", 0.001)
        draw(folder / "a.png", "x")
        assert box.run("ocr", {"image_path": "a.png"}).text.startswith("error: ocr took longer than")


def test_ocr_without_the_program(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    draw(folder / "a.png", "x")
    assert box.run("ocr", {"image_path": "a.png"}).text.startswith("error: ocr needs the program tesseract")


def test_a_program_that_fails_is_reported(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    draw(folder / "a.png", "x")
    assert box.run("ocr", {"image_path": "a.png"}).text.startswith("error: tesseract failed")


def test_images_only(box: ToolRegistry) -> None:
    assert box.run("ocr", {"image_path": "sales.csv"}).text == 'error: "sales.csv" is not an image (png, jpg)'


def test_too_many_pixels(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "PIXEL_LIMIT", 99)
    Image.new("RGB", (10, 10)).save(folder / "a.png")
    done = box.run("inspect_file_as_text", {"file_path": "a.png"})
    assert done.text.startswith('error: "a.png" cannot be read as png: it has more than')


def test_photos_are_turned_upright(box: ToolRegistry, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (30, 20)).save(folder / "a.jpg", exif=exif)
    assert box.run("inspect_file_as_text", {"file_path": "a.jpg"}).text.startswith("image, 20 x 30 pixels")


@pytest.mark.parametrize("edges", [[10, 5, 30, 15], "(10, 5, 30, 15)", [10.4, 4.6, 30, 15]])
def test_crop(box: ToolRegistry, folder: Path, edges: object) -> None:
    picture = Image.new("RGB", (40, 20), "white")
    picture.putpixel((10, 5), (255, 0, 0))
    picture.save(folder / "a.png")
    done = box.run("crop_image", {"image_path": "a.png", "box": edges, "output": "b.png"})
    assert (done.text, done.value) == ("saved b.png, 20 x 10 pixels", "b.png")
    with Image.open(folder / "b.png") as part:
        assert part.getpixel((0, 0)) == (255, 0, 0)


def test_crop_is_clipped_to_the_image(box: ToolRegistry, folder: Path) -> None:
    Image.new("RGB", (40, 20)).save(folder / "a.png")
    call = {"image_path": "a.png", "output": "b.jpg"}
    assert box.run("crop_image", {**call, "box": [30, -5, 90, 90]}).text == "saved b.jpg, 10 x 20 pixels"
    outside = box.run("crop_image", {**call, "box": [50, 0, 60, 10]})
    assert outside.text == "error: the box [50, 0, 60, 10] is empty or outside the image of 40 x 20 pixels"
    assert not box.run("crop_image", {**call, "box": [float("nan"), 0, 60, 10]}).ok


def test_draw_box(box: ToolRegistry, folder: Path) -> None:
    Image.new("RGB", (100, 50), "white").save(folder / "a.png")
    done = box.run("draw_box", {"image_path": "a.png", "box": [20, 10, 60, 40], "label": "cat"})
    assert done.text == "saved boxed.png, 100 x 50 pixels"
    with Image.open(folder / "boxed.png") as drawn, Image.open(folder / "a.png") as original:
        assert drawn.getpixel((20, 10)) == (255, 0, 0)
        assert drawn.getpixel((50, 35)) == (255, 255, 255)
        assert original.getpixel((20, 10)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["line", "bar", "scatter"])
def test_plot(box: ToolRegistry, folder: Path, kind: str) -> None:
    call = {"file_path": "sales.csv", "x": "city", "y": "unit price", "kind": kind}
    assert box.run("plot", call).text == "saved plot.png, 640 x 480 pixels"
    with Image.open(folder / "plot.png") as picture:
        assert picture.size == (640, 480)
        assert len(picture.convert("RGB").getcolors(100_000) or []) > 2


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (("city", "code"), 'error: column "code" is not numeric, for example "007"'),
        (("city", "none"), 'error: no column "none"; columns: city, unit price, qty, code'),
    ],
)
def test_what_cannot_be_plotted(box: ToolRegistry, folder: Path, columns: tuple[str, str], text: str) -> None:
    assert box.run("plot", {"file_path": "sales.csv", "x": columns[0], "y": columns[1]}).text == text
    assert not (folder / "plot.png").exists()


def test_thousands_of_texts_along_an_axis_are_drawn_quickly(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text("a,b\n" + "".join(f"name {row},{row}\n" for row in range(3_000)))
    began = time.process_time()
    assert box.run("plot", {"file_path": "t.csv", "x": "a", "y": "b"}).ok
    assert time.process_time() - began < 5


def test_nothing_to_plot(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text("a,b\n1,\n")
    call = {"file_path": "t.csv", "x": "a", "y": "b"}
    assert box.run("plot", call).text == "error: there are 0 rows to draw; a plot takes 1 to 10000"


def test_a_dollar_sign_is_no_formula(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text("$a_{$,$b$\n$x^{$,1\n")
    assert box.run("plot", {"file_path": "t.csv", "x": "$a_{$", "y": "$b$"}).ok


class FakeVision:
    """Answers with what it was asked and how large the image was."""

    def answer(self, question: str, image: bytes) -> str:
        return f" {question} {Image.open(io.BytesIO(image)).size} "

    def locate(self, target: str, image: bytes) -> list[PixelBox]:
        assert image.startswith(b"\x89PNG")
        return [PixelBox(1, 2, 3, 4)] if target == "cat" else []


def test_vision_tools_ask_the_model(folder: Path) -> None:
    Image.new("RGB", (40, 20)).save(folder / "a.png")
    box = ToolRegistry(default_toolbox(folder, vision_model=FakeVision()))

    def run(name: str, **arguments: Any) -> Any:
        return box.run(name, {"image_path": "a.png", **arguments})

    assert run("visualizer", question="How many?").text == "How many? (40, 20)"
    found = run("objectlocation", object="cat")
    assert (found.text, found.value) == ("[[1, 2, 3, 4]]", [[1, 2, 3, 4]])
    assert run("objectlocation", object="dog").text == "no dog found"


@pytest.mark.parametrize(("name", "argument"), [("visualizer", "question"), ("objectlocation", "object")])
def test_vision_tools_without_a_model(box: ToolRegistry, folder: Path, name: str, argument: str) -> None:
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    done = box.run(name, {argument: "x", "image_path": "a.png"})
    assert done.text == f"error: {name} is off here: configure a vision model"
