"""AndroidControl lines: pixels to fractions, finger to view, damage to problems."""

from __future__ import annotations

import pytest
from PIL import Image

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Finish, LongPress, OpenApp, PressButton, Scroll, Type, Wait
from tracer1_agents.types import ImageRef


def _step(action, name="shots/1_0.png", instruction="do it", **checks):
    return {
        "action_content": action,
        "screenshot": name,
        "step_instruction": instruction,
        "check_options": {"action": action["action"], **checks},
    }


def _line(*steps, **more):
    return {"goal": "Buy bread.", "is_successful": True, "episode_id": 7, "steps": list(steps), **more}


def _click(x, y, **checks):
    return _step({"action": "click", "coordinate": [x, y]}, **checks)


def _swipe(start, end, **checks):
    return _step({"action": "swipe", "coordinate": list(start), "coordinate2": list(end)}, **checks)


def test_every_action_of_the_conversion_is_read(write_lines, read):
    path = write_lines(
        _line(
            _click(540, 600, candidate_bbox=[[270, 480, 810, 720], [-100, 0, 2000, 2400]]),
            _step({"action": "long_press", "coordinate": [108, 240], "time": 2}),
            _step({"action": "type", "text": "rye\n"}),
            _step({"action": "open", "text": "Shop"}),
            _step({"action": "system_button", "button": "Back"}),
            _step({"action": "wait", "time": 2}),
            _step({"action": "terminate", "status": "success"}),
        )
    )
    [trajectory], problems = read("androidcontrol", path)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.5, 0.25)),
        LongPress(point=(0.1, 0.1)),
        Type(content="rye\n"),
        OpenApp(app_name="Shop"),
        PressButton(button="back"),
        Wait(),
        Finish(),
    ]
    first = trajectory.steps[0]
    assert first.boxes == ((0.25, 0.2, 0.75, 0.3), (0.0, 0.0, 1.0, 1.0))
    assert first.instruction == "do it"
    assert first.observation.image == ImageRef(ref="shots/1_0.png", width=1080, height=2400)
    assert (trajectory.id, trajectory.source, trajectory.instruction) == ("7", "androidcontrol", "Buy bread.")
    assert trajectory.metadata == {"frame": {"width": 1080, "height": 2400, "known_from": "assumed"}}


@pytest.mark.parametrize(
    ("ends", "published", "view"),
    [
        (((540, 1800), (540, 600)), "down", "down"),  # the finger goes up
        (((540, 600), (540, 1800)), "up", "up"),
        (((810, 1200), (270, 1200)), "left", "right"),  # published horizontally as the finger's
        (((270, 1200), (810, 1200)), "right", "left"),
    ],
)
def test_the_view_moves_against_the_finger(write_lines, read, ends, published, view):
    with_ends = _line(_swipe(*ends, direction=published))
    without = _line(_step({"action": "swipe"}, direction=published))
    trajectories, problems = read("androidcontrol", write_lines(with_ends, without))
    assert [trajectory.steps[0].action for trajectory in trajectories] == [Scroll(direction=view)] * 2
    assert problems == []


def test_a_swipe_tells_the_size_of_the_screen(write_lines, read):
    path = write_lines(_line(_click(720, 780), _swipe((720, 2340), (720, 780))))
    [trajectory], _ = read("androidcontrol", path)
    assert trajectory.metadata["frame"] == {"width": 1440, "height": 3120, "known_from": "swipe"}
    assert trajectory.steps[0].action == Click(point=(0.5, 0.25))


def test_points_beyond_the_smaller_phone_are_on_the_larger(write_lines, read):
    [trajectory], _ = read("androidcontrol", write_lines(_line(_click(1152, 312))))
    assert trajectory.steps[0].action == Click(point=(0.8, 0.1))


