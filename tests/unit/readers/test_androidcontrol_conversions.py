"""AndroidControl as InfiGUI-R1 and GUI-R1 converted it."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Finish, LeftDouble, OpenApp, PressButton, Scroll, Select, Type, Wait
from tracer1_agents.cli import main
from tracer1_agents.types import ImageRef


def _infigui(*actions, **changes):
    """Each action with its checks."""
    count = len(actions)
    told = {
        "episode_id": 12,
        "goal": "Buy bread.",
        "step_instructions": [f"step {n}" for n in range(count)],
        "screenshot_paths": [f"images/12_{n}.png" for n in range(count + 1)],
    }
    record = {
        "episode": told,
        "step_pams": [action for action, _ in actions],
        "step_check_pams": [{"action": action["action"], **checks} for action, checks in actions],
        "width": 1000,
        "height": 2000,
    }
    return {**record, **changes}


_WAIT = ({"action": "wait", "time": 2}, {})


def test_parallel_lists_become_steps(write_lines, read):
    record = _infigui(
        ({"action": "click", "coordinate": [500, 500]}, {"candidate_bbox": [[250, 400, 750, 600]]}),
        ({"action": "swipe", "coordinate": [500, 1500], "coordinate2": [500, 500]}, {"direction": "down"}),
        ({"action": "type", "text": "rye"}, {}),
        ({"action": "system_button", "button": "Home"}, {}),
    )
    [trajectory], problems = read("androidcontrol", write_lines(json.dumps([record], indent=1), name="test.json"))
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.5, 0.25)),
        Scroll(direction="down"),  # the finger goes up
        Type(content="rye"),
        PressButton(button="home"),
        Finish(),
    ]
    assert trajectory.steps[0].boxes == ((0.25, 0.2, 0.75, 0.3),)
    assert [step.instruction for step in trajectory.steps] == ["step 0", "step 1", "step 2", "step 3", ""]
    assert [step.observation.image for step in trajectory.steps] == [
        ImageRef(ref=f"images/12_{n}.png", width=1000, height=2000) for n in range(5)
    ]
    assert (trajectory.id, trajectory.instruction) == ("12", "Buy bread.")
    assert trajectory.metadata == {"frame": {"width": 1000, "height": 2000, "known_from": "record"}}


def test_a_missing_image_is_told_where_images_are_expected(write_lines, read, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (1000, 2000)).save(tmp_path / "images" / "12_0.png")
    path = write_lines(_infigui(_WAIT))
    [trajectory], [(line, text)] = read("androidcontrol", path)
    assert trajectory.steps[0].observation.image.ref == str(tmp_path / "images" / "12_0.png")
    assert trajectory.steps[1].observation.image.ref == "images/12_1.png"
    assert (line, text.split(" is not")[0]) == (1, "the image 'images/12_1.png'")


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (_infigui(_WAIT, step_pams=[]), "0 actions, 1 checks, 1 instructions, 2 screenshots"),
        (_infigui(_WAIT, width=0), '"width" and "height" must be above 0, got 0x2000'),
        (_infigui(({"action": "teleport"}, {})), "step 1: unknown action 'teleport'"),
        (_infigui(({"action": "click", "coordinate": [1001, 0]}, {})), "step 1: the point (1001, 0) lies outside"),
        (_infigui(_WAIT, episode={"goal": "g"}), 'the key "screenshot_paths" is missing'),
    ],
)
def test_a_broken_infigui_record_is_told(write_lines, read, record, problem):
    trajectories, [(line, text)] = read("androidcontrol", write_lines(_infigui(_WAIT), record, _infigui(_WAIT)))
    assert len(trajectories) == 2
    assert line == 2
    assert problem in text


def test_a_split_selects_by_episode_number(write_lines, read, tmp_path):
    other = _infigui(_WAIT)
    other["episode"]["episode_id"] = 13
    path = write_lines(_infigui(_WAIT), other)
    (tmp_path / "splits.json").write_text(json.dumps({"test": [13]}, indent=1), encoding="utf-8")
    assert [one.id for one in read("androidcontrol", path, split="test")[0]] == ["13"]
    trajectories, problems = read("androidcontrol", tmp_path)  # where the split file is no source
    assert ([one.id for one in trajectories], problems) == (["12", "13"], [])


def _row(action, *, bbox=(0.5, 0.25), text="no input text", **more):
    return {
        "image": "shots/1.png",
        "history": "None",
        "instruction": "Buy bread.",
        "gt_action": action,
        "gt_bbox": list(bbox),
        "gt_input_text": text,
        **more,
    }


@pytest.mark.parametrize(
    ("row", "action"),
    [
        (_row("click"), Click(point=(0.5, 0.25))),
        (_row("click", bbox=(540, 600)), Click(point=(0.5, 0.25))),  # pixels of 1080x2400
        (_row("doubleclick"), LeftDouble(point=(0.5, 0.25))),
        (_row("select", text="May"), Select(option="May", point=(0.5, 0.25))),
        (_row("type", text="rye", bbox=(-100, -100)), Type(content="rye")),
        (_row("scroll", text="DOWN"), Scroll(direction="down")),
        (_row("scroll", text="left"), Scroll(direction="left")),
        (_row("open_app", text="Shop"), OpenApp(app_name="Shop")),
        (_row("press_back"), PressButton(button="back")),
        (_row("enter"), PressButton(button="enter")),
        (_row("wait"), Wait()),
        (_row("complete"), Finish()),
        (_row("impossible"), Finish(status="infeasible")),
    ],
)
def test_a_row_is_a_trajectory_of_one_step_without_an_end(write_lines, read, row, action):
    [trajectory], problems = read("androidcontrol", write_lines(row), screen=Size(1080, 2400))
    assert problems == []
    [step] = trajectory.steps
    assert step.action == action
    assert step.flags == frozenset()
    assert step.instruction == ""
    assert (trajectory.id, trajectory.instruction, trajectory.metadata) == ("line-1", "Buy bread.", {})


def test_a_history_means_a_gap_and_low_level_rows_are_instructed(write_lines, read):
    row = _row("click", bbox=(0.25, 0.2, 0.75, 0.3), history="Step 1: open Shop", task_type="low", id="r9")
    [trajectory], _ = read("androidcontrol", write_lines(row))
    [step] = trajectory.steps
    assert step.flags == {"after_gap"}
    assert step.instruction == "Buy bread."
    assert step.boxes == ((0.25, 0.2, 0.75, 0.3),)
    assert step.action == Click(point=(0.5, 0.25))
    assert trajectory.metadata == {"history": "Step 1: open Shop"}
    assert trajectory.id == "r9"


def test_parquet_rows_carry_their_pictures(write_rows, read, tmp_path):
    content = io.BytesIO()
    Image.new("L", (200, 100)).save(content, "PNG")
    pictures = [content.getvalue(), b"no image"]
    rows = [_row("click", bbox=(100, 25), image={"bytes": one, "path": None}) for one in pictures]
    path = write_rows(*rows, name="androidcontrol_high_test.parquet")
    [trajectory], problems = read("androidcontrol", path)
    step = trajectory.steps[0]
    assert step.action == Click(point=(0.5, 0.25))
    assert step.observation.image == ImageRef(ref=f"{path.name}#row-1", width=200, height=100)
    assert [line for line, _ in problems] == [2, 2]
    assert "counts pixels and the image is not here" in problems[0][1]
    assert "the picture row-2 is no image" in problems[1][1]
    [stored], _ = read("androidcontrol", path, blobs=tmp_path / "blobs")
    assert (tmp_path / "blobs" / stored.steps[0].observation.image.ref).read_bytes() == content.getvalue()
    path.write_bytes(path.read_bytes()[:-20])
    assert read("androidcontrol", path)[1][0][1].startswith("not readable as Parquet")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (_row("fly"), "unknown action 'fly'"),
        (_row("click", bbox=(540, 600)), "counts pixels and the image is not here"),
        (_row("click", bbox=(0.1, 0.2, 0.3)), "must hold 4 numbers"),
        (_row("click", bbox=(0.5, 0.2, 0.5, 0.3)), "shows nothing of the screen"),
        (_row("click", bbox=(-0.5, 0.2)), "lies outside"),
        (_row("scroll", text="sideways"), "unknown direction 'sideways'"),
        ({"gt_action": "wait"}, 'the key "instruction" is missing'),
    ],
)
def test_a_broken_row_is_told(write_lines, read, row, problem):
    trajectories, [(line, text)] = read("androidcontrol", write_lines(_row("wait"), row, _row("wait")))
    assert len(trajectories) == 2
    assert line == 2
    assert problem in text


def test_rows_cannot_be_selected_by_a_split(write_lines, read, tmp_path):
    path = write_lines(_row("wait"))
    (tmp_path / "splits.json").write_text('{"test": [1]}', encoding="utf-8")
    assert read("androidcontrol", path, split="test") == (
        [],
        [(1, "the record does not say which episode it is, so that no split can be chosen")],
    )


def test_layouts_may_lie_side_by_side(write_lines, capsys):
    write_lines(_row("wait"), name="a.jsonl")
    write_lines({"something": "else"}, name="b.json")
    folder = write_lines(_infigui(_WAIT), name="c.json").parent
    assert main(["data", "validate", "androidcontrol", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kinds"] == {"wait": 2}
