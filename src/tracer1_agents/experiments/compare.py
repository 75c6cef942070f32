"""Results of two arms to paired differences: the same items asked of both, seeds beside one another.

A difference is the mean over items and seeds of (first arm minus second); its interval resamples seeds and items
together (two-level bootstrap). An arm with one seed stands against every seed of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Final, TypeAlias

from tracer1_agents.experiments.measures import MEASURES, is_among
from tracer1_agents.experiments.plan import Cell
from tracer1_agents.metrics.intervals import paired_difference, seeds_for

if TYPE_CHECKING:
    from tracer1_agents.experiments.measures import Item
    from tracer1_agents.experiments.plan import Claim, Plan
    from tracer1_agents.experiments.results import CellResult, Results
    from tracer1_agents.metrics.intervals import Difference

_BySeed: TypeAlias = list[list[float]]
_Values: TypeAlias = dict[int, dict[str, float]]  # seed -> item -> value
RESOLUTION: Final = 0.02
"""A difference that is not clearly on one side counts as none when its interval reaches no further than this."""


class Verdict(StrEnum):
    """What a claim came to."""

    CONFIRMED = "confirmed"
    REVERSED = "reversed"
    NOT_CONFIRMED = "not confirmed"
    UNDECIDED = "undecided at this power"
    TOO_EARLY = "too early to say"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Table:
    """The results of one experiment on one split.

    Attributes:
        plan: Of the experiment.
        results: Its files.
        split: Which of them.
    """

    plan: Plan
    results: Results
    split: str

    @cached_property
    def cells(self) -> dict[str, list[CellResult]]:
        """By arm, the result of each seed that has one."""
        name = self.plan.name
        found = [(cell.arm, self.results.read(cell, self.split, plan=name)) for cell in self.plan.cells()]
        return {arm: [result for name, result in found if name == arm and result] for arm in self.plan.arms}

    @property
    def has_tasks(self) -> bool:
        """Whether the split holds whole tasks; otherwise windows alone."""
        split = getattr(self.plan, self.split)
        return bool(split.tasks + split.unseen)

    def of_other_recipes(self) -> str:
        """A line that names the results which another plan or config made; "" where there are none."""
        made = {Cell(result.arm, result.seed): result.recipe for results in self.cells.values() for result in results}
        other = [cell.name for cell in made if made[cell] != self.plan.recipe(cell, self.split)]
        return f"Made by another plan or config than is here now: {', '.join(other)}." if other else ""

    def items(self, arm: str, measure: str) -> list[dict[str, Item]]:
        """Items of an arm for each seed: those that the measure reads."""
        return [result.items(MEASURES[measure].kind) for result in self.cells[arm]]

    def values(self, arm: str, measure: str, items: str = "all") -> _Values:
        """One measure of an arm: seed -> item -> value.

        Args:
            arm: Of the plan.
            measure: Name of a measure.
            items: All, the long tasks, or those of new families.
        """
        read = MEASURES[measure].of
        found = {}
        for result in self.cells[arm]:
            some = result.items(MEASURES[measure].kind)
            read_off = {key: read(item) for key, item in some.items() if is_among(item, items)}
            found[result.seed] = {key: value for key, value in read_off.items() if value is not None}
        return {seed: values for seed, values in found.items() if values}

    def mean(self, arm: str, measure: str, items: str = "all") -> tuple[float, list[float]] | None:
        """Mean over seeds, and each seed's; None where it was not measured."""
        by_seed = [fmean(values.values()) for values in self.values(arm, measure, items).values()]
        return (fmean(by_seed), by_seed) if by_seed else None

    def difference(self, first: str, second: str, measure: str, items: str = "all") -> Difference | None:
        """First arm minus second, over the seeds and items that both have; None where there are none."""
        paired = self._paired(first, second, measure, items)
        return paired_difference(*paired) if paired else None

    def seeds_for(self, claim: Claim) -> int | None:
        """How many seeds would narrow a claim's interval to `RESOLUTION` to either side (see `intervals.seeds_for`)."""
        paired = self._paired(claim.better, claim.than, claim.measure, claim.items)
        return seeds_for(*paired, half_width=RESOLUTION) if paired else None

    def _paired(self, first: str, second: str, measure: str, items: str) -> tuple[_BySeed, list[str]] | None:
        """Differences of items by seed, and what each item belongs to."""
        if MEASURES[measure].kind == "windows" and not self._same_windows(first, second):
            return None
        one, other = self.values(first, measure, items), self.values(second, measure, items)
        if self.plan.seeds_of(first) != self.plan.seeds_of(second):  # an arm without training has one seed for all
            one = self._for_all(one, first, other)
            other = self._for_all(other, second, one)
        seeds = sorted(set(one) & set(other))
        if not seeds:
            return None
        keys = sorted(set.intersection(*(set(each[seed]) for seed in seeds for each in (one, other))))
        if not keys:
            return None
        groups = [key.rpartition("/")[0] or key for key in keys]  # windows of one recorded trajectory overlap
        return [[one[seed][key] - other[seed][key] for key in keys] for seed in seeds], groups

    def _same_windows(self, first: str, second: str) -> bool:
        """Whether two arms are asked the same windows: what a prompt shows of the past decides which are drawn."""
        agents = [self.plan.arms[name].agent for name in (first, second)]
        drawn = {(agent.history_window, agent.show_last_forecast) for agent in agents}
        return len(drawn) == 1 or getattr(self.plan, self.split).data is not None

    def _for_all(self, values: _Values, arm: str, seeds: _Values) -> _Values:
        """The only seed of an arm for each of the other's seeds; nothing where it was not measured."""
        if len(self.plan.seeds_of(arm)) > 1 or not values:
            return values
        return dict.fromkeys(seeds, *values.values())

    def seeds_planned(self, first: str, second: str) -> int:
        """How many seeds a difference will have when all is measured."""
        seeds = [set(self.plan.seeds_of(arm)) for arm in (first, second)]
        alone = min(map(len, seeds)) == 1  # stands against every seed of the other
        return max(map(len, seeds)) if alone else len(seeds[0] & seeds[1])

    def judge(self, claim: Claim) -> tuple[Verdict, Difference | None]:
        """What a claim came to, and the difference in the direction that it says."""
        ends = (claim.than, claim.better) if claim.lower else (claim.better, claim.than)
        found = self.difference(*ends, claim.measure, claim.items)
        if found is None:
            return Verdict.NOT_RUN, None
        if len(found.by_seed) == 1 < self.seeds_planned(claim.better, claim.than):
            return Verdict.TOO_EARLY, found  # of one seed nobody knows how much seeds differ
        if found.low is None or found.high is None:
            return Verdict.UNDECIDED, found
        if found.low > 0 or found.high < 0:
            return (Verdict.CONFIRMED if found.low > 0 else Verdict.REVERSED), found
        unseen = 3 / found.items  # what never happened in so many items may still happen that often (95%)
        narrow = max(-found.low, found.high, unseen) <= RESOLUTION
        return (Verdict.NOT_CONFIRMED if narrow else Verdict.UNDECIDED), found
