"""Marks and scores: each thing that a rule looked at, and what they come to.

A *mark* is one metric's value for one step or one episode, or the reason why it has none. A *score* is the mean of
marks with a 95% interval that draws whole episodes (where all marks are 0, or all 1: Wilson's over episodes), and it
carries the name of its rule: scores under two rules are not comparable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tracer1_agents.errors import MissingExtraError
from tracer1_agents.metrics.intervals import Difference, mean_interval, paired_difference, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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
        low: Of the 95% interval.
        high: Of the 95% interval.
        n: Marks that it is a mean of.
        unit: "steps" or "episodes".
    """

    metric: str
    rule: str
    value: float
    low: float
    high: float
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


def _score(metric: str, rule: str, marks: Sequence[Mark], weights: Sequence[float] | None = None) -> Score | None:
    known = [(mark, mark.value) for mark in marks if mark.value is not None]
    if not known:
        return None
    values = [value * weight for (_, value), weight in zip(known, weights or [1.0] * len(known), strict=True)]
    try:
        mean, low, high = mean_interval(values, [mark.episode for mark, _ in known])
    except ImportError:
        feature = "confidence intervals"
        raise MissingExtraError(feature, "eval") from None
    if weights is None and set(values) in ({0.0}, {1.0}):  # drawing anew cannot show what was never seen
        episodes = len({mark.episode for mark, _ in known})
        low, high = wilson_interval(episodes if mean else 0, episodes)
    unit = "episodes" if all(mark.step == 0 for mark, _ in known) else "steps"
    return Score(metric, rule, mean, low, high, len(known), unit)


def _by_category(metric: str, rule: str, marks: Sequence[Mark]) -> Score | None:
    """The mean over categories: a mark weighs as much as its category has marks too few."""
    known = [mark for mark in marks if mark.value is not None]
    sizes = Counter(mark.stratum for mark in known)
    if len(sizes) < 2 or "" in sizes:  # noqa: PLR2004  (one category is all there is)
        return None
    weights = [len(known) / (len(sizes) * sizes[mark.stratum]) for mark in known]
    return _score(f"{metric}_by_category", rule, known, weights)


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
