"""What predictions say of planning, whatever rule scores them: forecasts against the references, churn, loops, cost.

Predictions of recorded windows are each made from the reference's past, so that what happened k steps later is the
reference's action (in a run of one's own it is what was executed: `metrics.forecasts`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.match import kind_of, similarity
from tracer1_agents.actions.targets import is_placed
from tracer1_agents.evals.markers import own_steps
from tracer1_agents.evals.marks import Mark
from tracer1_agents.metrics.planning import looped, plan_churn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.evals.predictions import Prediction, Predictions
    from tracer1_agents.evals.scoring import References
    from tracer1_agents.types import ForecastPair, ReferenceStep, ReferenceTrajectory

AHEAD: Final = (0, 1, 2, 4, 9)  # 0 is the action that would run now


def planning_marks(found: References, predictions: Predictions) -> list[Mark]:
    """Hits by distance, churn, loops, tokens and planner calls; nothing of episodes without predictions."""
    return [
        mark
        for trajectory in found.trajectories
        if (answers := predictions.by_episode.get(trajectory.id))
        for mark in _episode(trajectory, answers)
    ]


def _episode(trajectory: ReferenceTrajectory, answers: dict[int, Prediction]) -> Iterator[Mark]:
    steps = own_steps(trajectory)
    by_number = dict(steps)
    given = [(number, answers[number]) for number, _ in steps if number in answers]
    for number, prediction in given:
        for ahead in AHEAD:
            later = by_number.get(number + ahead)
            if later is not None and ahead < len(prediction.forecast):
                hit = _came_true(prediction.forecast[ahead], later)
                yield Mark(f"hit_{ahead}", trajectory.id, number, float(hit))
        if len(prediction.forecast) > 1:
            yield Mark("looped_forecasts", trajectory.id, number, float(looped(prediction.forecast)))
        spent = prediction.usage.input_tokens + prediction.usage.output_tokens
        if spent:
            yield Mark("tokens_per_step", trajectory.id, number, float(spent))
            yield Mark("planner_calls_per_step", trajectory.id, number, float(prediction.planner_calls))
    for (number, before), (following, after) in pairwise(given):
        if following == number + 1:  # over a gap, forecasts are of other steps
            for changed in plan_churn([before.forecast, after.forecast]):
                yield Mark("plan_churn", trajectory.id, number, changed)


def _came_true(pair: ForecastPair, step: ReferenceStep) -> bool:
    """Whether a pair is what the reference does: kind and arguments, without the target of a pointing action.

    A model words its targets in its own way, and where they will be nobody can know; the suite's rule judges the first
    pair's place.
    """
    if kind_of(pair.action) != kind_of(step.action):
        return False
    return is_placed(step.action) or similarity(pair.action, step.action) == 1.0
