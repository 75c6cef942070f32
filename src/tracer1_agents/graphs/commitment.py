"""Adaptive commitment: carry out further pairs of a forecast without asking the planner again, while they fit.

A run-time foresight channel (ours; the paper commits to one pair). The next pair of the standing forecast runs when

- fewer than `commitment` pairs of that forecast have run,
- the last execution went well,
- it needs no result that was unknown when it was forecast, and
- it neither ends the run nor repeats what the loop guard would stop.

Otherwise the planner looks again. What came back is never compared with what was expected: a forecast says nothing of
observations. On screens the next pair is carried out without looking, so keep 1 there unless pages stand still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.space import Finish, pending_results
from tracer1_agents.graphs.loop_guard import mark, trail_in
from tracer1_agents.graphs.state import stored
from tracer1_agents.types import Forecast

if TYPE_CHECKING:
    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.graphs.state import PlannerState
    from tracer1_agents.types import Observation

COMMITTED = "committed"
"""Event of a step that ran from the standing forecast."""


def standing_forecast(state: PlannerState, settings: Settings, observation: Observation) -> Forecast | None:
    """What is left of the last forecast, if its next pair may run; None: ask the planner.

    Args:
        state: Where the run stands.
        settings: Of the run.
        observation: What is seen now.
    """
    last, execution = state.get("forecast"), state.get("execution") or {}
    if state.get("committed", 0) + 1 >= settings.commitment or not last or not execution.get("ok"):
        return None
    if state.get("rejections"):
        return None
    left = stored(Forecast, last).pairs[1:]
    if not left or isinstance(left[0].action, Finish) or pending_results(left[0].action):
        return None
    candidate = mark(left[0].action, left[0].instruction, observation)
    if settings.loop_guard is not None and settings.loop_guard.repeats(trail_in(state), candidate):
        return None
    return Forecast(pairs=left)
