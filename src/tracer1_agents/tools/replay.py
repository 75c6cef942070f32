"""Recorded trajectories as an executor: what was recorded comes back, and nothing else ever does.

An action that does what the reference did at this step gets the recorded result; any other action gets a failed
execution marked as a miss, since what it would have shown was never seen. That makes replays free and exact, and blind
to other right ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import GUI_KINDS, dump_action
from tracer1_agents.environments.replay import is_recorded
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import FAILED, Execution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Observation, ReferenceTrajectory

MISS: Final = {"replay": "miss"}  # value of an execution that was not recorded


def is_miss(execution: Execution) -> bool:
    """Whether an execution is a replay's "this was not recorded"."""
    return bool(execution.value == MISS)


class Recordings:
    """Recorded results by trajectory and step.

    Args:
        trajectories: The records; their ids are the keys.
        values: Typed results by (trajectory, 1-based step), where more is known than the recorded text.

    Raises:
        ConfigurationError: Two trajectories have one id.
    """

    def __init__(
        self, trajectories: Iterable[ReferenceTrajectory], values: Mapping[tuple[str, int], Any] | None = None
    ) -> None:
        self._trajectories: dict[str, ReferenceTrajectory] = {}
        self._values = dict(values or {})
        for trajectory in trajectories:
            if trajectory.id in self._trajectories:
                msg = f'two recorded trajectories have the id "{trajectory.id}"; give one set of recordings a source'
                raise ConfigurationError(msg)
            self._trajectories[trajectory.id] = trajectory

    def executor(self, trajectory: str, step: int) -> ReplayExecutor:
        """A replay that stands before one step.

        Args:
            trajectory: Its id.
            step: Counted from 1.

        Raises:
            ConfigurationError: There is no such trajectory or step.
        """
        record = self._trajectories.get(trajectory)
        if record is None or not 1 <= step <= len(record.steps):
            msg = f'nothing is recorded for step {step} of trajectory "{trajectory}"'
            raise ConfigurationError(msg)
        return ReplayExecutor(self, record, step)

    def result(self, record: ReferenceTrajectory, step: int) -> Execution:
        """What the reference's action gave at a step (from 1)."""
        done = record.steps[step - 1]
        following = record.steps[step].observation.image if step < len(record.steps) else None
        typed = dump_action(done.action) if done.action.kind in GUI_KINDS else self._values.get((record.id, step))
        return Execution(ok=FAILED not in done.flags, text=done.result, value=typed, image=following)


class ReplayExecutor:
    """One run through a recorded trajectory; made by `Recordings.executor`.

    A hit goes on to the next recorded step; after a miss nothing is known any more, and everything is a miss.

    Attributes:
        hits: Actions that were recorded.
        misses: Actions that were not.
    """

    def __init__(self, recordings: Recordings, record: ReferenceTrajectory, step: int) -> None:
        self._recordings, self._record, self._step = recordings, record, step
        self.hits = self.misses = 0

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The recorded result, or a miss."""
        del observation
        steps = self._record.steps
        if self.misses or self._step > len(steps) or not is_recorded(action, instruction, steps[self._step - 1]):
            self.misses += 1
            text = f"error: this was not recorded at step {self._step}; there is no result to show"
            return Execution(ok=False, text=text, value=MISS)
        execution = self._recordings.result(self._record, self._step)
        self.hits += 1
        self._step += 1
        return execution

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same; nothing here waits."""
        return self.execute(action, instruction, observation)
