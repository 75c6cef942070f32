"""Oracles at work: one episode in the real browser, and what it leaves as a reference trajectory.

Train and test seeds never meet: a demonstration is made from a train seed only, and agents are measured on test seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Finish
from tracer1_agents.data.miniwob.desk import Desk
from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.environments.miniwob import OVER, Outcome
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Moves
    from tracer1_agents.environments.miniwob import MiniWobEnvironment

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
    check_task(environment.task)
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
    while True:
        try:
            move = next(moves)
        except StopIteration:
            return seen, ""
        except DataError as problem:  # the oracle does not know this page
            return seen, str(problem)
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
            return seen, ""


def listing() -> str:
    """The named tasks with group and reason, one a line."""
    return "\n".join(f"{name:<28}{task.group:<10}{task.reason}" for name, task in TASKS.items())


def check_task(name: str) -> None:
    """Refuse a task (or a page with several) that has no oracle.

    Raises:
        ConfigurationError: It has none.
    """
    if unknown := [task for task in name.split("+") if task not in TASKS]:
        msg = f"there is no oracle for {unknown[0]!r}; `tracer1 data miniwob --list` names the tasks that have one"
        raise ConfigurationError(msg)
