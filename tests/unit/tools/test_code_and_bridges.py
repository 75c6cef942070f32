from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from tracer1_agents.actions.space import Code
from tracer1_agents.errors import MissingExtraError, SandboxError, ToolError
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.sandboxes.base import Limits
from tracer1_agents.sandboxes.bubblewrap import BubblewrapSandbox
from tracer1_agents.tools import bridges
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.bridges import to_smolagents
from tracer1_agents.tools.code import host_calls
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.picture_blocks import data_url_of, picture_of
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import optional
from tracer1_agents.types import Observation

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Result:
    ok: bool = True
    stdout: str = ""
    value: str | None = None
    error: str | None = None
    timed_out: bool = False
    state_lost: bool = False
    files: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()
    dropped_files: tuple[str, ...] = ()


class Session:
    """Returns or raises what it was given, and remembers the code."""

    def __init__(self, outcome: Result | Exception) -> None:
        self.outcome, self.seen = outcome, []

    def run(self, code: str, *, timeout: float) -> Result:
        self.seen.append((code, timeout))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("result", "ok", "text"),
    [
        (Result(stdout="4\n"), True, "4"),
        (Result(value="5"), True, "5"),
        (Result(stdout="4\n", value="5", files=("a.png",)), True, "4\n5"),
        (Result(), True, "no output; print what you need"),
        (Result(stdout="\n"), True, "no output; print what you need"),
        (
            Result(ok=False, error="NameError: name 'x' is not defined"),
            False,
            "error: NameError: name 'x' is not defined",
        ),
        (Result(ok=False, error="KeyError: 1", stdout="a\n"), False, "error: KeyError: 1\nprinted before: a"),
        (Result(ok=False, timed_out=True), False, "error: TimeoutError: the code ran longer than 30 seconds"),
        (
            Result(ok=False, timed_out=True, state_lost=True),
            False,
            "error: TimeoutError: the code ran longer than 30 seconds; Python was restarted, its variables are gone",
        ),
        (Result(ok=False), False, "error: Error: the code failed without a message"),
        (
            Result(value="5", missing_files=("a.csv: 9 bytes do not fit into the sandbox",)),
            True,
            "5\n1 file of the folder not carried into the sandbox: a.csv: 9 bytes do not fit into the sandbox",
        ),
        (
            Result(ok=False, error="FileNotFoundError: d", missing_files=("a: 1", "b: 2", "c: 3", "d: 4", "e: 5")),
            False,
            (
                "error: FileNotFoundError: d\n"
                "5 files of the folder not carried into the sandbox: a: 1; b: 2; c: 3; and 2 more"
            ),
        ),
        (
            Result(stdout="4\n", value="5", files=("a.png", "b.png"), dropped_files=("c\n.png: more than 2 files",)),
            False,
            (
                "error: 1 file written by the code not carried back into the folder: c .png: more than 2 files\n"
                "the code ran to its end; its variables and 2 other files are kept\nprinted: 4\n5"
            ),
        ),
    ],
)
def test_python(folder: Path, result: Result, ok: object, text: str) -> None:
    session = Session(result)
    done = ToolRegistry(default_toolbox(folder, sandbox=session)).run("python", {"code": "print(2 + 2)"})
    assert (done.ok, done.text, done.infrastructure) == (ok, text, False)
    assert session.seen == [("print(2 + 2)", 30.0)]
    assert done.value == ({"files": list(result.files)} if ok else None)


@pytest.fixture
def bubblewrap() -> BubblewrapSandbox:
    found = BubblewrapSandbox().probe()
    if not found.ok:
        pytest.skip(f"bubblewrap does not work here: {found.reason}")
    return BubblewrapSandbox()


@pytest.mark.bwrap
def test_code_of_a_workbench_says_which_files_it_did_not_get_and_which_it_lost(
    folder: Path, bubblewrap: BubblewrapSandbox
) -> None:
    for number in range(4):
        (folder / f"n{number}").write_text("x")
    with open_workbench(folder, sandbox=bubblewrap, limits=Limits(files=3)) as bench:
        seen = bench.execute(Code(source="import os; len(os.listdir())"), "", Observation())
        lost = bench.execute(Code(source="for n in range(5): open(f'o{n}', 'w').write('y')"), "", Observation())
    assert (seen.ok, seen.text.split("\n")[0]) == (True, "3")
    assert "2 files of the folder not carried into the sandbox: n3: more than 3 files in the workspace" in seen.text
    assert not lost.ok
    assert "2 files written by the code not carried back into the folder: o3: more than 3 files; o4: more" in lost.text
    assert sorted(path.name for path in folder.glob("o*")) == ["o0", "o1", "o2"]


