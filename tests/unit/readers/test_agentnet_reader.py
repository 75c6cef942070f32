"""AgentNet: the benchmark's files, raw lines, and pyautogui code that is read and never run."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tracer1_agents.actions.space import (
    Click,
    Drag,
    Finish,
    Hotkey,
    Hover,
    LeftDouble,
    MiddleClick,
    RightSingle,
    Scroll,
    TripleClick,
    Type,
    Wait,
)  # fmt: skip
from tracer1_agents.data.readers.base import RecordError
from tracer1_agents.data.readers.desktop_actions import fold
from tracer1_agents.data.readers.pyautogui_code import parse_script
from tracer1_agents.types import ImageRef


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pyautogui.click(x=0.5, y=0.25)", [Click(point=(0.5, 0.25))]),
        ("pyautogui.click(0.5, 0.25)", [Click(point=(0.5, 0.25))]),
        ("pyautogui.click(x=0.5, y=0.25, button='right')", [RightSingle(point=(0.5, 0.25))]),
        ("pyautogui.click(x=0.5, y=0.25, clicks=2)", [LeftDouble(point=(0.5, 0.25))]),
        ("pyautogui.click()", [Click()]),
        ("pyautogui.doubleClick(x=0, y=1)", [LeftDouble(point=(0, 1))]),
        ("pyautogui.rightClick(x=0, y=1)", [RightSingle(point=(0, 1))]),
        ("pyautogui.middleClick(x=0, y=1)", [MiddleClick(point=(0, 1))]),
        ("computer.tripleClick(x=0, y=1)", [TripleClick(point=(0, 1))]),
        ("pyautogui.moveTo(x=0.1, y=0.2)", [Hover(point=(0.1, 0.2))]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.click()", [Click(point=(0.1, 0.2))]),
        ("pyautogui.moveTo(0.1, 0.2)\npyautogui.scroll(-5)", [Scroll(direction="down", point=(0.1, 0.2))]),
        ("pyautogui.scroll(5)", [Scroll(direction="up")]),
        ("pyautogui.hscroll(clicks=-5)", [Scroll(direction="left")]),
        ("pyautogui.hscroll(3)", [Scroll(direction="right")]),
        (
            "pyautogui.moveTo(0.1, 0.2)\npyautogui.dragTo(0.3, 0.4, button='left')",
            [Drag(start=(0.1, 0.2), end=(0.3, 0.4))],
        ),
        ("pyautogui.write(message='hi')", [Type(content="hi")]),
        ("pyautogui.typewrite('hi')\npyautogui.press('Enter')", [Type(content="hi\n")]),
        ("pyautogui.write('hi')\npyautogui.press(keys=['tab'])", [Type(content="hi"), Hotkey(keys=("tab",))]),
        ("pyautogui.press(['a', 'B'])", [Hotkey(keys=("a",)), Hotkey(keys=("b",))]),
        ("pyautogui.press('down', presses=2)", [Hotkey(keys=("down",))] * 2),
        ("pyautogui.hotkey('ctrl', 'C')", [Hotkey(keys=("ctrl", "c"))]),
        ("pyautogui.hotkey(['ctrl', 'c'])", [Hotkey(keys=("ctrl", "c"))]),
        ("computer.wait()", [Wait()]),
        ("computer.terminate(status='success')", [Finish()]),
        ("computer.terminate(status='failure')", [Finish(status="infeasible")]),
        (
            "pyautogui.moveTo(0.1, 0.2)\npyautogui.click(0.5, 0.5)\npyautogui.write('x')",
            [Hover(point=(0.1, 0.2)), Click(point=(0.5, 0.5)), Type(content="x")],
        ),
    ],
)
def test_code_becomes_actions(code, expected):
    assert [placed.action for placed in fold(parse_script(code))] == expected


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("__import__('os').system('touch /tmp/x')", "only pyautogui and computer calls"),
        ("import os", "only pyautogui and computer calls"),
        ("for i in range(9):\n    pyautogui.click()", "only pyautogui and computer calls"),
        ("pyautogui.click(x=open('f'), y=0)", "must be a literal"),
        ("pyautogui.click(*[1])", "must be a literal"),
        ("pyautogui.explode()", "unknown action pyautogui.explode"),
        ("pyautogui.click(x=1.5, y=0)", "outside the image"),
        ("pyautogui.click(x=0.5)", '"y" must be int or float'),
        ("pyautogui.click(0, 0, 5)", "no such click"),
        ("pyautogui.click(0, 0, button='side')", "no such click"),
        ("pyautogui.scroll(0)", "goes nowhere"),
        ("pyautogui.press('x', presses=100000)", "must be 1 to 100"),
        ("pyautogui.hotkey()", "names no key"),
        ("pyautogui.moveTo()", '"position" of moveTo must be dict'),
        ("computer.terminate(status='perhaps')", "unknown status"),
        ("pyautogui.click(", "no Python"),
    ],
)
def test_other_code_is_a_problem_and_never_run(code, problem):
    with pytest.raises(RecordError, match=problem):
        fold(parse_script(code))


def _action(kind="click", x=0.5, y=0.5, box=(0.4, 0.4, 0.2, 0.2)):
    boxes = [{"category_id": 1, "rel_bbox": list(box)}] if box else []
    return {"type": kind, "params": {"position": {"x": x, "y": y}}, "metadata": {"bboxes": boxes}}


def _step(number, *actions, options=()):
    return {
        "step_num": number,
        "image": f"b_{number}.png",
        "inner_monologue": {"observation": "a page", "thought": "t", "low_level_instruction": f"do {number}"},
        "ground_truth_actions": list(actions),
        "alternative_options": [list(option) for option in options],
    }


@pytest.fixture
def bench(tmp_path):
    """A folder with one trajectory and its screenshots; returns the folder and the record."""
    scroll = {"type": "scroll", "params": {"amount": -3}, "metadata": {"bboxes": []}}
    write = {"type": "write", "params": {"text": "hi\n"}, "metadata": {}}
    record = {
        "task_id": "b",
        "high_level_task_description": "Play a song.",
        "steps": [
            _step(0, _action(), options=[[_action(x=0.125, box=(0, 0, 0.25, 1))], [_action(), write]]),
            _step(1, _action("moveTo"), scroll),
            _step(3, _action(), write),
            _step(4, {"type": "terminate", "params": {"status": "success"}, "metadata": {}}),
        ],
    }
    (tmp_path / "images").mkdir()
    for number in (0, 1, 3, 4):
        Image.new("L", (40, 30)).save(tmp_path / "images" / f"b_{number}.png")
    (tmp_path / "b.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path, record


def test_a_benchmark_folder_is_read(bench, read):
    folder, _ = bench
    [trajectory], problems = read("agentnet", folder)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.5, 0.5)),
        Scroll(direction="down", point=(0.5, 0.5)),
        Click(point=(0.5, 0.5)),
        Type(content="hi\n"),
        Finish(),
    ]
    first = trajectory.steps[0]
    assert first.boxes[0] == pytest.approx((0.4, 0.4, 0.6, 0.6))
    assert first.alternatives == (Click(point=(0.125, 0.5)),)
    assert first.observation.image == ImageRef(ref=str(folder / "images" / "b_0.png"), width=40, height=30)
    assert (first.instruction, first.summary) == ("do 0", "a page")
    assert trajectory.steps[1].boxes == first.boxes  # those of the movement before the scroll
    assert [sorted(step.flags) for step in trajectory.steps] == [[], [], ["after_gap"], ["after_gap", "continued"], []]
    assert trajectory.metadata == {"alternative_boxes": {"0": [[[0.0, 0.0, 0.25, 1.0]]]}, "alternatives_left_out": 1}


def test_a_missing_screenshot_is_told_and_the_step_is_kept(bench, read):
    folder, _ = bench
    (folder / "images" / "b_1.png").unlink()
    [trajectory], problems = read("agentnet", folder)
    assert trajectory.steps[1].observation.image is None
    assert [text.split(" is not in")[0] for _, text in problems] == ["the image 'b_1.png'"]


def test_broken_files_of_a_folder_are_told_and_the_rest_is_read(bench, read):
    folder, record = bench
    (folder / "a.json").write_text('{\n"task_id": ', encoding="utf-8")
    record["steps"][1]["ground_truth_actions"][0]["type"] = "levitate"
    (folder / "c.json").write_text(json.dumps(record), encoding="utf-8")
    trajectories, problems = read("agentnet", folder)
    assert len(trajectories) == 1
    assert problems[0][0] == 2
    assert problems[1:] == [(None, "step 1: unknown action 'levitate'")]


def _raw(*codes, **more):
    steps = [
        {
            "index": number,
            "image": f"{number}.png",
            "value": {
                "code": code,
                "observation": "a desk",
                "action": "press it",
                "last_step_correct": code != "computer.wait()",
                "last_step_redundant": code == "pyautogui.scroll(1)",
            },
        }
        for number, code in enumerate(codes)
    ]
    return {"task_id": "r", "instruction": "Do it.", "traj": steps, "task_completed": True, **more}


def test_raw_lines_are_read_with_their_flags(write_lines, read):
    path = write_lines(
        _raw("pyautogui.click(0, 0)", "computer.wait()", "pyautogui.scroll(1)"),
        _raw("eval('1')"),
        _raw("computer.terminate(status='failure')", task_completed=False),
    )
    (first, last), problems = read("agentnet", path)
    assert [sorted(step.flags) for step in first.steps] == [[], ["incorrect"], ["redundant"], ["synthetic"]]
    assert (first.steps[0].instruction, first.steps[0].summary) == ("press it", "a desk")
    assert last.steps[0].action == Finish(status="infeasible")
    assert problems[0][0] == 2
    assert "only pyautogui and computer calls are read" in problems[0][1]
    kept = read("agentnet", path, drop_flags=frozenset({"incorrect", "redundant"}))[0][0]
    assert [step.action.kind for step in kept.steps] == ["click", "finish"]
