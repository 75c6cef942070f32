"""What a policy could do to a reference instead of repeating it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.space import Click, Finish, Point, Result, ToolCall, Type, Wait, dump_action, load_action
from tracer1_agents.types import ForecastPair

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Pairs = list[ForecastPair]

OTHERS = (
    Wait(),
    Click(point=Point(0.5, 0.5)),
    Finish(),
    ToolCall(name="other", arguments={"x": "y"}),
    Type(content="something else"),
)


def drop(pairs: Pairs, at: int, _: Random) -> Pairs:
    return pairs[:at] + pairs[at + 1 :]


def swap(pairs: Pairs, at: int, random: Random) -> Pairs:
    other = random.randrange(len(pairs))
    swapped = list(pairs)
    swapped[at], swapped[other] = pairs[other], pairs[at]
    return swapped


def repeat(pairs: Pairs, at: int, _: Random) -> Pairs:
    return [*pairs[: at + 1], *pairs[at:]]


def insert(pairs: Pairs, at: int, random: Random) -> Pairs:
    return [*pairs[:at], _other(random), *pairs[at:]]


def change_kind(pairs: Pairs, at: int, random: Random) -> Pairs:
    return [*pairs[:at], _other(random), *pairs[at + 1 :]]


def change_argument(pairs: Pairs, at: int, random: Random) -> Pairs:
    """Another text, direction, point or tool argument; where an action has none, another instruction."""
    data = dump_action(pairs[at].action)
    changes = {
        "arguments": lambda old: {**old, random.choice([*old, "new"]): "changed"},
        "point": lambda old: [1 - old[0], old[1] / 2],
        "direction": lambda old: {"up": "down", "down": "up", "left": "right", "right": "left"}[old],
        "button": lambda old: "menu" if old == "back" else "back",
        **dict.fromkeys(("content", "option", "app_name", "source", "answer"), lambda old: f"{old} changed"),
    }
    keys = [key for key in data if key in changes]
    if keys:
        key = random.choice(keys)
        data[key] = changes[key](data[key])
    changed = ForecastPair(action=load_action(data), instruction=pairs[at].instruction if keys else "changed")
    return [*pairs[:at], changed, *pairs[at + 1 :]]


def placeholder(pairs: Pairs, at: int, random: Random) -> Pairs:
    """Wait for a result instead of saying what: one step, or (now and then) all that can."""
    everywhere = random.random() < 0.5
    return [waiting(pair) if everywhere or number == at else pair for number, pair in enumerate(pairs)]


def truncate(pairs: Pairs, at: int, _: Random) -> Pairs:
    return pairs[:at]


def extend(pairs: Pairs, _: int, random: Random) -> Pairs:
    surplus = [random.choice([random.choice(pairs), _other(random)]) for _ in range(random.randint(1, 12))]
    return [*pairs, *surplus]


def _other(random: Random) -> ForecastPair:
    return ForecastPair(action=random.choice(OTHERS), instruction=random.choice(["", "something else"]))


def waiting(pair: ForecastPair) -> ForecastPair:
    """The pair with a placeholder in the place of everything that can be one."""
    match pair.action:
        case ToolCall() as call:
            action = ToolCall(name=call.name, arguments=dict.fromkeys(call.arguments, Result(1)))
        case Type():
            action = Type(content="Result(step=1)")
        case Finish() as end:
            action = Finish(status=end.status, answer="Result(step=1)")
        case other:
            action = other
    return ForecastPair(action=action, instruction=pair.instruction)


PERTURBATIONS: tuple[Callable[[Pairs, int, Random], Pairs], ...] = (
    drop,
    swap,
    repeat,
    insert,
    change_kind,
    change_argument,
    placeholder,
    truncate,
    extend,
)
