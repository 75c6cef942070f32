"""What the README shows runs as shown, on the same machine as everything else."""

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tracer1_agents import create_planner_node, create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_planner_as_a_node_of_an_ordinary_app(capsys):
    runpy.run_path(str(ROOT / "examples" / "embed_in_langgraph.py"), run_name="__main__")
    assert "What do a tea and a cake cost? -> 8 euros" in capsys.readouterr().out


@pytest.fixture
def till():
    """The module of the example."""
    spec = importlib.util.spec_from_file_location("till", ROOT / "examples" / "embed_in_langgraph.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["till"] = module  # LangGraph reads its annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules["till"]


def test_a_second_run_of_the_app_knows_nothing_of_the_first(till):
    app, thread = till.build_app(InMemorySaver()), {"configurable": {"thread_id": "1"}}
    assert app.invoke({"instruction": "A tea and a cake?"}, thread)["receipt"] == "A tea and a cake? -> 8 euros"
    assert app.invoke({"instruction": "Once more?"}, thread)["receipt"] == "Once more? -> 8 euros"
    kept = app.get_state(thread).values
    assert (kept["step"], kept["planner_calls"], kept["history"], kept["seen"]) == (1, 1, [], {})


def test_the_app_is_stopped_when_it_goes_in_circles(till, monkeypatch):
    model = ScriptedModel(script=['price_of(item="tea") # "Look up tea"'])
    monkeypatch.setattr(till, "make_planner", lambda: create_planner_node(model, [till.price_of], profile="compact"))
    app, thread = till.build_app(InMemorySaver()), {"configurable": {"thread_id": "1"}}
    app.invoke({"instruction": "What is tea?"}, thread)
    kept = app.get_state(thread).values
    assert (kept["status"], kept["step"]) == ("loop", 2)


@pytest.mark.torch
def test_the_readme_program_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    programs = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(programs) == 1
    (tmp_path / "my_task").mkdir()
    (tmp_path / "my_task" / "sales.csv").write_text("item,qty\npen,2\ncup,5\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(programs[0], "README.md", "exec"), {})  # noqa: S102  (our own README)
    _, status, steps = capsys.readouterr().out.rsplit(maxsplit=2)
    assert status in {"finished", "loop", "parse_error", "step_limit"}
    assert int(steps) >= 1


def test_files_and_commands_the_readme_names_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_readme_is_short_and_shows_a_picture():
    assert README.count("\n") < 200
    assert re.search(r"!\[[^\]]{20,}\]\(docs/images/\w+\.png\)", README)


def test_the_flow_table_names_the_nodes_of_the_graph():
    nodes = create_tracer1_agent(ScriptedModel(script=[""]), profile="compact", approve_plan=True).get_graph().nodes
    table = README[README.index("| node | takes | gives |") :].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE) == [name for name in nodes if "__" not in name]


def test_importing_the_package_loads_neither_torch_nor_langgraph():
    code = "import sys, tracer1_agents; print([n for n in ('torch', 'langgraph', 'transformers') if n in sys.modules])"
    done = subprocess.run(  # noqa: S603  (a fixed command)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    assert done.stdout.strip() == "[]"
