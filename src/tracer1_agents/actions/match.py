"""When two actions are the same doing: operation, similarity and repetition.

Rewards, metrics and the run-time loop guard all compare actions here and nowhere else. An *operation* is an action's
kind with its arguments but without its point: the planner names what to act on in the step instruction, where exactly
is the executor's business. Definitions: docs/paper.md (ours, on top of the paper's "operation").
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import (
    CallUser,
    Code,
    Finish,
    Hotkey,
    OpenApp,
    PressButton,
    Result,
    Scroll,
    Select,
    ToolCall,
    Type,
    Wait,
    dump_action,
    pending_results,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from tracer1_agents.actions.space import Action, Point

_POINT_SCALE: Final = 0.14  # distance (fraction of the screen) at which point agreement has fallen to 0; ours
RUN_TIME_ALLOWANCE: Final[dict[str, int]] = {
    # how often the same operation may follow on the same observation before it counts as a loop; ours
    "scroll": 4,
    "wait": 3,
    "press_button": 3,
    "hotkey": 3,
}


def fold(text: str) -> str:
    """Text for comparison: Unicode NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def operation(action: Action, instruction: str = "") -> tuple[str, str]:  # noqa: C901, PLR0911  (one case a kind)
    """What an action does, as a hashable (kind, arguments) with texts folded.

    Args:
        action: Any action.
        instruction: Its step instruction; for pointing actions it names the target.

    Returns:
        Kind (the tool's name for a tool call) and arguments. Two pointing actions without instructions are told apart
        by their points, rounded to hundredths of the screen.
    """
    match action:
        case ToolCall():
            return f"tool:{action.name}", json.dumps(_normal(action.arguments), sort_keys=True, ensure_ascii=False)
        case Code():
            return "code", "\n".join(line.rstrip() for line in action.source.strip().splitlines())
        case Type():
            return "type", fold(action.content)
        case Select():
            return "select", fold(action.option)
        case Scroll():
            return "scroll", action.direction
        case Hotkey():
            return "hotkey", "+".join(sorted(fold(key) for key in action.keys))
        case PressButton():
            return "press_button", action.button
        case OpenApp():
            return "open_app", fold(action.app_name)
        case Finish():
            return "finish", f"{action.status}:{fold(action.answer or '')}"
        case Wait() | CallUser():
            return action.kind, ""
        case _:
            target = fold(instruction)
            return action.kind, target or json.dumps(_rounded_points(action))


def kind_of(action: Action) -> str:
    """The kind that must agree before anything else counts: the tool's name for tool calls."""
    return f"tool:{action.name}" if isinstance(action, ToolCall) else action.kind


def same_operation(one: Action, other: Action, instruction: str = "", other_instruction: str = "") -> bool:
    """Whether two actions do the same thing (see `operation`)."""
    return operation(one, instruction) == operation(other, other_instruction)


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: texts folded, 2.0 equal to 2 and to "2"."""
    return bool(_normal(one) == _normal(other))


def _normal(value: Any) -> Any:  # noqa: PLR0911  (one case a type)
    """Argument values for comparison: text folded, 2.0 equal to 2 and to "2"."""
    if isinstance(value, Result):
        return fold(f"Result(step={value.step})")  # as the placeholder inside a text
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))  # in full: identifiers must not be rounded, and whole numbers may be longer than floats
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return {str(key): _normal(item) for key, item in value.items()}


def _rounded_points(action: Action) -> dict[str, Any]:
    dumped = dump_action(action)
    return {
        key: [round(part, 2) + 0.0 for part in value]  # -0.0 is 0.0
        for key, value in dumped.items()
        if key in {"point", "start", "end"} and value is not None
    }


def token_f1(one: str, other: str) -> float:
    """F1 of the two bags of folded words; 1.0 for two empty texts, 0.0 when only one is empty."""
    left, right = Counter(fold(one).split()), Counter(fold(other).split())
    if not left and not right:
        return 1.0
    common = sum((left & right).values())
    return 2 * common / (sum(left.values()) + sum(right.values()))


def point_agreement(one: Point, other: Point) -> float:
    """1.0 at the same place, falling linearly to 0.0 at 0.14 of the screen's width or height (ours)."""
    distance = math.hypot(one[0] - other[0], one[1] - other[1])
    return max(0.0, 1.0 - distance / _POINT_SCALE)


def similarity(
    predicted: Action,
    reference: Action,
    *,
    instruction: str = "",
    reference_instruction: str = "",
    first: bool = False,
    known_text: str | None = None,
) -> float:
    """How well a predicted action agrees with a reference action, in [0, 1].

    0 if the kinds differ, else 0.5 + 0.5 * agreement of the arguments (ours).

    Args:
        predicted: What was forecast.
        reference: What should be done.
        instruction: The forecast's step instruction, the target text of a pointing action.
        reference_instruction: The reference's.
        first: Whether this is the pair that is executed: then points count for half of a pointing action's agreement.
        known_text: Everything the planner could see. A `Result` placeholder against a concrete value that occurs in it
            counts as wrong, against one that does not it is left out; None leaves every placeholder out.
    """
    if kind_of(predicted) != kind_of(reference):
        return 0.0
    match predicted, reference:
        case ToolCall(), ToolCall():
            agreement = _argument_agreement(predicted.arguments, reference.arguments, known_text)
        case Type(), Type() if _excused(predicted.content, reference.content, known_text):
            agreement = 1.0
        case (Code(), Code()) | (Type(), Type()) | (Select(), Select()) | (OpenApp(), OpenApp()):
            agreement = _text_agreement(predicted, reference)
        case Finish(), Finish():
            agreement = _finish_agreement(predicted, reference, known_text)
        case (Scroll(), Scroll()) | (Hotkey(), Hotkey()) | (PressButton(), PressButton()):
            agreement = float(operation(predicted) == operation(reference))
        case (Wait(), Wait()) | (CallUser(), CallUser()):
            agreement = 1.0
        case _:
            agreement = _pointing_agreement(
                predicted, reference, token_f1(instruction, reference_instruction), first=first
            )
    return 0.5 + 0.5 * agreement


