"""`tracer1 eval` and `tracer1 report`: their arguments, and which module does the work."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import timedelta
from os.path import realpath  # unlike Path.resolve, it takes links that lead round in a circle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.viewer.plain import harmless, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from tracer1_agents.evals.collect import Asking
    from tracer1_agents.evals.scoring import Evaluation, References

_TOLD_EVERY: Final = 10.0  # seconds
_OF_MINIWOB: Final = ("tasks", "seeds", "max_steps", "commitment", "best_of")
_OF_MODELS: Final = ("base_url", "profile", "horizon", "history", "ablate", "concurrency", "rate", "price", "seed")
_OF_RECORDS: Final = (
    *("data", "split", "images", "rule", "predictions", "compare", "format", "strict"),
    *("limit", "rate", "price", "ablate"),
)


def add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of `tracer1 eval`."""
    task = commands.add_parser("eval", help="score predictions on a benchmark by a named rule")
    task.add_argument("suite", metavar="SUITE", help="androidcontrol-high, gui-odyssey, mind2web, gaia, ..., miniwob")
    task.add_argument("--data", type=Path, metavar="PATH", help="the references (default: below TRACER1_DATA)")
    task.add_argument("--split", metavar="NAME", help="part of the set, as its own split files name it")
    task.add_argument("--images", type=Path, metavar="DIR", help="its screenshots")
    task.add_argument("--rule", metavar="NAME", help="by whose rule (default: the suite's first)")
    task.add_argument("--predictions", type=Path, metavar="F.jsonl", help="what a model forecast, step by step")
    task.add_argument("--compare", type=Path, nargs=2, metavar=("A.jsonl", "B.jsonl"), help="paired differences B - A")
    task.add_argument(
        "--format", default="canonical", choices=("canonical", "uground", "results"), help="of prediction files"
    )
    task.add_argument("--json", action="store_true", help="for programs")
    task.add_argument("--strict", action="store_true", help="exit code 1 on any problem, not only if nothing is scored")
    _add_model(task)
    _add_miniwob(task)
    task.set_defaults(command=run_eval, usual=task.get_default)


def _add_model(task: argparse.ArgumentParser) -> None:
    task.add_argument(
        "--model", help="run it over the suite: tracer1-tiny, tracer1-gui-tiny, a checkpoint folder, or provider:name"
    )
    task.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible endpoint that serves --model")
    task.add_argument("--profile", help="prompt profile (default: by the model's name)")
    task.add_argument("--horizon", type=int, metavar="T", help="pairs per forecast (default: 10, or as it was trained)")
    task.add_argument("--history", type=int, metavar="K", help="past steps in the prompt (default: 5, or likewise)")
    task.add_argument("--ablate", action="append", default=[], metavar="AXIS", help="horizon=1,2,5,10 or history=0,5")
    task.add_argument("--out", type=Path, metavar="F.jsonl", help="predictions; with --ablate a folder")
    task.add_argument("--limit", type=int, metavar="N", help="episodes at most, spread over the suite")
    task.add_argument("--concurrency", type=int, default=8, metavar="N", help="samples at one time (default: 8)")
    task.add_argument("--rate", type=float, metavar="N", help="samples that begin in a minute at most")
    task.add_argument("--price", type=float, nargs=2, metavar=("IN", "OUT"), help="of a million tokens, for the cost")
    task.add_argument("--seed", type=int, help="of sampling, for endpoints that take one")


