"""Whatever a tool does, the caller gets an `Execution`: arguments, errors, caps, cancellation, names."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.errors import GraphInterrupt
from langgraph.types import Command
from pydantic import v1

from tracer1_agents.actions.space import RESERVED_NAMES
from tracer1_agents.errors import ConfigurationError, MissingExtraError, SandboxError, ToolError
from tracer1_agents.graphs.build import tool_specs
from tracer1_agents.graphs.toolbox_executor import ToolboxExecutor
from tracer1_agents.tools import base, needs
from tracer1_agents.tools.aliases import ALIASES, Alias
from tracer1_agents.tools.backends import Backends
from tracer1_agents.tools.base import ToolRegistry, arun_tool, run_tool
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.gta import gta_toolbox
from tracer1_agents.tools.needs import GTA_NEEDS, NEEDS
from tracer1_agents.tools.search import Corpus
from tracer1_agents.tools.toolbox import default_toolbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def raising(error: Exception) -> ToolRegistry:
    def fail() -> Output:
        """Fail."""
        raise error

    return ToolRegistry([make_tool(fail)])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"path": "a.csv"}, 'no argument "path"; table_columns takes file_path'),
        ({"file_path": "a.csv", "sheet": 1}, 'no argument "sheet"; table_columns takes file_path'),
        ({}, 'argument "file_path" is missing; table_columns takes file_path'),
        (
            {"file_path": ["a.csv"]},
            "argument \"file_path\" should be a valid string, got ['a.csv']; table_columns takes file_path",
        ),
        ({"file_path": None}, 'argument "file_path" should be a valid string, got None; table_columns takes file_path'),
    ],
)
def test_wrong_arguments_are_answered_with_the_right_names(
    box: ToolRegistry, arguments: dict[str, Any], text: str
) -> None:
    done = box.run("table_columns", arguments)
    assert (done.ok, done.text) == (False, f"error: {text}")


@pytest.mark.parametrize(
    ("name", "arguments", "culprit"),
    [
        ("table_sort", {"file_path": "sales.csv", "column": "qty", "limit": "many"}, "limit"),
        ("table_sort", {"file_path": "sales.csv", "column": "qty", "limit": 0}, "limit"),
        ("table_aggregate", {"file_path": "sales.csv", "column": "qty", "operation": "average"}, "operation"),
        ("table_filter", {"file_path": "sales.csv", "column": "qty", "operator": "==", "value": 1}, "operator"),
        ("table_filter", {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": {"a": 1}}, "value"),
        ("crop_image", {"image_path": "a.png", "box": [1, 2, 3], "output": "b.png"}, "box"),
        ("crop_image", {"image_path": "a.png", "box": "here", "output": "b.png"}, "box"),
    ],
)
def test_wrong_values_name_the_argument(box: ToolRegistry, name: str, arguments: dict[str, Any], culprit: str) -> None:
    text = box.run(name, arguments).text
    assert text.startswith(f'error: argument "{culprit}" should ')
    assert f"{name} takes " in text


def test_numbers_pass_where_text_is_wanted_and_back(box: ToolRegistry) -> None:
    assert box.run("calculator", {"expression": 5}).text == "5"
    assert box.run("table_sort", {"file_path": "sales.csv", "column": "qty", "limit": "1"}).text.startswith(
        "first 1 of"
    )


@pytest.mark.parametrize(
    ("error", "text", "infrastructure"),
    [
        (ToolError("no such thing"), "error: no such thing", False),
        (ToolException("no such thing"), "error: no such thing", False),
        (ValueError("bad"), "error: fail failed: ValueError: bad", False),
        (SandboxError("gone"), "error: gone", True),
        (MissingExtraError("reading", "tools"), 'error: reading needs the optional extra "tools"', False),
    ],
)
def test_errors_become_executions(error: Exception, text: str, infrastructure: object) -> None:
    done = raising(error).run("fail", {})
    assert (done.ok, done.infrastructure) == (False, infrastructure)
    assert done.text.startswith(text)


@pytest.mark.parametrize("form", ["content", "content_and_artifact"])
@pytest.mark.parametrize(
    ("handler", "text"),
    [(True, "no such thing"), ("sorry", "sorry"), (lambda error: f"error: {error}!", "no such thing!")],
)
def test_an_error_that_the_tool_handles_is_one(form: Any, handler: Any, text: str) -> None:
    def fail() -> Any:
        """Fail."""
        message = "no such thing"
        raise ToolException(message)

    box = ToolRegistry([StructuredTool.from_function(fail, handle_tool_error=handler, response_format=form)])
    for done in (box.run("fail", {}), asyncio.run(box.arun("fail", {}))):
        assert (done.ok, done.text, done.infrastructure) == (False, f"error: {text}", False)


def test_an_interrupt_of_the_graph_is_no_error() -> None:
    with pytest.raises(GraphInterrupt):
        raising(GraphInterrupt()).run("fail", {})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_leaving_the_program_is_no_error(error: BaseException) -> None:
    with pytest.raises(type(error)):
        raising(error).run("fail", {})  # type: ignore[arg-type]


def test_text_and_value_are_capped() -> None:
    def long(n: int) -> Output:
        """Give a long text."""
        return "x" * n, list(range(n))

    box = ToolRegistry([make_tool(long)])
    small, large = box.run("long", {"n": 8000}), box.run("long", {"n": 100_000})
    assert (len(small.text), len(small.value)) == (8000, 8000)
    assert large.text == "x" * 8000 + " ... [cut: 8000 of 100000 characters]"
    assert large.value is None


@pytest.mark.parametrize(
    ("result", "text", "value"),
    [
        ("plain", "plain", None),
        (3.50, "3.5", 3.5),
        ({"a": [1, "\u00fc"]}, '{"a": [1, "\u00fc"]}', {"a": [1, "\u00fc"]}),
        (None, "null", None),
        (True, "true", True),
        ({1}, "[1]", [1]),
    ],
)
def test_results_of_foreign_tools(result: object, text: str, value: object) -> None:
    def give() -> Any:
        """Give it."""
        return result

    done = ToolRegistry([give]).run("give", {})
    assert (done.ok, done.text, done.value) == (True, text, value)


def test_a_command_is_not_carried_out_in_silence() -> None:
    def hand_over(to: str) -> Command[Any]:
        """Hand over."""
        return Command(goto=to, update={"by": "me"})

    box = ToolRegistry([hand_over])
    for done in (box.run("hand_over", {"to": "a"}), asyncio.run(box.arun("hand_over", {"to": "a"}))):
        assert not done.ok
        assert done.text.startswith("error: hand_over ran, but nothing here carries out the Command it returned")


def circle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (b"\xff\xfe", r"b'\xff\xfe'"),
        (circle(), "{'self': {...}}"),
        (nested(5000), "error: give ran, but its result cannot be read: RecursionError: "),
        (10**5000, "error: give ran, but its result cannot be read: ValueError: Exceeds the limit"),
        ([10**5000], "error: give ran, but its result cannot be read: ValueError: Exceeds the limit"),
    ],
    ids=["bytes", "circle", "nested", "number", "list"],  # pytest cannot write some of them either
)
def test_results_that_json_cannot_hold(result: object, text: str) -> None:
    def give() -> Any:
        """Give it."""
        return result

    box = ToolRegistry([give])
    for done in (box.run("give", {}), asyncio.run(box.arun("give", {}))):
        assert (done.ok, done.value) == (not text.startswith("error: "), None)
        assert done.text.startswith(text)


def test_halves_of_surrogate_pairs_become_question_marks() -> None:
    def give() -> Any:
        """Give it."""
        return ["\udcff.txt"]

    done = ToolRegistry([give]).run("give", {})
    assert (done.text, done.value) == ('["?.txt"]', ["?.txt"])
    for said in (done, raising(ToolError("no file \udcff")).run("fail", {})):
        assert "?" in said.model_dump_json()


def test_a_tool_as_mcp_adapters_build_it() -> None:
    """JSON schema instead of a model, content blocks instead of a text."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    blocks = [{"type": "text", "text": "one"}, {"type": "image", "base64": "..."}]

    async def call(**arguments: Any) -> Any:
        return blocks, arguments

    remote = StructuredTool(
        name="remote", description="d", args_schema=schema, coroutine=call, response_format="content_and_artifact"
    )
    box = ToolRegistry([remote])
    assert box.run("remote", {"a": 1}).text == "one\n[image]"
    assert box.run("remote", {"a": 1}).value == {"a": 1}
    assert box.run("remote", {"b": 1}).text == 'error: no argument "b"; remote takes a'
    assert box.run("remote", {}).text == 'error: argument "a" is missing; remote takes a'


