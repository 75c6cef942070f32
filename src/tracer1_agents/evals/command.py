"""`tracer1 eval` and `tracer1 report`: their arguments, and which module does the work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.plain import harmless

if TYPE_CHECKING:
    import argparse

    from tracer1_agents.evals.scoring import Evaluation, References


def add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of `tracer1 eval`."""
    task = commands.add_parser("eval", help="score predictions on a benchmark by a named rule")
    task.add_argument("suite", metavar="SUITE", help="androidcontrol-high, gui-odyssey, mind2web, gaia, ...")
    task.add_argument("--data", type=Path, metavar="PATH", help="the references (default: below TRACER1_DATA)")
    task.add_argument("--split", metavar="NAME", help="part of the set, as its own split files name it")
    task.add_argument("--images", type=Path, metavar="DIR", help="its screenshots")
    task.add_argument("--rule", metavar="NAME", help="by whose rule (default: the suite's first)")
    task.add_argument("--predictions", type=Path, metavar="F.jsonl", help="what a model forecast, step by step")
    task.add_argument("--compare", type=Path, nargs=2, metavar=("A.jsonl", "B.jsonl"), help="paired differences B - A")
    task.add_argument("--format", default="canonical", choices=("canonical", "uground"), help="of prediction files")
    task.add_argument("--json", action="store_true", help="for programs")
    task.add_argument("--strict", action="store_true", help="exit code 1 on any problem with the input")
    task.set_defaults(command=run_eval)


def run_eval(parsed: argparse.Namespace) -> int:
    """`tracer1 eval`; returns the exit code."""
    found = _references(parsed)
    if parsed.compare:
        return _compare(parsed, found)
    if not parsed.predictions:
        msg = "say what to score: --predictions F.jsonl, or --compare A.jsonl B.jsonl"
        raise ConfigurationError(msg)
    return _show(parsed, _evaluated(parsed, found, parsed.predictions))


def _references(parsed: argparse.Namespace) -> References:
    from tracer1_agents.evals.scoring import References  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.suites import data_path, references, suite_named  # noqa: PLC0415

    suite = suite_named(parsed.suite)
    suite.marker(parsed.rule)
    path = data_path(suite, parsed.data)
    return References.gather(suite, references(suite, path, split=parsed.split, images=parsed.images))


def _evaluated(parsed: argparse.Namespace, found: References, path: Path, *, baselines: bool = True) -> Evaluation:
    from tracer1_agents.evals.predictions import read_predictions  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.scoring import evaluate  # noqa: PLC0415

    predictions = read_predictions(path, parsed.suite, parsed.format)
    return evaluate(found, predictions, parsed.rule, baselines=baselines)


def _show(parsed: argparse.Namespace, found: Evaluation) -> int:
    from tracer1_agents.evals import eval_report  # noqa: PLC0415  (only this command)

    _print(json.dumps(eval_report.as_json(found), indent=2) if parsed.json else eval_report.as_text(found))
    return _verdict(parsed, [found])


def _compare(parsed: argparse.Namespace, found: References) -> int:
    from tracer1_agents.evals import eval_report  # noqa: PLC0415  (only this command)

    first, second = (_evaluated(parsed, found, path, baselines=False) for path in parsed.compare)
    names = (str(parsed.compare[0]), str(parsed.compare[1]))
    gained = eval_report.compare(first, second)
    if parsed.json:
        _print(json.dumps(eval_report.comparison_json(names, first.rule, gained), indent=2))
    else:
        _print(eval_report.comparison_text(names, first.rule, gained))
    return _verdict(parsed, [first, second], tell=True)


def _verdict(parsed: argparse.Namespace, found: list[Evaluation], *, tell: bool = False) -> int:
    problems = [problem for one in found for problem in one.problems]
    if problems and (tell or parsed.strict):
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        print(harmless(f"tracer1: {len(problems)} problems with the input: {problems[0]}{more}"), file=sys.stderr)  # noqa: T201
    return 1 if parsed.strict and problems else 0


def _print(text: Any) -> None:
    print(harmless(text))  # noqa: T201  (a command line)