def test_python_from_async_code_in_a_thread(folder: Path) -> None:
    box = ToolRegistry(default_toolbox(folder, sandbox=Session(Result(stdout="4"))))
    assert asyncio.run(box.arun("python", {"code": "1"})).text == "4"


def test_cancelling_reaches_the_session(folder: Path) -> None:
    class Cancellable(Session):
        async def arun(self, code: str, *, timeout: float) -> Result:  # noqa: ASYNC109  (as the session has it)
            try:
                await asyncio.sleep(timeout)
            except asyncio.CancelledError:
                self.seen.append("killed")
                raise
            return self.run(code, timeout=timeout)

    session = Cancellable(Result())
    box = ToolRegistry(default_toolbox(folder, sandbox=session))
    done = asyncio.run(box.arun("python", {"code": "1"}, timeout=0.05))
    assert done.text == "error: python took longer than 0.05 seconds"
    assert session.seen == ["killed"]


def test_a_broken_sandbox_is_not_broken_code(folder: Path) -> None:
    box = ToolRegistry(default_toolbox(folder, sandbox=Session(SandboxError("the worker is gone"))))
    done = box.run("python", {"code": "1"})
    assert (done.ok, done.text, done.infrastructure) == (False, "error: the worker is gone", True)


def test_python_without_a_sandbox(box: ToolRegistry) -> None:
    assert box.run("python", {"code": "1"}).text == "error: python is off here: configure a sandbox"


def test_tools_as_functions_for_code(box: ToolRegistry) -> None:
    calls = host_calls(box)
    assert set(calls) == set(box) - {"python"}
    assert calls["calculator"]("1 + 1") == 2
    assert calls["calculator"](expression="1 / 4") == 0.25
    assert calls["inspect_file_as_text"]("sales.csv").startswith("table, 3 rows")
    assert calls["table_aggregate"]("sales.csv", "qty", operation="sum") == 7
    with pytest.raises(ToolError, match=r"^no file"):
        calls["inspect_file_as_text"]("none.csv")
    with pytest.raises(ToolError, match="takes expression; got 2 arguments"):
        calls["calculator"]("1", "2")


def test_host_calls_pass_a_broken_sandbox_on() -> None:
    def fail() -> Output:
        """Fail."""
        msg = "gone"
        raise SandboxError(msg)

    with pytest.raises(SandboxError):
        host_calls(ToolRegistry([make_tool(fail)]))["fail"]()


smolagents = pytest.importorskip("smolagents")


class Scale(smolagents.Tool):  # type: ignore[misc,name-defined]
    """As people write them for smolagents."""

    name = "scale"
    description = "Scale a number."
    inputs = {  # noqa: RUF012  (smolagents wants a class attribute)
        "x": {"type": "number", "description": "value"},
        "unit": {"type": "string", "description": "which", "enum": ["cm", "m"]},
        "factor": {"type": "integer", "description": "times", "nullable": True},
    }
    output_type = "number"

    def forward(self, x: float, unit: str, factor: int | None = None) -> float:
        return x * (factor or 2) * (100 if unit == "m" else 1)


def test_smolagents_to_langchain() -> None:
    box = ToolRegistry([Scale()])
    assert box.run("scale", {"x": 1.5, "unit": "cm"}).text == "3"
    assert box.run("scale", {"x": 1.5, "unit": "m", "factor": 3}).value == 450
    assert box.run("scale", {"x": 1, "unit": "km"}).text.startswith("error: argument \"unit\" should be 'cm' or 'm'")
    assert box.run("scale", {"y": 1}).text == 'error: no argument "y"; scale takes x, unit, factor'
    schema = box["scale"].tool_call_schema.model_json_schema()  # type: ignore[union-attr]
    assert schema["required"] == ["x", "unit"]
    assert schema["properties"]["factor"]["description"] == "times"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Spot(BaseModel):
    x: int
    y: int = 0


def paint(  # noqa: PLR0917  (one argument of each kind)
    spot: Annotated[Spot, Field(description="Where")],
    colour: Annotated[Colour, Field(description="Which")],
    how: Annotated[Literal["dot", "line"], Field(description="How")] = "dot",
    width: Annotated[int | None, Field(description="Pixels")] = None,
    tags: Annotated[list[str] | None, Field(description="Words")] = None,
    size: Annotated[int | str, Field(description="Any")] = 1,
) -> Output:
    """Paint a spot."""
    return f"{spot.x},{spot.y} {colour} {how} {width} {tags} {size}", None


