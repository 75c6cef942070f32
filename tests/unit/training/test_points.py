"""Rows without points: nothing that a text-only planner reads or should write says where on the screen."""

import pytest

from tracer1_agents.training.rows import PromptOptions, rows_of, without_points
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

TRAJECTORY = ReferenceTrajectory(
    id="1",
    source="s",
    instruction="send it",
    steps=(
        ReferenceStep(
            action={"kind": "click", "point": (0.25, 0.5)},
            instruction="tap send",
            alternatives=({"kind": "long_press", "point": (0.125, 0.5)},),
        ),
        ReferenceStep(action={"kind": "drag", "start": (0.25, 0.5), "end": (0.75, 0.5)}, instruction="pull it"),
        ReferenceStep(action={"kind": "scroll", "direction": "up", "point": (0.25, 0.5)}),
        ReferenceStep(action={"kind": "type", "content": "0.25"}),
        ReferenceStep(action={"kind": "finish"}),
    ),
)


def test_points_leave_actions_and_alternatives():
    bare = without_points(TRAJECTORY)
    click, drag, scroll, typed, _ = (step.action for step in bare.steps)
    assert (click.point, drag.start, drag.end, scroll.point) == (None, None, None, None)
    assert bare.steps[0].alternatives[0].point is None
    assert (scroll.direction, typed.content) == ("up", "0.25")
    assert TRAJECTORY.steps[0].action.point == (0.25, 0.5)


@pytest.mark.parametrize("points", [True, False])
def test_prompts_and_replies_show_points_only_where_asked(points):
    rows = list(rows_of(TRAJECTORY, PromptOptions(horizon=2, platform="mobile", points=points)))
    assert ("0.25" in rows[0].reply) is points
    assert ("point" in rows[-1].messages[-1].text) is points
    assert ("point" in rows[-1].window.known_text) is points
    assert rows[0].score(rows[0].reply).total == 1.0


def test_without_points_the_target_text_decides():
    row = next(rows_of(TRAJECTORY, PromptOptions(horizon=1, platform="mobile", points=False)))
    assert row.reply == 'click() # "tap send"'
    # same kind 0.5, plus 0.5 * F1 of {tap, it} and {tap, send} = 0.5
    assert row.score('click() # "tap it"').total == pytest.approx(0.75)
