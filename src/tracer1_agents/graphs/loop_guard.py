"""Notices an agent that goes in circles: the same operation, having seen the same thing, again.

The definition of repetition is `actions.match.repetitions`, the function behind the training penalty; here an operation
counts together with what was seen before it, so that trying again after something changed is no loop.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.match import RUN_TIME_ALLOWANCE, operation, repetitions
from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Observation

_REMEMBERED: Final = 64  # steps; bounds state and work per step

Mark = tuple[str, str]
"""The kind of an action, and a digest of its arguments and of what was seen before it: code is as short as a click."""


@dataclass(frozen=True)
class LoopGuard:
    """When to speak up, and when to stop.

    Attributes:
        max_nudges: How often per step the planner is told that it repeats itself before the run ends.
        allowance: How often an operation of a kind may recur on the same observation; 1 for kinds not named. A kind
            that may recur more often than it does by default is polled: taking turns with others is no loop.

    Raises:
        ConfigurationError: A number is none, or too small.
    """

    max_nudges: int = 1
    allowance: Mapping[str, int] = field(default_factory=lambda: dict(RUN_TIME_ALLOWANCE))

    def __post_init__(self) -> None:
        least = {"max_nudges": (self.max_nudges, 0)}
        least |= {f'allowance of "{kind}"': (often, 1) for kind, often in self.allowance.items()}
        for what, (given, at_least) in least.items():
            if type(given) is not int or given < at_least:
                msg = f"LoopGuard: {what} counts from {at_least}, got {given!r}"
                raise ConfigurationError(msg)

    def repeats(self, trail: Sequence[Mark], candidate: Mark) -> bool:
        """Whether `candidate` would repeat what the trail of a run already holds.

        Args:
            trail: Marks of executed steps, oldest first (see `mark`).
            candidate: Mark of the step about to run.
        """
        return repetitions([*trail, candidate], allowed=self._allowed, polled=self._polled)[-1]

    def _allowed(self, step: Hashable) -> int:
        return self.allowance.get(_kind(step), 1)

    def _polled(self, step: Hashable) -> bool:
        return self._allowed(step) > RUN_TIME_ALLOWANCE.get(_kind(step), 1)


def _kind(step: Hashable) -> str:
    return str(step[0]) if isinstance(step, tuple) else ""


def mark(action: Action, instruction: str, observation: Observation) -> Mark:
    """An action as the guard compares it: operation, arguments, and a digest of what was seen before it."""
    seen = observation.text + (observation.image.ref if observation.image else "")
    kind, arguments = operation(action, instruction)
    return kind, _digest(f"{arguments}\n{_digest(seen)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def remember(trail: Sequence[Mark], newest: Mark) -> list[Mark]:
    """The trail with one more step, cut to what the guard looks back on."""
    return [*trail, newest][-_REMEMBERED:]


def keep_trail(trail: list[list[str]], writes: Sequence[list[list[str]] | None]) -> list[list[str]]:
    """The trail as state keeps it: marks are added at its end, write after write; None begins a new one."""
    for newer in writes:
        trail = [] if newer is None else (trail + newer)[-_REMEMBERED:]
    return trail


def trail_in(state: Mapping[str, Any]) -> list[Mark]:
    """The marks that state holds; those of checkpoints that still held arguments in full are shortened."""
    kept = state.get("trail") or []
    return [(kind, rest[0]) if len(rest) == 1 else (kind, _digest("\n".join(rest))) for kind, *rest in kept]
