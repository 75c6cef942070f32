"""Trains and measures every arm of a plan with every seed, several at a time; what is done is never done again.

Each training and each measurement is a process of its own with its own log, so that a crash costs one of them. Seeds go
one after the other, so that a run that ends early leaves whole seeds. An interrupt keeps what is done; the same command
goes on. A cell with a result file is done, whether its planner still lies here or not. A planner that other cells start
from can be kept beside the results, as `arms/NAME-SEED` like in `out`, without checkpoints; it is not trained anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.experiments.results import (
    CellResult,
    condense,
    hardware,
    package_version,
    training_summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tracer1_agents.experiments.plan import Cell, Plan
    from tracer1_agents.experiments.results import Results

_SEED_KEYS: Final = {
    "warmstart": ("data.seed", "trainer.seed"),
    "stage1": ("trainer.seed",),
    "stage2": ("trainer.seed",),
}
_START_KEYS: Final = {"warmstart": "trainer.start_from", "stage1": "model.path", "stage2": "model.path"}
_RECIPE: Final = "recipe.txt"  # in a folder of work: what decides it (`Plan.recipe`)


@dataclass(frozen=True)
class Job:
    """A training (split is "") or a measurement."""

    cell: Cell
    split: str = ""


@dataclass(frozen=True)
class Runner:
    """See the module.

    Attributes:
        plan: What to run.
        source: Name or path of the plan, for the processes.
        out: Where planners, logs and records go.
        results: Where result files go.
        workers: Processes at one time, one torch thread each.
        say: Told of every start and end.
        children: Processes that are running; an interrupt ends them too.
    """

    plan: Plan
    source: str
    out: Path
    results: Results
    workers: int
    say: Callable[[str], None]
    children: set[subprocess.Popen[bytes]] = field(default_factory=set, compare=False)

    def run(self, splits: Iterable[str], cells: Sequence[Cell] | None = None, *, minutes: float | None = None) -> bool:
        """Do what is not done.

        Args:
            splits: To measure.
            cells: That are measured; None for all.
            minutes: After so many nothing new is begun; what is under way comes to its end.

        Returns:
            Whether all is done.

        Raises:
            TrainingError: A process failed; those beside it were brought to their end.
            ConfigurationError: A result was made by another recipe.
        """
        end = time.monotonic() + minutes * 60 if minutes is not None else None
        left = self.jobs(splits, cells)
        with ThreadPoolExecutor(self.workers) as pool, self._interrupts_passed_on():
            running: dict[Future[None], Job] = {}
            while left or running:
                late = end is not None and time.monotonic() > end
                for job in [job for job in left if not late and self._ready(job, left, running.values())]:
                    if len(running) < self.workers:
                        left.remove(job)
                        running[pool.submit(self.do, job)] = job
                if not running:
                    return not left
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    del running[future]
                    future.result()
        return True

    @contextmanager
    def _interrupts_passed_on(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            for child in list(self.children):
                child.terminate()
            raise

    def jobs(self, splits: Iterable[str], measured: Sequence[Cell] | None = None) -> list[Job]:
        """What is to be done, in order: measurements without a result, and the trainings that they need.

        Args:
            splits: To measure.
            measured: The cells that are measured; None for all.

        Raises:
            ConfigurationError: A result was made by another recipe.
        """
        splits, cells = list(splits), self.plan.cells()
        wanted = cells if measured is None else measured
        missing = [Job(cell, split) for cell in wanted for split in splits if not self._has_result(cell, split)]
        needed: set[Cell] = set()
        for job in missing:
            at: Cell | None = job.cell
            while at is not None and at not in needed:
                needed.add(at)
                at = self.plan.start_of(at)
        jobs: list[Job] = []
        for seed in self.plan.seeds:
            some = [cell for cell in cells if cell.seed == seed]
            jobs += [Job(cell) for cell in some if cell in needed and not self._is_trained(cell)]
            jobs += [job for job in missing if job.cell.seed == seed]
        return jobs

    def _ready(self, job: Job, left: Iterable[Job], running: Iterable[Job]) -> bool:
        """Whether nothing that the job builds on is still to be done."""
        before = self.plan.start_of(job.cell) if not job.split else job.cell
        while before is not None and self.plan.arms[before.arm].train is None:
            before = self.plan.start_of(before)
        return before is None or Job(before) not in (*left, *running)

    def _has_result(self, cell: Cell, split: str) -> bool:
        found = self.results.read(cell, split, plan=self.plan.name)
        if found is None:
            return False
        if found.recipe != self.plan.recipe(cell, split):
            path = self.results.path(cell, split)
            msg = (
                f"{path} was made by another plan or config than is here now; move it away to make it anew, or bring "
                "the plan back"
            )
            raise ConfigurationError(msg)
        return True

    def _is_trained(self, cell: Cell) -> bool:
        if self.plan.arms[cell.arm].train is None:
            return True
        folder = self._trained(cell)
        _check_recipe(folder, self.plan.recipe(cell))
        return (folder / "done.json").exists()

    def _trained(self, cell: Cell) -> Path:
        """The folder of a cell's training: here, or kept beside the results."""
        here, kept = (at / "arms" / cell.name for at in (self.out, self.results.folder))
        return kept if (kept / "done.json").exists() and not (here / "done.json").exists() else here

    def model(self, cell: Cell) -> str:
        """Where the cell's planner lies."""
        if self.plan.arms[cell.arm].train:
            return str(self._trained(cell) / "model")
        start = self.plan.start_of(cell)
        return self.model(start) if start else self.plan.arms[cell.arm].start

    def measured(self, cell: Cell, split: str) -> Path:
        """Folder of a cell's records."""
        return self.out / "measured" / split / cell.name

    def do(self, job: Job) -> None:
        """Train or measure."""
        if job.split:
            self.measure(job.cell, job.split)
        else:
            self.train(job.cell)

    def train(self, cell: Cell) -> None:
        """Train a cell, or go on where its training stopped."""
        if self._is_trained(cell):
            return
        arm, folder, start = self.plan.arms[cell.arm], self.out / "arms" / cell.name, self.plan.start_of(cell)
        trainer = arm.train or ""
        command = ["-m", f"tracer1_agents.training.{trainer}", "--config", arm.config]
        settings = [*arm.set, f"trainer.output_dir={folder}"]
        settings += [f"data.horizon={arm.horizon}"] if arm.horizon else []
        origin = self.model(start) if start else arm.start
        settings += [f"{_START_KEYS[trainer]}={origin}"] if origin else []
        settings += [f"{key}={self.plan.stream_of(cell)}" for key in _SEED_KEYS[trainer]]
        _claim(folder, self.plan.recipe(cell))
        for setting in settings:
            command += ["--set", setting]
        if trainer != "warmstart":
            command.append("--resume")
        self._process(f"training {cell.name}", command, folder / "output.log")
        (folder / "done.json").write_text(json.dumps({"command": command}) + "\n", encoding="utf-8")

    def measure(self, cell: Cell, split: str) -> None:
        """Measure a cell on a split, or go on where that stopped, and write its result."""
        folder, tasks = self.measured(cell, split), self.out / "tasks" / f"{split}-{self.plan.digest(split)}"
        _claim(folder, self.plan.recipe(cell, split))
        if not (folder / "done.json").exists():
            command = ["-m", "tracer1_agents.experiments.measure", self.model(cell), "--plan", self.source]
            command += ["--split", split, "--arm", cell.arm, "--tasks", str(tasks), "--out", str(folder)]
            self._process(f"measuring {cell.name} on {split}", command, folder / "output.log")
            (folder / "done.json").write_text(json.dumps({"model": self.model(cell)}) + "\n", encoding="utf-8")
        training, curve = training_summary(self._trained(cell))
        self.results.write(
            cell,
            CellResult(
                plan=self.plan.name,
                arm=cell.arm,
                seed=cell.seed,
                split=split,
                recipe=self.plan.recipe(cell, split),
                version=package_version(),
                hardware=hardware(),
                training=training,
                curve=curve,
                **condense(folder, tasks),
            ),
        )

    def _process(self, what: str, command: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.say(what)
        with log.open("a", encoding="utf-8") as output:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            child = subprocess.Popen(  # noqa: S603  (this interpreter, arguments of the plan)
                [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=environment
            )
            self.children.add(child)
            code = child.wait()
            self.children.discard(child)
        if code:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            msg = f"{what} failed with exit status {code}: {' '.join(last)[-300:]} (log: {log})"
            raise TrainingError(msg)
        self.say(f"{what}: done")


def _check_recipe(folder: Path, recipe: str) -> None:
    """Refuse work of another recipe, which would be gone on with, or taken for this one's.

    Raises:
        ConfigurationError: It is.
    """
    path = folder / _RECIPE
    made_by = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if made_by != recipe and folder.is_dir() and any(folder.iterdir()):
        msg = (
            f"what lies in {folder} was made by another plan or config than is here now; move it away to make it anew, "
            "or bring the plan back"
        )
        raise ConfigurationError(msg)


def _claim(folder: Path, recipe: str) -> None:
    """Write down by which recipe a folder's work is done, before it begins.

    Raises:
        ConfigurationError: It holds work of another.
    """
    _check_recipe(folder, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _RECIPE).write_text(recipe + "\n", encoding="utf-8")