def _add_miniwob(task: argparse.ArgumentParser) -> None:
    """What only `tracer1 eval miniwob` takes: its episodes are the planner's own, in a real browser."""
    group = task.add_argument_group("miniwob")
    group.add_argument("--tasks", nargs="+", default=[], metavar="NAME", help="tasks; named (default), compositions")
    group.add_argument("--seeds", type=int, default=5, metavar="N", help="problems 0 to N - 1 of each (default: 5)")
    group.add_argument("--max-steps", type=int, default=40, metavar="N", help="of an episode (default: 40)")
    group.add_argument(
        "--commitment", type=int, default=1, metavar="N", help="pairs of a forecast that may run at once"
    )
    group.add_argument(
        "--best-of", type=int, default=1, metavar="N", help="forecasts a step, the most agreed on is kept"
    )


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The arguments of `tracer1 report`."""
    task = commands.add_parser("report", help="runs beside one another: tables, curves, one HTML file")
    task.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="results, or predictions with their scores")
    task.add_argument("--pass-k", type=int, metavar="K", help="RUNs are repeats with other seeds: pass^1 to pass^K")
    for form, told in (("html", "one file with its figures inside"), ("markdown", "tables"), ("csv", "every number")):
        task.add_argument(f"--{form}", type=Path, metavar="F", help=told)
    task.set_defaults(command=run_report)


def run_report(parsed: argparse.Namespace) -> int:
    """`tracer1 report`; returns the exit code."""
    from tracer1_agents.evals import run_report as report  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.run_summary import read_run, scores_beside  # noqa: PLC0415

    outputs = [path for path in (parsed.html, parsed.markdown, parsed.csv) if path is not None]
    inputs = {realpath(beside) for path in parsed.runs for beside in (path, scores_beside(path))}
    if clash := next((path for path in outputs if realpath(path) in inputs), None):
        msg = (
            f"{clash} is one of the runs and would be overwritten; --html, --markdown and --csv name the report's file"
        )
        raise ConfigurationError(msg)
    if len(set(map(realpath, outputs))) < len(outputs):
        msg = "--html, --markdown and --csv need a file each, or one overwrites the other"
        raise ConfigurationError(msg)
    found = report.told_apart(parsed.runs, [read_run(path) for path in parsed.runs])
    if parsed.pass_k is not None:
        from tracer1_agents.evals.repeats import repeated  # noqa: PLC0415

        found.append(repeated(parsed.runs, parsed.pass_k))
    written = False
    for path, write in (
        (parsed.html, report.as_html),
        (parsed.markdown, report.as_markdown),
        (parsed.csv, report.as_csv),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write(found), encoding="utf-8")
            _print(f"written: {path}")
            written = True
    if not written:
        _print(report.as_markdown(found))
    return 0


def run_eval(parsed: argparse.Namespace) -> int:
    """`tracer1 eval`; returns the exit code."""
    if parsed.suite == "miniwob":
        _refuse(parsed, _OF_RECORDS, "suites with references; --tasks and --seeds say which problems miniwob plays")
        return _run_miniwob(parsed)
    _refuse(parsed, _OF_MINIWOB, f"miniwob, not for {parsed.suite}")
    asked = [name for name in ("predictions", "compare", "model") if getattr(parsed, name)]
    if len(asked) != 1:
        msg = "say what to score: one of --predictions F.jsonl, --compare A.jsonl B.jsonl, --model NAME"
        raise ConfigurationError(msg)
    if parsed.out is not None and not parsed.model:
        msg = "--out is where --model's predictions go; what --predictions and --compare show, --json prints"
        raise ConfigurationError(msg)
    if not parsed.model:
        _refuse(parsed, _OF_MODELS, "running a --model; predictions that are there are scored as they are")
    found = _references(parsed)
    if parsed.limit is not None:
        found = found.spread(parsed.limit)
    if parsed.compare:
        return _compare(parsed, found)
    if parsed.model:
        return _run_model(parsed, found)
    return _show(parsed, _evaluated(parsed, found, parsed.predictions))


def _refuse(parsed: argparse.Namespace, options: Iterable[str], whose: str) -> None:
    """Refuse options that would be passed over."""
    for name in options:
        if getattr(parsed, name) != parsed.usual(name):
            msg = f"--{name.replace('_', '-')} is for {whose}"
            raise ConfigurationError(msg)


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
    return _verdict(parsed, [first, second], always=True) or int(not gained)  # 1: no step in common


def _run_model(parsed: argparse.Namespace, found: References) -> int:
    from tracer1_agents.evals import eval_report, runs  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.collect import samples_of  # noqa: PLC0415

    if parsed.out is None:
        msg = "say where predictions go: --out F.jsonl (with --ablate a folder); calling again goes on from there"
        raise ConfigurationError(msg)
    if parsed.concurrency < 1:
        msg = f"--concurrency counts from 1, got {parsed.concurrency}"
        raise ConfigurationError(msg)
    asking = _asking(parsed)
    samples_of(found)  # before a model is loaded
    policy = runs.policy_of(asking, parsed.base_url)
    price = (parsed.price[0], parsed.price[1]) if parsed.price else None
    more: dict[str, Any] = {"rule": parsed.rule, "price": price, "on_line": _Progress()}
    if not parsed.ablate:
        with _resumable(parsed.out):
            evaluation = runs.run(found, policy, asking, parsed.out, **more)
        return _show(parsed, evaluation)
    with _resumable(parsed.out):
        cells = runs.ablate(found, policy, asking, parsed.ablate, parsed.out, **more)
    if parsed.json:
        _print(json.dumps({name: eval_report.as_json(one) for name, one in cells.items()}, indent=2))
    else:
        _print(runs.grid_text(found, cells, parsed.out))
    return _verdict(parsed, list(cells.values()))


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Whoever interrupts is told that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted; what was answered is in {out}, and the same command goes on from there")
        raise


def _asking(parsed: argparse.Namespace) -> Asking:
    """How the model is asked."""
    from tracer1_agents.evals.collect import Asking  # noqa: PLC0415  (only this command)
    from tracer1_agents.planner.profiles import profile_for, profile_named  # noqa: PLC0415
    from tracer1_agents.serving.tiny import SHIPPED  # noqa: PLC0415

    name = Path(parsed.model).name if Path(parsed.model).is_dir() else parsed.model
    trained = SHIPPED.get(parsed.model)
    given = {"horizon": parsed.horizon, "history": parsed.history}
    for key, least in (("horizon", 1), ("history", 0)):
        if given[key] is not None and given[key] < least:
            msg = f"--{key} counts from {least}, got {given[key]}"
            raise ConfigurationError(msg)
    known = {"horizon": trained.horizon, "history": trained.history} if trained else {}
    return Asking(
        model=parsed.model,
        profile=profile_named(parsed.profile or profile_for(name)).name,
        **known | {key: value for key, value in given.items() if value is not None},
        seed=parsed.seed,
        concurrency=parsed.concurrency,
        per_minute=parsed.rate,
    )


def _run_miniwob(parsed: argparse.Namespace) -> int:
    from tracer1_agents.evals.miniwob_baselines import BASELINES  # noqa: PLC0415  (only this command)
    from tracer1_agents.evals.miniwob_command import run_miniwob  # noqa: PLC0415

    if not parsed.model:
        msg = f"miniwob is acted in: say --model NAME, or one of {', '.join(BASELINES)}"
        raise ConfigurationError(msg)
    return run_miniwob(parsed, _asking(parsed))


class _Progress:
    """Tells of a run's failures as they come, and every ten seconds how far it is."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._answered = 0

    def __call__(self, line: dict[str, Any], left: int) -> None:
        if line.get("error"):
            tell(f"episode {line['episode_id']}, step {line['step']}: {line['error']}")
        self._answered += 1
        now = time.monotonic()
        if now - self._told >= _TOLD_EVERY and left:
            self._told = now
            seconds = (now - self._began) / self._answered * left
            tell(f"{self._answered:,} steps asked, {left:,} left, about {timedelta(seconds=round(seconds))} to go")


