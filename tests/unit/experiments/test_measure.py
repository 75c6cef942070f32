"""What a measurement asks of whom: held-out rows, first actions carried out, tasks in the closed loop."""

import asyncio
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.experiments import measure
from tracer1_agents.experiments.measure import first_action_rewards, held_out_rows, measure_tasks, measure_windows
from tracer1_agents.experiments.plan import AgentOptions, Measurement
from tracer1_agents.serving.sampling import Sample
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.torch
GENERATED = Measurement(windows=6, window_seed=9, task_set="x", horizon=3)


@pytest.fixture
def recorded(tmp_path):
    """Nine windows of three recorded trajectories."""

    def shop(number):
        steps = (
            ReferenceStep(action=ToolCall(name="stock", arguments={"article": "lamp"}), instruction="Look", result="4"),
            ReferenceStep(action=ToolCall(name="stock", arguments={"article": "bed"}), instruction="Look", result=""),
            ReferenceStep(action=Finish(answer="4"), instruction="Say it"),
        )
        return ReferenceTrajectory(id=f"{number}", source="shop", instruction=f"How many? {number}", steps=steps)

    path = tmp_path / "shop.jsonl"
    write_trajectories(path, map(shop, range(3)))
    data = {"sources": [{"reader": "store", "path": str(path)}]}
    return Measurement(windows=9, data=data, tasks=0, horizon=2)


def said(text):
    return Sample(prompt_ids=(1,), completion_ids=(2, 3), logprobs=(0.0, 0.0), text=text, finish_reason="stop")


def test_generated_windows_have_names_that_training_never_shows():
    held, shown = held_out_rows(GENERATED), held_out_rows(GENERATED.model_copy(update={"names": "train"}))
    assert [row.key for row in held] == [f"9-{number}" for number in range(6)]  # nothing in them says "one group"
    assert [row.messages for row in held] != [row.messages for row in shown]
    assert all(row.horizon == 3 >= len(row.window.steps) for row in held)
    assert max(len(row.window.steps) for row in held) == 3


def test_windows_are_asked_as_the_arm_is_asked(recorded):
    agent = AgentOptions(history_window=1, thoughts=True, show_last_forecast=True)
    many = GENERATED.model_copy(update={"windows": 40})
    assert max(len(row.start.past) for row in held_out_rows(many)) > 1
    for rows in (held_out_rows(many, agent), held_out_rows(recorded, agent)):
        assert max(len(row.start.past) for row in rows) == 1
        assert all(row.thought for row in rows)
    assert (
        held_out_rows(recorded, agent)[1].messages
        != held_out_rows(recorded, AgentOptions(history_window=1))[1].messages
    )


def test_recorded_windows_are_spread_over_the_data(recorded):
    rows = held_out_rows(recorded.model_copy(update={"windows": 3}))
    assert [row.key for row in rows] == ["store/0/1", "store/1/1", "store/2/1"]
    assert [len(row.window.steps) for row in rows] == [2, 2, 2]


def test_first_actions_of_recorded_windows_are_worth_what_stage_two_says(recorded):
    rows = held_out_rows(recorded)[:3]
    replies = [row.reply for row in rows]
    assert asyncio.run(first_action_rewards(rows, replies, 2)) == [
        1.0,
        None,
        1.0,
    ]  # the second has no result to compare
    assert asyncio.run(first_action_rewards(rows, [replies[1], "no", 'finish(answer="5") # ""'], 2)) == [0.0, None, 0.0]


@pytest.mark.parametrize("profile", ["qwen-tool-call", "generic"])
def test_replies_are_read_in_the_profile_they_were_asked_in(recorded, tmp_path, monkeypatch, profile):
    monkeypatch.setattr(
        measure, "load_batcher", lambda _: SimpleNamespace(engine=SimpleNamespace(model=0, tokenizer=0))
    )
    monkeypatch.setattr(measure, "greedy_samples", lambda *_: [said(row.reply) for row in _[2]])
    asked = recorded.model_copy(update={"windows": 1, "data": {**recorded.data, "profile": profile}})
    measure_windows("unused", asked, tmp_path / "windows.jsonl")
    record = json.loads((tmp_path / "windows.jsonl").read_text(encoding="utf-8"))
    assert (record["reward"], record["grounded"]) == (1.0, 1.0)


