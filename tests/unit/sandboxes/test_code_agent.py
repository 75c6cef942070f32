"""smolagents' CodeAgent over a sandbox, with a model that says what a script holds."""

from __future__ import annotations

import pytest

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.sandboxes.base import Limits

smolagents = pytest.importorskip("smolagents", reason="smolagents is not installed (extra tools)")

from smolagents.local_python_executor import InterpreterError, PythonExecutor  # noqa: E402
from smolagents.models import ChatMessage, Model  # noqa: E402

from tracer1_agents.sandboxes.code_agent import SandboxExecutor  # noqa: E402

pytestmark = pytest.mark.bwrap


class Scripted(Model):
    def __init__(self, *blocks):
        super().__init__(model_id="scripted")
        self.blocks, self.seen = list(blocks), []

    def generate(self, messages, **_):
        self.seen.append(str(messages))
        return ChatMessage(role="assistant", content=f"Thought: go on.\n<code>\n{self.blocks.pop(0)}\n</code>")


@smolagents.tool
def rows(city: str) -> list:
    """Quantities sold in a city.

    Args:
        city: Its name.
    """
    return {"Rome": [1, 2], "Berlin": [3]}[city]


@smolagents.tool
def double(number: int) -> int:
    """Twice a number.

    Args:
        number: To be doubled.
    """
    return 2 * number


@pytest.fixture
def executor(bubblewrap):
    made = SandboxExecutor(bubblewrap, limits=Limits(timeout=30))
    yield made
    made.cleanup()


def agent_of(executor, *blocks, **more):
    return smolagents.CodeAgent(
        [rows, double], Scripted(*blocks), executor=executor, max_steps=4, verbosity_level=0, **more
    )


LOOP = """
total = 0
for city in ("Rome", "Berlin"):
    for number in rows(city):
        total += double(number=number)
print("total", total)
"""


def test_a_block_with_a_loop_and_two_tools(executor):
    assert isinstance(executor, PythonExecutor)
    agent = agent_of(executor, LOOP, "final_answer(total)")
    assert agent.run("How much twice?") == 12
    assert "total 12" in agent.model.seen[1]


def test_an_error_and_what_was_printed_reach_the_model(executor):
    agent = agent_of(executor, "print('before')\n1 / 0", "final_answer('gave up')")
    assert agent.run("Divide.") == "gave up"
    assert "ZeroDivisionError" in agent.model.seen[1]
    assert "before" in agent.model.seen[1]


def test_code_runs_inside_and_its_answer_stands_even_where_it_goes_on(executor, tmp_path):
    (tmp_path / "secret").write_text("hunter2")
    code = f"""
import os
inside = os.path.exists({str(tmp_path / "secret")!r})
try:
    final_answer(["seen", inside])
except Exception:
    final_answer("later")
"""
    assert agent_of(executor, code).run("Look.") == ["seen", False]


def test_variables_go_in_as_json(executor):
    agent = agent_of(executor, "final_answer(len(cities))")
    assert agent.run("Count.", additional_args={"cities": ["a", "b"]}) == 2
    with pytest.raises(ConfigurationError, match="only JSON goes"):
        executor.send_variables({"x": object()})
    with pytest.raises(ConfigurationError, match="no Python identifier"):
        executor.send_variables({"x = 1; y": 1})


def test_other_tools_begin_a_new_session_and_the_same_ones_keep_it(executor):
    executor.send_tools({"double": double})
    executor("x = double(4)")
    executor.send_tools({"double": double})
    assert executor("x").output == "8"
    executor.send_tools({"rows": rows})
    with pytest.raises(InterpreterError, match="NameError"):
        executor("x")


def test_a_block_that_hangs_is_ended(bubblewrap):
    executor = SandboxExecutor(bubblewrap, timeout=0.5)
    with pytest.raises(InterpreterError, match=r"more than 0\.5 s"):
        executor("while True: pass")
    assert executor("'fresh'").output == "'fresh'"
    executor.cleanup()


def test_files_that_stay_out_or_are_lost_stand_in_the_logs(bubblewrap, tmp_path):
    (tmp_path / "large").write_bytes(bytes(2000))
    executor = SandboxExecutor(bubblewrap, workspace=tmp_path, limits=Limits(file_bytes=1000, files=1))
    try:
        logs = executor("print(1)\nfor name in 'ab': open(name, 'w').write('x')").logs
    finally:
        executor.cleanup()
    assert logs.split("\n")[0] == "1"
    assert "1 file of the folder not carried into the sandbox: large: 2000 bytes" in logs
    assert "1 file written by the code not carried back into the folder: b: more than 1 files" in logs
