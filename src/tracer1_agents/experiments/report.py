"""An experiment's results as tables in Markdown and as JSON; every number is computed from the result files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tracer1_agents.experiments.measures import MEASURES, SHOWN
from tracer1_agents.metrics.intervals import interval_text

if TYPE_CHECKING:
    from tracer1_agents.experiments.compare import Table


def as_json(table: Table) -> dict[str, Any]:
    """Means by arm and differences by pair."""
    plan = table.plan
    return {
        "experiment": plan.name,
        "split": table.split,
        "arms": {
            arm: {
                name: {"mean": round(found[0], 5), "by_seed": [round(value, 5) for value in found[1]]}
                for name in SHOWN
                if (found := table.mean(arm, name))
            }
            for arm in plan.arms
        },
        "differences": [
            {"first": first, "second": second, "measure": name, **vars(paired)}
            for first, second in plan.pairs
            for name in SHOWN
            if (paired := table.difference(first, second, name))
        ],
    }


def as_markdown(table: Table) -> str:
    """The same for people."""
    results = as_json(table)
    names = [name for name in SHOWN if any(name in measured for measured in results["arms"].values())]
    head = "| arm | seeds | " + " | ".join(MEASURES[name].label for name in names) + " |"
    other = table.of_other_recipes()
    lines = [counts(table), *([other] if other else []), "", head, "|" + "---|" * (len(names) + 2)]
    for arm, measured in results["arms"].items():
        cells = [shown(name, measured[name]["mean"]) if name in measured else "" for name in names]
        lines.append(f"| {arm} | {len(table.cells[arm])} | " + " | ".join(cells) + " |")
    lines += ["", "| difference | measure | mean | 95% interval | by seed |", "|---|---|---|---|---|"]
    for found in results["differences"]:
        name = found["measure"]
        ends = interval_text((found["low"], found["high"]), partial(shown, name, signed=True))
        seeds = ", ".join(shown(name, value, signed=True) for value in found["by_seed"])
        mean = shown(name, found["mean"], signed=True)
        pair = f"{found['first']} - {found['second']}"
        lines.append(f"| {pair} | {MEASURES[name].label} | {mean} | {ends} | {seeds} |")
    return "\n".join(lines)


def counts(table: Table) -> str:
    """How much the split holds."""
    first = next((results[0] for results in table.cells.values() if results), None)
    windows, tasks = (len(first.items(kind)) for kind in ("windows", "tasks")) if first else (0, 0)
    return f"Split `{table.split}`: {windows} held-out windows, {tasks} tasks in the closed loop."


def shown(name: str, value: float, *, signed: bool = False) -> str:
    """A value of a measure, as a percentage where it is a rate."""
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.1f}%" if MEASURES[name].rate else f"{value:{sign}.2f}"