def _argument_agreement(predicted: Mapping[str, Any], reference: Mapping[str, Any], known_text: str | None) -> float:
    """Share of arguments (of either side) that agree; placeholders by the rule of `similarity`."""
    hits = total = 0
    for key in predicted.keys() | reference.keys():
        mine, wanted = predicted.get(key), reference.get(key)
        if key in predicted and key in reference and _excused(mine, wanted, known_text):
            continue
        total += 1
        hits += key in predicted and key in reference and _normal(mine) == _normal(wanted)
    return hits / total if total else 1.0


def _excused(mine: Any, wanted: Any, known_text: str | None) -> bool:
    """Whether a placeholder stands where a concrete value could not be known."""
    if _normal(mine) == _normal(wanted) or not _pending(mine) or _pending(wanted):
        return False
    return known_text is None or not _occurs(wanted, fold(known_text))


def _pending(value: Any) -> bool:
    return bool(pending_results(ToolCall(name="x", arguments={"value": value})))


def _occurs(value: Any, folded_text: str) -> bool:
    """Whether every part of a value stands in a text; constants need no text, and 7 does not stand in 17."""
    for leaf in _leaves(value):
        if leaf is None or isinstance(leaf, bool):
            continue
        part = str(_normal(leaf))
        before = "(?<![0-9])" if part[:1].isdigit() else ""
        after = "(?![0-9])" if part[-1:].isdigit() else ""
        if not re.search(before + re.escape(part) + after, folded_text):
            return False
    return True


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _finish_agreement(predicted: Finish, reference: Finish, known_text: str | None) -> float:
    if predicted.status != reference.status:
        return 0.0
    mine, wanted = {"answer": predicted.answer or ""}, {"answer": reference.answer or ""}
    return _argument_agreement(mine, wanted, known_text)


def _text_agreement(predicted: Action, reference: Action) -> float:
    return token_f1(operation(predicted)[1], operation(reference)[1])


def _pointing_agreement(predicted: Action, reference: Action, target: float, *, first: bool) -> float:
    mine, wanted = _places(predicted), _places(reference)
    if not first or not mine or mine.keys() != wanted.keys():
        return target
    place = sum(point_agreement(mine[end], wanted[end]) for end in mine) / len(mine)
    return 0.5 * target + 0.5 * place


def _places(action: Action) -> dict[str, Point]:
    """The points that an action knows, by field."""
    points = {name: getattr(action, name, None) for name in ("point", "start", "end")}
    return {name: point for name, point in points.items() if point is not None}


def repetitions(
    operations: Sequence[Hashable],
    reference: Sequence[Hashable] | None = None,
    *,
    allowed: Callable[[Hashable], int] = lambda _: 1,
    polled: Callable[[Hashable], bool] = lambda _: False,
) -> tuple[bool, ...]:
    """Which steps repeat: the penalty of training and the loop guard of run time are this one function.

    Step i is repeated when its operation has occurred more often than it may, or when it closes a cycle: the last two
    or three operations are the two or three before them again. A first occurrence is never a repeat.

    Args:
        operations: What was done or forecast, in order.
        reference: What should be done, where that is known: an operation may occur as often as in the reference's
            prefix of the same length, and a cycle that the reference closes too is none.
        allowed: Without a reference, how often an operation may occur.
        polled: Whether an operation is meant to recur, so that a cycle with it is none.
    """
    seen: Counter[Hashable] = Counter()
    wanted: Counter[Hashable] = Counter()
    flags = []
    for at, this in enumerate(operations):
        seen[this] += 1
        if reference is not None and at < len(reference):
            wanted[reference[at]] += 1
        limit = allowed(this) if reference is None else max(1, wanted[this])
        cycle = _cycle_closed(operations, at)
        wrong = cycle and not any(map(polled, cycle)) and not (reference is not None and _cycle_closed(reference, at))
        flags.append(seen[this] > limit or bool(wrong))
    return tuple(flags)


def _cycle_closed(operations: Sequence[Hashable], at: int) -> Sequence[Hashable]:
    """The two or three operations that step `at` completes a second time in a row, or none."""
    for period in (2, 3):
        start = at + 1 - 2 * period
        if start < 0:
            continue
        turn = list(operations[start : start + period])
        if len(set(turn)) > 1 and turn == list(operations[start + period : at + 1]):
            return turn
    return ()
