"""What the processes of one run settle together (one process, unless torchrun or accelerate started several).

The first process alone claims the run's folder, reads the clock, writes and prints. Whatever the others need to know of
that they hear from it, so that all processes take the same way: one that stopped or went on alone would leave the rest
waiting for it. Collective calls: every process must make them, in the same order.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather, gather_object

from tracer1_agents.errors import ConfigurationError, Tracer1Error, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
_SPREADING: Final = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
_INTERRUPTED: Final = 130  # exit status of a program that was interrupted
_PATIENCE: Final = timedelta(minutes=30)  # how long processes wait for one another; transformers' own `ddp_timeout`


def process_count() -> int:
    """How many processes share the run, on all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


def exit_status(work: Callable[[], object], *, go_on: str) -> int:
    """Do the work of a trainer's command line; what could not work becomes a line on standard error.

    Args:
        work: To be done.
        go_on: How to go on after Ctrl-C.

    Returns:
        0 when it is done, 1 when it could not work, 130 after Ctrl-C.
    """
    try:
        work()
    except Tracer1Error as error:
        process = f" (process {rank()} of {process_count()})" if process_count() > 1 else ""
        print(f"error{process}: {error}", file=sys.stderr)  # noqa: T201  (a command line)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; {go_on}", file=sys.stderr)  # noqa: T201  (a command line)
        return _INTERRUPTED
    return 0


def join() -> None:
    """Meet the other processes; returns at once where there are none, or they have met before.

    How long they wait for one another is settled here: transformers, which meets them again, no longer changes it, and
    NCCL's own ten minutes are short beside rollouts with slow tools.
    """
    if process_count() > 1:
        PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if process_count() > 1:
        PartialState().wait_for_everyone()


def from_first(decide: Callable[[], T]) -> T:
    """What the first process decides, in every process.

    Args:
        decide: Called in the first process alone; what it returns can be pickled.

    Raises:
        ConfigurationError: `decide` raised it; every process raises it then.
    """
    if process_count() == 1:
        return decide()
    join()
    said: list[Any] = [None, None]
    if is_first():
        try:
            said[0] = decide()
        except ConfigurationError as error:
            said[1] = str(error)
    value, problem = broadcast_object_list(said)
    if problem is not None:
        raise ConfigurationError(problem)
    decided: T = value
    return decided


def check_same(what: str, value: str) -> None:
    """Be sure that all processes have the same of something that each has read for itself.

    Raises:
        TrainingError: They do not.
    """
    values = gather_object([value]) if process_count() > 1 else [value]
    if len(set(values)) > 1:
        differing = [number for number, other in enumerate(values) if other != values[0]]
        msg = f"{what} differ: processes {differing} have others than process 0; same files and code on every machine?"
        raise TrainingError(msg)


def largest(value: float, device: torch.device) -> float:
    """The largest of the processes' values; not a number where one of them is none."""
    if process_count() == 1:
        return value
    return float(gather(torch.tensor([value], dtype=torch.float32, device=device)).max())


def total(value: float, device: torch.device) -> float:
    """The sum of the processes' values."""
    if process_count() == 1:
        return value
    return float(gather(torch.tensor([value], dtype=torch.float32, device=device)).sum())


def joined(values: Sequence[int]) -> list[int]:
    """The values of all processes, those of one process after another's."""
    return list(values) if process_count() == 1 else list(gather_object(list(values)))


def combined(metrics: Mapping[str, float]) -> dict[str, float]:
    """Counts of all processes summed, rates (their names say so) averaged over those that have one."""
    found = gather_object([dict(metrics)]) if process_count() > 1 else [dict(metrics)]
    names = sorted({name for one in found for name in one})
    values = {name: [one[name] for one in found if name in one] for name in names}
    return {name: fmean(each) if "rate" in name else sum(each) for name, each in values.items()}


def weights_are_spread() -> bool:
    """Whether each process holds a part of the weights only (FSDP or DeepSpeed, as accelerate's launcher says)."""
    return any(os.environ.get(name, "").lower() == "true" for name in _SPREADING)