def _verdict(parsed: argparse.Namespace, found: list[Evaluation], *, always: bool = False) -> int:
    problems = [problem for one in found for problem in one.problems]
    if problems and (always or parsed.strict):
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        tell(f"{len(problems)} problems with the input: {problems[0]}{more}")
    empty = [one for one in found if not one.scores or _unpredicted(one)]
    if empty:
        tell(_why_nothing(empty[0]))
    return 1 if empty or (parsed.strict and problems) else 0


def _unpredicted(found: Evaluation) -> bool:
    """Whether no step was predicted; by some rules that is a score, of 0."""
    from tracer1_agents.evals.markers import NO_PREDICTION  # noqa: PLC0415  (only this command)

    return {mark.why for mark in found.marks if mark.metric == found.marks[0].metric} == {NO_PREDICTION}


def _why_nothing(found: Evaluation) -> str:
    """Why an evaluation says nothing: what is wrong with the predictions, else why steps have no value."""
    wrong = [str(one) for one in found.problems if one.kind not in {"missing", "unreadable_reference"}]
    why = next(iter([*wrong, *found.not_scored, *found.missed]), "there is nothing to predict")
    return f"no prediction could be scored by the rule {found.rule} of {found.suite}; the first reason: {why}"


def _print(text: Any) -> None:
    print(harmless(text))  # noqa: T201  (a command line)
