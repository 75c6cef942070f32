"""The fourteen tools of GTA under their own names, arguments and outputs, so that recorded calls run as they are.

Names and arguments: open-compass/GTA (agentlego/agentlego/tools, agentlego/benchmark.py). Pictures are given and taken
by their names in the folder. What a model answers there, a model that was handed in answers here; programs (`Solver`,
`Plot`) run in the sandbox.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.backends import words_of
from tracer1_agents.tools.code import CodeSession, output_text
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.images import Box, inside, load_image, load_png, save_image, with_box
from tracer1_agents.tools.made_pictures import edit_picture, generate_picture
from tracer1_agents.tools.maths import maths_tools
from tracer1_agents.tools.needs import is_live
from tracer1_agents.tools.offline_grounding import text_lines
from tracer1_agents.tools.search import Corpus, WebBackend, search_tools
from tracer1_agents.tools.toolbox import handed_in, load_corpus, with_vision_model
from tracer1_agents.tools.vision import needed
from tracer1_agents.tools.workspace import Workspace, free_name, optional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.backends import Backends, VisionModel

_SURE: Final = 0.5  # score above which GTA counts a thing
_MOST_RESULTS: Final = 20
_SECONDS: Final = 20.0  # for a program, as GTA gives it
_EDGES: Final = 4
_FENCE: Final = re.compile(r"```(?:python|py)?\s*\n?(.*?)```", re.DOTALL)
_LETTERS: Final = 18 / 336  # height of letters for a picture's height
_CORNERS: Final = {"l": 0.05, "m": 0.5, "r": 0.95, "t": 0.05, "b": 0.95}
_CORNER: Final = re.compile(r"[lmr][tmb]")

Image = Annotated[str, Field(description='An image, for example "image.png"')]
BoxText = Annotated[Box, Field(description="A box in the form (x1, y1, x2, y2)")]
Command = Annotated[str, Field(description="Python in a Markdown block that defines solution()")]


def gta_toolbox(
    workspace: Path | str,
    *,
    corpus: Path | str | Corpus | None = None,
    web: WebBackend | None = None,
    sandbox: CodeSession | None = None,
    vision_model: VisionModel | None = None,
    backends: Backends | None = None,
) -> list[BaseTool]:
    """Those of GTA's tools that work here; the arguments are those of `default_toolbox`.

    Raises:
        ConfigurationError: There is no such folder.
        DataError: The corpus cannot be read.
    """
    loaded = load_corpus(corpus)
    desk = _Desk(Workspace(workspace), with_vision_model(backends, vision_model), loaded, web, sandbox)
    tools = [*_perception(desk), *_boxes(desk), *_drawing(desk), *_logic(desk), *_creativity(desk)]
    given = desk.models.given() | handed_in(loaded, web, sandbox)
    return [tool for tool in tools if is_live(tool.name, given)]


@dataclass(frozen=True)
class _Desk:
    """What the tools work with."""

    folder: Workspace
    models: Backends
    corpus: Corpus | None
    web: WebBackend | None
    session: CodeSession | None

    def crop(self, image: str, box: Sequence[float]) -> bytes:
        """A part of a picture, as PNG."""
        picture = load_image(self.folder, image).convert("RGB")
        buffer = io.BytesIO()
        picture.crop(inside(box, picture.width, picture.height)).save(buffer, "PNG")
        return buffer.getvalue()

    def save(self, picture: Any, stem: str) -> Output:
        """Save a picture; its name is the output."""
        name = free_name(self.folder, stem, ".png")
        save_image(self.folder, picture, name)
        return name, name


def _perception(desk: _Desk) -> list[BaseTool]:
    def ocr(image: Image) -> Output:
        """Recognise the text in an image, a line each with its box."""
        found = text_lines(load_image(desk.folder, image, grey=True))
        lines = [f"({', '.join(map(str, element.box or ()))}) {element.name}" for element in found]
        return "\n".join(lines) or "no text found", [element.name for element in found]

    def describe(image: Image) -> Output:
        """Describe an image."""
        model, question = needed(desk.models.questions, "ImageDescription"), "Describe this picture in detail."
        return words_of(model.answer(question, load_png(desk.folder, image)), "questions"), None

    def describe_region(
        image: Image, bbox: BoxText, attribute: Annotated[str, Field(description="What to describe")]
    ) -> Output:
        """Describe an attribute of a part of an image."""
        model = needed(desk.models.questions, "RegionAttributeDescription")
        question = f"Describe this of what the picture shows: {attribute}"
        return words_of(model.answer(question, desk.crop(image, bbox)), "questions"), None

    def formula(image: Image) -> Output:
        """Recognise a formula in an image, as LaTeX."""
        png = load_png(desk.folder, image)
        if desk.models.formulas is not None:
            return words_of(desk.models.formulas.read_formula(png), "formulas"), None
        model = needed(desk.models.questions, "MathOCR")
        question = "Write down the formulas in this picture as LaTeX. Answer with the LaTeX only."
        return words_of(model.answer(question, png), "questions"), None

    names: list[tuple[Callable[..., Output], str]] = [
        (ocr, "OCR"),
        (describe, "ImageDescription"),
        (describe_region, "RegionAttributeDescription"),
        (formula, "MathOCR"),
    ]
    return [make_tool(function, name=name) for function, name in names]


def _boxes(desk: _Desk) -> list[BaseTool]:
    def text_to_bbox(
        image: Image,
        text: Annotated[str, Field(description="What to find")],
        top1: Annotated[bool, Field(description="Whether to give only the surest")] = True,  # noqa: FBT002  (GTA's)
    ) -> Output:
        """Find a thing in an image: boxes (x1, y1, x2, y2) with scores in per cent."""
        found = needed(desk.models.detector, "TextToBbox").locate(text, load_png(desk.folder, image))
        kept = found[:1] if top1 else [box for box in found if _sure(box)]
        lines = [_line(box) for box in kept]
        return "\n".join(lines) or "No object found.", [[round(edge) for edge in box[:_EDGES]] for box in kept]

    def count(
        image: Image,
        text: Annotated[str, Field(description="What to count")],
        bbox: Annotated[
            Box | None, Field(description="Where to count: (x1, y1, x2, y2); by default everywhere")
        ] = None,
    ) -> Output:
        """Count things of one kind in an image."""
        png = load_png(desk.folder, image) if bbox is None else desk.crop(image, bbox)
        number = sum(map(_sure, needed(desk.models.detector, "CountGivenObject").locate(text, png)))
        return str(number), number

    return [make_tool(text_to_bbox, name="TextToBbox"), make_tool(count, name="CountGivenObject")]


def _sure(box: Sequence[float]) -> bool:
    return len(box) == _EDGES or box[_EDGES] > _SURE


def _line(box: Sequence[float]) -> str:
    score = f", score {round(100 * box[_EDGES])}" if len(box) > _EDGES else ""
    return f"({', '.join(str(round(edge)) for edge in box[:_EDGES])}){score}"


def _drawing(desk: _Desk) -> list[BaseTool]:
    def draw(
        image: Image,
        bbox: BoxText,
        annotation: Annotated[str | None, Field(description="A word to write at the box")] = None,
    ) -> Output:
        """Draw a box on a copy of an image; gives the name of the copy."""
        return desk.save(with_box(load_image(desk.folder, image), bbox, annotation), "boxed")

    def write(
        image: Image,
        text: Annotated[str, Field(min_length=1, max_length=2_000, description="What to write")],
        position: Annotated[
            str,
            Field(description='Left bottom corner as "(x, y)", or l, m, r and t, m, b: "mt" is the middle of the top'),
        ],
        color: Annotated[str, Field(description='Name of a colour, or "#rrggbb"')] = "red",
    ) -> Output:
        """Write text on a copy of an image; gives the name of the copy."""
        return desk.save(_written(load_image(desk.folder, image), text, position, color), "with_text")

    return [make_tool(draw, name="DrawBox"), make_tool(write, name="AddText")]


def _written(image: Any, text: str, position: str, color: str) -> Any:
    fonts, colours = optional("PIL.ImageFont", "AddText"), optional("PIL.ImageColor", "AddText")
    copy = image.convert("RGB")
    try:
        fill = colours.getrgb(color)[:3]
    except ValueError as error:
        msg = f'color must be a name or "#rrggbb", got "{short(color)}"'
        raise ToolError(msg) from error
    if _CORNER.fullmatch(position):
        place = _CORNERS[position[0]] * copy.width, _CORNERS[position[1]] * copy.height
        anchor = position
    else:
        place, anchor = _point(position), "lb"
    letters = fonts.load_default(size=max(8, round(copy.height * _LETTERS)))
    if "\n" in text:
        text = " ".join(text.split())  # several lines have no anchor at the bottom
    optional("PIL.ImageDraw", "AddText").Draw(copy).text(place, text, anchor=anchor, fill=fill, font=letters)
    return copy


def _point(position: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in position.strip("()[] ").split(","))
    except ValueError as error:
        msg = f'position must be "(x, y)" or like "mt", got "{short(position)}"'
        raise ToolError(msg) from error
    return across, down


def _logic(desk: _Desk) -> list[BaseTool]:
    own: dict[str, Any] = {tool.name: tool for tool in [*maths_tools(), *search_tools(desk.corpus, desk.web)]}

    def calculator(expression: Annotated[str, Field(description='For example "(3 + 4) * 2"')]) -> Output:
        """Calculate an expression."""
        found: Output = own["calculator"].func(expression)
        return found

    def solver(command: Command) -> Output:
        """Solve an equation, or run a program whose solution() solves it."""
        if "def solution" not in command:
            found: Output = own["solver"].func(_FENCE.sub(r"\1", command).strip())
            return found
        head = "from sympy import symbols, Eq, solve\n"
        return _run(desk, "Solver", f"{head}{_program(command)}\nprint(solution())"), None

    def plot(command: Command) -> Output:
        """Run a program whose solution() gives a matplotlib figure; gives the name of the picture."""
        name = free_name(desk.folder, "plot", ".png")
        head = "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n"
        said = _run(desk, "Plot", f"{head}{_program(command)}\nsolution().savefig({name!r})")
        if not desk.folder.contains(name):
            msg = f"the program made no picture: {short(said)}"
            raise ToolError(msg)
        return name, name

    def google(
        query: Annotated[str, Field(description="What to search for")],
        k: Annotated[int, Field(ge=1, description="How many results")] = 10,
    ) -> Output:
        """Search the web."""
        found: Output = own["search"].func(query, min(k, _MOST_RESULTS))
        return found

    return [
        make_tool(calculator, name="Calculator"),
        make_tool(solver, name="Solver"),
        make_tool(plot, name="Plot"),
        make_tool(google, name="GoogleSearch"),
    ]


def _program(command: str) -> str:
    fenced = _FENCE.search(command)
    return fenced.group(1) if fenced else command


def _run(desk: _Desk, name: str, code: str) -> str:
    if desk.session is None:
        msg = f"{name} runs programs only in a sandbox: configure a sandbox"
        raise ToolError(msg)
    return output_text(desk.session.run(code, timeout=_SECONDS), _SECONDS)


def _creativity(desk: _Desk) -> list[BaseTool]:
    def text_to_image(
        keywords: Annotated[str, Field(min_length=1, description="What the picture shall show")],
    ) -> Output:
        """Make a picture from keywords; gives its name."""
        _, name = generate_picture(desk.folder, desk.models, keywords)
        return name, name

    def stylize(image: Image, instruction: Annotated[str, Field(min_length=1, description="What to change")]) -> Output:
        """Change an image by an instruction; gives the name of the copy."""
        _, name = edit_picture(desk.folder, desk.models, instruction, image)
        return name, name

    return [make_tool(text_to_image, name="TextToImage"), make_tool(stylize, name="ImageStylization")]
