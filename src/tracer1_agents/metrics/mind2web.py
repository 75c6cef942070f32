"""Multimodal-Mind2Web's step metrics: element accuracy, operation F1, and both at once.

Source: `offline_evaluation/Multimodal-Mind2Web/eval.py` (OSU-NLP-Group/UGround), after Mind2Web's own. The operation is
a set of lower-cased tokens, so that "TYPE a a" equals "TYPE a"; tokens of punctuation do not count. A step without
positive boxes can hit no element: under `official` it counts 0.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from tracer1_agents.actions.space import Select, Type
from tracer1_agents.actions.targets import Box, holds
from tracer1_agents.metrics.texts import set_f1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action, Point


def operation_text(action: Action | None) -> str:
    """An action as "OP value"; hovering and Enter count as a click, as in the data set."""
    match action:
        case None:
            return ""
        case Type():
            return f"TYPE {action.content}"
        case Select():
            return f"SELECT {action.option}"
        case _ if action.kind in {"click", "hover"} or getattr(action, "keys", None) == ("enter",):
            return "CLICK"
        case _:
            return action.kind.upper()


def operation_f1(predicted: str, wanted: str) -> float:
    """F1 of two operations as token sets, in [0, 1].

    Args:
        predicted: "OP value"; "" for a step that was not answered.
        wanted: The reference, in the same form.
    """
    left, right = _tokens(predicted), _tokens(wanted)
    return set_f1(left, right) if left or right else 1.0


def _tokens(text: str) -> set[str]:
    return {token for token in text.lower().split() if token not in string.punctuation}


def element_hit(point: Point | None, boxes: Sequence[Box]) -> bool:
    """Whether a point lies in any positive box, edges included; no point hits nothing."""
    return point is not None and any(holds(box, point) for box in boxes)
