"""What a prompt shows of a dialect: every action of a platform, and one worked reply.

Both are written by the grammar that will read the answer, from the one union of actions, so that a prompt cannot offer
what nobody parses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import (
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

# every kind of the union at least once; described so that it is true in any dialect
SAMPLES: Final[tuple[tuple[Action, str], ...]] = (
    (Click(point=_HERE), "Click or tap once."),
    (LeftDouble(point=_HERE), "Double-click with the left button."),
    (TripleClick(point=_HERE), "Click three times: selects a line or paragraph."),
    (RightSingle(point=_HERE), "Click once with the right button."),
    (MiddleClick(point=_HERE), "Click once with the middle button."),
    (Hover(point=_HERE), "Move the pointer without clicking."),
    (LongPress(point=_HERE), "Press and hold."),
    (Drag(start=_HERE, end=_THERE), "Press at the first point, move, release at the second; a swipe on a phone."),
    (Scroll(point=_HERE, direction="down"), "Show what is further down the page."),
    (Scroll(point=_HERE, direction="up"), "Show what is further up."),
    (Scroll(point=_HERE, direction="left"), "Show what is further left."),
    (Scroll(point=_HERE, direction="right"), "Show what is further right."),
    (Type(content="text"), "Type text where the keyboard focus is; a line break at its end submits."),
    (Select(point=_HERE, option="entry"), "Choose an entry of a drop-down list by its text."),
    (Hotkey(keys=("ctrl", "c")), "Press keys together, or one key; names in lower case."),
    (PressButton(button="home"), "Press the home button."),
    (PressButton(button="back"), "Press the back button."),
    (PressButton(button="enter"), "Press the enter key of the device."),
    (PressButton(button="menu"), "Press the menu button."),
    (PressButton(button="recent"), "Show the apps used recently."),
    (OpenApp(app_name="name"), "Start an application by name."),
    (Wait(), "Do nothing until the screen has settled."),
    (CallUser(), "Hand over to the user when the task cannot go on without them."),
    (ToolCall(name="tool_name", arguments={"argument": "value"}), "Call a tool by its own name."),
    (Code(source="print(1 + 1)"), "Run Python in a sandbox; tools can be called in it by name; print what you need."),
    (Finish(answer="the answer"), "End with an answer."),
    (Finish(), "End without an answer: the task is done."),
    (Finish(status="infeasible"), "End: the task cannot be done."),
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
    """Every action of a platform: one a line, samples as `grammar` writes them, and what they do.

    Args:
        grammar: The dialect.
        platform: Whose actions.
        has_tools: Whether tools can be called; on a screen the tool call is listed only then.
    """
    kinds = {cls.model_fields["kind"].default for cls in actions_for(platform)} - {"tool"}
    kinds |= {"tool"} if has_tools else set()
    listed = [(action, text) for action, text in SAMPLES if action.kind in kinds]
    return "\n".join(f"{in_one_line(grammar, action)}  {text}" for action, text in listed)


def in_one_line(grammar: Grammar, action: Action) -> str:
    """The action as `grammar` writes it, without line breaks between its parts."""
    return " ".join(grammar.render_action(action).split("\n"))


def worked_example(grammar: Grammar, platform: Platform, horizon: int) -> str:
    """A reply to some other task, at most `horizon` pairs long, as `grammar` writes it."""
    summary, pairs = _EXAMPLES[platform]
    return grammar.render(pairs[:horizon], summary)
