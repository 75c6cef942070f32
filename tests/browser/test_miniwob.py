"""MiniWoB++ in a real Chromium: the same seed the same task, rewards from the task, oracles, the graph on top."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tracer1_agents.actions.elements import read_elements
from tracer1_agents.actions.space import Click, Finish, Hotkey, OpenApp, Point, Wait
from tracer1_agents.blobs import BlobStore
from tracer1_agents.data.miniwob.collect import demonstrate
from tracer1_agents.data.miniwob.demonstrate import FIRST_TRAIN_SEED, play
from tracer1_agents.data.miniwob.named import COMPOSITIONS, TASKS
from tracer1_agents.data.store import StoreReader
from tracer1_agents.environments.base import Failure, failure_of
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.environments.miniwob import OVER, MiniWobEnvironment, Outcome, all_tasks, pages_folder
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.planner.policy import PolicyReply


@pytest.fixture
def open_task(tasks_chromium, tmp_path):
    opened = []

    def make(name, **options):
        environment = MiniWobEnvironment(name, BlobStore(tmp_path / "blobs"), chromium=tasks_chromium, **options)
        opened.append(environment)
        return environment

    yield make
    for environment in opened:
        environment.close()


def centre(environment, seen, name):
    return next(one for one in read_elements(seen.text) if one.name == name).centre(environment.size)


def test_the_same_seed_is_the_same_task(open_task):
    task = open_task("click-checkboxes")
    first, said = task.reset(7), task.utterance
    other = task.reset(8)
    again = task.reset(7)
    assert (again, task.utterance) == (first, said)  # pixels too: screenshots are named by their content
    assert other != first


def test_the_reward_is_not_to_be_seen(open_task):
    task = open_task("click-test")
    seen = task.reset(1)
    assert (seen.image.width, seen.image.height) == (160, 210)
    assert "reward" not in seen.text.lower()
    over = task.act(Click(point=centre(task, seen, "Click Me!")))
    assert over.text == OVER
    assert task.outcome.success
    assert 0.9 < task.outcome.reward <= 1.0  # the task's own discount, over a long clock
    assert failure_of(task.act(Wait())) is Failure.ENDED


def test_a_wrong_click_fails_the_task(open_task):
    task = open_task("click-test-2")
    seen = task.reset(1)
    task.act(Click(point=centre(task, seen, "TWO")))
    assert (task.outcome.done, task.outcome.raw, task.outcome.success) == (True, -1.0, False)
    assert not task.reset(1).text.startswith("error")
    assert task.outcome == Outcome()


def test_a_picture_has_its_size_from_the_moment_it_is_shown(open_task):
    """Else the icon that sends a reply is sometimes not there yet at the look after the click before it."""
    task = open_task("email-inbox-star-reply", screenshots=False)
    task.reset(1)
    icon = """() => {
      const icon = document.body.appendChild(Object.assign(document.createElement("span"), { id: "send-reply" }));
      return icon.getBoundingClientRect().width;
    }"""
    assert task.evaluate(icon) == 14


def test_discount_by_time():
    assert Outcome(done=True, raw=1.0, seconds=2.5).discounted() == 0.75
    assert Outcome(done=True, raw=1.0, seconds=20).discounted() == 0.0
    assert Outcome(done=True, raw=-1.0, seconds=2.5).discounted() == -1.0


def test_a_click_beside_everything_changes_nothing(open_task):
    task = open_task("click-test")
    task.reset(1)
    assert task.act(Click(point=Point(0.0, 1.0))).ok
    assert task.act(Hotkey(keys=("esc",))).ok
    assert not task.outcome.done


def test_unknown_tasks_are_refused(tmp_path, tasks_chromium):
    with pytest.raises(ConfigurationError, match="no-such-task"):
        MiniWobEnvironment("no-such-task", BlobStore(tmp_path), chromium=tasks_chromium)


def test_pages_are_found_by_their_real_path(monkeypatch, tmp_path):
    """A confined browser does not see the link to an environment that lies elsewhere."""
    pages = pages_folder()
    (tmp_path / "linked").symlink_to(pages.parent)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "linked")])
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: spec)
        assert pages_folder() == pages


def test_at_least_forty_tasks_are_named_each_with_a_reason():
    assert len(TASKS) >= 40
    assert set(TASKS) <= set(all_tasks())
    assert all(task.reason and task.group for task in TASKS.values())
    assert len({task.group for task in TASKS.values()}) >= 10
    assert all(set(page.split("+")) <= set(TASKS) for page in COMPOSITIONS)


QUICK = {"click-checkboxes", "enter-date", "choose-date", "drag-items", "email-inbox-reply"}  # one of each sort


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TASKS]
)
def test_every_oracle_solves_its_task(open_task, name):
    environment = open_task(name, screenshots=False)
    episode = play(environment, FIRST_TRAIN_SEED + 1)
    assert episode.solved, episode.problem


def test_several_tasks_on_one_page(open_task):
    page = open_task(COMPOSITIONS[0])
    episode = play(page, 3)
    assert episode.solved, episode.problem
    assert page.size == (320, 210)
    assert page.utterance.startswith("1. ")


def test_one_failed_task_fails_the_page(open_task):
    page = open_task("click-test-2+click-test")
    seen = page.reset(1)
    page.act(Click(point=centre(page, seen, "TWO")))
    assert (page.outcome.done, page.outcome.raw) == (True, -1.0)


def test_demonstrations_become_trajectories_and_are_gone_on_with(tmp_path):
    count, lost = demonstrate(tmp_path, ["enter-text"], 1)
    assert (count, lost) == (1, [])
    (record,) = StoreReader().read(tmp_path / "miniwob.jsonl")
    assert [step.action.kind for step in record.steps] == ["click", "type", "click", "finish"]
    assert record.steps[0].instruction == 'Click textbox "tt" [1]'
    assert record.metadata["split"] == "train"
    assert all(BlobStore(tmp_path / "blobs").get(step.observation.image.ref) for step in record.steps)

    with (tmp_path / "miniwob.jsonl").open("a") as file:
        file.write('{"version": 1, "id": "enter-te')  # a kill
    played = []
    count, _ = demonstrate(
        tmp_path, ["enter-text", "click-test"], 2, screenshots=False, concurrency=2, on_episode=played.append
    )
    assert count == 4
    assert {(one.task, one.seed - FIRST_TRAIN_SEED) for one in played} == {
        ("enter-text", 1),
        ("click-test", 0),
        ("click-test", 1),
    }
    assert len(list(StoreReader().read(tmp_path / "miniwob.jsonl"))) == 4


class ScriptedPolicy:
    """Clicks what the task names, by the list of elements that is in its prompt, and then finishes."""

    def __init__(self):
        self.prompts = []

    def sample(self, messages, *, horizon, **_):
        parts = [part for message in messages for part in message.content if not isinstance(message.content, str)]
        prompt = "\n".join(part["text"] for part in parts if part["type"] == "text")
        self.prompts.append(prompt)
        if OVER in prompt:
            return PolicyReply(text='finish() # "The task is done"')
        name = prompt.split('Click on the "')[1].split('"')[0]
        element = next(one for one in read_elements(prompt) if (one.role, one.name) == ("button", name))
        x, y = (element.box[0] + element.box[2]) / 320, (element.box[1] + element.box[3]) / 420
        lines = [f'click(point=[{x:.3f}, {y:.3f}]) # "Click button {name}"', 'finish() # "The task is done"']
        return PolicyReply(text="\n".join(lines[:horizon]))

    async def asample(self, messages, *, horizon, **options):
        return self.sample(messages, horizon=horizon, **options)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_compiled_graph_solves_a_task(open_task, asynchronous):
    """A planner that reads its prompt, the graph, the real page, the task's own reward."""
    task = open_task("click-button")
    seen = await task.areset(5)
    agent = create_tracer1_agent(
        ScriptedPolicy(), grounder=EnvironmentExecutor(task), profile="compact", platform="computer", max_steps=5
    )
    given = {"instruction": task.utterance, "observation": seen.model_dump(mode="json")}
    result = await agent.ainvoke(given) if asynchronous else agent.invoke(given)
    assert result["status"] == "finished", result["detail"]
    assert task.outcome.success
    first = result["forecast_log"][0]
    assert [pair["action"]["kind"] for pair in first["forecast"]] == ["click", "finish"]
    assert first["execution"]["text"] == OVER


def test_memory_does_not_grow_over_resets(open_task):
    """The short form of what `benchmarks/environments.py --soak` measures: this process and the browser's pages."""
    task = open_task("click-button", screenshots=False)
    task.reset(0)
    pages = len(task._context.pages)
    for seed in range(10):
        task.reset(seed)
    assert len(task._context.pages) == pages == 1
    assert len(task.events.pages) == 1


def test_finish_is_no_action_of_the_page(open_task):
    task = open_task("click-test")
    task.reset(1)
    assert failure_of(task.act(Finish())) is Failure.UNSUPPORTED


def test_a_task_is_not_left_for_an_address(open_task):
    environment = open_task("click-test", screenshots=False)
    environment.reset(3)
    refused = environment.act(OpenApp(app_name="https://www.example.com"))
    assert failure_of(refused) is Failure.UNSUPPORTED
    assert 'button "Click Me!"' in refused.text
    button = environment.seen.page.elements[0]
    environment.act(Click(point=button.centre(environment.size)))
    assert environment.outcome.success
