"""What a layout's module makes of a record; the reader completes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracer1_agents.data.readers.base import UNREADABLE, RecordError, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer1_agents.types import ImageRef, ReferenceStep


@dataclass(frozen=True)
class Episode:
    """One record.

    Attributes:
        id: As the source numbers it, None where it does not.
        goal: The task.
        steps: In order.
        successful: Whether an end may be appended.
        last: What the screen shows at the end.
        metadata: What else the source says.
    """

    id: str | None
    goal: str
    steps: tuple[ReferenceStep, ...]
    successful: bool = True
    last: ImageRef | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def numbered_steps(makers: Iterable[Callable[[], ReferenceStep]]) -> tuple[ReferenceStep, ...]:
    """The steps that the functions make.

    Raises:
        RecordError: One cannot be made; the message has its number from 1.
    """
    steps = []
    for number, make in enumerate(makers, 1):
        try:
            steps.append(make())
        except UNREADABLE as error:
            msg = f"step {number}: {problem_of(error)}"
            raise RecordError(msg) from None
    return tuple(steps)
