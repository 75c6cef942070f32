"""MiniWoB++ demonstrations acted in again: rollouts in real pages, which the task itself can reward (ours).

A place begins at its first action, as every world's does: a page of the task is taken, reset to the demonstration's
seed, and the demonstration's steps before the row are done again. Pages are handed on; all live in one Chromium.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tracer1_agents.blobs import BlobStore
from tracer1_agents.data.miniwob.named import uses_clipboard
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.environments.miniwob import OVER, MiniWobEnvironment, miniwob_chromium
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure
from tracer1_agents.tools.grounding import GroundThenAct
from tracer1_agents.tools.offline_grounding import ElementGrounder
from tracer1_agents.training.worlds import Scene
from tracer1_agents.types import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.actions.space import Action
    from tracer1_agents.training.rows import RecordedStep, TrainingRow
    from tracer1_agents.types import Execution


class PagePool:
    """Pages of tasks in one Chromium, which ends with the pool; a page serves one episode at a time.

    Args:
        most: Pages at one time.

    Attributes:
        threads: Where episodes wait for a page.
    """

    def __init__(self, most: int) -> None:
        self._most, self._blobs = most, BlobStore()
        self.threads = ThreadPoolExecutor(most, thread_name_prefix="tracer1-pages")
        self._chromium = miniwob_chromium()
        self._idle: list[MiniWobEnvironment] = []
        self._taken: list[str] = []  # tasks
        self._changed = threading.Condition()
        weakref.finalize(self, self._chromium.close)

    def take(self, task: str) -> MiniWobEnvironment:
        """A page of a task, once there is room and, for tasks that copy, the clipboard is free; not reset yet."""
        surplus = None
        with self._changed:
            self._changed.wait_for(lambda: self._free_for(task))
            self._taken.append(task)
            found = next((page for page in self._idle if page.task == task), None)
            if found:
                self._idle.remove(found)
            elif len(self._taken) + len(self._idle) > self._most:
                surplus = self._idle.pop(0)
        if surplus:
            surplus.close()
        return found or MiniWobEnvironment(task, self._blobs, chromium=self._chromium, screenshots=False)

    def give(self, page: MiniWobEnvironment) -> None:
        """A page that is not needed any more."""
        with self._changed:
            self._taken.remove(page.task)
            self._idle.append(page)
            self._changed.notify_all()

    def _free_for(self, task: str) -> bool:
        copying = uses_clipboard(task) and any(map(uses_clipboard, self._taken))
        return len(self._taken) < self._most and not copying


class LivePage:
    """The executor of one episode.

    Args:
        pool: Where its page comes from.
        recorded: The row's demonstration, and where the row stands in it.

    Attributes:
        drifted: Whether the page looked otherwise than recorded when the row's turn came.
    """

    def __init__(self, pool: PagePool, recorded: RecordedStep) -> None:
        self.pool, self.recorded = pool, recorded
        self.drifted = False
        self._page: MiniWobEnvironment | None = None
        self._acting: GroundThenAct | None = None
        self._ended, self._ending = False, threading.Lock()

    @property
    def begun(self) -> bool:
        """Whether anything was done."""
        return self._acting is not None

    @property
    def reward(self) -> float | None:
        """The task's own, from 0 to 1: 0 while it is not over and for what it punishes.

        None where the episode was over before the row, with nothing left to earn, and where the page drifted.
        """
        if self.drifted:
            return None
        if self._page is None:
            return None if self.recorded.trajectory.steps[self.recorded.at].observation.text == OVER else 0.0
        return max(0.0, self._page.outcome.raw)

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """What became of the action on the page.

        Raises:
            EnvironmentFailure: The browser went away.
        """
        return self._begun().execute(action, instruction, observation)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        if not self.begun:  # not on the loop's own threads: what would end other episodes may need those
            await asyncio.get_running_loop().run_in_executor(self.pool.threads, self._begun)
        return await self._begun().aexecute(action, instruction, observation)

    def end(self) -> None:
        """Hand the page on, or as soon as it comes: an episode may be cancelled while it waits for one."""
        with self._ending:
            self._ended = True
            if self._page:
                self.pool.give(self._page)

    def _take(self) -> MiniWobEnvironment:
        page = self.pool.take(self.recorded.trajectory.metadata["task"])
        with self._ending:
            if self._ended:
                self.pool.give(page)
                msg = "the episode was ended before it had a page"
                raise EnvironmentFailure(msg)
            self._page = page
        return page

    def _begun(self) -> GroundThenAct:
        """The page as it stands before the row's step."""
        if self._acting is None:
            trajectory, at = self.recorded.trajectory, self.recorded.at
            page = self._take()
            acting = GroundThenAct(ElementGrounder(screen=page.size, trust_points=True), EnvironmentExecutor(page))
            seen = page.reset(trajectory.metadata["seed"])
            for step in trajectory.steps[:at]:
                seen = Observation(text=acting.execute(step.action, step.instruction, seen).text)
            self.drifted = seen.text != trajectory.steps[at].observation.text
            self._acting = acting
        return self._acting


class LiveWorld:
    """Rows of MiniWoB++ demonstrations in real pages.

    Args:
        pages: At one time.
    """

    def __init__(self, pages: int) -> None:
        self.pool = PagePool(pages)
        self.begun = self.drifted = 0

    @contextmanager
    def open(self, row: TrainingRow) -> Iterator[Scene]:
        """See `World`."""
        if row.recorded is None or not {"task", "seed"} <= row.recorded.trajectory.metadata.keys():
            msg = f"row {row.key} is no MiniWoB++ demonstration; take its source out of executors.live"
            raise ConfigurationError(msg)
        page = LivePage(self.pool, row.recorded)
        try:
            yield Scene(grounder=page, reward=lambda: page.reward)
        finally:
            page.end()
            self.begun += page.begun
            self.drifted += page.drifted

    def metrics(self) -> dict[str, float]:
        """Episodes in which something was done, and of those how many did not begin as recorded."""
        return {"executor/begun": float(self.begun), "executor/drifted": float(self.drifted)}
