"""Marks and scores: each thing that a rule looked at, and what they come to.

A *mark* is one metric's value for one step or one episode, or the reason why it has none. A *score* is the mean of
marks with a 95% interval that draws whole episodes (of a rate whose marks are all 0, or all 1: Wilson's over episodes).
It carries the name of its rule: scores under two rules are not comparable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tracer1_agents.errors import MissingExtraError
from tracer1_agents.metrics.intervals import (
    Difference,
    mean_interval,
    mean_of_means_interval,
    paired_difference,
    wilson_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COUNTS: Final = frozenset({"tokens_per_step", "planner_calls_per_step"})
"""Metrics that are no shares."""


class Mark(NamedTuple):
    """One value.

    Attributes:
        metric: Its name.
        episode: Id of the episode.
        step: From 1; 0 for what belongs to the whole episode.
        value: In [0, 1]; None when it cannot be scored or was not predicted.
        why: For a value below 1 or a missing one, the reason.
        stratum: Category of the episode where the benchmark averages over categories, else "".
    """

    metric: str
    episode: str
    step: int
    value: float | None
    why: str = ""
    stratum: str = ""


@dataclass(frozen=True)
class Score:
    """A metric's value under a rule.

    Attributes:
        metric: Its name.
        rule: By whose rule.
        value: In [0, 1] for rates.
        low: Of the 95% interval; None where one episode is all there is.
        high: Likewise.
        n: Marks that it is a mean of.
        unit: "steps" or "episodes".
    """

    metric: str
    rule: str
    value: float
    low: float | None
    high: float | None
    n: int
    unit: str


def scores_of(marks: Iterable[Mark], rule: str) -> list[Score]:
    """The mean of each metric, in the order in which metrics were met; one without any value is left out.

    Where marks have strata, `<metric>_by_category` is the mean over categories of their means.
    """
    return [
        score
        for metric, some in by_metric(marks).items()
        for score in (_score(metric, rule, some), _by_category(metric, rule, some))
        if score
    ]


def by_metric(marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    """Marks by the name of their metric."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.metric, []).append(mark)
    return found


def _score(metric: str, rule: str, marks: Sequence[Mark], strata: Sequence[str] = ()) -> Score | None:
    known = [(mark.episode, mark.value) for mark in marks if mark.value is not None]
    if not known:
        return None
    episodes, values = [episode for episode, _ in known], [value for _, value in known]
    try:
        mean, ends = mean_of_means_interval(values, episodes, strata) if strata else mean_interval(values, episodes)
    except ImportError:
        feature = "confidence intervals"
        raise MissingExtraError(feature, "eval") from None
    if metric not in COUNTS and set(values) in ({0.0}, {1.0}):  # drawing anew cannot show what was never seen
        seen = len(set(episodes))
        ends = wilson_interval(seen if mean else 0, seen)
    unit = "episodes" if all(mark.step == 0 for mark in marks if mark.value is not None) else "steps"
    return Score(metric, rule, mean, *ends, len(known), unit)


def _by_category(metric: str, rule: str, marks: Sequence[Mark]) -> Score | None:
    """The mean over categories of their means."""
    known = [mark for mark in marks if mark.value is not None]
    strata = [mark.stratum for mark in known]
    if len(set(strata)) < 2 or "" in strata:  # noqa: PLR2004  (one category is all there is)
        return None
    return _score(f"{metric}_by_category", rule, known, strata)


def reasons(marks: Iterable[Mark], *, scored: bool) -> dict[str, int]:
    """Reasons of the first metric's marks: for values below 1 (`scored`), or for having none."""
    metrics = by_metric(marks)
    first = next(iter(metrics.values()), [])
    chosen = [one for one in first if (one.value is not None and one.value < 1 if scored else one.value is None)]
    return dict(Counter(mark.why or "no reason given" for mark in chosen).most_common())


def differences(first: Iterable[Mark], second: Iterable[Mark]) -> dict[str, Difference]:
    """Second less first, metric by metric, over the steps (or episodes) that both have a value for."""
    one, other = ({mark[:3]: mark.value for mark in marks if mark.value is not None} for marks in (first, second))
    found = {}
    for metric in dict.fromkeys(key[0] for key in one):
        keys = [key for key in one if key[0] == metric and key in other]
        if keys:
            gained = [other[key] - one[key] for key in keys]
            found[metric] = paired_difference([gained], [str(key[1]) for key in keys])
    return found
