"""Runs as the JSON that a page shows: texts harmless and cut, pictures by key, what came true decided here.

The page decides nothing: whether a pair came true comes from `metrics.forecasts.came_true`, where two runs part from
`actions.match.same_operation`. Numbers that JSON does not have (NaN, infinity) become null; the page shows a dash.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.match import same_operation
from tracer1_agents.actions.space import GUI_KINDS, Code, ToolCall, load_action
from tracer1_agents.actions.targets import points_of
from tracer1_agents.metrics.forecasts import came_true
from tracer1_agents.viewer.episodes import rounded
from tracer1_agents.viewer.plain import excerpt, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Execution, ImageRef, StepRecord, Trace
    from tracer1_agents.viewer.episodes import Episode, Run
    from tracer1_agents.viewer.pictures import Pictures

_TEXT: Final = 20_000  # characters of what came back, of a task, of an answer
_ACTION: Final = 2_000  # characters of an action
_LINE: Final = 400  # characters of an instruction or an event
_LINES: Final = 2_000
_EVENTS: Final = {"replan": "replan", "loop": "loop", "re-asked": "asked again"}


def page_data(runs: Sequence[Run], pictures: Pictures, *, live: bool = False) -> dict[str, Any]:
    """What a page shows of one run, or of two side by side.

    Args:
        runs: One or two.
        pictures: Takes in the screenshots; what it took goes into the page, or is served beside it.
        live: Whether the page should ask for more as the run grows.

    Returns:
        Plain JSON without NaN.
    """
    newest = [_newest(run) for run in runs]
    parts = newest[0].keys() & newest[-1].keys() if len(runs) > 1 else set()
    return {
        "live": live,
        "runs": [
            {
                "name": one_line(run.name, _LINE),
                "setup": [[one_line(str(key), 60), _setting(value)] for key, value in run.setup.items()],
                "problems": [one_line(problem, _LINE) for problem in run.problems],
                "episodes": [_episode(episode, pictures) for episode in episodes.values()],
            }
            for run, episodes in zip(runs, newest, strict=True)
        ],
        "parting": {one_line(task, _LINE): _parting(newest[0][task], newest[1][task]) for task in sorted(parts)},
    }


def _newest(run: Run) -> dict[str, Episode]:
    """Episodes by task: of a task that was done again, the last attempt."""
    return {episode.task_id: episode for episode in run.episodes}


def _setting(value: Any) -> str:
    return "-" if value is None else one_line(str(value), _LINE)


def _parting(one: Episode, other: Episode) -> int | None:
    """The first step (from 1) at which two runs did different things; None where they did the same."""
    mine, theirs = (episode.trace.steps if episode.trace else () for episode in (one, other))
    for at, (left, right) in enumerate(zip(mine, theirs, strict=False), 1):
        if not same_operation(left.executed, right.executed, left.instruction, right.instruction):
            return at
    return min(len(mine), len(theirs)) + 1 if len(mine) != len(theirs) else None


def _episode(episode: Episode, pictures: Pictures) -> dict[str, Any]:
    trace = episode.trace
    return {
        "id": one_line(episode.task_id, _LINE),
        "level": episode.level,
        "family": one_line(episode.family, 100),
        "status": one_line(episode.status, 100),
        "detail": _text(episode.detail),
        "correct": episode.correct,
        "calls": episode.planner_calls,
        "tokens": episode.tokens,
        "seconds": _number(episode.seconds),
        "task": _text(trace.instruction) if trace else "",
        "answer": _text(trace.answer) if trace and trace.answer is not None else None,
        "seen": _text(trace.observation.text) if trace else "",  # by other steps: what the step before gave back
        "steps": [_step(trace, at, pictures) for at in range(len(trace.steps))] if trace else [],
    }


def _step(trace: Trace, at: int, pictures: Pictures) -> dict[str, Any]:
    step = trace.steps[at]
    screen = trace.observation.image if at == 0 else trace.steps[at - 1].execution.image
    last = at + 1 == len(trace.steps)  # what any other step gave is shown as what the next one saw
    return {
        "n": step.step,
        "picture": _picture(screen, pictures),
        "marks": _marks(trace.steps, at) if screen else [],
        "forecast": [
            {
                "action": _wording(pair.action),
                "instruction": one_line(pair.instruction, _LINE),
                "came": came_true(trace.steps, at, ahead),
                "drawn": screen is not None and any(points_of(pair.action)),
            }
            for ahead, pair in enumerate(step.forecast)
        ],
        "kind": step.executed.name if isinstance(step.executed, ToolCall) else step.executed.kind,
        "ran": _wording(step.executed),
        "instruction": one_line(step.instruction, _LINE),
        "ok": step.execution.ok,
        "infrastructure": step.execution.infrastructure,
        "back": _text(step.execution.text),
        "after": _picture(step.execution.image, pictures) if last else None,
        "events": [_event(event) for event in step.events],
        "input": step.usage.input_tokens,
        "output": step.usage.output_tokens,
        "calls": step.planner_calls,
        "seconds": _number(step.seconds),
        "toolSeconds": _number(step.execution.seconds),
    }


def _picture(image: ImageRef | None, pictures: Pictures) -> dict[str, Any] | None:
    return pictures.take(image) if image is not None else None


def _marks(steps: Sequence[StepRecord], at: int) -> list[dict[str, Any]]:
    """Where on the screen: as earlier steps forecast this one, what this one forecasts, and where it happened.

    A mark's step is the one that made the forecast where its role is "earlier", else the one that it is about.
    """
    here = steps[at]
    roles: list[tuple[str, int, Action]] = [
        ("earlier", steps[before].step, steps[before].forecast[at - before].action)
        for before in range(at)
        if at - before < len(steps[before].forecast)
    ]
    ahead = reversed(tuple(enumerate(here.forecast)))  # the nearest is drawn on top
    roles += [("ahead" if later else "planned", here.step + later, pair.action) for later, pair in ahead]
    roles.append(("ran", here.step, _placed(here.executed, here.execution)))
    marks = []
    for role, number, action in roles:
        points = [[round(point.x, 4), round(point.y, 4)] for point in points_of(action) if point is not None]
        if points:
            marks.append({"role": role, "step": number, "points": points})
    return marks


def _placed(executed: Action, execution: Execution) -> Action:
    """The action as the executor placed it, where it says so (`Execution.value` of GUI actions)."""
    if executed.kind not in GUI_KINDS or not isinstance(execution.value, dict):
        return executed
    try:
        found = load_action(execution.value)
    except ValidationError:
        return executed
    return found if found.kind == executed.kind else executed


def _wording(action: Action) -> str:
    if isinstance(action, Code):
        return excerpt(action.source, lines=_LINES, characters=_TEXT)
    return one_line(CanonicalGrammar.render_action(rounded(action)), _ACTION)


def _event(event: str) -> Mapping[str, str]:
    return {"kind": _EVENTS.get(event.partition(":")[0], "note"), "text": one_line(event, _LINE)}


def _text(text: str) -> str:
    return excerpt(text, lines=_LINES, characters=_TEXT)


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
