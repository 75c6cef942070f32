"""GUI-Odyssey annotations: thousandths to fractions, finger to view, splits, damage."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tracer1_agents.actions.space import Click, Finish, LongPress, PressButton, Scroll, Type
from tracer1_agents.cli import main
from tracer1_agents.errors import DataError
from tracer1_agents.types import ImageRef


def _step(number, action, info="", **more):
    told = {"context": f"seen {number}", "low_level_instruction": f"step {number}", "description": "a page"}
    return {"step": number, "screenshot": f"e1_{number}.png", "action": action, "info": info, **told, **more}


def _episode(*steps, name="e1", **changes):
    return {
        "episode_id": name,
        "device_info": {"w": 1000, "h": 2000, "device_name": "Pixel 8 Pro"},
        "task_info": {
            "category": "Web_Shopping",
            "app": ["Shop", "Notes"],
            "meta_task": "Buy {}",
            "task": "Buy bread",
            "instruction": "Buy bread in Shop.",
        },
        "step_length": len(steps),
        "steps": list(steps),
        **changes,
    }


_DONE = _step(0, "COMPLETE")


@pytest.fixture
def dataset(tmp_path):
    """Writes episodes as the data set lies: one file each under annotations/; returns its folder."""

    def write(*episodes):
        folder = tmp_path / "odyssey"
        (folder / "annotations").mkdir(parents=True)
        for episode in episodes:
            text = episode if isinstance(episode, str) else json.dumps(episode, indent=1)
            number = len(list((folder / "annotations").iterdir()))
            name = f"e{number + 1}.json"
            (folder / "annotations" / name).write_text(text, encoding="utf-8")
        return folder

    return write


def test_every_action_is_read(dataset, read):
    episode = _episode(
        _step(0, "CLICK", [[500, 250]], sam2_bbox=[400, 200, 600, 300]),
        _step(1, "LONG_PRESS", [[100, 100]]),
        _step(2, "SCROLL", [[500, 800], [500, 200]]),
        _step(3, "TEXT", "rye bread"),
        _step(4, "CLICK", "KEY_HOME"),
        _step(5, "CLICK", "KEY_BACK", sam2_bbox=[]),
        _step(6, "CLICK", "KEY_APPSELECT"),
        _step(7, "COMPLETE"),
    )
    [trajectory], problems = read("gui_odyssey", dataset(episode))
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.5, 0.25)),
        LongPress(point=(0.1, 0.1)),
        Scroll(direction="down"),  # the finger goes up
        Type(content="rye bread"),
        PressButton(button="home"),
        PressButton(button="back"),
        PressButton(button="recent"),
        Finish(),
    ]
    first = trajectory.steps[0]
    assert first.boxes == ((0.4, 0.2, 0.6, 0.3),)
    assert (first.instruction, first.summary) == ("step 0", "seen 0")
    assert first.observation.image == ImageRef(ref="e1_0.png", width=1000, height=2000)
    assert not any(step.flags for step in trajectory.steps)
    assert (trajectory.id, trajectory.source, trajectory.instruction) == ("e1", "gui_odyssey", "Buy bread in Shop.")
    assert trajectory.metadata == {
        "category": "Web_Shopping",
        "app": ["Shop", "Notes"],
        "meta_task": "Buy {}",
        "device": {"w": 1000, "h": 2000, "device_name": "Pixel 8 Pro"},
    }


@pytest.mark.parametrize(
    ("ends", "view"),
    [
        ([[500, 800], [500, 200]], "down"),
        ([[500, 200], [510, 800]], "up"),
        ([[800, 500], [200, 500]], "right"),
        ([[200, 500], [800, 510]], "left"),
    ],
)
def test_the_view_moves_against_the_finger(dataset, read, ends, view):
    [trajectory], _ = read("gui_odyssey", dataset(_episode(_step(0, "SCROLL", ends))))
    assert trajectory.steps[0].action == Scroll(direction=view)


def test_ends_stay_as_they_are_or_are_appended(dataset, read):
    folder = dataset(
        _episode(_step(0, "INCOMPLETE", "no such shop")),
        _episode(_step(0, "TEXT", "rye"), name="e2"),
    )
    (given_up, appended), _ = read("gui_odyssey", folder)
    assert given_up.steps[-1].action == Finish(status="infeasible")
    assert given_up.steps[-1].flags == frozenset()
    assert appended.steps[-1].flags == {"synthetic"}


def test_the_first_release_has_neither_summaries_nor_boxes(dataset, read):
    bare = {"step": 0, "screenshot": "a.png", "action": "CLICK", "info": [[1000, 0]], "ps": ""}
    [trajectory], _ = read("gui_odyssey", dataset(_episode(bare)))
    step = trajectory.steps[0]
    assert (step.action, step.instruction, step.summary, step.boxes) == (Click(point=(1.0, 0.0)), "", None, ())


def test_a_missing_step_is_flagged(dataset, read):
    [trajectory], _ = read("gui_odyssey", dataset(_episode(_step(0, "TEXT", "a"), _step(2, "TEXT", "b"))))
    assert [sorted(step.flags) for step in trajectory.steps] == [[], ["after_gap"], ["synthetic"]]


def test_screenshots_are_found_and_missing_ones_told(dataset, read):
    folder = dataset(_episode(_step(0, "TEXT", "a"), _step(1, "COMPLETE")))
    (folder / "screenshots").mkdir()
    Image.new("L", (50, 100)).save(folder / "screenshots" / "e1_0.png")
    [trajectory], [(_, text)] = read("gui_odyssey", folder)
    assert trajectory.steps[0].observation.image == ImageRef(
        ref=str(folder / "screenshots" / "e1_0.png"), width=50, height=100
    )
    assert text.startswith("the image 'e1_1.png' is not in")


def test_a_split_is_a_file_and_a_part_of_it(dataset, read):
    folder = dataset(_episode(_DONE), _episode(_DONE, name="e2"))
    (folder / "splits").mkdir()
    split = {"train": ["e1.json"], "test": ["e2.json"]}
    (folder / "splits" / "random_split.json").write_text(json.dumps(split), encoding="utf-8")
    assert [one.id for one in read("gui_odyssey", folder, split="random_split/test")[0]] == ["e2"]
    assert [one.id for one in read("gui_odyssey", folder / "annotations", split="random_split/train")[0]] == ["e1"]
    with pytest.raises(DataError, match='written like "random_split/test"'):
        read("gui_odyssey", folder, split="test")
    with pytest.raises(DataError, match="there are: train, test"):
        read("gui_odyssey", folder, split="random_split/dev")
    with pytest.raises(DataError, match="are not there"):
        read("gui_odyssey", folder, split="app_split/test")


def test_all_annotations_in_one_array(write_lines, read):
    path = write_lines(json.dumps([_episode(_DONE), _episode(_DONE, name="e2")], indent=1), name="all_anno.json")
    trajectories, problems = read("gui_odyssey", path)
    assert ([one.id for one in trajectories], problems) == (["e1", "e2"], [])


@pytest.mark.parametrize(
    ("episode", "problem"),
    [
        (_episode(_step(0, "FLY")), "step 0: unknown action 'FLY'"),
        (_episode(_DONE, _step(1, "CLICK", "KEY_POWER")), "step 1: unknown key 'KEY_POWER'"),
        (_episode(_step(0, "CLICK", [[1001, 5]])), "step 0: the point (1001, 5) lies outside"),
        (_episode(_step(0, "CLICK", [[1, 2], [3, 4]])), '"info" must hold 1 points'),
        (_episode(_step(0, "SCROLL", [[5, 5], [5, 5]])), "a swipe that goes nowhere"),
        (_episode(_step(0, "TEXT", None)), '"info" of TEXT must be str'),
        (_episode(_step(0, "CLICK", [[1, 2]], sam2_bbox=[1, 2, 3])), '"sam2_bbox" must hold 4 numbers'),
        (_episode(_DONE, task_info={}), 'the key "instruction" is missing'),
        (_episode(_DONE, device_info={"w": -1, "h": 5}), "larger than nothing"),
        (_episode(), "the trajectory has no steps"),
        (json.dumps(_episode(_DONE), indent=1)[:-50], "cut off or damaged?"),
    ],
)
def test_a_broken_file_is_told_and_the_others_are_read(dataset, read, episode, problem):
    trajectories, [(_, text)] = read("gui_odyssey", dataset(_episode(_DONE), episode, _episode(_DONE, name="e3")))
    assert [one.id for one in trajectories] == ["e1", "e3"]
    assert problem in text


def test_validate_counts(dataset, capsys, tmp_path):
    folder = dataset(_episode(_step(0, "TEXT", "a"), _step(1, "COMPLETE")), "{")
    assert main(["data", "validate", "gui_odyssey", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kinds"], len(found["problems"])) == ({"type": 1, "finish": 1}, 1)
    assert found["problems"][0]["path"].endswith("e2.json")
    (tmp_path / "empty").mkdir()
    assert main(["data", "validate", "gui_odyssey", str(tmp_path / "empty")]) == 2
    assert main(["data", "validate", "gui_odyssey", str(tmp_path / "none.json")]) == 2
