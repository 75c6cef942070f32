"""An experiment as a page: the answer first, then claims, arms, differences and figures, all from the result files."""

from __future__ import annotations

import os
from statistics import fmean
from typing import TYPE_CHECKING, Final

from tracer1_agents.experiments.compare import RESOLUTION, Verdict
from tracer1_agents.experiments.measures import LONG_STEPS, MEASURES
from tracer1_agents.experiments.outlook import what_would_show_more
from tracer1_agents.experiments.plots import draw
from tracer1_agents.experiments.report import shown
from tracer1_agents.metrics.intervals import interval_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer1_agents.experiments.compare import Table
    from tracer1_agents.experiments.results import CellResult
    from tracer1_agents.metrics.intervals import Difference

_ANSWERS: Final = {
    Verdict.CONFIRMED: "Yes, here it did.",
    Verdict.REVERSED: "No, here it cost.",
    Verdict.NOT_CONFIRMED: f"Not here: a difference of {100 * RESOLUTION:.0f} points or more is ruled out.",
    Verdict.UNDECIDED: "Undecided: the interval reaches from a loss to a gain.",
    Verdict.TOO_EARLY: "Too early to say: one seed shows nothing of how much seeds differ.",
    Verdict.NOT_RUN: "Not run yet.",
}
_COMPARED: Final = (("correct", "all"), ("correct", "long"), ("grounded", "all"), ("loop", "all"))
_OF_FORECASTS: Final = (("pairs_exact", "all"), ("hit_3", "all"))  # of planners that forecast equally far
_OF_WINDOWS: Final = (("first_exact", "all"),)
_OF_WINDOW_FORECASTS: Final = (("reward", "all"), ("pairs_exact", "all"), ("kinds_right", "all"))


def write_page(table: Table, page: Path, figures: Path) -> None:
    """Write the page and its figures; what was not run is said, not left out.

    Args:
        table: The split that is reported.
        page: Markdown file.
        figures: Folder for the SVG files.
    """
    plan = table.plan
    lines = [f"# {plan.title}", ""]
    lines += [_answer(table), ""] if plan.claims else []
    other = table.of_other_recipes()
    lines += [plan.about.strip(), "", _power(table), "", *([other, ""] if other else [])]
    lines += ["## Claims", "", *_claims(table), ""] if plan.claims else []
    lines += ["## Arms", "", *_arms(table), "", *_outcomes(table), ""]
    lines += ["## Differences", "", *_differences(table), "", "## Forecasts", "", *_survival(table), ""]
    for figure in draw(table, figures):
        lines += [f"![{figure.says}]({os.path.relpath(figure.path, page.parent)})", ""]
    outlook = what_would_show_more(table) if plan.claims else []
    lines += ["## What would show more", "", *outlook, ""] if outlook else []
    lines += ["## Runs", "", *_runs(table), ""]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines), encoding="utf-8")


def _answer(table: Table) -> str:
    """The question's answer, from the first claim of the plan."""
    claim = table.plan.claims[0]
    verdict, found = table.judge(claim)
    if found is None:
        return f"**{_ANSWERS[verdict]}** The answer will be whether `{claim.better}` is ahead of `{claim.than}`."
    means = [table.mean(arm, claim.measure, claim.items) for arm in (claim.better, claim.than)]
    ahead, behind = (shown(claim.measure, mean[0]) if mean else "?" for mean in means)
    seeds, planned = len(found.by_seed), table.seeds_planned(claim.better, claim.than)
    so_far = f"After {seeds} of {planned} seeds, so not the last word: " if seeds < planned else ""
    label, gained = MEASURES[claim.measure].label, _interval(claim.measure, found)
    return (
        f"{so_far}**{_ANSWERS[verdict]}** `{claim.better}`: {ahead}, `{claim.than}`: {behind} of {found.items} "
        f"held-out items ({label}); difference {gained}, seeds: {seeds}."
    )


def _power(table: Table) -> str:
    done = sum(len(results) for results in table.cells.values())
    cells = [cell for cell in table.plan.cells() if _is_awaited(table, cell.arm)]
    return (
        f"{done} of {len(cells)} cells (arm and seed) are measured. Intervals are 95%, by a bootstrap over seeds and "
        "items together. A claim is confirmed or reversed when its interval excludes 0, not confirmed when the "
        f"interval holds 0 and reaches no further than {100 * RESOLUTION:.0f} points, undecided otherwise; an interval "
        "of one seed draws items alone, and decides nothing where more are planned."
        + (f" Long tasks have a reference of {LONG_STEPS} steps or more." if table.has_tasks else "")
    )


def _claims(table: Table) -> list[str]:
    lines = ["| claim | compared | measure | items | difference | outcome |", "|---|---|---|---|---|---|"]
    for claim in table.plan.claims:
        verdict, found = table.judge(claim)
        pair = f"{claim.better} - {claim.than}" if not claim.lower else f"{claim.than} - {claim.better}"
        label, gained = MEASURES[claim.measure].label, _interval(claim.measure, found) if found else ""
        planned = table.seeds_planned(claim.better, claim.than)
        so_far = f", {len(found.by_seed)} of {planned} seeds so far" if found and len(found.by_seed) < planned else ""
        lines.append(f"| {claim.says} | {pair} | {label} | {claim.items} | {gained} | {verdict}{so_far} |")
    return lines


def _is_awaited(table: Table, arm: str) -> bool:
    """Whether results of an arm are there, or yet to come."""
    return table.plan.arms[arm].group != "steps" or bool(table.cells[arm])


