"""How long executions keep a run busy: a stopwatch that runs while at least one action is under way.

Actions at the same time count once, so that the time can be set against a run's own.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.actions.space import Action
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.types import Execution, Observation


class Stopwatch:
    """Seconds in which at least one block was open.

    Attributes:
        seconds: Of blocks that are closed.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._open, self._since = 0, 0.0
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block; blocks may overlap, in any number of threads."""
        with self._lock:
            if not self._open:
                self._since = time.perf_counter()
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    self.seconds += time.perf_counter() - self._since


class TimedExecutor:
    """An executor that runs a stopwatch.

    Args:
        inner: Carries the actions out.
        stopwatch: Several executors may share one.
    """

    def __init__(self, inner: Executor, stopwatch: Stopwatch) -> None:
        self.inner, self.stopwatch = inner, stopwatch

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """As the inner executor."""
        with self.stopwatch.running():
            return self.inner.execute(action, instruction, observation)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """As the inner executor."""
        with self.stopwatch.running():
            return await self.inner.aexecute(action, instruction, observation)
