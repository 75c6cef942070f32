"""An experiment's results as tables in Markdown and as JSON; every number is computed from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer1_agents.experiments.compare import MEASURES, difference, mean_of, values

if TYPE_CHECKING:
    from tracer1_agents.experiments.runner import Runner

_COUNTS = frozenset({"planner_calls"})


def as_json(runner: Runner, split: str) -> dict[str, Any]:
    """Means by arm and differences by pair."""
    plan = runner.plan
    return {
        "experiment": plan.name,
        "split": split,
        "arms": {
            arm: {
                name: {"mean": round(found[0], 5), "by_seed": [round(value, 5) for value in found[1]]}
                for name in MEASURES
                if (found := mean_of(runner, arm, split, name))
            }
            for arm in plan.arms
        },
        "differences": [
            {"first": first, "second": second, "measure": name, **vars(paired)}
            for first, second in plan.pairs
            for name in MEASURES
            if (paired := difference(runner, first, second, split, name))
        ],
    }


def as_markdown(runner: Runner, split: str) -> str:
    """The same for people."""
    results = as_json(runner, split)
    names = [name for name in MEASURES if any(name in measured for measured in results["arms"].values())]
    head = "| arm | seeds | " + " | ".join(MEASURES[name][1] for name in names) + " |"
    lines = [_counts(runner, split), "", head, "|" + "---|" * (len(names) + 2)]
    for arm, measured in results["arms"].items():
        cells = [_shown(name, measured[name]["mean"]) for name in names]
        lines.append(f"| {arm} | {len(runner.cells(arm))} | " + " | ".join(cells) + " |")
    lines += ["", "| difference | measure | mean | 95% interval | by seed |", "|---|---|---|---|---|"]
    for found in results["differences"]:
        name = found["measure"]
        low, high = (_shown(name, found[end], signed=True) for end in ("low", "high"))
        seeds = ", ".join(_shown(name, value, signed=True) for value in found["by_seed"])
        mean = _shown(name, found["mean"], signed=True)
        shown = f"{found['first']} - {found['second']}"
        lines.append(f"| {shown} | {MEASURES[name][1]} | {mean} | {low} to {high} | {seeds} |")
    return "\n".join(lines)


def _counts(runner: Runner, split: str) -> str:
    arm = next(iter(runner.plan.arms))
    counts = {kind: len(values(runner, arm, split, name)[0]) for name, (kind, _) in MEASURES.items()}
    return f"Split `{split}`: {counts['windows']} held-out windows, {counts['tasks']} tasks in the closed loop."


def _shown(name: str, value: float, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.1f}%" if name not in _COUNTS else f"{value:{sign}.2f}"
