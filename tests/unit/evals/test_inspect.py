"""The agent in inspect_ai, with its mock model: offline, forecasts as events."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the extra eval")

from eval_cases import write
from inspect_ai import Task
from inspect_ai import eval as run_inspect
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes

from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.evals.inspect_tasks import InspectPolicy, gaia, steps, tracer1

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def run(task, tmp_path, *replies):
    outputs = []
    for reply in replies:
        output = ModelOutput.from_content("mockllm/model", reply)
        output.usage = ModelUsage(input_tokens=10, output_tokens=5, total_tokens=15)  # else tokens are counted on-line
        outputs.append(output)
    model = get_model("mockllm/model", custom_outputs=outputs)
    (log,) = run_inspect(task, model=model, log_dir=str(tmp_path / "logs"), display="none", max_samples=1)
    assert log.status == "success", log.error
    return log


def value(log):
    return log.results.scores[0].metrics["accuracy"].value


def infos(sample):
    return [event.source for event in sample.events if event.event == "info"]


@pytest.fixture
def tasks(tmp_path):
    rows = [{"task_id": "t", "Question": "How much is the apple?", "Final answer": "3", "file_name": "a.csv"}]
    write(tmp_path / "metadata.jsonl", *rows)
    (tmp_path / "a.csv").write_text("fruit,price\napple,3\n")
    return str(tmp_path)


def test_a_gaia_task_is_solved_with_tools_and_its_forecasts_are_events(tasks, tmp_path):
    replies = ('read_table(path="a.csv")\nfinal_answer("Result(step=1)")', 'finish(answer="3")')
    log = run(_compact(gaia(tasks=tasks)), tmp_path, *replies)
    (sample,) = log.samples
    assert value(log) == 1.0
    assert sample.output.completion == "3"
    assert {"tracer1 forecast", "tracer1 executed"} <= set(infos(sample))
    assert sample.metadata["tracer1"] == {"status": "finished", "answered": True}
    forecasts = [event.data for event in sample.events if event.event == "info" and event.source == "tracer1 forecast"]
    assert len(forecasts) == 2


def test_a_task_needs_neither_a_file_nor_a_sandbox(tmp_path):
    write(tmp_path / "metadata.jsonl", {"task_id": "t", "Question": "What is 1 + 2?", "Final answer": "3"})
    assert value(run(_compact(gaia(tasks=str(tmp_path))), tmp_path, 'finish(answer="3")')) == 1.0


def _compact(task):
    """The same task, asked in the dialect of one call a line."""
    task.solver = tracer1(profile="compact")
    return task


def test_no_answer_is_wrong_not_empty(tasks, tmp_path):
    log = run(_compact(gaia(tasks=tasks)), tmp_path, *["nonsense"] * 3)  # asked again twice
    (sample,) = log.samples
    assert value(log) == 0.0
    assert sample.metadata["tracer1"] == {"status": "parse_error", "answered": False}


def test_the_solver_takes_files_out_of_a_sandbox(tmp_path):
    """As inspect_evals' GAIA hands them over, but in a folder that needs no container."""
    sample = Sample(id="s", input="What is in the file?", target="seven", files={"given/number.txt": "seven"})
    task = Task(dataset=[sample], solver=tracer1(profile="compact", files="given"), scorer=includes(), sandbox="local")
    replies = ('inspect_file_as_text(file_path="number.txt")', 'finish(answer="seven")')
    log = run(task, tmp_path, *replies)
    (done,) = log.samples
    assert value(log) == 1.0
    executed = [event.data for event in done.events if event.event == "info" and event.source == "tracer1 executed"]
    assert "seven" in executed[0]["execution"]["text"]


def test_recorded_steps(tmp_path):
    record = {
        "goal": "g",
        "is_successful": True,
        "episode_id": 7,
        "steps": [{"action_content": {"action": "wait"}}, {"action_content": {"action": "open", "text": "Maps"}}],
    }
    data = str(write(tmp_path / "references.jsonl", record))
    task = steps(suite="androidcontrol-high", data=data, rule="qwen")
    reply = json.dumps({"plan": [{"action": "wait", "arguments": {}}]})
    log = run(task, tmp_path, reply, reply)
    assert len(log.samples) == 2
    assert [sample.id for sample in log.samples] == ["7/1", "7/2"]
    assert all(infos(sample) == ["tracer1 forecast"] for sample in log.samples)
    assert [sample.scores["step_success"].value for sample in log.samples] == [1.0, 0.0]
    assert log.samples[1].scores["step_success"].explanation == "another kind of action"
    assert value(log) == 0.5


def test_a_smaller_task_of_the_same_references_takes_nothing_from_a_larger_one(tmp_path):
    wait = {"action_content": {"action": "wait"}}
    records = [{"goal": "g", "is_successful": True, "episode_id": number, "steps": [wait]} for number in (7, 8)]
    data = str(write(tmp_path / "references.jsonl", *records))
    whole, part = (steps(data=data, rule="qwen", limit=limit) for limit in (None, 1))
    assert [sample.id for sample in part.dataset] == ["7/1"]
    log = run(whole, tmp_path, "wait()", "wait()")
    assert [sample.id for sample in log.samples] == ["7/1", "8/1"]


def test_the_low_setting_is_told_the_step(tmp_path):
    steps_ = [{"action_content": {"action": "wait"}, "step_instruction": "wait for it"}]
    record = {"goal": "g", "is_successful": True, "episode_id": 7, "steps": steps_}
    data = str(write(tmp_path / "references.jsonl", record))
    asked = {}
    for suite in ("androidcontrol-high", "androidcontrol-low"):
        (sample,) = run(steps(suite=suite, data=data, rule="qwen"), tmp_path / suite, "wait()").samples
        asked[suite] = str([event.input for event in sample.events if event.event == "model"])
    assert "Now: wait for it" in asked["androidcontrol-low"]
    assert "Now:" not in asked["androidcontrol-high"]


def test_what_the_rule_cannot_score_is_not_asked(tmp_path):
    """A click without a place or box has no truth under this rule."""
    click = {"action_content": {"action": "click"}}
    record = {
        "goal": "g",
        "is_successful": True,
        "episode_id": 7,
        "steps": [click, {"action_content": {"action": "wait"}}],
    }
    data = str(write(tmp_path / "references.jsonl", record))
    task = steps(suite="androidcontrol-high", data=data, rule="strict")
    assert [sample.id for sample in task.dataset] == ["7/2"]


def test_a_rule_of_whole_episodes_is_refused(tmp_path):
    call = {"type": "function", "function": {"name": "OCR", "arguments": {}}}
    row = {"tools": [{"name": "OCR"}], "files": [], "dialogs": [{"role": "user", "content": "?"}]}
    row["dialogs"].append({"role": "assistant", "tool_calls": [call]})
    (tmp_path / "dataset.json").write_text(json.dumps({"0": row}))
    with pytest.raises(ConfigurationError, match="official of gta judges whole episodes"):
        steps(suite="gta", data=str(tmp_path))


def test_the_policy_is_asynchronous():
    with pytest.raises(PlannerError, match="asynchronously only"):
        InspectPolicy().sample([], horizon=1)


def test_the_entry_point_names_the_module():
    pyproject = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    module = import_module(pyproject["project"]["entry-points"]["inspect_ai"]["tracer1_agents"])
    assert {"gaia", "steps", "tracer1"} <= set(vars(module))
