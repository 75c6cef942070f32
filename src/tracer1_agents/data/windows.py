"""Reference trajectories to the windows that forecasts are compared with.

Every step of a trajectory, with those that follow it, is one window (paper, section 3). What a window's planner could
read is the task, the newest observation and the last K steps as history shows them; whoever builds real prompts may put
the text of these in its place. Nothing is sampled, filtered or changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.history import one_line
from tracer1_agents.types import SYNTHETIC, ReferenceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

_GRAMMAR: Final = CanonicalGrammar()


def windows_of(
    trajectory: ReferenceTrajectory, horizon: int, *, history_window: int = 5, from_synthetic: bool = True
) -> Iterator[ReferenceWindow]:
    """The windows of a trajectory, one a step, in order.

    Args:
        trajectory: Any reference.
        horizon: Steps in a window at most (T).
        history_window: Past steps that the planner remembers (K).
        from_synthetic: Whether windows may begin at a step flagged `SYNTHETIC`: training wants to learn when to stop,
            figures about a source count its own steps.

    Yields:
        Windows. `finished` is set only where the record ends in `Finish`: a record that breaks off has a future that
        nobody wrote down.

    Raises:
        ConfigurationError: `horizon` is below 1 or `history_window` below 0.
    """
    for at, step in enumerate(trajectory.steps):
        if from_synthetic or SYNTHETIC not in step.flags:
            yield window_at(trajectory, at, horizon, history_window=history_window)


def window_at(trajectory: ReferenceTrajectory, at: int, horizon: int, *, history_window: int = 5) -> ReferenceWindow:
    """The window that begins at one step (from 0); arguments and errors are those of `windows_of`."""
    if horizon < 1 or history_window < 0:
        msg = f"horizon must be 1 or more and history_window 0 or more, got {horizon} and {history_window}"
        raise ConfigurationError(msg)
    steps = trajectory.steps
    history = map(_remembered, steps[max(0, at - history_window) : at])
    return ReferenceWindow(
        steps=steps[at : at + horizon],
        finished=trajectory.finished and at + horizon >= len(steps),
        known_text="\n".join([trajectory.instruction, *history, _observed(steps, at)]),
    )


def _remembered(step: ReferenceStep) -> str:
    return "\n".join([_GRAMMAR.render_action(step.action), step.instruction, step.summary or one_line(step.result)])


def _observed(steps: tuple[ReferenceStep, ...], at: int) -> str:
    """The newest observation: the step's own, else what the step before it returned."""
    return steps[at].observation.text or (steps[at - 1].result if at else "")
