"""Runs beside one another: tables with intervals as Markdown, CSV and one HTML file with its figures inside.

The HTML file needs no network: figures are inline SVG, there are no scripts and no fonts from elsewhere. Rows are
grouped by suite and rule, since scores under two rules are not comparable.
"""

from __future__ import annotations

import csv
import html
import io
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.evals.drawing import SIZE, inline, legend, svg
from tracer1_agents.evals.runs import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tracer1_agents.evals.run_summary import RunSummary, Value

_COLUMNS: Final = ("run", "metric", "value", "95%", "n")
_BLUE: Final = "#4878a8"
_ROW: Final = 0.24  # inches that a run's name takes
_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}td:nth-child(n+3){text-align:right}"
    "svg{max-width:100%;height:auto}"
)
_AMOUNTS: Final = ("tokens", "planner_calls")  # metrics that begin so are no shares


def told_apart(paths: Sequence[Path], runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Runs whose files have one name in several folders get these folders into their names.

    Args:
        paths: Of the runs.
        runs: In the same order.
    """
    counts = Counter(run.name for run in runs)
    return [
        replace(run, name=f"{path.parent.as_posix()}/{run.name}") if counts[run.name] > 1 else run
        for path, run in zip(paths, runs, strict=True)
    ]


def groups_of(runs: Iterable[RunSummary]) -> dict[tuple[str, str], list[RunSummary]]:
    """Runs by suite and rule, in the order in which they were given."""
    found: dict[tuple[str, str], list[RunSummary]] = {}
    for run in runs:
        found.setdefault((run.suite, run.rule), []).append(run)
    return found


def as_markdown(runs: Sequence[RunSummary]) -> str:
    """Tables, one a suite and rule."""
    blocks = []
    for (suite, rule), some in groups_of(runs).items():
        head = [f"## {suite}, rule {rule}", "", _markdown_row(_COLUMNS), "|" + "---|" * len(_COLUMNS)]
        blocks.append("\n".join([*head, *map(_markdown_row, _rows(some))]))
        survived = [row for run in some for row in _survival_rows(run)]
        if survived:
            titles = ("run", "steps ahead", "came true", "95%", "n")
            blocks.append("\n".join([_markdown_row(titles), "|" + "---|" * len(titles), *map(_markdown_row, survived)]))
        blocks += _notes(some)
    return "\n\n".join(blocks) + "\n"


def as_csv(runs: Sequence[RunSummary]) -> str:
    """One line a number, unrounded."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(("run", "suite", "rule", "horizon", "metric", "value", "low", "high", "n"))
    for run in runs:
        survival = {f"hit_{ahead}": value for ahead, value in run.survival.items()}
        for metric, one in {**run.metrics, **survival}.items():
            ends = ("" if end is None else end for end in (one.low, one.high, one.n))
            writer.writerow((run.name, run.suite, run.rule, run.horizon or "", metric, one.value, *ends))
    return target.getvalue()


def as_html(runs: Sequence[RunSummary]) -> str:
    """The page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    parts = []
    for number, ((suite, rule), some) in enumerate(groups_of(runs).items()):
        parts.append(f"<h2>{html.escape(suite)}, rule {html.escape(rule)}</h2>")
        parts.append(_html_table(_COLUMNS, _rows(some)))
        parts += [f"<p>{html.escape(note)}</p>" for note in _notes(some)]
        for says, fill in _FIGURES:
            drawn = svg(partial(fill, some), salt=f"{number} {says}")
            if drawn:
                label = f'<figure role="img" aria-label="{html.escape(says)}">'
                parts.append(f"<h3>{html.escape(says)}</h3>{label}{inline(drawn)}</figure>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Runs</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Runs</h1>\n{body}\n</body></html>\n"
    )


def _rows(runs: Sequence[RunSummary]) -> list[tuple[str, ...]]:
    return [
        (run.name, metric, shown(metric, one.value), _interval(metric, one), f"{one.n:,}" if one.n else "")
        for run in runs
        for metric, one in run.metrics.items()
    ]


def _survival_rows(run: RunSummary) -> list[tuple[str, ...]]:
    return [
        (run.name, str(ahead), shown("", one.value), _interval("", one), f"{one.n:,}" if one.n else "")
        for ahead, one in sorted(run.survival.items())
    ]


def shown(metric: str, value: float) -> str:
    """A share as a percentage, an amount as a number."""
    return f"{value:,.1f}" if metric.startswith(_AMOUNTS) else f"{100 * value:.1f}%"


def _interval(metric: str, one: Value) -> str:
    return "" if one.low is None or one.high is None else f"{shown(metric, one.low)} to {shown(metric, one.high)}"


def _notes(runs: Sequence[RunSummary]) -> list[str]:
    """What a reader has to know beside the numbers."""
    notes = []
    for run in runs:
        if run.problems:
            counts = ", ".join(f"{kind} {count:,}" for kind, count in run.problems.items())
            notes.append(f"{run.name}: problems with its input: {counts}.")
    models = {run.setup.get("model") for run in _with_horizon(runs)}
    return [*notes, CONTROL] if len(_with_horizon(runs)) > 1 and len(models) == 1 else notes


def _with_horizon(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Runs of a curve over T: more than one horizon."""
    known = [run for run in runs if run.horizon is not None and run.main]
    return known if len({run.horizon for run in known}) > 1 else []


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _html_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _bars(runs: Sequence[RunSummary], axes: Any) -> bool:
    """The first metric of each run with its interval."""
    found = [(run, run.main[1]) for run in runs if run.main]
    for at, (_, one) in enumerate(found):
        axes.barh(at, 100 * one.value, color=_BLUE, height=0.6)
        if one.low is not None and one.high is not None:
            axes.plot([100 * one.low, 100 * one.high], [at, at], color="#202020", linewidth=1.2)
    _make_room(found, axes)
    axes.set_yticks(range(len(found)), [_plain(run.name) for run, _ in found])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"{_main_name(runs)} (%), with 95% interval")
    return bool(found)


