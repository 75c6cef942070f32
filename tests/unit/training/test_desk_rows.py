"""Rows of the desk's world: executed from any step, short enough for a small planner, solved in the closed loop."""

from __future__ import annotations

import asyncio
import random
import tempfile
import zipfile
from itertools import islice

import pytest

from tracer1_agents import create_tracer1_agent
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import Finish
from tracer1_agents.data.taskgen.bundle import BundlePlan, write_bundle
from tracer1_agents.data.taskgen.desk.families import FAMILIES, TRAINED, UNSEEN, make_world_task
from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.windows import WindowOptions, cut_window, stream_windows
from tracer1_agents.evals.gaia import read_tasks
from tracer1_agents.evals.results import ResultsFile, read_results
from tracer1_agents.evals.run import Runner
from tracer1_agents.planner.policy import ReplayPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import GroundedOutcome, grounded_reward
from tracer1_agents.serving.tiny import tiny_folder
from tracer1_agents.tools.desk import desk_tools
from tracer1_agents.tools.limited import Slots
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace
from tracer1_agents.training.rows import PromptOptions, generated_row
from tracer1_agents.training.worlds import TaskWorld
from tracer1_agents.types import Observation

WORLD = WorldOptions(predictable=0.5, disturbed=0.6)
GRAMMAR = CanonicalGrammar()


@pytest.mark.parametrize("family", ["pack_rounds", "convert_rounds", "register_sum", "book_one", "clue_chain"])
def test_any_step_is_executed_from_where_the_reference_stands(family):
    """Stage 2 scores the reference's action with 1, faults or not, and scenes do not see one another."""
    task = make_world_task(family, "rows", WORLD)
    world = TaskWorld(None, Slots(2), Retries(attempts=1, timeout=20.0))
    for step in range(1, len(task.steps) + 1, 2):
        window = cut_window(task, step, random.Random(step), WindowOptions(mishap_rate=0.0, world=WORLD))
        row = generated_row(window, PromptOptions(horizon=8), source="desk", key=f"{family}/{step}")
        reference = row.window.steps[0]
        for _ in range(2):
            with world.open(row) as scene:
                action = reference.action
                execution = (
                    None if isinstance(action, Finish) else scene.toolbox.execute(action, "", Observation(text=""))
                )
                assert grounded_reward(GroundedOutcome(action, execution), reference).total == 1.0, action


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tasks"
    write_bundle(BundlePlan("desk", 17, 3, rotating=True, world=WORLD), folder)
    return read_tasks(folder)


def gold(task, number, world):
    """The task as the bundle drew it."""
    turn = (number + number // len(TRAINED)) % 5
    return make_world_task(
        task.family, f"desk/{number}", world, split="held_out", unseen_styles=turn == 1, unseen_phrases=turn == 3
    )


def replies(task, answer=None):
    """What a perfect planner would write, calls that time out written again."""
    written = [GRAMMAR.render([(step.action(at), step.instruction)]) for at, step in enumerate(task.steps)]
    if task.desk and task.desk.fault:
        written.insert(task.desk.fault - 1, written[task.desk.fault - 1])
    return [*written[:-1], f'finish(answer="{answer}") # "Say"'] if answer else written


def play(tasks, script, out, folder):
    tools = [*default_toolbox(folder), *desk_tools(Workspace(folder))]
    output = ResultsFile(out)
    output.resume({})
    for task, written in zip(tasks, script, strict=True):
        agent = create_tracer1_agent(ReplayPolicy(written), tools, horizon=8, max_steps=25, profile="compact")
        asyncio.run(Runner(agent, concurrency=1).run((task,), output))
    return read_results(out)[0]


def test_bundles_run_in_the_closed_loop(bundle, tmp_path):
    assert not bundle.problems
    assert len(bundle.tasks) == 20
    golds = [gold(task, number, WORLD) for number, task in enumerate(bundle.tasks)]
    assert [task.question for task in golds] == [task.question for task in bundle.tasks]
    results = play(bundle.tasks, map(replies, golds), tmp_path / "gold.jsonl", tmp_path)
    assert [result.correct for result in results] == [True] * 20
    assert {result.state for result in results} == {True, None}
    assert [result.trained_family for result in results] == [task.family not in UNSEEN for task in bundle.tasks]
    faults = [task.desk is not None and task.desk.fault > 0 for task in golds]
    failed = [any("TimeoutError" in step.execution.text for step in result.trace.steps) for result in results]
    assert failed == faults
    assert 4 < sum(faults) < 20


def test_success_is_answer_and_state(bundle, tmp_path):
    at, task = next((at, task) for at, task in enumerate(bundle.tasks) if task.family == "book_one")
    right = gold(task, at, WORLD)
    lazy = [f'finish(answer="{task.truth}") # "Say"']
    liar = replies(right, answer="no")
    results = play([task, task], [lazy, liar], tmp_path / "lazy.jsonl", tmp_path)
    assert [(result.prediction, result.state, result.correct) for result in results] == [
        (task.truth, False, False),
        ("no", True, False),
    ]


def test_a_desk_whose_files_are_spoiled_is_wrong_and_not_lost(bundle, tmp_path, monkeypatch):
    def broken(folder):
        message = f"{folder}: not an archive"
        raise zipfile.BadZipFile(message)

    monkeypatch.setattr("tracer1_agents.tools.desk.state.final_state", broken)
    at, task = next((at, task) for at, task in enumerate(bundle.tasks) if task.family == "book_one")
    (result,) = play([task], [replies(gold(task, at, WORLD))], tmp_path / "spoiled.jsonl", tmp_path)
    assert (result.status, result.state, result.correct) == ("finished", False, False)


@pytest.mark.torch
def test_prompts_and_replies_are_short():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folder())
    for world in (WorldOptions(), WorldOptions(predictable=0.0, disturbed=1.0)):
        for window in islice(stream_windows(7, WindowOptions(world=world), families=tuple(FAMILIES)), 250):
            chat = [{"role": message.role, "content": message.text} for message in window.messages]
            prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
            assert len(prompt) < 1000
            assert len(tokenizer(window.reply)["input_ids"]) < 384


