"""Oracles at work: episodes run in the real browser, and what they leave as reference trajectories.

Train and test seeds never meet: a demonstration is made from a train seed only, and agents are measured on test seeds.
Only episodes that the task itself rewards become trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Finish
from tracer1_agents.blobs import BlobStore
from tracer1_agents.data.miniwob.desk import Desk
from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.environments.miniwob import OVER, MiniWobEnvironment, Outcome, miniwob_chromium
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tracer1_agents.data.miniwob.desk import Moves
    from tracer1_agents.environments.chromium import Chromium

TEST_SEEDS: Final = range(20)  # never demonstrated; the first twenty, so that published code would meet them as well
FIRST_TRAIN_SEED: Final = 1_000
MOST_STEPS: Final = 60
DONE_WORDS: Final = "The task is done"


@dataclass(frozen=True)
class Episode:
    """What an oracle did.

    Attributes:
        task: Its name.
        seed: Of the problem.
        trajectory: The steps, ending in `Finish`; of a failed episode those up to its end.
        outcome: What the task says.
        problem: What went wrong, "" where nothing did.
    """

    task: str
    seed: int
    trajectory: ReferenceTrajectory
    outcome: Outcome
    problem: str = ""

    @property
    def solved(self) -> bool:
        """Whether the task was solved in full."""
        return self.outcome.done and self.outcome.raw >= 1.0 - 1e-6 and not self.problem


def play(environment: MiniWobEnvironment, seed: int) -> Episode:
    """One episode of a named task (or of a page with several) by its oracles.

    Args:
        environment: A task that has an oracle.
        seed: Of the problem.

    Raises:
        ConfigurationError: There is no oracle for it.
        EnvironmentFailure: The browser went away.
    """
    _known(environment.task)
    tasks = environment.task.split("+")
    seen = environment.reset(seed)
    steps: list[ReferenceStep] = []
    problem = ""
    for part, task in enumerate(tasks):
        seen, problem = _follow(TASKS[task].oracle(Desk(environment, part)), environment, part, seen, steps)
        if problem:
            break
    if not problem and not environment.outcome.done:
        problem = "the oracle came to its end and the task did not"
    over = Observation(text=seen.text if not environment.outcome.done else OVER, image=seen.image)
    steps.append(ReferenceStep(observation=over, action=Finish(), instruction=DONE_WORDS))
    trajectory = ReferenceTrajectory(
        id=f"{environment.task}/{seed}",
        source="miniwob",
        instruction=environment.utterance,
        steps=tuple(steps),
        metadata={"task": environment.task, "seed": seed, "split": "test" if seed in TEST_SEEDS else "train"},
    )
    return Episode(environment.task, seed, trajectory, environment.outcome, problem)


def _follow(
    moves: Moves, environment: MiniWobEnvironment, part: int, seen: Observation, steps: list[ReferenceStep]
) -> tuple[Observation, str]:
    """Carry out an oracle's moves; the last observation, and what went wrong."""
    for move in moves:
        if len(steps) >= MOST_STEPS:
            return seen, f"{MOST_STEPS} steps were not enough"
        steps.append(
            ReferenceStep(observation=seen, action=move.action, instruction=move.instruction, boxes=move.boxes)
        )
        execution = environment.act(move.action)
        seen = Observation(text=execution.text, image=execution.image)
        if not execution.ok:
            return seen, execution.text.splitlines()[0]
        if environment.outcome.done or environment.outcomes[part].done:
            break
    return seen, ""


def episodes(
    tasks: Iterable[str], seeds: Sequence[int], *, chromium: Chromium, blobs: BlobStore, screenshots: bool = True
) -> Iterator[Episode]:
    """Every task with every seed, one after the other in one browser.

    Args:
        tasks: Names.
        seeds: Of the problems.
        chromium: The browser.
        blobs: Where screenshots go.
        screenshots: Whether there are any.
    """
    for task in tasks:
        with MiniWobEnvironment(task, blobs, chromium=chromium, screenshots=screenshots) as environment:
            for seed in seeds:
                yield play(environment, seed)


def demonstrate(
    out: Path, tasks: Sequence[str] = (), seeds: int = 10, *, first_seed: int | None = None, screenshots: bool = True
) -> tuple[int, list[Episode]]:
    """What `tracer1 data miniwob` does: play, and keep what was solved.

    Args:
        out: A folder for `miniwob.jsonl` and `blobs`.
        tasks: Names; none means every named task.
        seeds: Episodes per task.
        first_seed: Of each task; None is the first training seed.
        screenshots: Whether observations have pictures.

    Returns:
        How many trajectories were kept, and the episodes that were not.

    Raises:
        ConfigurationError: A task has no oracle, or a seed is for measuring.
        EnvironmentFailure: The browser cannot be started.
    """
    first = FIRST_TRAIN_SEED if first_seed is None else first_seed
    chosen = tasks or tuple(TASKS)
    for name in chosen:
        _known(name)
    if seeds < 1 or range(max(first, TEST_SEEDS.start), min(first + seeds, TEST_SEEDS.stop)):
        msg = f"seeds {TEST_SEEDS.start} to {TEST_SEEDS.stop - 1} are for measuring; begin at {FIRST_TRAIN_SEED}"
        raise ConfigurationError(msg)
    blobs = BlobStore(out / "blobs")
    with miniwob_chromium() as chromium:
        numbers = range(first, first + seeds)
        played = episodes(chosen, numbers, chromium=chromium, blobs=blobs, screenshots=screenshots)
        return write_demonstrations(out / "miniwob.jsonl", played)


def listing() -> str:
    """The named tasks with group and reason, one a line."""
    return "\n".join(f"{name:<28}{task.group:<10}{task.reason}" for name, task in TASKS.items())


def _known(name: str) -> None:
    if unknown := [task for task in name.split("+") if task not in TASKS]:
        msg = f"there is no oracle for {unknown[0]!r}; `tracer1 data miniwob --list` names the tasks that have one"
        raise ConfigurationError(msg)


def write_demonstrations(path: Path, played: Iterable[Episode]) -> tuple[int, list[Episode]]:
    """Keep what was solved.

    Args:
        path: The store's file.
        played: Episodes.

    Returns:
        How many were kept, and the episodes that were not.

    Raises:
        ConfigurationError: An episode has a test seed.
    """
    lost: list[Episode] = []

    def kept() -> Iterator[ReferenceTrajectory]:
        for episode in played:
            if episode.seed in TEST_SEEDS:
                msg = f"seed {episode.seed} is for measuring; demonstrations begin at seed {FIRST_TRAIN_SEED}"
                raise ConfigurationError(msg)
            if episode.solved:
                yield episode.trajectory
            else:
                lost.append(episode)

    return write_trajectories(path, kept()), lost
