"""Stage 2's two ways to the same rewards, update for update: `rollout.way: graph` against `replay`.

`graph`: the planner node samples from our engine, which knows its log-probabilities; executions overlap with sampling.
`replay`: TRL samples with `generate`, then the graph replays the replies and executes. Both ways run the packaged
config `tiny/stage2` from the shipped planner without resampling (which only `graph` can do), the same number of
updates, paired, in a turning order: ``OMP_NUM_THREADS=1 python benchmarks/ways.py``. The replies differ, since the
ways draw with other random numbers; their lengths are printed. Loading is not counted, nor is the comparison of
log-probabilities on the first batch, which `graph` makes once a run.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from paired import ratios, spread

from tracer1_agents.training import stage2
from tracer1_agents.training.config import load_config
from tracer1_agents.training.trainer import ForecastTrainer

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS: Final = ("graph", "replay")
PHASES: Final = {  # a method of the trainer, and what is done in it
    "train": "all",
    "_collect": "draw and execute (graph)",
    "_generate_single_turn": "draw (replay)",
    "_calculate_rewards": "reward, and execute (replay)",
    "_compare_with_sampler": "gate",
    "compute_loss": "loss",
}
Seconds = dict[str, list[float]]  # of each phase: by the clock, of the processor


def main() -> None:
    """Print seconds an update, replies a second, and where the time goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="paired runs (default 5)")
    parser.add_argument("--updates", type=int, default=2, help="of each run (default 2)")
    arguments = parser.parse_args()
    runs: dict[str, list[Seconds]] = {way: [] for way in WAYS}
    for number in range(arguments.rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            seconds, tokens = one_run(way, arguments.updates, seed=number)
            runs[way].append(seconds)
            wall, processor = (value / arguments.updates for value in seconds["update"])
            print(
                f"  {way:6} {wall:6.1f} s an update, processor {processor:6.1f} s, {tokens:.0f} tokens a reply",
                flush=True,
            )
    report(runs, arguments.updates)


def report(runs: dict[str, list[Seconds]], updates: int) -> None:
    """Print the comparison."""
    config = stage2_config("graph", 1, Path(), 0)
    replies = config.rollout.group_size * config.rollout.prompts_per_update
    for at, clock in enumerate(("wall", "processor")):
        per_update = {way: [run["update"][at] / updates for run in runs[way]] for way in WAYS}
        for way, values in per_update.items():
            print(f"{clock:9} {way:6} {spread(values, 1)} s an update, {replies / median(values):.1f} replies a second")
        print(f"{clock:9} graph / replay {spread(ratios(per_update['graph'], per_update['replay']))}")
    for way, found in runs.items():
        whole = median(run["update"][1] for run in found)
        shares = {name: median(run[name][1] for run in found if name in run) for name in found[0] if name != "update"}
        print(
            f"processor time of {way}: "
            + ", ".join(f"{name} {100 * part / whole:.0f}%" for name, part in shares.items())
        )


def one_run(way: str, updates: int, seed: int) -> tuple[Seconds, float]:
    """Train for a few updates; seconds of each phase, and the mean length of a reply."""
    with tempfile.TemporaryDirectory() as folder, timed() as spent:
        stage2.train(stage2_config(way, updates, Path(folder), seed))
        lines = [json.loads(line) for line in Path(folder, "log.jsonl").read_text(encoding="utf-8").splitlines()]
    tokens = fmean(line["completions/mean_length"] for line in lines if line["event"] == "train")
    gate = spent.pop("gate", [0.0, 0.0])
    spent["update"] = [whole - once for whole, once in zip(spent.pop("all"), gate, strict=True)]
    known = [sum(values[at] for name, values in spent.items() if name != "update") for at in (0, 1)]
    spent["rest: log-probabilities, backward, optimiser"] = [
        whole - part for whole, part in zip(spent["update"], known, strict=True)
    ]
    return dict(spent), tokens


def stage2_config(way: str, updates: int, folder: Path, seed: int) -> stage2.Stage2Config:
    """The packaged config, one way."""
    changes = [f"rollout.way={way}", "rollout.resample_rounds=0", f"trainer.max_steps={updates}"]
    changes += ["trainer.save_steps=1000", f"trainer.output_dir={folder}", f"trainer.seed={seed}"]
    return load_config(stage2.Stage2Config, "tiny/stage2", changes)


@contextmanager
def timed() -> Iterator[dict[str, list[float]]]:
    """Adds up the seconds that the trainer's methods take while the block lasts."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def watch(name: str, phase: str) -> Any:
        inner = getattr(ForecastTrainer, name)

        def method(*args: Any, **options: Any) -> Any:
            wall, processor = time.perf_counter(), time.process_time()
            try:
                return inner(*args, **options)
            finally:
                spent[phase][0] += time.perf_counter() - wall
                spent[phase][1] += time.process_time() - processor

        return patch.object(ForecastTrainer, name, method)

    watches = [watch(name, phase) for name, phase in PHASES.items()]
    for one in watches:
        one.start()
    try:
        yield spent
    finally:
        for one in watches:
            one.stop()


if __name__ == "__main__":
    main()
