"""Run an experiment and print what it shows.

python -m tracer1_agents.experiments stage1 [--out runs/experiments/stage1] [--workers 2] [--minutes 150]

Planners, logs and traces go to `--out`; what the tables are computed from goes to `--results`, to be kept.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tracer1_agents.errors import Tracer1Error
from tracer1_agents.experiments.compare import Table
from tracer1_agents.experiments.page import write_page
from tracer1_agents.experiments.plan import load_plan
from tracer1_agents.experiments.report import as_markdown
from tracer1_agents.experiments.results import Results
from tracer1_agents.experiments.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tracer1_agents.experiments`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.experiments",
        description="Train and measure the arms of an experiment; print differences.",
    )
    parser.add_argument("plan", help="a packaged plan by name (stage1) or a YAML file")
    parser.add_argument("--out", type=Path, help="default runs/experiments/NAME")
    parser.add_argument("--results", type=Path, help="default results/NAME")
    parser.add_argument("--minutes", type=float, help="begin nothing new after so many; the same command goes on")
    parser.add_argument("--workers", type=int, default=2, help="processes at one time (default 2)")
    parser.add_argument("--group", help="only the arms of this group of the plan, with what they start from")
    parser.add_argument("--arm", help="only this arm, with what it starts from")
    parser.add_argument("--seed", type=int, help="only this seed")
    parser.add_argument("--page", type=Path, help="write the test split as a page too, figures beside it")
    parser.add_argument("--split", choices=("development", "test"), action="append", help="default: both")
    parser.add_argument("--only-report", action="store_true", help="train and measure nothing")
    arguments = parser.parse_args(argv)
    splits = arguments.split or ["development", "test"]
    try:
        plan = load_plan(arguments.plan)
        if arguments.page:
            _check_page(arguments.page)
        out = arguments.out or Path("runs/experiments") / plan.name
        results = Results(arguments.results or Path("results") / plan.name)
        runner = Runner(plan, arguments.plan, out, results, workers=arguments.workers, say=_say)
        cells = plan.choose(group=arguments.group, arm=arguments.arm, seed=arguments.seed)
        if not arguments.only_report and not runner.run(splits, cells, minutes=arguments.minutes):
            left = len(runner.jobs(splits, cells))
            _say(f"time is up; {left} trainings and measurements are left for the same command")
        for split in splits:
            print(as_markdown(Table(plan, results, split)), end="\n\n", flush=True)  # noqa: T201  (the command's answer)
        if arguments.page:
            write_page(Table(plan, results, "test"), arguments.page, arguments.page.with_suffix(""))
    except Tracer1Error as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.filename is None:  # of no file: not about what the command was given
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  (names the path)
        return 2
    except KeyboardInterrupt:
        _say("interrupted; what is done is kept, and the same command goes on")
        return 130
    return 0


def _check_page(page: Path) -> None:
    """Whether a page can be written, before hours go into what it shows.

    Raises:
        OSError: It cannot.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    there = page.exists()
    page.open("a", encoding="utf-8").close()
    if not there:
        page.unlink()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")  # in one piece: several threads tell


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended as by Ctrl-C, with the processes that it started
    sys.exit(main())
