"""An experiment's figures as SVG, drawn from the result files: the same files give the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.evals.drawing import SIZE, legend, svg
from tracer1_agents.experiments.measures import DISTANCES, MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer1_agents.experiments.compare import Table

_MARKERS: Final = "os^Dv"
_COLOURS: Final = 10  # of matplotlib's cycle
_COLUMNS: Final = 3
_PANEL: Final = 1.7  # inches of height
_AVERAGED: Final = 10  # updates
_LEARNING: Final = (
    "Reward over training time, a line a seed: of imitation on held-out windows, of GRPO on its own replies "
    f"(means of {_AVERAGED} updates)"
)


@dataclass(frozen=True)
class Figure:
    """A figure on disk.

    Attributes:
        path: Of the SVG.
        says: What it shows, for those who cannot see it.
    """

    path: Path
    says: str


def draw(table: Table, folder: Path) -> list[Figure]:
    """Every figure that the results have something for.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    kinds: list[tuple[str, str, Callable[..., bool]]] = [
        ("solved", "Tasks solved by arm, with the mean of each seed", partial(_bars, measure="correct")),
        ("loops", "Episodes that ended in a loop by arm, with the mean of each seed", partial(_bars, measure="loop")),
        ("survival", "Share of forecast pairs that came true, by steps ahead", _survival),
        ("cost", "Tasks solved against planner tokens spent per task", _cost),
        ("learning", _LEARNING, _learning),
        ("horizon", "Tasks solved against the trained horizon; the line is of the seeds that all have", horizon_curve),
    ]
    if not table.has_tasks:
        says = "First actions exact by arm, with the mean of each seed"
        kinds.insert(0, ("first", says, partial(_bars, measure="first_exact")))
    for name, says, fill in kinds:
        if drawn := svg(partial(fill, table=table), salt=table.plan.name):
            path = folder / f"{table.plan.name}_{name}.svg"
            path.write_text(drawn, encoding="utf-8")
            figures.append(Figure(path, says))
    return figures


def _bars(axes: Any, table: Table, measure: str) -> bool:
    found = [(arm, mean) for arm in table.plan.arms if (mean := table.mean(arm, measure))]
    for at, (_, (rate, seeds)) in enumerate(found):
        axes.barh(at, 100 * rate, color="#4878a8", height=0.6)
        axes.plot([100 * value for value in seeds], [at] * len(seeds), "o", color="#202020", markersize=3)
    axes.set_yticks(range(len(found)), [arm for arm, _ in found])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{MEASURES[measure].label} (%); a point is a seed")
    return bool(found)


def _survival(axes: Any, table: Table) -> bool:
    drawn = False
    for number, arm in enumerate(table.plan.arms):
        points = [(k, 100 * found[0]) for k in DISTANCES if (found := table.mean(arm, f"hit_{k}"))]
        if points:
            marker, colour = _look(number)
            axes.plot(*zip(*points, strict=True), marker=marker, color=colour, markersize=4, linewidth=1, label=arm)
            drawn = True
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("came true (%)")
    legend(axes, drawn=drawn, beside=True)
    return drawn


def _cost(axes: Any, table: Table) -> bool:
    drawn = False
    for number, arm in enumerate(table.plan.arms):
        solved, tokens = table.mean(arm, "correct"), table.mean(arm, "tokens")
        if solved and tokens:
            marker, colour = _look(number)
            axes.plot(tokens[0], 100 * solved[0], marker, color=colour, label=arm)
            drawn = True
    axes.set_xlabel("planner tokens a task")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("tasks solved (%)")
    legend(axes, drawn=drawn, beside=True)
    return drawn


def _look(number: int) -> tuple[str, str]:
    """Marker and colour of an arm, by its number: the same in every figure."""
    return _MARKERS[number // _COLOURS % len(_MARKERS)], f"C{number % _COLOURS}"


def _learning(axes: Any, table: Table) -> bool:
    """A panel an arm: in one, the lines of GRPO cover all others."""
    learnt = {arm: [one.curve for one in table.cells[arm] if len(one.curve) > 1] for arm in table.plan.arms}
    curves = {arm: found for arm, found in learnt.items() if found}
    if not curves:
        return False
    figure, rows = axes.figure, -(-len(curves) // _COLUMNS)
    axes.remove()
    figure.set_figheight(max(SIZE[1], _PANEL * rows))
    panels = list(figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).flat)
    for panel, (arm, found) in zip(panels, curves.items(), strict=False):
        width = _AVERAGED if table.plan.arms[arm].train in {"stage1", "stage2"} else 1
        for curve in found:
            rewards = _averaged([reward for _, reward in curve], width)
            panel.plot([seconds / 60 for seconds, _ in curve], rewards, linewidth=0.9)
        panel.set_title(arm, fontsize=8)
        panel.set_xlim(left=0)
        panel.tick_params(labelsize=7)
    for panel in panels[len(curves) :]:
        panel.remove()
    figure.supxlabel("minutes of training", fontsize=8)
    figure.supylabel("reward", fontsize=8)
    return True


def _averaged(values: Sequence[float], width: int) -> list[float]:
    """Each value with those just before it, `width` in all."""
    windows = [values[max(0, end - width) : end] for end in range(1, len(values) + 1)]
    return [sum(window) / len(window) for window in windows]


def horizon_curve(axes: Any, table: Table) -> bool:
    """Only arms of the sweep over T, named in the plan. Seeds differ, so the line is of those that all of them have."""
    measured = {horizon: table.values(arm, "correct") for horizon, arm in table.plan.horizon_curve.items()}
    points = {
        horizon: {seed: 100 * fmean(values.values()) for seed, values in by_seed.items()}
        for horizon, by_seed in measured.items()
        if by_seed
    }
    shared = set.intersection(*map(set, points.values())) if points else set()
    for horizon, by_seed in points.items():
        for seed, solved in by_seed.items():
            axes.plot(horizon, solved, "o", color="#4878a8" if seed in shared else "#b0b0b0", markersize=3)
    if shared:
        means = [fmean(by_seed[seed] for seed in shared) for by_seed in points.values()]
        axes.plot(list(points), means, color="#4878a8")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(points), [str(horizon) for horizon in points])
    axes.set_xlabel("trained horizon T; blue: the seeds that every T has, grey: others")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("tasks solved (%)")
    return len(points) > 1
