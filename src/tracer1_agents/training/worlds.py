"""Where the first action of a rollout is carried out: frozen executors over real files, records, or a grounding model.

A world opens a place for a row: a folder with the task's files as they stand at that step, or the record that the row
was cut from. Places do not see one another. What a place costs (a sandbox, a copy of files) begins at its first use.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from tracer1_agents.data.taskgen.bundle import corpus_entry
from tracer1_agents.data.taskgen.write import write_task
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.tools.desk import is_left_as
from tracer1_agents.tools.limited import LimitedExecutor
from tracer1_agents.tools.replay import Recordings
from tracer1_agents.tools.search import Corpus, Passage
from tracer1_agents.types import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tracer1_agents.data.taskgen.windows import Window
    from tracer1_agents.planner.retries import Retries
    from tracer1_agents.sandboxes.base import Sandbox
    from tracer1_agents.tools.cached import ExecutionCache
    from tracer1_agents.tools.executor import Executor
    from tracer1_agents.tools.limited import Slots
    from tracer1_agents.training.rows import TrainingRow

_SECONDS: Final = 60.0  # for one action where nobody says
_GRACE: Final = 10.0  # seconds more, in which a sandbox starts, and stops code that takes too long


@dataclass(frozen=True)
class Scene:
    """A place to act in.

    Attributes:
        toolbox: Runs tool calls and code; None where there are no tools.
        grounder: Carries out GUI actions; None where there is no screen.
        files: What was written or changed so far, by name, with a hash of the bytes; None where nobody looks.
        reward: What the place itself gives for the episode as it stands; None where it gives nothing.
        left_right: Whether what was left behind so far is what the task expects; None where only the answer counts.
    """

    toolbox: Executor | None = None
    grounder: Executor | None = None
    files: Callable[[], Mapping[str, str] | None] = lambda: None
    reward: Callable[[], float | None] = lambda: None
    left_right: Callable[[], bool | None] = lambda: None


class World(Protocol):
    """Opens a scene for each rollout."""

    def metrics(self) -> dict[str, float]:
        """What happened so far, for the log."""
        ...

    def open(self, row: TrainingRow) -> AbstractContextManager[Scene]:
        """The scene of a row; leaving the block ends it.

        Raises:
            ConfigurationError: The row does not belong to this world.
        """
        ...


class TaskWorld:
    """Generated tasks on real files, with the real toolbox.

    The files of a step are prepared once: the task's attachment, and what the reference steps before it leave behind.
    Every rollout works on a copy of its own.

    Args:
        sandbox: Where code runs; None turns code off.
        slots: How many actions at once, over all rollouts.
        retries: How often a lost sandbox is asked again, and the seconds for one action. Code is stopped when they are
            over, which is its own fault; what cannot be stopped is given up a little later, and is nobody's.
    """

    def __init__(self, sandbox: Sandbox | None, slots: Slots, retries: Retries) -> None:
        self.sandbox, self.slots = sandbox, slots
        self.seconds = retries.timeout or _SECONDS
        self.retries = replace(retries, timeout=self.seconds + _GRACE)
        self.lost = self.abandoned = self.retried = 0
        self._prepared = tempfile.TemporaryDirectory(prefix="tracer1-world-", ignore_cleanup_errors=True)
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open(self, row: TrainingRow) -> Iterator[Scene]:
        """See `World`."""
        if row.generated is None:
            msg = f"row {row.key} is no generated task; give its source another executor"
            raise ConfigurationError(msg)
        desk = row.generated.task.desk
        source = self._folder(row.key, row.generated)
        with tempfile.TemporaryDirectory(prefix="tracer1-scene-", ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch)
            shutil.copytree(source, folder, dirs_exist_ok=True)
            before = hashes(folder)
            with open_workbench(
                folder, sandbox=self.sandbox, corpus=_corpus(row.generated), timeout=self.seconds
            ) as executor:
                limited = LimitedExecutor(executor, slots=self.slots, retries=self.retries, threads=True)
                try:
                    yield Scene(
                        toolbox=limited,
                        files=lambda: changed(before, hashes(folder)),
                        left_right=lambda: is_left_as(folder, desk.expected()) if desk else None,
                    )
                finally:
                    self.lost += limited.lost
                    self.abandoned += limited.abandoned
                    self.retried += limited.retried

    def metrics(self) -> dict[str, float]:
        """Actions that were lost, left behind because they were late, or tried again."""
        counts = {"lost": self.lost, "abandoned": self.abandoned, "retried": self.retried}
        return {f"executor/{name}": float(count) for name, count in counts.items()}

    def _folder(self, key: str, window: Window) -> Path:
        """The files as they stand before the window's step; made once."""
        folder = Path(self._prepared.name, hashlib.sha256(key.encode()).hexdigest()[:32])
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if not folder.exists():
                self._prepare(window, folder)
        return folder

    def _prepare(self, window: Window, folder: Path) -> None:
        fresh = folder.with_suffix(".new")
        fresh.mkdir()
        write_task(window.task, fresh, faults=False)  # a fault is no fault of the action that is to be scored
        with open_workbench(fresh, sandbox=self.sandbox, corpus=_corpus(window)) as executor:
            for number, planned in enumerate(window.task.steps[: window.step - 1], 1):
                executor.execute(planned.action(number - 1), planned.instruction, Observation())
        fresh.rename(folder)


def _corpus(window: Window) -> Corpus | None:
    """What the task's search tools find."""
    passages = [Passage(**corpus_entry(passage)) for passage in window.task.passages]
    return Corpus(passages) if passages else None


class RecordWorld:
    """Recorded trajectories: an action has the recorded result when it is the recorded action, else it is a miss.

    Args:
        grounder: A frozen GUI agent that says where; None replays GUI actions too.
        cache: Where its answers are kept, if they are.
    """

    def __init__(self, grounder: Executor | None = None, cache: ExecutionCache | None = None) -> None:
        self.grounder, self.cache = grounder, cache

    @contextmanager
    def open(self, row: TrainingRow) -> Iterator[Scene]:
        """See `World`."""
        if row.recorded is None:
            msg = f"row {row.key} was not recorded; give its source the executor toolbox"
            raise ConfigurationError(msg)
        record = row.recorded.trajectory
        replay = Recordings([record]).executor(record.id, row.recorded.at + 1)
        yield Scene(toolbox=replay, grounder=self.grounder or replay)

    def metrics(self) -> dict[str, float]:
        """How many of the grounding agent's answers were known already, and for how many it was asked."""
        if self.cache is None:
            return {}
        cache = self.cache
        counts = {"executor/cache_hits": float(cache.hits), "executor/cache_misses": float(cache.misses)}
        return counts if cache.hit_rate is None else {**counts, "executor/cache_hit_rate": cache.hit_rate}


class SourceWorlds:
    """A world for each source of a mixture (the paper: a frozen agent for each platform)."""

    def __init__(self, by_source: Mapping[str, World]) -> None:
        self.by_source = dict(by_source)

    def open(self, row: TrainingRow) -> AbstractContextManager[Scene]:
        """See `World`."""
        return self.by_source[row.source].open(row)

    def metrics(self) -> dict[str, float]:
        """Those of each source, by its name."""
        found = {name: world.metrics() for name, world in self.by_source.items()}
        return {f"{key}/{name}": value for name, metrics in found.items() for key, value in metrics.items()}


def hashes(folder: Path) -> dict[str, str]:
    """The files of a folder by name, each with the SHA-256 of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """What was written or changed."""
    return {name: content for name, content in after.items() if before.get(name) != content}