def test_async_tools_run_from_sync_code_with_or_without_a_loop() -> None:
    async def slow(n: int) -> int:
        """Wait a little."""
        await asyncio.sleep(0)
        return n + 1

    box = ToolRegistry([slow])
    assert box.run("slow", {"n": 1}).text == "2"

    async def inside() -> str:
        return box.run("slow", {"n": 2}).text

    assert asyncio.run(inside()) == "3"


def test_cancelling_the_caller_cancels_an_async_tool() -> None:
    events: list[str] = []

    async def hang() -> str:
        """Never end."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise
        return "late"

    async def scenario() -> None:
        task = asyncio.create_task(ToolRegistry([hang]).arun("hang", {}))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert events == ["cancelled"]


def test_async_timeout_and_sync_tools_in_a_thread() -> None:
    async def hang() -> str:
        """Never end."""
        await asyncio.sleep(60)
        return "late"

    def nap(label: str) -> str:
        """Sleep a little."""
        time.sleep(0.2)
        return label

    box = ToolRegistry([hang, nap])

    async def scenario() -> list[str]:
        late = await box.arun("hang", {}, timeout=0.05)
        assert (late.ok, late.text) == (False, "error: hang took longer than 0.05 seconds")
        started = time.perf_counter()
        done = await asyncio.gather(*(box.arun("nap", {"label": str(k)}) for k in range(3)))
        assert time.perf_counter() - started < 0.5  # together, not one after the other
        return [item.text for item in done]

    assert asyncio.run(scenario()) == ["0", "1", "2"]


def test_a_timeout_of_the_tool_itself_is_its_own() -> None:
    async def fail() -> str:
        """Time out inside."""
        msg = "the server is slow"
        raise TimeoutError(msg)

    done = asyncio.run(arun_tool(ToolRegistry([fail])["fail"], {}, timeout=5))
    assert done.text == "error: fail failed: TimeoutError: the server is slow"


def test_what_a_tool_cancels_within_itself_fails_that_call_alone() -> None:
    async def ask() -> str:
        """Wait for a connection that was given up."""
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        return str(await waiting)

    done = asyncio.run(arun_tool(ToolRegistry([ask])["ask"], {}))
    assert (done.ok, done.text) == (False, "error: ask waited for something that was cancelled")


def test_seconds_are_measured() -> None:
    def nap() -> str:
        """Sleep a little."""
        time.sleep(0.05)
        return "done"

    assert 0.04 < ToolRegistry([nap]).run("nap", {}).seconds < 2


def test_unknown_names(box: ToolRegistry) -> None:
    listed = ", ".join(box)
    assert box.run("calculater", {}).text == f'error: no tool "calculater"; did you mean "calculator"? tools: {listed}'
    assert box.run("zzz", {}).text == f'error: no tool "zzz"; tools: {listed}'
    assert asyncio.run(box.arun("zzz", {})).ok is False
    assert ToolRegistry([]).run("zzz", {}).text == 'error: no tool "zzz"; tools: none'


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_names_of_actions_are_taken(name: str) -> None:
    reserved = StructuredTool.from_function(func=lambda: "", name=name, description="d")
    with pytest.raises(ConfigurationError, match=name):
        ToolRegistry([reserved])


@pytest.mark.parametrize("name", ["get weather", "2fa", "files/read", "a:b", "\u00fcber", ""])
def test_names_that_no_planner_can_write(name: str) -> None:
    odd = StructuredTool(name=name, description="d", func=lambda: "", args_schema={"type": "object"})
    with pytest.raises(ConfigurationError, match=f'tool "{name}": no planner can write that name'):
        ToolRegistry([odd])


def test_two_tools_of_one_name(folder: Path) -> None:
    tools = default_toolbox(folder)
    with pytest.raises(ConfigurationError, match='two tools are named "ocr"'):
        ToolRegistry([*tools, next(item for item in tools if item.name == "ocr")])


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("Calculator", {"expression": "1+1"}, "2"),
        ("Solver", {"command": "x = 3"}, "x = 3"),
        ("OCR", {"image": "none.png"}, 'error: no file "none.png" in this folder; files: sales.csv'),
        (
            "GoogleSearch",
            {"query": "a", "k": 2},
            "error: GoogleSearch is off here: configure a corpus file or a web backend that searches",
        ),
        (
            "DrawBox",
            {"image": "n.png", "bbox": "(1, 2, 3, 4)", "annotation": "a"},
            'error: no file "n.png" in this folder; files: sales.csv',
        ),
    ],
)
def test_names_of_other_benchmarks(box: ToolRegistry, name: str, arguments: dict[str, Any], text: str) -> None:
    assert box.run(name, arguments).text == text
    assert name not in box  # it can be called, but is not offered


def test_every_alias_fits_a_tool_of_the_box(full_box: ToolRegistry) -> None:
    for alias in ALIASES.values():
        assert set(alias.arguments.values()) <= set(full_box[alias.tool].args)


def test_a_tool_wins_over_an_alias_of_its_name() -> None:
    def target() -> str:
        """Be the target."""
        return "target"

    def other() -> str:
        """Be the other."""
        return "other"

    aliases = {"other": Alias("target"), "third": Alias("target"), "nobody": Alias("absent")}
    box = ToolRegistry([target, other], aliases=aliases)
    assert [box.run(name, {}).text for name in ("other", "third")] == ["other", "target"]
    assert not box.run("nobody", {}).ok


def test_functions_become_tools() -> None:
    def add(a: int, b: int = 2) -> int:
        """Add two numbers.

        Args:
            a: The first.
            b: The second.
        """
        return a + b

    box = ToolRegistry([add])
    assert box["add"].args["a"]["description"] == "The first."
    assert box.run("add", {"a": "3"}).value == 5
    assert box.run("add", {"c": 3}).text == 'error: no argument "c"; add takes a, b'


class Answering:
    """An object."""

    def __call__(self) -> str:
        """Say something."""
        return "x"


def test_arguments_described_by_pydantic_1() -> None:
    class Place(v1.BaseModel):
        place: str = v1.Field(description="Where.")

    old = StructuredTool(name="look", description="d", func=lambda place: f"seen {place}", args_schema=Place)
    assert tool_specs(ToolRegistry([old]))[0].parameters["required"] == ["place"]
    box = ToolboxExecutor([old]).registry
    texts = [box.run("look", arguments).text for arguments in ({"place": "a"}, {"where": "a"}, {})]
    assert texts[:2] == ["seen a", 'error: no argument "where"; look takes place']
    assert texts[2].startswith("error: look failed: ValidationError: ")


@pytest.mark.parametrize("thing", [lambda: 1, 3, dict, "calculator", partial(max, 1), Answering()])
def test_what_cannot_be_a_tool(thing: object) -> None:
    with pytest.raises(ConfigurationError):
        ToolRegistry([thing])  # type: ignore[list-item]


def test_a_generator_is_no_tool() -> None:
    async def letters() -> AsyncIterator[str]:
        """Letters."""
        yield "a"

    def digits() -> Iterator[int]:
        """Digits: read for the text, nothing would be left for the value."""
        yield 1

    for function in (letters, digits):
        with pytest.raises(ConfigurationError, match=f'function "{function.__name__}" yields, and a tool returns'):
            ToolRegistry([function])


def test_langchain_calls_the_tools_as_it_calls_any(folder: Path) -> None:
    calculator = ToolRegistry(default_toolbox(folder))["calculator"]
    call = {"type": "tool_call", "id": "1", "name": "calculator", "args": {"expression": "7 / 2"}}
    message = calculator.invoke(call)
    assert isinstance(message, ToolMessage)
    assert (message.content, message.artifact) == ("3.5", 3.5)
    assert calculator.invoke({"expression": "7 / 2"}) == "3.5"


def test_every_tool_describes_itself_and_its_arguments(box: ToolRegistry) -> None:
    for item in box.values():
        assert 10 < len(item.description) < 200
        for name, spec in item.args.items():
            assert spec.get("description"), f"{item.name}.{name}"
        json.dumps(item.tool_call_schema.model_json_schema())  # type: ignore[union-attr]


def test_decorated_tools_run_too() -> None:
    @tool
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    assert run_tool(shout, {"text": "a"}).text == "A"
    assert run_tool(shout, {"words": "a"}).text == 'error: no argument "words"; shout takes text'


def test_what_is_offered_is_what_is_live(folder: Path) -> None:
    """Each kind that is handed in brings the tools that the table says, and no other."""
    kinds: dict[str, dict[str, Any]] = {
        **{item.name: {"backends": Backends(**{item.name: object()})} for item in fields(Backends)},
        "corpus": {"corpus": Corpus([])},
        "sandbox": {"sandbox": object()},
        "web": {"web": SimpleNamespace(search=None, visit=None, searches=False)},
    }
    for kind, handed in kinds.items():
        for make, table in ((default_toolbox, NEEDS), (gta_toolbox, GTA_NEEDS)):
            offered = [item.name for item in make(folder, **handed)]
            assert offered == [name for need in table for name in need.names if not need.missing({kind})]
    plain = {item.name for item in default_toolbox(folder)}
    assert not plain & {"visualizer", "objectlocation", "image_generator", "image_edit", "search", "python"}


def test_the_table_lists_every_tool_once(folder: Path, full_box: ToolRegistry) -> None:
    assert list(full_box) == [name for need in NEEDS for name in need.names]
    models = Backends(**{item.name: object() for item in fields(Backends)})
    gta = gta_toolbox(folder, corpus=Corpus([]), sandbox=object(), backends=models)  # type: ignore[arg-type]
    assert len(gta) == 14
    assert {item.name for item in gta} == {name for need in GTA_NEEDS for name in need.names}


def test_a_program_that_is_not_there_takes_its_tool_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    box = ToolRegistry(default_toolbox(folder))
    assert "ocr" not in box
    assert box.run("ocr", {"image_path": "a.png"}).text == "error: ocr is off here: install the program tesseract"
    assert "OCR" not in {item.name for item in gta_toolbox(folder)}


def test_a_library_that_is_not_there_takes_its_tools_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "installed_version", lambda name: None if name == "pillow" else "1")
    box = ToolRegistry(default_toolbox(folder))
    assert not {"ocr", "crop_image", "facedetection"} & set(box)
    assert box.run("crop_image", {}).text.startswith("error: crop_image is off here: install pillow (pip install")


def test_importing_the_toolbox_loads_no_file_library() -> None:
    heavy = "openpyxl pypdf docx pptx bs4 PIL matplotlib sympy pandas smolagents torch langgraph"
    load = "import sys, tracer1_agents.tools.toolbox, tracer1_agents.tools.base"
    code = f"{load}; print(set('{heavy}'.split()) & set(sys.modules))"
    source = str(Path(base.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)  # noqa: S603  (fixed code)
    assert done.stdout.strip() == "set()"


def test_workspace_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="existing folder"):
        default_toolbox(tmp_path / "none")


def test_values_are_plain_json(box: ToolRegistry) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("table_filter", {"file_path": "sales.csv", "column": "qty", "operator": ">", "value": 0}),
        ("solver", {"equation": "x**2 = -1"}),
        ("calculator", {"expression": "1/3"}),
    ]
    for name, arguments in calls:
        done = box.run(name, arguments)
        assert json.loads(json.dumps(done.value)) == done.value is not None
        assert type(done).model_validate_json(done.model_dump_json()) == done


def greeting(name: str, punctuation: str):
    def greet(whom: str, end: str = punctuation) -> Output:
        """Say hello."""
        text = f"{name} greets {whom}{end}"
        return text, text

    return make_tool(greet)


def test_tools_made_from_one_function_share_their_schemas_and_nothing_else():
    first, second = greeting("Ann", "!"), greeting("Bob", "!")
    assert first.args_schema is second.args_schema
    assert run_tool(first, {"whom": "you"}).text == "Ann greets you!"
    assert run_tool(second, {"whom": "you"}).text == "Bob greets you!"


def test_another_default_is_another_schema():
    assert run_tool(greeting("Ann", "!"), {"whom": "you"}).text == "Ann greets you!"
    assert run_tool(greeting("Ann", "?"), {"whom": "you"}).text == "Ann greets you?"
    assert greeting("Ann", "?").args["end"]["default"] == "?"
