"""GTA's fourteen tools under their own names: calls as its data set has them, and outputs in its forms."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.testing import ScriptedServer
from tracer1_agents.tools.backends import Backends
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.gta import gta_toolbox
from tracer1_agents.tools.search import Corpus, Passage
from tracer1_agents.tools.web_search import SearchedWeb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELD = "The field is {size}: {question}"


class Eye:
    """Answers with what it was asked; finds three things, one of them unsure."""

    def answer(self, question: str, image: bytes) -> str:
        with Image.open(io.BytesIO(image)) as picture:
            return FIELD.format(size=picture.size, question=question)

    def locate(self, target: str, image: bytes) -> list[tuple[float, ...]]:
        return [(1.4, 2, 30, 12, 0.874), (5, 5, 9, 9, 0.51), (0, 0, 3, 3, 0.2)] if target == "cup" else []


@pytest.fixture
def gta(folder: Path) -> ToolRegistry:
    Image.new("RGB", (40, 20), "white").save(folder / "image_1.jpg")
    corpus = Corpus([Passage("Tower", "u://t", "It is 330 m high.")])
    return ToolRegistry(gta_toolbox(folder, vision_model=Eye(), corpus=corpus))


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("ImageDescription", {"image": "image_1.jpg"}, "(40, 20): Describe this picture in detail."),
        (
            "RegionAttributeDescription",
            {"image": "image_1.jpg", "bbox": "(10, 5, 30, 15)", "attribute": "colour"},
            "(20, 10): Describe this of what the picture shows: colour",
        ),
        ("MathOCR", {"image": "image_1.jpg"}, "as LaTeX. Answer with the LaTeX only."),
        ("TextToBbox", {"image": "image_1.jpg", "text": "cup"}, "(1, 2, 30, 12), score 87"),
        (
            "TextToBbox",
            {"image": "image_1.jpg", "text": "cup", "top1": False},
            "(1, 2, 30, 12), score 87\n(5, 5, 9, 9), score 51",
        ),
        ("TextToBbox", {"image": "image_1.jpg", "text": "dog"}, "No object found."),
        ("CountGivenObject", {"image": "image_1.jpg", "text": "cup"}, "2"),
        ("CountGivenObject", {"image": "image_1.jpg", "text": "cup", "bbox": "(1, 1, 9, 9)"}, "2"),
        ("CountGivenObject", {"image": "image_1.jpg", "text": "dog"}, "0"),
        ("Calculator", {"expression": "(3 + 4) * 2"}, "14"),
        ("Solver", {"command": "```\nx + 2 = 5\n```"}, "x = 3"),
        ("GoogleSearch", {"query": "tower", "k": 4}, "1. Tower (u://t): It is 330 m high."),
        ("DrawBox", {"image": "image_1.jpg", "bbox": "(5, 5, 30, 15)", "annotation": "cup"}, "boxed.png"),
        ("AddText", {"image": "image_1.jpg", "text": "Hi", "position": "mt", "color": "blue"}, "with_text.png"),
        ("AddText", {"image": "image_1.jpg", "text": "Hi", "position": "(2, 18)"}, "with_text.png"),
    ],
)
def test_calls_as_recorded(gta: ToolRegistry, name: str, arguments: dict[str, Any], text: str) -> None:
    done = gta.run(name, arguments)
    assert done.ok, done.text
    assert done.text.endswith(text)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("ImageDescription", {"image": "none.jpg"}, 'no file "none.jpg"'),
        ("TextToBbox", {"image": "sales.csv", "text": "cup"}, "is not an image"),
        ("TextToBbox", {"image": "image_1.jpg"}, 'argument "text" is missing; TextToBbox takes image, text, top1'),
        (
            "RegionAttributeDescription",
            {"image": "image_1.jpg", "bbox": "(90, 90, 95, 95)", "attribute": "x"},
            "outside",
        ),
        ("DrawBox", {"image": "image_1.jpg", "bbox": "here"}, 'argument "bbox"'),
        ("AddText", {"image": "image_1.jpg", "text": "Hi", "position": "top"}, 'position must be "(x, y)"'),
        ("AddText", {"image": "image_1.jpg", "text": "Hi", "position": "mt", "color": "no"}, "color must be a name"),
        ("Solver", {"command": "```python\ndef solution():\n    return 1\n```"}, "configure a sandbox"),
        ("Plot", {"command": "x"}, "Plot is off here: configure a sandbox"),
        ("TextToImage", {"keywords": "x"}, "TextToImage is off here: configure an image generator"),
        ("ImageStylization", {"image": "image_1.jpg", "instruction": "x"}, "configure an image editor"),
    ],
)
def test_faults(gta: ToolRegistry, name: str, arguments: dict[str, Any], says: str) -> None:
    done = gta.run(name, arguments)
    assert not done.ok
    assert says in done.text


def test_text_stands_where_it_was_asked_for(gta: ToolRegistry, folder: Path) -> None:
    Image.new("RGB", (400, 200), "white").save(folder / "wide.png")
    for position, left, top in (("lt", True, True), ("rb", False, False), ("(20, 60)", True, True)):
        call = {"image": "wide.png", "text": "Hi", "position": position, "color": "#0000ff"}
        with Image.open(folder / gta.run("AddText", call).value) as written:
            blue = Image.eval(written.convert("RGB").getchannel("R"), lambda value: 255 - value).getbbox()
        assert blue is not None
        assert ((blue[0] + blue[2]) / 2 < 200) == left
        assert ((blue[1] + blue[3]) / 2 < 100) == top


@pytest.mark.tesseract
@pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program tesseract is not installed")
def test_ocr_gives_lines_with_boxes(gta: ToolRegistry, folder: Path) -> None:
    picture = Image.new("RGB", (500, 200), "white")
    for text, top in (("Total 1234", 20), ("Berlin", 130)):
        ImageDraw.Draw(picture).text((30, top), text, fill="black", font=ImageFont.load_default(30))
    picture.save(folder / "bill.png")
    lines = gta.run("OCR", {"image": "bill.png"}).text.splitlines()
    assert [line.partition(") ")[2] for line in lines] == ["Total 1234", "Berlin"]
    left, top, right, bottom = map(int, lines[0].partition(")")[0].strip("(").split(", "))
    assert 20 <= left <= 40
    assert 15 <= top < bottom <= 70
    assert right < 300


def test_pictures_are_made_under_gtas_names(folder: Path) -> None:
    class Painter:
        def generate(self, prompt: str) -> bytes:
            return self.edit(prompt, b"")

        def edit(self, prompt: str, image: bytes) -> bytes:
            buffer = io.BytesIO()
            Image.new("RGB", (8, 4), prompt).save(buffer, "WEBP")
            return buffer.getvalue()

    Image.new("RGB", (40, 20)).save(folder / "a.png")
    box = ToolRegistry(gta_toolbox(folder, backends=Backends(generator=Painter(), editor=Painter())))
    assert box.run("TextToImage", {"keywords": "red"}).text == "generated.png"
    assert box.run("ImageStylization", {"image": "a.png", "instruction": "blue"}).text == "edited.png"


def test_formulas_by_their_own_model(folder: Path) -> None:
    Image.new("RGB", (40, 20)).save(folder / "a.png")
    reader = type("Reader", (), {"read_formula": lambda _self, _image: " x^2 "})()
    box = ToolRegistry(gta_toolbox(folder, backends=Backends(formulas=reader)))
    assert box.run("MathOCR", {"image": "a.png"}).text == "x^2"
    assert "ImageDescription" not in box


@pytest.mark.bwrap
class TestPrograms:
    """`Solver` and `Plot` run what the model wrote, in a sandbox."""

    @pytest.fixture
    def programs(self, folder: Path) -> Iterator[ToolRegistry]:
        sandbox = BubblewrapSandbox()
        if not sandbox.probe().ok:
            pytest.skip(sandbox.probe().reason)
        with sandbox.open(folder) as session:
            yield ToolRegistry(gta_toolbox(folder, sandbox=session))

    def test_a_figure_is_a_file(self, programs: ToolRegistry, folder: Path) -> None:
        fake = "class F:\n    def savefig(self, name):\n        open(name, 'wb').write(b'picture')\n"
        done = programs.run("Plot", {"command": f"```python\n{fake}def solution():\n    return F()\n```"})
        if "No module named 'matplotlib'" in done.text:
            assert not done.ok
            assert not (folder / "plot.png").exists()
        else:
            assert (done.text, (folder / "plot.png").read_bytes()) == ("plot.png", b"picture")

    def test_a_solution_is_printed(self, programs: ToolRegistry) -> None:
        done = programs.run("Solver", {"command": "```python\ndef solution():\n    return 6 * 7\n```"})
        assert done.text == "42" or "No module named 'sympy'" in done.text

    def test_a_program_that_fails_says_so(self, programs: ToolRegistry) -> None:
        done = programs.run("Solver", {"command": "def solution(:\n"})
        assert not done.ok
        assert "SyntaxError" in done.text


class TestSearchEngine:
    """`SearchedWeb` against a local stand-in."""

    def search(self, *script: Any) -> Any:
        server = ScriptedServer(list(script))
        web = SearchedWeb(f"{server.url}/search", "key-1", seconds=20)
        return server, web

    def test_results_in_order(self, folder: Path) -> None:
        organic = [{"title": "A", "link": "http://a", "snippet": "first\nline"}, {"title": "B", "link": "http://b"}]
        answer = {"answerBox": {"answer": "330 m", "title": "Tower"}, "organic": organic}
        server, web = self.search(answer)
        box = ToolRegistry(gta_toolbox(folder, web=web))
        done = box.run("GoogleSearch", {"query": "how high?", "k": 3})
        assert done.text == "1. Tower (): 330 m\n2. A (http://a): first line\n3. B (http://b): "
        body, headers = server.asked[0]
        assert body == {"q": "how high?", "num": 3}
        assert {name.lower(): value for name, value in headers.items()}["x-api-key"] == "key-1"
        server.close()

    @pytest.mark.parametrize(
        ("answer", "infrastructure"),
        [
            (401, False),
            (503, True),
            (429, True),
            ("drop", True),
            ("<html>", False),
            ([1], False),
            ({"organic": [3]}, False),
        ],
    )
    def test_faults(self, folder: Path, answer: Any, infrastructure: bool) -> None:  # noqa: FBT001
        server, web = self.search(answer)
        done = ToolRegistry(gta_toolbox(folder, web=web)).run("GoogleSearch", {"query": "q"})
        assert (done.ok, done.infrastructure) == (False, infrastructure)
        assert "search engine" in done.text
        assert "key-1" not in json.dumps([done.text, done.value])
        server.close()

    def test_an_address_that_is_none(self) -> None:
        with pytest.raises(ConfigurationError, match="http"):
            SearchedWeb("file:///etc/passwd", "k")
