"""What an experiment leaves open: how many seeds would decide it, and what kind of mistake is left to be avoided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.experiments.compare import RESOLUTION
from tracer1_agents.experiments.measures import MEASURES

if TYPE_CHECKING:
    from tracer1_agents.experiments.compare import Table
    from tracer1_agents.experiments.plan import Claim

_POWER: Final = (
    f"How many seeds would narrow each interval to {100 * RESOLUTION:.0f} points on either side, by the spread so far "
    "(of seeds, of items, and of both together; a rough guess while there are few seeds):"
)
_MISTAKES: Final = (
    "What reactive planners get wrong, of the next actions of held-out windows, and how often the kind of action "
    "(the tool) was right nonetheless, so that only its arguments were wrong:"
)


def what_would_show_more(table: Table) -> list[str]:
    """Lines of Markdown: the plan's own words, the mistakes of reactive planners, and the power of each claim.

    Args:
        table: The split that is reported; its plan has claims.
    """
    lines = [table.plan.outlook.strip(), ""] if table.plan.outlook else []
    lines += _mistakes(table)
    if rows := [line for claim in table.plan.claims if (line := _needed(table, claim))]:
        lines += [
            _POWER,
            "",
            "| claim | half of the interval now | seeds now | seeds needed |",
            "|---|---|---|---|",
            *rows,
        ]
    return lines


def _mistakes(table: Table) -> list[str]:
    """Of planners that are asked for one pair, `kinds_right` is whether that pair is the right kind of action."""
    found = []
    for name, arm in table.plan.arms.items():
        kinds, exact = (table.mean(name, measure) for measure in ("kinds_right", "first_exact"))
        if arm.horizon == 1 and kinds and exact and exact[0] < 1:
            share = (kinds[0] - exact[0]) / (1 - exact[0])
            found.append(f"| `{name}` | {1 - exact[0]:.1%} | {share:.0%} |")
    if not found:
        return []
    return [
        _MISTAKES,
        "",
        "| arm | wrong | of these, right kind |",
        "|---|---|---|",
        *found,
        "",
    ]


def _needed(table: Table, claim: Claim) -> str:
    found = table.difference(claim.better, claim.than, claim.measure, claim.items)
    if found is None or found.low is None or found.high is None or not MEASURES[claim.measure].rate:
        return ""
    half, seeds = (found.high - found.low) / 2, len(found.by_seed)
    if seeds == 1:
        needed = "unknown: one seed"
    else:
        count = table.seeds_for(claim)
        needed = f"{count}" if count else "more items, not seeds"
    return f"| {claim.says} | {100 * half:.1f} points | {seeds} | {needed} |"
