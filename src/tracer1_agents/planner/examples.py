"""What a prompt shows of a dialect: every action of a platform, and one worked reply.

Both are written by the grammar that will read the answer, from the one union of actions, so that a prompt cannot offer
what nobody parses.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import (
    KINDS,
    Action,
    CallUser,
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    Hover,
    LeftDouble,
    LongPress,
    MiddleClick,
    OpenApp,
    Platform,
    Point,
    PressButton,
    Result,
    RightSingle,
    Scroll,
    Select,
    ToolCall,
    TripleClick,
    Type,
    Wait,
    actions_for,
)

if TYPE_CHECKING:
    from tracer1_agents.actions.codec import Grammar

_HERE: Final = Point(0.25, 0.5)
_THERE: Final = Point(0.75, 0.5)

SAMPLES: Final[tuple[Action, ...]] = (
    Click(point=_HERE),
    LeftDouble(point=_HERE),
    TripleClick(point=_HERE),
    RightSingle(point=_HERE),
    MiddleClick(point=_HERE),
    Hover(point=_HERE),
    LongPress(point=_HERE),
    Drag(start=_HERE, end=_THERE),
    Scroll(point=_HERE, direction="down"),
    Type(content="text"),
    Select(point=_HERE, option="entry"),
    Hotkey(keys=("ctrl", "c")),
    PressButton(button="back"),
    OpenApp(app_name="name"),
    Wait(),
    CallUser(),
    ToolCall(name="tool_name", arguments={"argument": "value"}),
    Code(source="print(1 + 1)"),
    Finish(answer="the answer"),
)

_EXAMPLES: Final[dict[Platform, tuple[str, tuple[tuple[Action, str], ...]]]] = {
    "computer": (
        "The settings window is open at its first page.",
        (
            (Click(point=Point(0.12, 0.4)), "Open the page Display in the list on the left."),
            (Scroll(point=Point(0.6, 0.5), direction="down"), "Scroll the page down to the night light."),
            (Click(point=Point(0.9, 0.62)), "Turn the night light on."),
            (Finish(), "The night light is on."),
        ),
    ),
    "mobile": (
        "The home screen is shown.",
        (
            (OpenApp(app_name="Clock"), "Open the clock."),
            (Click(point=Point(0.3, 0.95)), "Go to the tab Alarms."),
            (Click(point=Point(0.86, 0.2)), "Turn the first alarm on."),
            (Finish(), "The alarm is on."),
        ),
    ),
    "tools": (
        "A table with the columns item and qty.",
        (
            (
                ToolCall(name="sum_column", arguments={"path": "stock.csv", "column": "qty"}),
                "Add up the quantities.",
            ),
            (
                ToolCall(name="convert", arguments={"value": Result(1), "unit": "dozen"}),
                "Express the sum in dozens.",
            ),
            (Finish(answer="Result(step=2)"), "Report the number of dozens."),
        ),
    ),
}


def action_list(grammar: Grammar, platform: Platform, *, has_tools: bool) -> str:
    """Every action of a platform, one a line: a sample as `grammar` writes it, and what it does.

    Args:
        grammar: The dialect.
        platform: Whose actions.
        has_tools: Whether tools can be called; on a screen the tool call is listed only then.
    """
    classes = set(actions_for(platform)) | ({ToolCall} if has_tools else set())
    classes -= set() if has_tools else {ToolCall}
    lines = []
    for sample in SAMPLES:
        if KINDS[sample.kind] in classes:
            written = " ".join(grammar.render_action(sample).split("\n"))
            lines.append(f"{written}  {_first_paragraph(type(sample))}")
    return "\n".join(lines)


def worked_example(grammar: Grammar, platform: Platform, horizon: int) -> str:
    """A reply to some other task, at most `horizon` pairs long, as `grammar` writes it."""
    summary, pairs = _EXAMPLES[platform]
    return grammar.render(pairs[:horizon], summary)


def _first_paragraph(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())
