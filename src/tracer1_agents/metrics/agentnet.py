"""AgentNetBench's step score: a step holds one or more actions, its score is in [0, 1].

Source: `evaluation/agentnetbench/eval.py` and `run.py` (xlang-ai/OpenCUA). Where the benchmark counts a movement of the
pointer and a drag as two actions, our union has one `Drag`, which scores the mean of both; a movement before a scroll
is part of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from tracer1_agents.actions.match import kind_of
from tracer1_agents.actions.space import Action, Drag, Finish, Hotkey, Scroll, Type
from tracer1_agents.actions.targets import Box, holds, points_of
from tracer1_agents.metrics.texts import edit_similarity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer1_agents.actions.space import Point

EXACT: Final = 0.01 * math.sqrt(2)  # fractions of the screen: so near counts in full
DECAY: Final = 120.0
SIMILAR: Final = 0.8


class Wanted(NamedTuple):
    """One reference action and the boxes in which its point is right."""

    action: Action
    boxes: tuple[Box, ...] = ()


def agentnet_score(predicted: Sequence[Action], options: Iterable[Sequence[Wanted]]) -> float:
    """Score of one step: the best over its equally right options.

    Args:
        predicted: Actions that the policy gave for the step, in order.
        options: The reference's actions, then its alternatives; each a list of actions.

    Returns:
        In [0, 1]; 0.0 without a prediction.
    """
    return max((_score(predicted, wanted) for wanted in options if wanted), default=0.0)


def _score(predicted: Sequence[Action], wanted: Sequence[Wanted]) -> float:
    """Mean over kinds of the mean over actions of a kind; the first prediction must be of a kind that occurs."""
    if not predicted:
        return 0.0
    first = wanted[0].action
    if isinstance(first, Finish):
        return float(isinstance(predicted[0], Finish) and predicted[0].status == first.status)
    if kind_of(predicted[0]) not in {kind_of(one.action) for one in wanted}:
        return 0.0
    by_kind = defaultdict(list)
    for at, one in enumerate(wanted):
        mine = predicted[at] if at < len(predicted) else None
        same = mine is not None and kind_of(mine) == kind_of(one.action)
        by_kind[kind_of(one.action)].append(_agreement(mine, one) if mine and same else 0.0)
    return fmean(fmean(scores) for scores in by_kind.values())


def _agreement(mine: Action, wanted: Wanted) -> float:
    match mine, wanted.action:
        case Type(), Type():
            return _text(mine.content, wanted.action.content)
        case Hotkey(), Hotkey():
            return float({key.lower() for key in mine.keys} == {key.lower() for key in wanted.action.keys})
        case (Scroll(), _) | (Finish(), _):
            return 1.0  # direction and amount do not count
    targets = points_of(wanted.action)
    boxes = wanted.boxes if not isinstance(wanted.action, Drag) else ()
    if not any(targets):
        return 1.0
    return fmean(_place(point, target, boxes) for point, target in zip(points_of(mine), targets, strict=True))


def _place(mine: Point | None, target: Point | None, boxes: Sequence[Box]) -> float:
    if mine is None or target is None:
        return float(target is None)
    if any(holds(box, mine) for box in boxes):
        return 1.0
    return math.exp(-DECAY * max(0.0, math.hypot(mine.x - target.x, mine.y - target.y) - EXACT))


def _text(mine: str, text: str) -> float:
    """Edit similarity, in full from 0.8 on and as a part of 0.8 below; case and outer white space do not count."""
    return min(1.0, edit_similarity(mine.strip().lower(), text.strip().lower()) / SIMILAR)
