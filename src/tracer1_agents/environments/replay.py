"""A recorded trajectory as an environment: its screens come back as long as the recorded actions are taken.

Nothing is made up: an action that was not recorded fails as such and ends the episode, since what it would have shown
was never seen. `is_recorded` decides, for environments and for `tools.replay` alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.match import fold, kind_of, operation, same_operation
from tracer1_agents.actions.space import Finish
from tracer1_agents.actions.targets import boxes_for, is_placed, points_of, reaches
from tracer1_agents.environments.base import ActionFailed, Environment, Failure, failed, succeeded
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import FAILED, Observation

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action, Platform
    from tracer1_agents.types import Execution, ReferenceStep, ReferenceTrajectory

_UNKNOWN: Final = Size(1, 1)


class ReplayEnvironment(Environment):
    """One recorded trajectory.

    Args:
        trajectory: With the observation before each step.
        platform: Of the screens.

    Attributes:
        hits: Recorded actions that were taken in this episode.
        missed: Whether an action was taken that was not recorded.

    Raises:
        ConfigurationError: It has no steps.
    """

    def __init__(self, trajectory: ReferenceTrajectory, *, platform: Platform = "computer") -> None:
        if not trajectory.steps:
            msg = f'the trajectory "{trajectory.id}" has no steps to replay'
            raise ConfigurationError(msg)
        self.trajectory = trajectory
        self.platform = platform
        images = (step.observation.image for step in trajectory.steps)
        first = next((image for image in images if image is not None), None)
        self.size = Size(first.width, first.height) if first else _UNKNOWN
        self.hits, self.missed = 0, False

    @property
    def done(self) -> bool:
        """Whether every recorded action was taken; the `Finish` at the end of a record is none."""
        return not self.missed and self.hits == len(self._acting)

    @property
    def _acting(self) -> tuple[ReferenceStep, ...]:
        steps = self.trajectory.steps
        return steps[:-1] if isinstance(steps[-1].action, Finish) else steps

    def reset(self, seed: int | None = None) -> Observation:
        """Back to the first recorded screen."""
        del seed
        self.hits, self.missed = 0, False
        return self.observe()

    def observe(self) -> Observation:
        """The recorded screen; after the last recorded action the one recorded with `Finish`, else an empty one."""
        steps = self.trajectory.steps
        return steps[self.hits].observation if self.hits < len(steps) else Observation()

    def act(self, action: Action) -> Execution:
        """The recorded result, or a failure that says that this was not recorded."""
        if self.missed or self.hits >= len(self._acting):
            return failed(ActionFailed(Failure.ENDED, "the recording is over; finish"), self.observe())
        step = self._acting[self.hits]
        if not any(is_recorded(action, "", step.model_copy(update={"action": right})) for right in _right(step)):
            self.missed = True
            text = f"this was not recorded at step {self.hits + 1}; there is nothing to show"
            return failed(ActionFailed(Failure.NOT_RECORDED, text))
        self.hits += 1
        seen = self.observe()
        result = Observation(text="\n".join(part for part in (step.result, seen.text) if part), image=seen.image)
        return succeeded(action, result).model_copy(update={"ok": FAILED not in step.flags})

    def close(self) -> None:
        """Nothing is running."""


def _right(step: ReferenceStep) -> tuple[Action, ...]:
    return (step.action, *step.alternatives)


def is_recorded(action: Action, instruction: str, step: ReferenceStep) -> bool:
    """Whether an action does what was done when a step was recorded.

    Its operation must be the reference's. A pointing action must act on the same target (`actions.targets`); one that
    leaves its points out is known by its step instruction alone.
    """
    wanted = step.action
    if not is_placed(wanted):
        return same_operation(action, wanted)
    if kind_of(action) != kind_of(wanted):
        return False
    if action.kind == "select" and operation(action) != operation(wanted):
        return False
    image, boxes = step.observation.image, boxes_for(wanted, step.boxes)
    screen = Size(image.width, image.height) if image else None
    places = [
        point == target or reaches(point, target, boxes, screen)
        for point, target in zip(points_of(action), points_of(wanted), strict=True)
        if point is not None and target is not None
    ]
    if len(places) == len(points_of(wanted)):
        return all(places)
    return action == wanted or (not places and fold(instruction) == fold(step.instruction) != "")