def ends(task, written):
    """What the planner calls of one on-line episode earn by `rollout.credit: end`, and the state it left."""
    pytest.importorskip("torch", reason="torch is not installed")
    from tracer1_agents.training.episodes import Episodes  # noqa: PLC0415
    from tracer1_agents.training.mixture import MixtureConfig  # noqa: PLC0415
    from tracer1_agents.training.online_rollouts import OnlineRollouts  # noqa: PLC0415
    from tracer1_agents.training.stage2 import GraphRolloutConfig  # noqa: PLC0415

    window = cut_window(task, 1, random.Random(1), WindowOptions(mishap_rate=0.0, world=WORLD))
    row = generated_row(window, PromptOptions(horizon=8), source="desk", key="online")
    data = MixtureConfig.model_validate({"horizon": 8, "sources": [{"reader": "taskgen"}]})
    episodes = Episodes(data, TaskWorld(None, Slots(2), Retries(attempts=1, timeout=20.0)))
    played = asyncio.run(episodes.play(row, ReplayPolicy(written), len(written)))
    assert played.trace.answer == task.answer
    collector = OnlineRollouts([row], GraphRolloutConfig(max_steps=len(written)), episodes, None, seed=0)
    return collector._totals(row, played, len(written)), played.left_right


@pytest.mark.torch
@pytest.mark.parametrize("family", ["pack_one", "book_one"])
def test_an_episode_ends_well_with_the_right_answer_and_the_right_state(family):
    task = make_world_task(family, "online", WORLD)
    written = [GRAMMAR.render([(step.action(at), step.instruction)]) for at, step in enumerate(task.steps)]
    assert ends(task, written) == ([1.0] * len(written), True)
    lazy = [reply for reply in written if not reply.startswith(("archive_files", "reserve"))]
    assert len(lazy) < len(written)
    assert ends(task, lazy) == ([0.0] * len(lazy), False)


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_desk_that_an_episode_spoiled_is_not_as_it_should_be(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    task = make_world_task("pack_one", "online", WORLD)
    window = cut_window(task, len(task.steps), random.Random(1), WindowOptions(mishap_rate=0.0, world=WORLD))
    row = generated_row(window, PromptOptions(horizon=8), source="desk", key="spoiled")
    world = TaskWorld(None, Slots(2), Retries(attempts=1, timeout=20.0))
    with world.open(row) as scene:
        assert scene.left_right() is True
        [archive] = [name for name, _ in task.desk.archives]
        [path] = tmp_path.glob(f"tracer1-scene-*/{archive}")
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        assert scene.left_right() is False
