"""`tracer1`: argument parsing only; each command hands over to the module that does the work.

What went wrong on purpose (`Tracer1Error`) ends with its message on standard error and exit code 2; Ctrl-C with 130.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tracer1_agents import __version__
from tracer1_agents.errors import Tracer1Error
from tracer1_agents.viewer.plain import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None: those of the process.

    Returns:
        Exit code.
    """
    _never_fail_to_print()
    parsed = _parser().parse_args(arguments)
    try:
        parsed.command(parsed)
        sys.stdout.flush()
    except Tracer1Error as error:
        print(f"tracer1: {harmless(str(error))}", file=sys.stderr)  # noqa: T201  (a command line)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _never_fail_to_print() -> None:
    """A terminal that cannot show a character gets its escape, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracer1", description="Look at runs, and at what works on this machine.")
    parser.add_argument("--version", action="version", version=f"tracer1-agents {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("show", help="forecasts against what happened, step by step")
    show.add_argument("run", type=Path, metavar="RUN.jsonl", help="results, as examples/gaia_agent.py writes them")
    show.add_argument("--task", metavar="ID", help="the task to show in full (default: the list, or the only task)")
    show.set_defaults(command=_show)

    doctor = commands.add_parser("doctor", help="what is installed, what is missing, and how to get it")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)
    return parser


def _show(parsed: argparse.Namespace) -> None:
    from tracer1_agents.evals.results import read_results  # noqa: PLC0415  (only this command)
    from tracer1_agents.viewer.terminal import show  # noqa: PLC0415  (needs an extra)

    results, problems = read_results(parsed.run)
    for problem in problems:
        print(f"tracer1: {harmless(problem)}", file=sys.stderr)  # noqa: T201  (a command line)
    show(results, parsed.task)


def _doctor(parsed: argparse.Namespace) -> None:
    from tracer1_agents import doctor  # noqa: PLC0415  (only this command)

    findings = doctor.examine()
    text = json.dumps(doctor.as_json(findings), indent=2) if parsed.json else doctor.render(findings)
    print(text)  # noqa: T201  (a command line)