def test_langchain_to_smolagents() -> None:
    bridged = to_smolagents(make_tool(paint))
    assert (bridged.name, bridged.description, bridged.output_type) == ("paint", "Paint a spot.", "string")
    assert bridged.inputs == {
        "spot": {"type": "object", "description": "Where (an object with x, y)"},
        "colour": {"type": "string", "description": "Which", "enum": ["red", "blue"]},
        "how": {"type": "string", "description": "How", "enum": ["dot", "line"], "nullable": True},
        "width": {"type": "integer", "description": "Pixels", "nullable": True},
        "tags": {"type": "array", "description": "Words", "nullable": True},
        "size": {"type": "any", "description": "Any", "nullable": True},
    }
    assert bridged(spot={"x": 1}, colour="red") == "1,0 red dot None None 1"
    assert bridged({"x": 1}, "blue", "line", tags=["a"]) == "1,0 blue line None ['a'] 1"


def test_refusals_reach_a_smolagents_agent() -> None:
    bridged = to_smolagents(make_tool(paint))
    with pytest.raises(ToolError, match='argument "colour" should be'):
        bridged(spot={"x": 1}, colour="green")


def test_the_whole_toolbox_crosses_and_comes_back(box: ToolRegistry) -> None:
    there = [to_smolagents(tool) for tool in box.values()]
    back = ToolRegistry(there)
    assert list(back) == list(box)
    call: dict[str, Any] = {"file_path": "sales.csv", "column": "qty", "operation": "sum"}
    assert back.run("table_aggregate", call).text == "7"
    assert back["table_sort"].args.keys() == box["table_sort"].args.keys()


def test_a_smolagents_agent_runs_a_bridged_tool(box: ToolRegistry) -> None:
    tool = to_smolagents(box["calculator"])
    executor = smolagents.LocalPythonExecutor(additional_authorized_imports=[])
    executor.send_tools({"calculator": tool})
    assert executor("calculator(expression='2 + 3')").output == "5"


class Mirror(smolagents.Tool):  # type: ignore[misc,name-defined]
    """Takes a picture, returns one."""

    name = "mirror"
    description = "Mirror a picture."
    inputs = {  # noqa: RUF012  (smolagents wants a class attribute)
        "picture": {"type": "image", "description": "which"},
        "mask": {"type": "image", "description": "what to leave", "nullable": True},
    }
    output_type = "image"

    def forward(self, picture: Any, mask: Any = None) -> Any:
        assert mask is None
        return picture.transpose(0)


def test_pictures_cross_both_bridges() -> None:
    from PIL import Image  # noqa: PLC0415

    picture = Image.new("RGB", (2, 1), "red")
    picture.putpixel((1, 0), (0, 0, 255))
    tool = bridges.as_langchain_tool(Mirror())
    (block,) = tool.invoke({"picture": data_url_of(picture)})
    assert (block["type"], block["mime_type"]) == ("image", "image/png")
    mirrored = picture_of(block["base64"])
    assert [mirrored.getpixel((x, 0)) for x in range(2)] == [(0, 0, 255), (255, 0, 0)]
    assert ToolRegistry([tool]).run("mirror", {"picture": data_url_of(picture)}).text == "[image]"
    back = to_smolagents(tool)
    assert back.inputs == {
        "picture": {"type": "image", "description": "which"},
        "mask": {"type": "image", "description": "what to leave", "nullable": True},
    }
    assert back.output_type == "image"
    shown = back(picture, sanitize_inputs_outputs=True)
    assert isinstance(shown, smolagents.agent_types.AgentImage)
    assert shown.to_raw().getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize("text", ["/etc/passwd", "data:image/png;base64,AAAA", "", "data:image/png;base64,%%"])
def test_what_is_no_picture_is_refused(text: str) -> None:
    done = ToolRegistry([Mirror()]).run("mirror", {"picture": text})
    assert done.text.startswith("error: expected a picture as a data URL")


def test_a_missing_library_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match=r'reading scrolls needs the optional extra "tools"'):
        optional("no_such_library_here", "reading scrolls")


def test_only_langchain_smolagents_and_functions() -> None:
    assert bridges.as_langchain_tool(make_tool(paint)).name == "paint"