def _horizon(runs: Sequence[RunSummary], axes: Any) -> bool:
    """Success and cost against T."""
    some = sorted(_with_horizon(runs), key=lambda run: run.horizon or 0)
    points = [(run.horizon, run.main[1]) for run in some if run.main]
    for horizon, one in points:
        if one.low is not None and one.high is not None:
            axes.plot([horizon, horizon], [100 * one.low, 100 * one.high], color=_BLUE, linewidth=1)
    axes.plot([horizon for horizon, _ in points], [100 * one.value for _, one in points], "o", color=_BLUE)
    axes.set_ylim(0, 100)
    axes.set_xlabel("horizon T")
    axes.set_ylabel(f"{_main_name(runs)} (%)", color=_BLUE)
    costs = [(run.horizon, run.cost) for run in some if run.cost]
    if costs:
        right = axes.twinx()
        right.plot([horizon for horizon, _ in costs], [cost for _, cost in costs], "s", color="#a86048", markersize=4)
        right.set_ylim(bottom=0)
        right.set_ylabel("planner tokens each", color="#a86048")
    return bool(points)


def _survival(runs: Sequence[RunSummary], axes: Any) -> bool:
    """Share of forecast pairs that came true, by distance."""
    drawn = [run for run in runs if run.survival]
    for run in drawn:
        points = sorted(run.survival.items())
        shares = [100 * one.value for _, one in points]
        axes.plot([ahead for ahead, _ in points], shares, marker="o", markersize=3, label=_plain(run.name))
    axes.set_xlabel("steps ahead")
    axes.set_xticks(sorted({ahead for run in drawn for ahead in run.survival}))
    axes.set_ylim(0, 100)
    axes.set_ylabel("came true (%)")
    _make_room(drawn, axes)
    legend(axes, drawn=bool(drawn))
    return bool(drawn)


def _make_room(named: Sequence[Any], axes: Any) -> None:
    """A figure that names many runs is as high as their names."""
    axes.figure.set_figheight(max(SIZE[1], _ROW * (len(named) + 4)))  # four for the axis below


def _main_name(runs: Sequence[RunSummary]) -> str:
    return next((run.main[0] for run in runs if run.main), "")


def _plain(name: str) -> str:
    """A name as matplotlib shows it: "$" would begin mathematics, a leading "_" hides a line."""
    return " " + name.replace("$", r"\$")


_FIGURES: Final = (
    ("Score of each run, with 95% interval", _bars),
    ("Score and cost against the horizon", _horizon),
    ("Forecasts that came true, by steps ahead", _survival),
)
