"""Demonstrations in number: several episodes at one time in one Chromium, kept as they come.

Calling again goes on where the last call stopped: an episode that stands in the file is not played again. Seeds come in
blocks, every task once in each, so that a run that was stopped has all tasks alike. Only episodes that the task itself
rewards in full become trajectories.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Final

from tracer1_agents.blobs import BlobStore
from tracer1_agents.data.miniwob.demonstrate import FIRST_TRAIN_SEED, TEST_SEEDS, check_task, play
from tracer1_agents.data.miniwob.named import TASKS, uses_clipboard
from tracer1_agents.data.miniwob.variants import variants
from tracer1_agents.data.records import Record, read_records
from tracer1_agents.data.store import StoreReader, dump_trajectory, write_trajectories
from tracer1_agents.environments.miniwob import MiniWobEnvironment, miniwob_chromium
from tracer1_agents.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from tracer1_agents.data.miniwob.demonstrate import Episode
    from tracer1_agents.environments.chromium import Chromium

_BLOCK: Final = 5  # seeds of a task in one go: opening a page costs as much as an episode
Job = tuple[str, list[int]]


def jobs_of(tasks: Sequence[str], seeds: Sequence[int], done: frozenset[str] | set[str] = frozenset()) -> list[Job]:
    """What is to be played, in blocks of seeds, without what is done.

    Args:
        tasks: Names.
        seeds: Of the problems.
        done: Ids of trajectories, "task/seed".
    """
    blocks = (seeds[begin : begin + _BLOCK] for begin in range(0, len(seeds), _BLOCK))
    jobs = [(task, [seed for seed in block if f"{task}/{seed}" not in done]) for block in blocks for task in tasks]
    return [job for job in jobs if job[1]]


def episodes(
    jobs: Iterable[Job], *, chromium: Chromium, blobs: BlobStore, screenshots: bool = True, concurrency: int = 1
) -> Generator[Episode]:
    """Episodes as they end.

    Args:
        jobs: Tasks with their seeds.
        chromium: The browser.
        blobs: Where screenshots go.
        screenshots: Whether there are any.
        concurrency: Pages at one time.
    """
    clipboard = threading.Lock()

    def run(job: Job) -> list[Episode]:
        task, seeds = job
        alone = clipboard if uses_clipboard(task) else nullcontext()
        with alone, MiniWobEnvironment(task, blobs, chromium=chromium, screenshots=screenshots) as environment:
            return [play(environment, seed) for seed in seeds]

    with ThreadPoolExecutor(concurrency) as pool:
        for played in pool.map(run, jobs):
            yield from played


def demonstrate(
    out: Path,
    tasks: Sequence[str] = (),
    seeds: int = 10,
    *,
    first_seed: int | None = None,
    screenshots: bool = True,
    concurrency: int = 1,
    on_episode: Callable[[Episode], None] = lambda _: None,
) -> tuple[int, list[Episode]]:
    """What `tracer1 data miniwob` does: play, and keep what was solved.

    Args:
        out: A folder for `miniwob.jsonl` and `blobs`.
        tasks: Names; none means every named task.
        seeds: Episodes per task.
        first_seed: Of each task; None is the first training seed.
        screenshots: Whether observations have pictures.
        concurrency: Pages at one time, in one browser.
        on_episode: Gets each episode once it is kept.

    Returns:
        How many trajectories the file has, and the episodes of this call that were not kept.

    Raises:
        ConfigurationError: A task has no oracle, or a seed is for measuring.
        DataError: The file has lines that are no trajectories.
        EnvironmentFailure: The browser cannot be started.
    """
    first = FIRST_TRAIN_SEED if first_seed is None else first_seed
    chosen = tasks or tuple(TASKS)
    _check(chosen, range(first, first + seeds), concurrency)
    path = out / "miniwob.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    done = kept_in(path)
    jobs = jobs_of(chosen, range(first, first + seeds), done)
    lost: list[Episode] = []
    with miniwob_chromium() as chromium, path.open("a", encoding="utf-8", newline="\n") as file:
        blobs = BlobStore(out / "blobs")
        played = episodes(jobs, chromium=chromium, blobs=blobs, screenshots=screenshots, concurrency=concurrency)
        with closing(played):
            for episode in played:
                if episode.solved:
                    file.write(dump_trajectory(episode.trajectory) + "\n")
                    file.flush()
                    done.add(episode.trajectory.id)
                else:
                    lost.append(episode)
                on_episode(episode)
    return len(done), lost


def _check(tasks: Sequence[str], seeds: range, concurrency: int) -> None:
    for name in tasks:
        check_task(name)
    if not seeds or range(max(seeds.start, TEST_SEEDS.start), min(seeds.stop, TEST_SEEDS.stop)):
        msg = f"seeds {TEST_SEEDS.start} to {TEST_SEEDS.stop - 1} are for measuring; begin at {FIRST_TRAIN_SEED}"
        raise ConfigurationError(msg)
    if concurrency < 1:
        msg = f"episodes at one time count from 1, got {concurrency}"
        raise ConfigurationError(msg)


def write_variants(out: Path, copies: int) -> int:
    """Copies of the demonstrations of a folder with other words, in `variants.jsonl` beside them.

    Args:
        out: The folder.
        copies: Of each demonstration.

    Returns:
        How many were written.

    Raises:
        DataError: There are no demonstrations, or a line is none.
    """
    read = []
    for item in StoreReader().read(out / "miniwob.jsonl"):
        if isinstance(item, DataError):
            raise item
        read.append(item)
    return write_trajectories(out / "variants.jsonl", variants(read, copies, seed=FIRST_TRAIN_SEED))


def kept_in(path: Path) -> set[str]:
    """Ids of the trajectories of a file; a last line that was cut off by a kill is taken out.

    Raises:
        DataError: Another line is no trajectory.
    """
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        path.write_bytes(content[:whole])
    found = set()
    for item in read_records(path):
        if not isinstance(item, Record) or not isinstance(item.value.get("id"), str):
            msg = "not a trajectory; begin a new folder, or take the line out"
            raise DataError(msg, path=path, line=item.line)
        found.add(item.value["id"])
    return found
