"""Trains and measures every arm of a plan with every seed, several at a time; what is done is never done again.

Each training and each measurement is a process of its own with its own log, so that a crash costs one of them. An
interrupt keeps what is done; the same command goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer1_agents.experiments.plan import Plan

_SEED_KEYS: Final = {"warmstart": ("data.seed",), "stage1": ("trainer.seed",), "stage2": ("trainer.seed",)}
_START_KEYS: Final = {"warmstart": "trainer.start_from", "stage1": "model.path", "stage2": "model.path"}
_SEED_STEP: Final = 1009  # between the data seeds of two runs: their streams never meet


@dataclass(frozen=True)
class Cell:
    """An arm with a seed.

    Attributes:
        arm: Name in the plan.
        seed: Of its training.
    """

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.arm}-{self.seed}"


class Runner:
    """See the module.

    Args:
        plan: What to run.
        source: Name or path of the plan, for the processes.
        out: Where everything goes.
        workers: Processes at one time, one torch thread each.
        say: Told of every start and end.
    """

    def __init__(self, plan: Plan, source: str, out: Path, *, workers: int, say: Callable[[str], None]) -> None:
        self.plan, self.source, self.out, self.workers, self.say = plan, source, out, workers, say
        out.mkdir(parents=True, exist_ok=True)

    def run(self, splits: Iterable[str]) -> None:
        """Train what is not trained, then measure what is not measured.

        Raises:
            TrainingError: A process failed; the others of its batch were brought to their end.
        """
        for name in self.plan.order():
            if self.plan.arms[name].train:
                self._all(self.train, self.cells(name))
        cells = [cell for name in self.plan.order() for cell in self.cells(name)]
        for split in splits:
            measure = partial(self.measure, split=split)
            self._all(measure, cells[:1])  # it writes the tasks
            self._all(measure, cells[1:])

    def cells(self, arm: str) -> list[Cell]:
        """An arm with each of its seeds."""
        return [Cell(arm, seed) for seed in self.plan.seeds_of(arm)]

    def model(self, cell: Cell) -> str:
        """Where the cell's planner lies."""
        arm = self.plan.arms[cell.arm]
        if arm.train:
            return str(self.out / "arms" / cell.name / "model")
        return self.model(Cell(arm.start, cell.seed)) if arm.start in self.plan.arms else arm.start

    def results(self, cell: Cell, split: str) -> Path:
        """Folder of a cell's records."""
        return self.out / "measured" / split / cell.name

    def train(self, cell: Cell) -> None:
        """Train a cell, or go on where its training stopped."""
        arm, folder = self.plan.arms[cell.arm], self.out / "arms" / cell.name
        if arm.train is None or (folder / "done.json").exists():
            return
        start = self.model(Cell(arm.start, cell.seed)) if arm.start in self.plan.arms else arm.start
        command = ["-m", f"tracer1_agents.training.{arm.train}", "--config", arm.config]
        settings = [*arm.set, f"trainer.output_dir={folder}", f"{_START_KEYS[arm.train]}={start}"]
        settings += [f"{key}={1 + cell.seed * _SEED_STEP}" for key in _SEED_KEYS[arm.train]]
        for setting in settings:
            command += ["--set", setting]
        if arm.train != "warmstart":
            command.append("--resume")
        self._process(f"training {cell.name}", command, folder / "output.log")
        (folder / "done.json").write_text(json.dumps({"command": command}) + "\n", encoding="utf-8")

    def measure(self, cell: Cell, split: str) -> None:
        """Measure a cell on a split, or go on where that stopped."""
        folder = self.results(cell, split)
        if (folder / "done.json").exists():
            return
        command = ["-m", "tracer1_agents.experiments.measure", self.model(cell), "--plan", self.source]
        command += ["--split", split, "--tasks", str(self.out / "tasks" / split), "--out", str(folder)]
        self._process(f"measuring {cell.name} on {split}", command, folder / "output.log")
        (folder / "done.json").write_text(json.dumps({"model": self.model(cell)}) + "\n", encoding="utf-8")

    def _all(self, do: Callable[[Cell], None], cells: list[Cell]) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            for result in [pool.submit(do, cell) for cell in cells]:
                result.result()

    def _process(self, what: str, command: list[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.say(what)
        with log.open("a", encoding="utf-8") as output:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            code = subprocess.run(  # noqa: S603  (this interpreter, arguments of the plan)
                [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
            ).returncode
        if code:
            last = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            msg = f"{what} failed with exit status {code}: {' '.join(last)[-300:]} (log: {log})"
            raise TrainingError(msg)
        self.say(f"{what}: done")
