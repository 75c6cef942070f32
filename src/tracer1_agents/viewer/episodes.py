"""What is looked at: episodes as any room may hand them over, and runs of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tracer1_agents.actions.space import Point
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.plain import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Trace


class Episode(Protocol):
    """What the viewer reads of a task's result; `evals.results.TaskResult` has it."""

    @property
    def task_id(self) -> str:
        """Of the task."""
        ...

    @property
    def level(self) -> int:
        """1 to 3, 0 where unknown."""
        ...

    @property
    def family(self) -> str:
        """Of a bundled task, else empty."""
        ...

    @property
    def status(self) -> str:
        """How the run ended."""
        ...

    @property
    def detail(self) -> str:
        """For an unhappy end, why."""
        ...

    @property
    def correct(self) -> bool | None:
        """Whether the answer is right; None where nobody knows."""
        ...

    @property
    def planner_calls(self) -> int:
        """Re-asks included."""
        ...

    @property
    def tokens(self) -> int:
        """Planner tokens."""
        ...

    @property
    def seconds(self) -> float:
        """Wall time."""
        ...

    @property
    def trace(self) -> Trace | None:
        """The whole episode; None for a task that could not start."""
        ...


@dataclass(frozen=True)
class Run:
    """Episodes that were made together.

    Attributes:
        name: What to call it, such as the file's name.
        episodes: In the order they finished; a task that was done again stands there twice.
        problems: Lines that could not be read, each in words.
        setup: How the run was made, where that is known.
    """

    name: str
    episodes: Sequence[Episode]
    problems: Sequence[str] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)


def find_episode(episodes: Sequence[Episode], task_id: str) -> Episode:
    """The newest attempt at a task.

    Raises:
        ConfigurationError: The run has no task of that id.
    """
    for episode in reversed(episodes):  # a task that was done again stands there twice
        if episode.task_id == task_id:
            return episode
    known = [episode.task_id for episode in episodes]
    close = difflib.get_close_matches(task_id, known, n=3, cutoff=0.4) or known[:3]
    told = f"; for example {harmless(', '.join(close))}" if close else ""
    msg = f"no task {harmless(task_id)!r} among the {len(known)} of this run{told}"
    raise ConfigurationError(msg)


def rounded(action: Action) -> Action:
    """The action with points as people read them: thousandths of the screen."""
    points = {name: getattr(action, name, None) for name in ("point", "start", "end")}
    thousandths = {name: Point(*(round(part, 3) for part in point)) for name, point in points.items() if point}
    return action.model_copy(update=thousandths)
