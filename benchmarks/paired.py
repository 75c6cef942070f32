"""What the benchmarks share: every way once a round, in a turning order, and ratios within a round; peak memory."""
# ruff: noqa: INP001  (a part of programs, not a package)

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS: Final = 7  # of 7 ordered values, the outermost two bracket the median with probability 1 - 2/128


@dataclass
class Timing:
    """What one way took, round by round.

    Attributes:
        wall: Seconds by the clock.
        processor: Seconds that this process was computing, all threads together; its children are not counted.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def measured(ways: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, Timing]:
    """Time every way in every round; a round before them warms up.

    Args:
        ways: What to run, by name.
        rounds: Paired measurements.
    """
    names = list(ways)
    timings = {name: Timing() for name in names}
    for number in range(-1, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            wall, processor = time.perf_counter(), time.process_time()
            ways[name]()
            if number >= 0:
                timings[name].wall.append(time.perf_counter() - wall)
                timings[name].processor.append(time.process_time() - processor)
    return timings


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Each round's value over its baseline."""
    return [value / base for value, base in zip(values, baseline, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median with the smallest and largest value, which are its 98% interval at 7 rounds."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def peak_memory(work: Callable[[], Any]) -> float:
    """The most memory that a process of its own held while it did the work, in MB (its modules included).

    Args:
        work: A function at the top of a module, or a `functools.partial` of one.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (work,))


def _peak(work: Callable[[], Any]) -> float:
    """`getrusage` would count what the parent held before the process was its own; the kernel's status does not."""
    work()
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
