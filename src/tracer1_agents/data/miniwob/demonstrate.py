"""Oracles at work: episodes run in the real browser, and what they leave as reference trajectories.

Train and test seeds never meet: a demonstration is made from a train seed only, and agents are measured on test seeds.
Only episodes that the task itself rewards become trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Finish
from tracer1_agents.data.miniwob.desk import Desk
from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.environments.miniwob import OVER, MiniWobEnvironment, Outcome
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tracer1_agents.blobs import BlobStore
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
    tasks = environment.task.split("+")
    if unknown := [task for task in tasks if task not in TASKS]:
        msg = f"there is no oracle for {unknown[0]!r}; `tracer1 data miniwob --list` names the tasks that have one"
        raise ConfigurationError(msg)
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