def test_the_option_and_the_image_tell_the_size_too(write_lines, read, tmp_path):
    path = write_lines(_line(_click(50, 50)))
    [by_option], _ = read("androidcontrol", path, screen=Size(100, 200))
    assert by_option.steps[0].action == Click(point=(0.5, 0.25))
    (tmp_path / "images").mkdir()
    Image.new("L", (200, 100)).save(tmp_path / "images" / "1_0.png")
    [by_image], problems = read("androidcontrol", path)
    assert by_image.steps[0].action == Click(point=(0.25, 0.5))
    assert by_image.metadata["frame"]["known_from"] == "image"
    assert by_image.steps[0].observation.image.ref == str(tmp_path / "images" / "1_0.png")
    assert problems == []


def test_missing_images_are_problems_where_images_are_expected(write_lines, read, tmp_path):
    path = write_lines(_line(_click(1, 1)), _line(_step({"action": "wait"}, name="shots/2_0.png")))
    assert read("androidcontrol", path)[1] == []  # a sample without pictures
    trajectories, problems = read("androidcontrol", path, images=tmp_path / "none")
    assert len(trajectories) == 2
    assert [(line, text.split(" is not in")[0]) for line, text in problems] == [
        (1, "the image 'shots/1_0.png'"),
        (2, "the image 'shots/2_0.png'"),
    ]
    Image.new("L", (1080, 2400)).save(tmp_path / "2_0.png")
    assert read("androidcontrol", path)[1] == [(2, "images named before this place are missing: 1")]
    (tmp_path / "2_0.png").write_bytes(b"no image")
    assert "cannot be read" in read("androidcontrol", path)[1][1][1]


def test_the_training_form_keeps_its_box_with_the_action(write_lines, read):
    step = {
        "action_content": {"action": "click", "coordinate": [54.0, 24.0], "bbox": [0, 0, 108, 48]},
        "screenshot": "a",
    }
    [trajectory], _ = read("androidcontrol", write_lines({"goal": "g", "is_successful": True, "steps": [step]}))
    assert trajectory.steps[0].boxes == ((0.0, 0.0, 0.1, 0.02),)
    assert trajectory.id == "line-1"


def test_an_end_is_appended_to_successful_records_only(write_lines, read):
    wait = _step({"action": "wait"})
    path = write_lines(_line(wait), _line(wait, is_successful=False))
    (done, failed), _ = read("androidcontrol", path)
    assert done.steps[-1].action == Finish()
    assert done.steps[-1].flags == {"synthetic"}
    assert not failed.finished
    assert [len(one.steps) for one in read("androidcontrol", path, add_finish=False)[0]] == [1, 1]


def test_what_cannot_be_read_is_told_by_line_and_the_rest_is_read(write_lines, read):
    good = _line(_step({"action": "wait"}))
    path = write_lines(
        good,
        _line(_step({"action": "wait"}), _step({"action": "teleport"})),
        '{"goal": "cut',
        {"goal": "no steps", "is_successful": True},
        _line(_step({"action": "click", "coordinate": [1, "2"]})),
        _line(_click(5000, 10)),
        _line(_swipe((5, 5), (5, 5))),
        _line(_step({"action": "system_button", "button": "Turbo"})),
        _line(),
        good,
    )
    trajectories, problems = read("androidcontrol", path)
    assert len(trajectories) == 2
    assert [line for line, _ in problems] == [2, 3, 4, 5, 6, 7, 8, 9]
    told = dict(problems)
    assert told[2] == "step 2: unknown action 'teleport'"
    assert told[4] == 'none of the keys "steps", "episode", "gt_action" is there; there are: goal, is_successful'
    assert "\"coordinate\" must be int or float, got '2'" in told[5]
    assert "outside every known phone screen" in told[6]
    assert "a swipe that goes nowhere" in told[7] or "outside every known" in told[7]
    assert told[8] == "step 1: unknown button 'Turbo'; known are back, home, enter, menu, recent"
    assert told[9] == "the trajectory has no steps"
