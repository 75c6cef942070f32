"""Generated references earn stage 2's full reward: replayed, and by the real tools."""

from __future__ import annotations

import itertools

import pytest
from PIL import Image
from taskgen_helpers import PLAIN, place

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.data.taskgen.families import FAMILIES, make_task
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.rewards.grounded import GroundedOutcome, Reason, grounded_reward
from tracer1_agents.rewards.results import ToolResult
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.replay import Recordings
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace
from tracer1_agents.training.rows import PromptOptions, generated_row
from tracer1_agents.types import Observation, ReferenceStep

SEEN = Observation()


@pytest.mark.parametrize("family", FAMILIES)
def test_replayed(family):
    reference = make_task(family, "gold").reference("t")
    replay = Recordings([reference]).executor("t", 1)
    for step in reference.steps:
        outcome = GroundedOutcome(step.action, replay.execute(step.action, step.instruction, SEEN))
        assert grounded_reward(outcome, step).total == 1.0


@pytest.mark.parametrize("family", PLAIN)
def test_by_the_real_tools(family, folder, tmp_path):
    task = make_task(family, "gold")
    with open_workbench(folder, corpus=place(task, folder, tmp_path)) as executor:
        for number, step in enumerate(task.reference("t").steps):
            action = task.steps[number].action(number)
            execution = None if isinstance(action, Finish) else executor.execute(action, step.instruction, SEEN)
            assert grounded_reward(GroundedOutcome(action, execution), step).total == 1.0


def test_rows_of_generated_windows_can_be_scored():
    windows = itertools.islice(stream_windows(0, WindowOptions()), 40)
    for at, window in enumerate(windows):
        first = generated_row(window, PromptOptions(), source="s", key=str(at)).window.steps[0]
        assert isinstance(first.action, Finish) or first.result


def test_files_that_a_tool_writes_are_compared_by_what_they_hold(tmp_path):
    def draw(name, box):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 30), "white").save(tmp_path / name / "a.png")
        workspace = Workspace(tmp_path / name)
        before = workspace.digests()
        call = ToolCall(name="draw_box", arguments={"image_path": "a.png", "box": box})
        execution = ToolRegistry(default_toolbox(workspace.root)).run(call.name, call.arguments)
        return call, execution, workspace.written_since(before)

    call, execution, files = draw("recorded", [1, 1, 20, 20])
    assert list(files) == ["boxed.png"]
    recorded = ToolResult(execution.text, execution.value, files)
    reference = ReferenceStep(action=call, result=execution.text)
    for name, box, total in (("same", [1, 1, 20, 20], 1.0), ("other", [2, 1, 20, 20], 0.0)):
        done, execution, files = draw(name, box)
        reward = grounded_reward(GroundedOutcome(done, execution, files), reference, recorded=recorded)
        assert reward.total == total
        text_only = grounded_reward(GroundedOutcome(done, execution), reference)
        assert text_only.reason is Reason.NONE  # both say "saved boxed.png, 40 x 30 pixels": why files are recorded