def test_records_are_written_once_row_by_row(recorded, tmp_path, monkeypatch):
    replies = {"store/0/1": 'stock(article="lamp") # "Look"', "store/0/3": "no"}
    monkeypatch.setattr(
        measure, "load_batcher", lambda _: SimpleNamespace(engine=SimpleNamespace(model=0, tokenizer=0))
    )
    monkeypatch.setattr(measure, "greedy_samples", lambda *_: [said(replies.get(row.key, row.reply)) for row in _[2]])
    out = tmp_path / "windows.jsonl"
    measure_windows("unused", recorded, out)
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [record["key"] for record in records] == [f"store/{at // 3}/{at % 3 + 1}" for at in range(9)]
    assert [record["grounded"] for record in records] == [1.0, None, 0.0] + [1.0, None, 1.0] * 2
    assert [record["exact"] for record in records][:3] == [[True, False], [True, True], [False]]
    assert [record["reward"] for record in records][1:3] == [1.0, -0.5]
    monkeypatch.setattr(measure, "greedy_samples", None)
    measure_windows("unused", recorded, out)  # done: nobody is asked again
    measure_windows("unused", recorded.model_copy(update={"windows": 0}), tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_only_tasks_without_a_result_are_run_as_the_arm_is_asked(tmp_path, monkeypatch):
    asked, ran = [], []

    async def run(self, tasks, output):
        ran.append([one.task_id for one in tasks])
        for one in tasks:
            output.append(TaskResult(task_id=one.task_id, status="finished", correct=True))

    def agent(model, tools, **options):
        asked.append((model, [tool.name for tool in tools], options))

    tasks = SimpleNamespace(tasks=tuple(SimpleNamespace(task_id=name) for name in "abc"), corpus=None)
    monkeypatch.setattr(measure, "read_tasks", lambda _: tasks)
    monkeypatch.setattr(measure, "create_tracer1_agent", agent)
    monkeypatch.setattr(measure, "working_sandbox", lambda: None)
    monkeypatch.setattr("tracer1_agents.evals.run.Runner.run", run)
    options, out = AgentOptions(history_window=2, commitment=3, thoughts=True), tmp_path / "tasks.jsonl"
    measure_tasks("m", Measurement(tasks=3, task_set="x", horizon=4), tmp_path, out, options)
    [(model, tools, given)] = asked
    assert (model, given["horizon"], given["profile"], given["max_steps"]) == ("m", 4, "compact", 25)
    assert (given["history_window"], given["commitment"], "thoughts" in given) == (2, 3, False)
    assert "reserve" not in tools  # the desk's, which are in its own world alone
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    out.write_text("".join(lines[:2]), encoding="utf-8")
    measure_tasks("m", Measurement(tasks=3, task_set="x", horizon=4), tmp_path, out, options)
    assert ran == [["a", "b", "c"], ["c"]]
    measure_tasks("m", Measurement(tasks=3, task_set="x", horizon=4), tmp_path, out, options)
    measure_tasks("m", Measurement(tasks=0), tmp_path, tmp_path / "none.jsonl")
    assert (len(ran), (tmp_path / "none.jsonl").exists()) == (2, False)
    measure_tasks("m", Measurement(tasks=3, task_set="x", world={}), tmp_path, tmp_path / "desk.jsonl")
    assert "reserve" in asked[-1][1]


@pytest.mark.parametrize(("arm", "horizon"), [("usual", 4), ("short", 1)])
def test_an_arm_is_measured_at_its_own_horizon(tmp_path, monkeypatch, arm, horizon):
    split = {"windows": 1, "task_set": "x", "tasks": 0, "horizon": 4}
    arms = {"usual": {"start": "m"}, "short": {"start": "m", "horizon": 1, "agent": {"history_window": 1}}}
    plan = {"name": "x", "arms": arms, "pairs": [], "development": {**split, "windows": 7}, "test": split}
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(plan), encoding="utf-8")
    seen = []
    monkeypatch.setattr(measure, "measure_windows", lambda *given: seen.append(given))
    measure.main(
        ["m", "--plan", str(path), "--split", "test", "--tasks", str(tmp_path / "t"), "--out", str(tmp_path / "o"),
         "--arm", arm]
    )  # fmt: skip
    [(model, asked, out, agent)] = seen
    assert (model, asked.horizon, asked.windows, out) == ("m", horizon, 1, tmp_path / "o" / "windows.jsonl")
    assert agent.history_window == (1 if arm == "short" else 5)
    assert not (tmp_path / "t").exists()
