"""Stage 2's live option: rows of demonstrations acted in again, in a real page, and rewarded by the task."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

from tracer1_agents.actions.space import Wait
from tracer1_agents.data.miniwob.collect import demonstrate
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.policy import ReplayPolicy
from tracer1_agents.training import stage2
from tracer1_agents.training.episodes import Episodes
from tracer1_agents.training.live_pages import LivePage, PagePool
from tracer1_agents.training.mixture import load_mixture
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

pytestmark = pytest.mark.browser

TASKS = ("click-option", "enter-text")


@pytest.fixture(scope="module")
def rows_and_episodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations")
    demonstrate(folder, TASKS, 2, screenshots=False)
    config = stage2.Stage2Config.model_validate(given(folder / "miniwob.jsonl"))
    mixture = load_mixture(config.data)
    episodes = Episodes(config.data, stage2.build_world(config, mixture))
    return {row.key.removeprefix("miniwob/"): row for row in mixture.rows}, episodes


def given(path, reader="miniwob"):
    source = {"reader": reader, "path": str(path), "platform": "computer", "name": "miniwob"}
    return {
        "data": {"profile": "compact-screen", "horizon": 1, "history_window": 6, "sources": [source]},
        "executors": {"live": ["miniwob"], "pages": 2},
        "rollout": {"max_steps": 5},
    }


def waiting(folder):
    """A record of another kind."""
    step = ReferenceStep(action=Wait(), instruction="wait")
    path = folder / "store.jsonl"
    write_trajectories(path, [ReferenceTrajectory(id="1", source="s", instruction="u", steps=(step,))])
    return path


def played(episodes, row, *replies):
    return asyncio.run(episodes.play(row, ReplayPolicy(list(replies)), 5))


def replies_from(rows, row, steps):
    task, seed, number = row.key.removeprefix("miniwob/").split("/")
    return [rows[f"{task}/{seed}/{int(number) + step}"].reply for step in range(steps)]


@pytest.mark.parametrize("begin", [1, 2])
def test_the_task_rewards_an_episode_that_goes_on_from_any_step(rows_and_episodes, begin):
    rows, episodes = rows_and_episodes
    row = rows[f"enter-text/1000/{begin}"]
    drifted = episodes.metrics()["executor/drifted/miniwob"]
    solved = played(episodes, row, *replies_from(rows, row, 5 - begin))
    assert (solved.reward, solved.trace.status.value) == (1.0, "finished")
    assert episodes.metrics()["executor/drifted/miniwob"] == drifted


def test_what_is_wrong_or_left_undone_earns_nothing(rows_and_episodes):
    rows, episodes = rows_and_episodes
    row = rows["enter-text/1001/2"]
    typed = 'type(content="something else") # "Type"'
    assert played(episodes, row, typed, *replies_from(rows, row, 3)[1:]).reward == 0.0
    assert played(episodes, row, 'finish() # "Enough"').reward == 0.0


def test_an_update_from_live_episodes(rows_and_episodes, tmp_path):
    rows, _ = rows_and_episodes
    path = tmp_path / "miniwob.jsonl"
    trajectories = {row.recorded.trajectory.id: row.recorded.trajectory for row in rows.values()}
    write_trajectories(path, trajectories.values())
    few = {"engine": "local", "group_size": 2, "prompts_per_update": 2, "max_steps": 2, "max_new_tokens": 24}
    trainer = {"output_dir": tmp_path / "run", "max_steps": 1, "learning_rate": 1e-3, "beta": 0.0, "micro_batch": 4}
    run = {**given(path), "rollout": few, "trainer": trainer, "model": {"path": "tracer1-tiny"}}
    stage2.train(stage2.Stage2Config.model_validate(run))
    (line,) = [
        found
        for text in (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        if (found := json.loads(text))["event"] == "train"
    ]
    assert line["graph/planner_calls"] >= 4
    assert line["sampling/first_batch_gap_max"] < 1e-3
    assert "executor/begun/miniwob" in line


def test_an_episode_that_is_over_has_nothing_to_earn(rows_and_episodes):
    rows, episodes = rows_and_episodes
    assert played(episodes, rows["click-option/1000/3"], 'finish() # "The task is done"').reward is None


def test_a_page_that_is_not_as_recorded_teaches_nothing(rows_and_episodes):
    rows, episodes = rows_and_episodes
    row = rows["enter-text/1000/2"]
    recorded = row.recorded.trajectory
    first = recorded.steps[0].model_copy(update={"instruction": "Click what is not there"})
    other = recorded.model_copy(update={"steps": (first, *recorded.steps[1:])})
    drifting = replace(row, recorded=replace(row.recorded, trajectory=other))
    before = episodes.metrics()["executor/drifted/miniwob"]
    assert played(episodes, drifting, *replies_from(rows, row, 3)).reward is None
    assert episodes.metrics()["executor/drifted/miniwob"] == before + 1


def test_an_episode_that_is_cancelled_while_it_waits_keeps_no_page(rows_and_episodes):
    rows, _ = rows_and_episodes
    row = rows["click-option/1000/1"]
    pool = PagePool(1)
    first, second, third = (LivePage(pool, row.recorded) for _ in range(3))
    screen = row.start.observation
    step = row.window.steps[0]

    async def cancelled():
        await first.aexecute(step.action, step.instruction, screen)
        waiting = asyncio.ensure_future(second.aexecute(step.action, step.instruction, screen))
        await asyncio.sleep(0.1)
        waiting.cancel()
        second.end()
        first.end()
        return await asyncio.wait_for(third.aexecute(step.action, step.instruction, screen), 30)

    assert asyncio.run(cancelled()).ok
    third.end()


def test_the_clipboard_is_one_page_s_at_a_time():
    pool = PagePool(3)
    copying, other = pool.take("copy-paste"), pool.take("click-test")
    waiting = pool.threads.submit(pool.take, "copy-paste-2")
    pool.give(other)
    assert not waiting.done()
    pool.give(copying)
    pool.give(waiting.result(timeout=30))


def test_more_episodes_than_pages_take_turns(rows_and_episodes):
    rows, episodes = rows_and_episodes
    first = [row for key, row in rows.items() if key.endswith("/1")] * 3

    async def all_of_them():
        plays = [episodes.play(row, ReplayPolicy([rows[row.key.removeprefix("miniwob/")].reply]), 1) for row in first]
        return await asyncio.gather(*plays)

    assert [one.reward for one in asyncio.run(all_of_them())] == [0.0] * len(first)  # one step solves neither task
    assert len(first) > 2


def test_other_records_have_no_page(tmp_path):
    config = stage2.Stage2Config.model_validate(given(waiting(tmp_path), reader="store"))
    mixture = load_mixture(config.data)
    episodes = Episodes(config.data, stage2.build_world(config, mixture))
    with pytest.raises(ConfigurationError, match="is no MiniWoB"):
        played(episodes, mixture.rows[0], "wait()")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"executors": {}}, "needs sources that can be acted in"),
        ({"rollout": {"max_steps": 5, "credit": "step"}}, "executors.live earn at the end"),
    ],
)
def test_episodes_of_records_need_a_live_page_and_credit_at_the_end(tmp_path, changes, message):
    config = stage2.Stage2Config.model_validate({**given(waiting(tmp_path), reader="store"), **changes})
    with pytest.raises(ConfigurationError, match=message):
        stage2.check_online(config, load_mixture(config.data))