def _arms(table: Table) -> list[str]:
    """What each arm is, and what its last training took."""
    lines = ["| arm | from | trained by | T | seeds | updates | rows | taught tokens | minutes |"]
    lines.append("|" + "---|" * 9)
    for name, arm in table.plan.arms.items():
        results = table.cells[name]
        size = [_mean_of(results, key) for key in ("updates", "rows", "taught_tokens", "seconds")]
        updates, rows, tokens = (f"{value:,.0f}" if value is not None else "" for value in size[:3])
        minutes = f"{size[3] / 60:.1f}" if size[3] is not None else ""
        horizon = arm.horizon or getattr(table.plan, table.split).horizon
        seeds = f"{len(results)} of {len(table.plan.seeds_of(name))}" if _is_awaited(table, name) else "not measured"
        lines.append(
            f"| `{name}` | {arm.start or 'random weights'} | {arm.train or ''} {arm.config} | {horizon} | "
            f"{seeds} | {updates} | {rows} | {tokens} | {minutes} |"
        )
    return lines


def _outcomes(table: Table) -> list[str]:
    if not table.has_tasks:
        return _window_outcomes(table)
    lines = [
        "| arm | solved | of long ones | of new families | first action right | loops | calls | tokens | seconds |"
    ]
    lines += ["|" + "---|" * 9]
    for name in table.plan.arms:
        if not table.cells[name]:
            continue
        cells = [_mean(table, name, "correct", items) for items in ("all", "long", "new")]
        cells += [_mean(table, name, measure) for measure in ("grounded", "loop", "planner_calls")]
        cells += [_per_success(table, name, column) for column in ("tokens", "seconds")]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    says = (
        "Calls are of the planner, a task; tokens and seconds are all that was spent, by task solved. Seeds differ: "
        "compare arms of other seeds by the differences, which pair them."
    )
    return [*lines, "", says]


def _window_outcomes(table: Table) -> list[str]:
    """Means of an experiment without whole tasks."""
    names = [measure for measure, _ in (*_OF_WINDOWS, *_OF_WINDOW_FORECASTS)]
    lines = ["| arm | " + " | ".join(MEASURES[name].label for name in names) + " |", "|---|" + "---|" * len(names)]
    means = {arm: [_mean(table, arm, name) for name in names] for arm in table.plan.arms if table.cells[arm]}
    lines += [f"| `{arm}` | " + " | ".join(cells) + " |" for arm, cells in means.items()]
    return [*lines, "", "All but the first column depends on how many pairs were asked for (T)."]


def _differences(table: Table) -> list[str]:
    lines = ["| difference | measure | items | mean and interval | by seed |", "|---|---|---|---|---|"]
    compared, of_forecasts = (_COMPARED, _OF_FORECASTS) if table.has_tasks else (_OF_WINDOWS, _OF_WINDOW_FORECASTS)
    for first, second in table.plan.pairs:
        same = table.plan.arms[first].horizon == table.plan.arms[second].horizon
        for measure, items in (*compared, *(of_forecasts if same else ())):
            found = table.difference(first, second, measure, items)
            if found:
                seeds = ", ".join(shown(measure, value, signed=True) for value in found.by_seed)
                label = MEASURES[measure].label
                lines.append(f"| {first} - {second} | {label} | {items} | {_interval(measure, found)} | {seeds} |")
    return lines


def _survival(table: Table) -> list[str]:
    """How often a pair of a forecast is what ran that many steps later, or what the reference did."""
    ahead: tuple[int, ...] = (1, 2, 3, 5, 7)
    if table.has_tasks:
        measure = "hit"
        says = "Share of forecast pairs that came true, by how many steps ahead they were, in whole episodes:"
    else:
        ahead, measure = tuple(range(1, getattr(table.plan, table.split).horizon)), "exact"
        says = "Share of forecast pairs that are exact, by how many steps ahead they are, in windows that reach so far:"
    lines = [says, "", "| arm | " + " | ".join(map(str, ahead)) + " |", "|" + "---|" * (len(ahead) + 1)]
    for name in table.plan.arms:
        cells = [_mean(table, name, f"{measure}_{distance}") for distance in ahead]
        if any(cells):
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def _runs(table: Table) -> list[str]:
    found = [result for results in table.cells.values() for result in results]
    hardware = sorted({result.hardware for result in found})
    versions = sorted({result.version for result in found})
    return [f"Measured on: {'; '.join(hardware) or 'nothing yet'}. Versions: {', '.join(versions) or 'none'}."]


def _mean(table: Table, arm: str, measure: str, items: str = "all") -> str:
    found = table.mean(arm, measure, items)
    return shown(measure, found[0]) if found else ""


def _per_success(table: Table, arm: str, column: str) -> str:
    """All that an arm spent on its tasks, by task solved."""
    spent = sum(sum(result.tasks.get(column, ())) for result in table.cells[arm])
    solved = sum(sum(filter(None, result.tasks.get("correct", ()))) for result in table.cells[arm])
    return f"{spent / solved:,.1f}" if solved else ""


def _mean_of(results: Sequence[CellResult], key: str) -> float | None:
    values = [result.training[key] for result in results if key in result.training]
    return fmean(values) if values else None


def _interval(measure: str, found: Difference) -> str:
    ends = interval_text((found.low, found.high), lambda value: shown(measure, value, signed=True))
    return f"{shown(measure, found.mean, signed=True)} ({ends})"
